"""What `rtbci run` says while it decodes."""

import io

import msgspec
import pytest
from rich.console import Console

from rtbci.commands.status_line import N_LATE, N_SLOW, StatusLine
from rtbci.publish.messages import EngineRef, Event, Prediction, ProfileRef, Quality, Trace

PREDICTION = Prediction(
    v=1,
    session="s",
    seq=0,
    t_sent=10.0,
    classes=("a", "b"),
    probs=(0.5, 0.5),
    label="a",
    decision=None,
    why="below_threshold",
    t_window=(7.0, 9.0),
    age_ms=1000.0,
    trace_ms=Trace(wait=990.0, filter=1.0, encode=8.0, probe=0.5, send=0.5),
    quality=Quality(score=1.0),
    profile=ProfileRef(user="", id="", generation=0),
    engine=EngineRef(name="", id=""),
)
SLOW = Trace(wait=390.0, filter=1.0, encode=608.0, probe=0.5, send=0.5)
WARNING = "warning: decoding a window takes 610 ms and one is due every 250 ms: windows in between are skipped, the recording has all samples; "


@pytest.mark.parametrize(
    ("hop_s", "n_slow", "n_said"),
    [(0.25, N_SLOW, 1), (0.25, 50, 1), (0.25, N_SLOW - 1, 0), (0.0, 50, 0), (1.0, 50, 0)],
)
def test_a_decoder_that_is_too_slow_is_told_once(hop_s: float, n_slow: int, n_said: int) -> None:
    said = io.StringIO()
    line = StatusLine(Console(file=said, width=1000), hop_s=hop_s)
    slow = msgspec.structs.replace(PREDICTION, trace_ms=SLOW)
    # Late by waiting alone is another's fault; and a slow window now and then is none.
    for one in [PREDICTION] * 20 + [slow, PREDICTION] * 20 + [slow] * n_slow:
        line.send(one)
    line.close()
    assert said.getvalue().count(WARNING) == n_said
    assert said.getvalue().count("\n") == n_said


@pytest.mark.parametrize(
    ("every_s", "is_slow", "n_said"), [(1.0, False, 1), (2.1, False, 1), (1.0, True, 0), (3.0, False, 0)]
)
def test_pieces_that_are_too_long_are_told_once(every_s: float, is_slow: bool, n_said: int) -> None:
    said = io.StringIO()
    line = StatusLine(Console(file=said, width=1000), hop_s=0.25)
    for i in range(5 * N_LATE):
        t_s = i * every_s
        line.send(msgspec.structs.replace(PREDICTION, trace_ms=SLOW) if is_slow else PREDICTION)
        line.send(
            Event(v=1, session="s", seq=i, t_sent=t_s, kind="windows_skipped", t_lsl=t_s, value="", data={})
        )
    line.close()
    assert said.getvalue().count("pieces longer than max_backlog_s") == n_said


def test_a_disk_that_is_slow_or_nearly_full_is_told_with_numbers() -> None:
    said = io.StringIO()
    line = StatusLine(Console(file=said, width=1000))
    slow, room = {"behind_s": 3.2, "waiting_mb": 0.52}, {"left_s": 560.0, "free_mb": 74.6}
    for kind, data in (("recording_slow", slow), ("recording_room", room)):
        line.send(Event(v=1, session="s", seq=0, t_sent=1.0, kind=kind, t_lsl=1.0, value="d", data=data))
    line.close()
    assert said.getvalue().splitlines() == [
        "warning: the disk is slow, recording is behind: d (3 s, 0.5 MB; nothing is lost yet)",
        "warning: the disk is nearly full, make room: d (recorded for 9 min more, 75 MB)",
    ]


def test_bad_electrodes_stay_told_while_nothing_else_is_known_of_them() -> None:
    said = io.StringIO()
    line = StatusLine(Console(file=said, width=1000))
    flat = msgspec.structs.replace(
        PREDICTION, quality=Quality(score=0.0, bad_channels=("C3", "C4")), why="poor_signal"
    )
    plugin_fails = msgspec.structs.replace(flat, why="warming_up", probs=None, label=None)
    for one in [flat, plugin_fails, plugin_fails, flat]:
        line.send(one)
    assert said.getvalue().count("\n") == said.getvalue().count("these electrodes give no EEG: C3, C4") == 1
    line.send(PREDICTION)
    line.close()
    assert said.getvalue().splitlines()[1:] == ["electrodes give a signal again"]
