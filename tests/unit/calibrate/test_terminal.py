import io
import os
import pty
import threading

import pytest
from rich.console import Console

from rtbci.calibrate.presenter import Feedback, guide
from rtbci.calibrate.schedule import Schedule, ScheduledTrial
from rtbci.calibrate.symbols import bitmap
from rtbci.calibrate.terminal import TerminalPresenter
from rtbci.calibrate.terminal_text import curve_text, progress_text, symbol_text
from rtbci.probe.calibration_record import CurvePoint
from tests.calibration_steps import CLASSES, FakeClock, protocol

TRIAL = ScheduledTrial(0, 1, 2.0)
CURVE = (CurvePoint(n_trials=10, accuracy=60.0, low=31.0, high=83.0),)


def console(is_terminal: bool, encoding: str = "utf-8") -> tuple[Console, io.TextIOWrapper]:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    kind = {"force_terminal": is_terminal, "color_system": None, "_environ": {"TERM": "xterm"}}
    return Console(file=file, width=80, height=24, **kind), file  # type: ignore[arg-type]


def written(file: io.TextIOWrapper) -> str:
    assert isinstance(file.buffer, io.BytesIO)
    text = file.buffer.getvalue().decode(file.encoding)
    file.buffer.truncate(0)
    file.buffer.seek(0)
    return text


class InstantTerminal(TerminalPresenter):
    """Waits without waiting."""

    def wait_until(self, t_lsl: float, stop: threading.Event) -> bool:
        assert isinstance(self._clock, FakeClock)
        self._clock.t_s = max(self._clock.t_s, t_lsl)
        return not stop.is_set()


def test_without_a_terminal_it_is_lines_of_text_and_nobody_is_waited_for() -> None:
    clock = FakeClock()
    schedule = Schedule(protocol(trials={"per_class": 2, "per_class_in_block": 1}), CLASSES)
    out, file = console(False)
    presenter = InstantTerminal(schedule, out, io.StringIO(), clock)

    def after(trial: ScheduledTrial) -> None:
        schedule.judge(trial.i_trial, True)
        presenter.tell(Feedback(schedule.progress, True))

    assert guide(schedule, presenter, lambda *_: None, threading.Event(), clock, after_trial=after)
    presenter.close()
    lines = [line.strip() for line in written(file).splitlines() if line.strip()]
    assert [line for line in lines if line.startswith("trial")] in (
        [f"trial {i + 1}: {text} hand" for i, text in enumerate(order)]
        for order in (
            ("left", "right") * 2,
            ("right", "left") * 2,
            ("left", "right", "right", "left"),
            ("right", "left", "left", "right"),
        )
    )
    assert (lines.count("break"), lines[-1], lines.count("+ kept")) == (1, "done", 4)
    assert not any("press" in line for line in lines)


def test_symbols_stand_in_the_middle() -> None:
    out, file = console(True)
    presenter = TerminalPresenter(Schedule(protocol(), CLASSES), out, io.StringIO(), FakeClock())
    try:
        written(file)
        assert presenter.present("arrow", TRIAL) == 1000.0
        rows = written(file).replace("\x1b[H", "").split("\n")
    finally:
        presenter.close()
    drawn = [(i, row) for i, row in enumerate(rows) if row.strip(" \r")]
    columns = [j for _, row in drawn for j, one in enumerate(row) if one in "▀▄█"]
    assert abs((min(columns) + max(columns) + 1) / 2 - 40) <= 1
    assert abs((drawn[0][0] + drawn[-1][0] + 1) / 2 - 12) <= 1


def test_the_tone_comes_with_the_cross_when_it_is_wanted() -> None:
    for tone in (True, False):
        out, file = console(True)
        presenter = TerminalPresenter(Schedule(protocol(timing={"tone": tone}), CLASSES), out, io.StringIO())
        presenter.present("arrow", TRIAL)
        assert "\a" not in written(file)
        presenter.present("cross", TRIAL)
        assert ("\a" in written(file)) == tone
        presenter.close()


