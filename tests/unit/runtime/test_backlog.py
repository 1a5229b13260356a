import pytest

from rtbci.runtime.backlog import OVERFLOW_S, Backlog
from rtbci.runtime.estimate import Estimate
from rtbci.runtime.intake import Break
from rtbci.runtime.verdict import Verdict

MAX_S = 0.25


def windows(*t_ends: float) -> list[Verdict]:
    return [
        Verdict(Estimate((t - 1.0, t), None, None, None, 0.0, 0.0, 0.0), None, None, None) for t in t_ends
    ]


@pytest.fixture
def backlog() -> Backlog:
    """Of a stream whose samples usually come 50 ms late, by a clock that is an hour off."""
    one = Backlog(MAX_S)
    first = windows(3600.0)
    assert one.keep(first, 0.05, True) == first
    return one


def test_windows_in_time_are_kept(backlog: Backlog) -> None:
    two = windows(3601.0, 3601.1)
    assert backlog.keep(two, 1.05 + MAX_S - 0.01, True) == two


def test_of_late_ones_the_newest_is_kept(backlog: Backlog) -> None:
    two = windows(3601.0, 3601.1)
    assert backlog.keep(two, 1.05 + MAX_S + 0.01, True) == two[1:]


def test_one_alone_is_kept_however_late(backlog: Backlog) -> None:
    one = windows(3601.0)
    assert backlog.keep(one, 9.0, True) == one


def test_late_ones_in_front_of_a_break_are_skipped(backlog: Backlog) -> None:
    assert backlog.keep(windows(3601.0), 9.0, False) == []
    assert backlog.keep(windows(3601.0), 1.1, False) != []


def test_a_gap_is_our_doing_when_what_follows_is_old(backlog: Backlog) -> None:
    gap = Break("gap", 3700.0, gap_s=5.0)
    assert not backlog.lost(gap, 100.05 + OVERFLOW_S - 0.1)
    assert backlog.lost(gap, 100.05 + OVERFLOW_S + 0.1)


def test_behind_a_clock_that_was_set_back_the_usual_is_learnt_anew(backlog: Backlog) -> None:
    assert not backlog.lost(Break("gap", 0.0, gap_s=-3600.0), 100.0)
    assert not backlog.lost(Break("gap", 0.0, gap_s=5.0), 1e9)
    two = windows(0.0, 0.1)
    assert backlog.keep(two, 100.0, True) == two


def test_a_clock_that_runs_slow_makes_no_backlog() -> None:
    """At 400 millionths stamps are late by another 0.25 s after ten minutes."""
    backlog, slow = Backlog(MAX_S), 4e-4
    for i in range(3000):
        t_taken = 1.0 * i
        two = windows(t_taken * (1.0 - slow) - 0.0625, t_taken * (1.0 - slow))
        assert backlog.keep(two, t_taken, True) == two


def test_a_backlog_that_grows_is_one_however_slowly() -> None:
    backlog = Backlog(MAX_S)
    kept = [len(backlog.keep(windows(0.99 * t - 0.0625, 0.99 * t), float(t), True)) for t in range(60)]
    assert kept[0] == 2
    assert kept[-1] == 1
