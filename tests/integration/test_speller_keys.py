"""`rtbci speller page` as a command, with the keys of an encrypted run, and its page in a real browser."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

pytest.importorskip("starlette", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("uvicorn", reason="the page's packages are not installed: pip install '.[calibrate]'")
pytest.importorskip("websockets", reason="the page's packages are not installed: pip install '.[calibrate]'")

from rtbci.clock import now
from rtbci.keys.curve import new_key
from rtbci.keys.trusted import TrustedKeys, trust
from rtbci.publish.door import Door
from rtbci.publish.zmq_publisher import Publisher
from rtbci.recipes import read_paradigm
from tests.integration.browser import Chromium
from tests.integration.live_runs import ANY_PORT, PATIENCE_S, wait_for
from tests.integration.lsl_outlets import unique
from tools.write_schema import samples

pytestmark = [pytest.mark.net, pytest.mark.clock, pytest.mark.slow]

ITEMS = read_paradigm("p300").classes
SAMPLES = samples()
STEP = "document.body.dataset.step"


class Run:
    """An encrypted run that says what a test wants: it is there, and decides when it is told to."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher, self._stop = publisher, threading.Event()
        self._thread = threading.Thread(target=self._say, name="encrypted-run")

    def decide(self, item: str) -> None:
        t_end = now()
        probs = tuple(0.65 if one == item else 0.01 for one in ITEMS)
        about = {"classes": ITEMS, "probs": probs, "label": item, "decision": item, "why": None}
        self._publisher.send(replace(SAMPLES["prediction"], t_window=(t_end - 1.0, t_end), **about))

    def _say(self) -> None:
        while not self._stop.wait(0.1):
            if self._publisher.poll():
                self._publisher.send(replace(SAMPLES["hello"], classes=ITEMS, paradigm="p300"))
            self._publisher.send(replace(SAMPLES["status"], t_sent=now()))

    @contextmanager
    def going_on(self) -> Iterator["Run"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()


@contextmanager
def speller(said: list[str], *args: str, **env: str) -> Iterator["subprocess.Popen[str]"]:
    """The command, and what it says; ended in the end if it has not."""
    command = [sys.executable, "-m", "rtbci.cli", "speller", "page", "--paradigm", "p300", "--no-browser"]
    with subprocess.Popen(
        [*command, "--markers", unique("speller"), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | env,
    ) as popen:

        def listen() -> None:
            while popen.stdout is not None and (line := popen.stdout.readline()):
                said.append(line)

        thread = threading.Thread(target=listen, name="said")
        thread.start()
        try:
            yield popen
        finally:
            if popen.poll() is None:
                popen.kill()
            thread.join(PATIENCE_S)


def test_letters_are_written_as_an_encrypted_run_decides_and_nobody_without_the_address_sees_them(
    tmp_path: Path, browser: Chromium
) -> None:
    server_root, own_root = (tmp_path / one / "rtbci" / "keys" for one in ("server", "client"))
    server, own = new_key(root=server_root), new_key("tablet", own_root)
    trust("tablet", own.public.hex(), "listener", server_root)
    said: list[str] = []
    with (
        Door(server, TrustedKeys(server_root)) as door,
        Publisher(ANY_PORT, door=door, encrypted=True) as publisher,
        Run(publisher).going_on() as run,
        speller(
            said,
            *("--run", publisher.address, "--server-key", server.public.hex(), "--key", "tablet"),
            *("--text", "HI", "--pause", "0.5"),
            XDG_CONFIG_HOME=str(tmp_path / "client"),
        ) as popen,
    ):
        wait_for(lambda: any(line.startswith("page http") for line in said), f"the page; it said {said}")
        url = next(line.split()[1] for line in said if line.startswith("page http"))
        with browser.tab(url, 390, 844) as tab:
            tab.wait_for(f"{STEP} === 'start' && !document.getElementById('go').disabled")
            asked = "Promise.all(['/', '/nonsense/', '/speller.js'].map((path) => fetch(path))).then((all) => all.map((one) => one.status).join())"
            assert tab.evaluate(asked) == "404,404,404"  # only whoever knows the token in the address
            tab.click("#go")
            for wanted, decided, written in (("H", "H", "H"), ("I", "J", "HJ")):
                tab.wait_for(f"{STEP} === 'cue'")
                assert tab.evaluate("document.querySelector('#grid .asked').textContent") == wanted
                tab.wait_for(f"{STEP} === 'flash' && document.querySelector('#grid .lit')")
                run.decide(decided)
                tab.wait_for(f"document.getElementById('text').textContent === '{written}'")
            assert tab.evaluate("document.querySelector('#text .wrong').textContent") == "J"
            tab.wait_for(f"{STEP} === 'done'")
            assert tab.evaluate("document.documentElement.scrollWidth") == 390
        assert popen.wait(PATIENCE_S) == 0
    everything = "".join(said)
    assert "H: H after" in everything
    assert "I: J after" in everything
    assert "no run is heard" not in everything
    assert own.secret.hex() not in everything


def test_a_key_that_the_run_does_not_trust_is_told(tmp_path: Path) -> None:
    server_root, own_root = (tmp_path / one / "rtbci" / "keys" for one in ("server", "client"))
    server = new_key(root=server_root)
    new_key("tablet", own_root)
    said: list[str] = []
    with (
        Door(server, TrustedKeys(server_root)) as door,
        Publisher(ANY_PORT, door=door, encrypted=True) as publisher,
        Run(publisher).going_on(),
        speller(
            said,
            *("--run", publisher.address, "--server-key", server.public.hex(), "--key", "tablet"),
            XDG_CONFIG_HOME=str(tmp_path / "client"),
        ),
    ):
        wait_for(lambda: "and trusts this key" in "".join(said), f"what is missing; it said {said}")