def test_nothing_is_told_over_a_cue() -> None:
    out, file = console(True)
    schedule = Schedule(protocol(), CLASSES)
    presenter = TerminalPresenter(schedule, out, io.StringIO())
    presenter.present("imagery", TRIAL)
    written(file)
    presenter.tell(Feedback(schedule.progress, False, "blink"))
    assert written(file) == ""
    presenter.present("pause", TRIAL)
    assert "comes again: blink" in written(file)
    presenter.close()
    presenter.close()
    assert presenter.measured() == {}


@pytest.mark.parametrize("key", [b" ", b"\r", b"xy "])
def test_space_or_enter_starts_it_and_the_terminal_is_as_before(key: bytes) -> None:
    import termios

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as keys:
        before = termios.tcgetattr(theirs)
        out, file = console(True)
        presenter = TerminalPresenter(Schedule(protocol(), CLASSES), out, keys)
        started: list[bool] = []
        thread = threading.Thread(target=lambda: started.append(presenter.wait_for_start(threading.Event())))
        thread.start()
        while thread.is_alive():  # what is typed before it listens is thrown away
            os.write(ours, key)
            thread.join(0.02)
        presenter.close()
        assert started == [True]
        assert "press space to begin" in written(file)
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


def test_stop_ends_the_waiting() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as keys:
        out, _ = console(True)
        presenter = TerminalPresenter(Schedule(protocol(), CLASSES), out, keys)
        stop = threading.Event()
        stop.set()
        assert not presenter.wait_for_start(stop)
        presenter.close()
    os.close(ours)


def test_lines_for_the_terminal_wait_until_the_cues_are_over() -> None:
    out, file = console(True)
    presenter = TerminalPresenter(Schedule(protocol(), CLASSES), out, io.StringIO(), FakeClock())
    presenter.present("cross", TRIAL)
    written(file)
    presenter.say("stream lost [again]")
    assert written(file) == ""
    presenter.close()
    assert written(file).endswith("stream lost [again]\n")
    presenter.say("later")
    assert written(file) == "later\n"


def test_trouble_is_seen_at_the_start_and_beside_the_prompt() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as keys:
        out, file = console(True)
        schedule = Schedule(protocol(), CLASSES)
        presenter = TerminalPresenter(schedule, out, keys, FakeClock())
        stop = threading.Event()
        stop.set()
        trouble = Feedback(schedule.progress, advice="The stream is lost.")
        presenter.wait_for_start(stop)
        written(file)
        presenter.tell(trouble)
        text = written(file)
        assert "The stream is lost." in text
        assert "press space to begin" in text
        presenter.present("arrow", TRIAL)
        presenter.wait_for_start(stop)
        written(file)
        presenter.tell(trouble)
        text = written(file)
        assert "The stream is lost." in text
        assert "press space to go on" in text
        presenter.close()
    os.close(ours)


def test_a_terminal_without_unicode_gets_signs_of_ascii() -> None:
    text = symbol_text(bitmap("left", 20), unicode=False).plain
    assert set(text) == {" ", "#", "\n"}
    assert len(text.splitlines()) == 10


def test_the_curve_shows_accuracy_on_its_interval() -> None:
    [line] = curve_text(CURVE)
    scale = line[line.index("[") + 1 : line.index("]")]
    assert len(scale) == 41
    assert scale.index("o") == 24  # 60 % of 40
    assert (scale.find("-"), max(i for i, c in enumerate(scale) if c == "-")) == (12, 33)
    assert scale[20] == "+"
    assert line.startswith(" 10 trials [")
    assert line.endswith(" 60 %")


def test_progress_says_verdict_counts_and_advice() -> None:
    schedule = Schedule(protocol(), CLASSES)
    text = progress_text(Feedback(schedule.progress, False, "C3 [moved]", CURVE, "Keep still.")).plain
    assert text.splitlines()[:2] == ["x comes again: C3 [moved]", "0 kept, 40 to go, 7 min left"]
    assert text.endswith("\nKeep still.")
