"""How far a long piece of work is, in a terminal and elsewhere."""

import io

from rich.console import Console

from rtbci.commands.long_work import LongWork


class Hands:
    t_s = 0.0

    def __call__(self) -> float:
        return self.t_s


def lines_of(shares: list[float], step_s: float) -> list[str]:
    out, clock = io.StringIO(), Hands()
    with LongWork(Console(file=out, width=80), clock) as work:
        for share in shares:
            clock.t_s += step_s
            work("reading", share)
    return out.getvalue().splitlines()


def test_elsewhere_a_line_comes_after_two_seconds_and_every_ten() -> None:
    said = lines_of([i / 30 for i in range(31)], 1.0)
    assert said == ["reading: 3 %", "reading: 37 %", "reading: 70 %"]


def test_what_is_done_at_once_needs_no_line() -> None:
    assert lines_of([0.0, 0.5, 1.0], 0.1) == []


def test_in_a_terminal_there_is_a_bar_and_nothing_is_left_of_it() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    with LongWork(console, Hands()) as work:
        work("reading", 0.4)
        work._bar.refresh()
    shown = out.getvalue()
    assert "reading" in shown
    assert "40 %" in shown
    assert shown.endswith("\x1b[2K")  # the bar's line is taken away
