"""`rtbci run` with keys, in a process of its own, and clients as on another computer."""

import json
from pathlib import Path
from typing import Any

import pytest

from rtbci.client import Client
from rtbci.errors import StreamNotFoundError
from rtbci.keys.curve import new_key
from rtbci.keys.tokens import new_token
from rtbci.keys.trusted import revoke, trust
from rtbci.publish.control_client import ControlClient
from rtbci.record.xdf_read import read_xdf_file
from tests.integration.live_runs import SignalOutlet, rtbci_run
from tests.tiny import write_paradigm

pytestmark = pytest.mark.net


def test_a_run_with_keys_off_loopback(tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path / "tiny")
    here, there = (tmp_path / one / "rtbci" / "keys" for one in ("server", "client"))
    server, own = new_key(root=here), new_key("laptop", there)
    token = new_token("page", "controller", here)
    trust("laptop", own.public.hex(), "controller", here)
    args = (
        "--paradigm",
        paradigm,
        "--record",
        tmp_path / "sessions",
        "--pub",
        "tcp://0.0.0.0:0",
        "--control",
        "tcp://0.0.0.0:0",
    )
    with SignalOutlet() as outlet:
        source = ("--source-id", outlet.source_id, "--markers", "none")
        with rtbci_run(*args, *source, XDG_CONFIG_HOME=str(tmp_path / "server")) as run:
            publish, control = (one.replace("0.0.0.0", "127.0.0.1") for one in (run.address, run.control))
            arguments = Path(f"/proc/{run.popen.pid}/cmdline")
            seen = arguments.read_bytes().decode() if arguments.exists() else ""
            heard = []
            with Client(
                publish, ("prediction", "event"), server_key=server.public.hex(), key=own, timeout_s=20.0
            ) as client:
                heard.append(client.receive())
                with ControlClient(control, server_key=server.public.hex(), key=own) as controller:
                    reply = controller.request("mark", value="level-2", request_id=1)
                    assert controller.request("mark", value="level-2", request_id=1) == reply
                    heard.append(controller.request("status"))  # type: ignore[arg-type]
                    while getattr(message := client.receive(), "kind", "") != "marker":
                        heard.append(message)
                    revoke("laptop", here)
                    with pytest.raises(Exception, match=r"not trusted as a controller any more|no reply"):
                        controller.request("stop")
            with (
                Client(publish, server_key=server.public.hex(), key=own, timeout_s=1.0) as client,
                pytest.raises(StreamNotFoundError, match="does it trust this key"),
            ):
                client.receive()
            status, said = run.end()
    assert status == 0
    assert "(encrypts publish and control)" in said
    assert "refused: 127.0.0.1" in said
    assert "refused: " in said.splitlines()[-2]
    (session,) = (tmp_path / "sessions").iterdir()
    markers = read_xdf_file(session / "session.xdf").named("rtbci-markers")
    assert markers is not None
    assert (markers.texts, markers.t_s.tolist()) == (["level-2"], [reply["t_lsl"]])
    everything = (
        seen + said + repr(heard) + "".join(path.read_bytes().decode("latin-1") for path in session.iterdir())
    )
    for secret in (server.secret.hex(), own.secret.hex(), token):
        assert secret not in everything
    assert server.secret.decode("latin-1") not in everything


@pytest.mark.parametrize("which", ["--pub", "--control"])
def test_the_page_has_keys_for_the_one_socket_that_needs_them(tmp_path: Path, which: str) -> None:
    pytest.importorskip("starlette", reason="starlette is not installed: pip install '.[monitor]'")
    pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install '.[monitor]'")
    client = pytest.importorskip("websockets.sync.client", reason="pip install '.[monitor]'")
    paradigm = write_paradigm(tmp_path / "tiny")
    new_key(root=tmp_path / "server" / "rtbci" / "keys")
    args = ("--paradigm", paradigm, which, "tcp://0.0.0.0:0", "--monitor-at", "127.0.0.1:0")
    with (
        SignalOutlet() as outlet,
        rtbci_run(*args, "--source-id", outlet.source_id, XDG_CONFIG_HOME=str(tmp_path / "server")) as run,
    ):
        run.wait_line("page:")
        run.wait_line("state: running")
        url = next(line for line in run.said if line.startswith("page:")).split()[1]
        topics: set[str] = set()
        with client.connect(url.replace("http", "ws") + "page", proxy=None) as socket:
            socket.send('{"type":"order","id":1,"cmd":"mark","text":"by the page"}')
            while not {"reply", "status"} <= topics:
                frame = socket.recv(timeout=20.0)
                heard: dict[str, Any] = json.loads(frame) if isinstance(frame, str) else {"topic": ""}
                topics.add(heard["topic"])
                if heard["topic"] == "reply":
                    assert heard["message"]["ok"], heard
