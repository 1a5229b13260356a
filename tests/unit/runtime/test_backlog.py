import pytest

from rtbci.runtime.backlog import MAX_DRIFT, OVERFLOW_S, Backlog, KnownSkips, LateSkips, is_skipped
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
    """By more than a slow clock's stamps may be in the time since the last ones."""
    two = windows(3601.0, 3601.1)
    assert backlog.keep(two, 1.05 + MAX_S + 0.01 + MAX_DRIFT * (1.0 + MAX_S), True) == two[1:]


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


@pytest.mark.parametrize("slow", [4e-4, 0.01, -0.01])
def test_a_clock_that_runs_slow_makes_no_backlog(slow: float) -> None:
    """At one in a hundred, as of a device that counts its samples at a rate it does not have, stamps are late by 0.25 s after 25 s."""
    backlog = Backlog(MAX_S)
    for i in range(3000):
        t_taken = 1.0 * i
        two = windows(t_taken * (1.0 - slow) - 0.0625, t_taken * (1.0 - slow))
        assert backlog.keep(two, t_taken, True) == two
    assert not backlog.lost(Break("gap", 3000.0 * (1.0 - slow), gap_s=5.0), 3001.0)


def test_a_backlog_that_grows_faster_than_any_clock_is_one() -> None:
    backlog = Backlog(MAX_S)
    kept = [len(backlog.keep(windows(0.95 * t - 0.0625, 0.95 * t), float(t), True)) for t in range(60)]
    assert kept[0] == 2
    assert kept[-1] == 1


HOP_S = 0.125  # a number without rounding


class At:
    """A clock that a test sets."""

    def __init__(self, t_now: float) -> None:
        self.t_now = t_now

    def __call__(self) -> float:
        return self.t_now


class Behind:
    """What waits behind what is decoded."""

    t_waiting: float | None = None


def late_skips(clock: At) -> LateSkips:
    """Of a stream whose windows usually come 50 ms late."""
    skips = LateSkips(Backlog(MAX_S), HOP_S, clock)
    assert asked(skips, clock, 1.05, 1.0) == [False]
    assert skips.take() == ()
    return skips


def asked(skips: LateSkips, clock: At, t_now: float, *t_ends: float, waits: float = 0.0) -> list[bool]:
    """What is said of windows that have come together, in front of so many seconds of others."""
    clock.t_now = t_now
    skips.begin(t_ends[-1] + waits, True)
    return [skips(t_end) for t_end in t_ends]


def test_a_window_in_time_is_decoded_also_where_others_wait() -> None:
    skips = late_skips(clock := At(0.0))
    assert asked(skips, clock, 1.42, 1.125, 1.25, waits=0.125) == [False, False]
    assert skips.take() == ()


def test_of_late_ones_only_the_newest_of_all_that_wait_is_decoded() -> None:
    skips = late_skips(clock := At(0.0))
    assert asked(skips, clock, 2.05, 1.125, 1.25, 1.375, waits=0.625) == [True, True, True]
    assert asked(skips, clock, 2.05, 1.5, waits=0.5) == [True]
    assert asked(skips, clock, 2.05, 1.875, 2.0, waits=0.0) == [
        True,
        False,
    ]  # 1.875 is not late; one in front was
    assert skips.take() == (0, 5)
    assert asked(skips, clock, 2.2, 2.125) == [False]


def test_a_decoder_that_hangs_makes_those_late_that_came_in_time() -> None:
    skips = late_skips(clock := At(0.0))
    clock.t_now, behind = 1.3, Behind()
    skips.begin(1.25, True, behind)
    assert skips(1.125) is False
    clock.t_now, behind.t_waiting = 31.3, 31.25  # it took 30 s
    assert skips(1.25) is True
    behind.t_waiting = None
    skips.begin(31.25, True, behind)
    assert [skips(t) for t in (1.375, 31.0, 31.125, 31.25)] == [True, True, True, False]


def test_in_front_of_a_break_there_is_no_newest() -> None:
    skips = late_skips(At(0.0))
    skips._clock = At(9.0)
    skips.begin(1.125, False)
    assert skips(1.125) is True


def test_what_was_skipped_is_told_in_turns_and_skipped_again() -> None:
    clock = At(0.0)
    skips = LateSkips(Backlog(MAX_S), HOP_S, clock)
    pattern = [False, True, True, False, False, True, False]
    for is_late in pattern:
        skips._count(is_late)
    turns = skips.take()
    assert turns == (1, 2, 2, 1)
    assert skips.take() == ()
    assert [is_skipped(turns, i) for i in range(9)] == [*pattern, False, False]
    known = KnownSkips()
    known.expect(turns)
    assert [known(0.0) for _ in range(9)] == [*pattern, False, False]
    known.expect(())
    assert not known(0.0)
    for is_late in (True, True):
        skips._count(is_late)
    assert skips.take() == (0, 2)


def test_of_windows_at_one_time_the_same_are_kept_before_and_after_decoding() -> None:
    """Decoders that need every window choose afterwards what is sent."""
    for lag_s in (0.05, 0.2, 0.31, 0.5, 3.0):
        t_ends = [1.125, 1.25, 1.375]
        clock = At(0.0)
        before = late_skips(clock)
        after = Backlog(MAX_S)
        after.keep(windows(1.0), 1.05, True)
        kept = [verdict.estimate.t_window[1] for verdict in after.keep(windows(*t_ends), 1.375 + lag_s, True)]
        is_left = asked(before, clock, 1.375 + lag_s, *t_ends)
        assert [t for t, is_out in zip(t_ends, is_left, strict=True) if not is_out] == kept
