import queue
import sys
from pathlib import Path
from typing import TextIO

import pylsl
import pytest

from rtbci.stream.lsl_log import quiet_liblsl, said_by_liblsl

BROKE_OFF = (
    "2026-01-31 09:30:00.571 (  14.725s) [R_stim          ]      data_receiver.cpp:375    ERR| "
    "Stream transmission broke off (Input stream error.); re-connecting...\n"
)
NO_PORT = (
    "2026-01-31 09:30:00.600 (   0.100s) [        DB459B80]         udp_server.cpp:56    WARN| "
    "Could not bind multicast responder for 224.0.0.183 to interface 10.0.0.7 (No such device)\n"
)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What liblsl was told; its own configuration is not touched."""
    told: list[str] = []
    monkeypatch.delenv("LSLAPICFG", raising=False)
    monkeypatch.setattr(pylsl, "set_config_content", told.append)
    return told


def test_warnings_only_where_nothing_is_configured(given: list[str], tmp_path: Path) -> None:
    assert quiet_liblsl([str(tmp_path / "lsl_api.cfg")])
    (content,) = given
    assert content.startswith("[log]\nlevel = -1\n")


def test_without_a_standard_error_no_pipe_is_made(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # as with `2>&-`; a pipe would then be given its number
    assert quiet_liblsl([str(tmp_path / "lsl_api.cfg")])
    assert given == ["[log]\nlevel = -1\n"]


def test_what_rtbci_tells_is_not_said_twice_and_all_else_is(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[TextIO] = []

    def as_liblsl(content: str) -> None:
        opened.append(Path(content.rpartition("file = ")[2].strip()).open("a"))  # noqa: SIM115  closed by the test

    monkeypatch.setattr(pylsl, "set_config_content", as_liblsl)
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    assert quiet_liblsl([str(tmp_path / "lsl_api.cfg")], said.put)
    with opened[0] as log:
        log.writelines(("\n", "File verbosity level: -1\n", BROKE_OFF, NO_PORT))
    assert said.get(timeout=10) == (
        "liblsl: warning: Could not bind multicast responder for 224.0.0.183 to interface 10.0.0.7 (No such device)"
    )
    assert said.empty()


def test_lines_that_are_none_of_a_log_are_left_out() -> None:
    assert (
        said_by_liblsl("date       time         ( uptime  ) [ thread name/id ]    file:line     v| \n") == ""
    )
    assert said_by_liblsl(BROKE_OFF) == ""
    assert said_by_liblsl(BROKE_OFF.replace("Stream transmission broke off", "Unhandled accept error")) == (
        "liblsl: error: Unhandled accept error (Input stream error.); re-connecting..."
    )


def test_a_users_own_configuration_is_left(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lsl_api.cfg").touch()
    assert not quiet_liblsl(["/nowhere/lsl_api.cfg", str(tmp_path / "lsl_api.cfg")])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not quiet_liblsl(["~/lsl_api.cfg"])
    monkeypatch.setenv("LSLAPICFG", "/somewhere.cfg")
    assert not quiet_liblsl([])
    assert given == []


def test_an_old_liblsl_only_talks_more(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_content: str) -> None:
        raise NotImplementedError

    monkeypatch.setattr(pylsl, "set_config_content", missing)
    assert not quiet_liblsl([])
