"""`rtbci monitor`, and the page beside a run: the same program, started by the run."""

import os
import signal
import socket
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from rtbci.clock import now, sleep_until
from rtbci.commands.options import teller_of
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import MonitorSettings
from rtbci.errors import ConfigError
from rtbci.publish.addresses import CONTROL_ADDRESS, PUBLISH_ADDRESS
from rtbci.web.needed import need_page

if TYPE_CHECKING:
    from rtbci.monitor.feed import ClientKeys

__all__ = ["PageProcess", "control_beside", "monitor"]

LOOK_S = 0.5
START_S = 20.0
STOP_S = 5.0
LAST_S = 0.3
"""Behind the end of the run: its last messages are on their way to browsers, which say then that it has stopped."""
NICE = 10
"""The decoder comes first."""
WHAT = "live page"
SERVED = f"{WHAT}: "


def control_beside(publish: str) -> str:
    """The control address of a run that publishes at `publish`: the port behind it, as by default."""
    if publish == PUBLISH_ADDRESS:
        return CONTROL_ADDRESS
    head, _, port = publish.rpartition(":")
    if not publish.startswith("tcp://") or not port.isdigit():
        raise ConfigError(f"monitor: no control address is known beside {publish}; give it with --control")
    return f"{head}:{int(port) + 1}"


def monitor(
    publish: str,
    control: str,
    settings: MonitorSettings,
    console: Console,
    *,
    opens: bool,
    keys: "ClientKeys",
    open_control: bool = False,
    checks: bool = False,
    beside: bool = False,
    feedback: bool = False,
) -> None:
    """Serve the live page of a run until Ctrl-C.

    Parameters
    ----------
    publish, control : str
        ZMQ addresses of the run.
    settings : MonitorSettings
    console : Console
        Where to say what happens.
    opens : bool
        Show the page in the browser.
    keys : ClientKeys
        Of a run that is encrypted.
    open_control : bool
        Its control socket is not.
    checks : bool
        Tell the address that begins with the check before a session.
    beside : bool
        Started by a run: ends when standard input does, says its address on standard output, and gives way to the decoder.
    feedback : bool
        Tell the address of the neurofeedback page, which is served beside it.
    """
    need_page(WHAT, "monitor", "use `rtbci listen`")
    from rtbci.monitor.app import FEEDBACK
    from rtbci.monitor.feed import NO_KEYS
    from rtbci.monitor.page import LivePage, place_of

    say = teller_of(console)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        if beside:
            _give_way(stop)
        place = place_of(settings.address)
        page = stack.enter_context(
            LivePage(
                publish,
                control,
                place,
                keys=keys,
                control_keys=NO_KEYS if open_control else keys,
                tls=tls_of(settings, place.host),
                insecure=settings.insecure,
                origins=settings.origins,
                about=_about,
                say=say,
            )
        )
        if beside:
            print(f"{SERVED}{page.url}", flush=True)
        else:
            url = f"{page.url}?check" if checks else page.url
            url = f"{page.url}{FEEDBACK}/" if feedback else url
            say(
                f"{'feedback page: ' if feedback else SERVED}{url}   (of {publish}; Ctrl-C ends the page, not the run)"
            )
            if opens:
                webbrowser.open(url)
        while not stop.wait(LOOK_S):
            if page.error is not None:
                raise page.error


def tls_of(settings: MonitorSettings, host: str) -> tuple[Path, Path] | None:
    """Certificate and key: those that were given; for the network one of this computer's own; else none.

    Raises
    ------
    ConfigError
        When only one of the two is given, or one is no file.
    """
    from rtbci.web.guarding import LOOPBACK

    given = tuple(Path(name).expanduser() for name in (settings.tls_cert, settings.tls_key) if name)
    if len(given) == 1:
        raise ConfigError("live page: got one of certificate and key, need both: tls_cert and tls_key")
    if given:
        for path in given:
            if not path.is_file():
                raise ConfigError(
                    f"live page: {path} is no file, need certificate and key in PEM; check the path"
                )
        return given[0], given[1]
    if host in LOOPBACK or settings.insecure:
        return None
    from rtbci.keys.certificate import own_certificate

    own = own_certificate(() if host in ("0.0.0.0", "::") else (host,))
    return own.path, own.key_path


def _about() -> dict[str, Any]:
    from importlib.metadata import version

    return {"rtbci": version("rtbci"), "host": socket.gethostname()}


def _give_way(stop: threading.Event) -> None:
    """Let the run decide when this ends, and when it runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the run, which closes our standard input
    os.nice(NICE)

    def wait_for_end() -> None:
        # Not through `sys.stdin`: a thread in there at the end of the program would hold its lock.
        while os.read(0, 4096):
            pass
        sleep_until(now() + LAST_S)
        stop.set()

    threading.Thread(target=wait_for_end, name="rtbci-run-ended", daemon=True).start()


class PageProcess:
    """The live page of a run, as a process of its own; a context manager.

    It has the run's messages and its control socket, nothing else, so that it can neither slow nor break the decoder. It
    ends with the run, also when that is killed.

    Parameters
    ----------
    settings : MonitorSettings
    publish, control : str
        As bound by the run.
    keys : sequence of str
        Flags of `rtbci monitor` for a run that is encrypted.
    """

    def __init__(
        self, settings: MonitorSettings, publish: str, control: str, keys: Sequence[str] = ()
    ) -> None:
        need_page(WHAT, "monitor", "leave out --monitor")
        command = [sys.executable, "-m", "rtbci.cli", "monitor", publish, "--beside", "--control", control]
        command += ["--at", settings.address, *keys]
        for flag, value in (("--tls-cert", settings.tls_cert), ("--tls-key", settings.tls_key)):
            command += [flag, value] if value else []
        command += ["--insecure"] if settings.insecure else []
        for origin in settings.origins:
            command += ["--origin", origin]
        self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def url(self) -> str:
        """Wait until the page is served, and return its address.

        Raises
        ------
        ConfigError
            When it is not; the page has said why.
        """
        said: list[str] = []
        out = self._popen.stdout
        reader = threading.Thread(target=lambda: said.append(out.readline() if out else ""), daemon=True)
        reader.start()
        reader.join(START_S)
        if said and said[0].startswith(SERVED):
            return said[0].removeprefix(SERVED).strip()
        raise ConfigError(
            "live page: it did not start, see above; run without --monitor, or give another --monitor-at"
        )

    def close(self) -> None:
        """End the page; may be called more than once."""
        if self._popen.stdin is not None:
            self._popen.stdin.close()
        try:
            self._popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def __enter__(self) -> "PageProcess":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
