"""What a run says of the keys of its sockets."""

import io
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from rtbci.client import Client
from rtbci.commands.run_sockets import open_sockets
from rtbci.config import PublishSettings
from rtbci.errors import StreamNotFoundError
from rtbci.keys.curve import new_key

pytestmark = pytest.mark.sockets


def test_who_may_connect_while_no_key_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    new_key("mine")
    settings = PublishSettings(address="tcp://127.0.0.1:0", control="tcp://127.0.0.1:0", key="mine")
    said = io.StringIO()
    with ExitStack() as stack:
        sockets = open_sockets(settings, stack)
        sockets.say(Console(file=said, width=200))
        plain = stack.enter_context(Client(sockets.publisher.address, timeout_s=0.2))
        with pytest.raises(
            StreamNotFoundError, match=r"and without encryption \(else its server key is needed\)"
        ):
            plain.receive()
    assert "only programs with this run's own key pair can connect" in " ".join(said.getvalue().split())
