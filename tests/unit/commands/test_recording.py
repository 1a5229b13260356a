from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from rtbci.commands.recording import check_recorded, recorded, say_recorded, say_recording, start_recorder
from rtbci.commands.status_line import StatusLine
from rtbci.config import RunConfig
from rtbci.errors import RecordingError
from rtbci.record.recorder import Written
from rtbci.record.tap import RecordedSource
from rtbci.runtime.decoder import Decoder
from tests.tiny import MemorySource, stream_info, write_paradigm
from tests.unit.record.samples import event


def console() -> Console:
    return Console(record=True, width=300, soft_wrap=True)


def test_where_it_goes_and_that_it_is_off(tmp_path: Path) -> None:
    config = RunConfig.model_validate(
        {"paradigm": str(write_paradigm(tmp_path)), "user": "ada", "record": {"folder": str(tmp_path / "d")}}
    )
    with Decoder(config.paradigm) as decoder:
        recorder = start_recorder(config, decoder)
    source = recorded(lambda lost: MemorySource(stream_info(), []), recorder)(None)
    assert isinstance(source, RecordedSource)
    screen = console()
    say_recording(screen, recorder)
    say_recording(screen, None)
    recorder.close()
    say_recorded(screen, recorder.written)
    lines = screen.export_text().splitlines()
    assert lines[0].startswith(f"record:  {tmp_path / 'd'}/20")
    assert "Z-tiny-ada  (" in lines[0]
    assert lines[0].endswith(" GB free)")
    assert lines[1:] == ["record:  off", "recorded nothing, no samples came"]
    assert list((tmp_path / "d").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = RunConfig.model_validate(
        {"paradigm": str(write_paradigm(tmp_path)), "record": {"folder": str(tmp_path / "file")}}
    )
    with Decoder(config.paradigm) as decoder:
        recorder = start_recorder(config, decoder)
    screen = console()
    say_recording(screen, recorder)
    recorder.close()
    assert "NOT RECORDING (" in screen.export_text()


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("", "record:  the disk is slow, waiting for it, up to 60 s"),
        (
            "No space left on device",
            "record:  NOT RECORDING (No space left on device): what is in memory waits 10 s for it; make room",
        ),
    ],
)
def test_what_is_waited_for_at_the_end(problem: str, said: str) -> None:
    recorder, screen = (
        SimpleNamespace(folder=Path("d"), written=Written(Path("d"), 0, 0, 0, 0, "")),
        console(),
    )
    say_recording(screen, recorder)  # type: ignore[arg-type]
    recorder.written = recorder.written._replace(problem=problem)
    screen.export_text()
    recorder.say_waiting()
    assert screen.export_text() == f"{said}\n"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (Written(Path("s"), 2_500_000, 10, 0, 0, ""), "recorded 10 samples, 2.5 MB in s"),
        (
            Written(Path("s"), 100_000, 10, 5, 1, "No space left on device"),
            "recorded 10 samples, 0.1 MB in s; NOT recorded: 5 samples, 1 message; at last: No space left on device",
        ),
    ],
)
def test_what_is_said_at_the_end(written: Written, said: str) -> None:
    screen = console()
    say_recorded(screen, written)
    assert screen.export_text().strip() == said


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (Written(Path("s"), 1, 10, 0, 0, ""), ""),
        (Written(Path("s"), 1, 10, 5, 0, ""), "the disk did not keep up"),
        (Written(Path("s"), 1, 10, 0, 0, "No space left on device"), "No space left on device"),
    ],
)
def test_the_exit_status_tells_that_a_recording_is_not_whole(written: Written, why: str) -> None:
    if not why:
        check_recorded(written)
        return
    with pytest.raises(RecordingError, match=rf"^s: not all was recorded \({why}\), need a folder on a disk"):
        check_recorded(written)


def test_trouble_is_a_line_in_the_terminal() -> None:
    from msgspec.structs import replace

    screen = console()
    line = StatusLine(screen)
    failed = replace(event(0, "recording_failed", 1.0, "d"), data={"reason": "No space left on device"})
    lost = replace(event(1, "recording_lost", 1.0, "d"), data={"n_samples": 7, "n_messages": 1})
    line.send(failed)
    assert not line._is_recording
    line.send(lost)
    line.send(event(2, "recording_resumed", 2.0, "d"))
    assert line._is_recording
    line.close()
    lines = screen.export_text().splitlines()
    assert lines == [
        "NOT RECORDING, tried again every second: d (No space left on device)",
        "warning: recording had to leave out samples: d (7 samples, 1 message)",
        "recording again: d",
    ]
