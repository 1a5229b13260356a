from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.calibrate.schedule import Schedule, ScheduledTrial, draw_order
from rtbci.errors import ConfigError
from tests.calibration_steps import CLASSES, protocol

THREE = {
    "left_hand": {"symbol": "left", "text": "l"},
    "right_hand": {"symbol": "right", "text": "r"},
    "idle": {"symbol": "circle", "text": "i"},
}


def longest_run(classes: list[int]) -> int:
    return max(len(list(run)) for _, run in groupby(classes))


def take(schedule: Schedule, accept: bool = True) -> list[ScheduledTrial]:
    trials = []
    while (trial := schedule.next_trial()) is not None:
        trials.append(trial)
        assert schedule.judge(trial.i_trial, accept)
    return trials


def blocks(trials: list[ScheduledTrial]) -> list[list[int]]:
    cuts = [i for i, trial in enumerate(trials) if trial.starts_block]
    return [[t.i_class for t in trials[a:b]] for a, b in zip([0, *cuts], [*cuts, len(trials)], strict=True)]


@given(
    seed=st.integers(0, 2**32),
    n_classes=st.integers(2, 3),
    per_block=st.integers(1, 8),
    row=st.integers(1, 4),
)
def test_balanced_in_every_block_without_long_runs(
    seed: int, n_classes: int, per_block: int, row: int
) -> None:
    trials = {"per_class": 3 * per_block, "per_class_in_block": per_block, "max_in_a_row": row}
    settings = protocol(seed=seed, trials=trials, cues=THREE)
    shown = take(Schedule(settings, list(THREE)[:n_classes]))
    assert [trial.i_trial for trial in shown] == list(range(3 * per_block * n_classes))
    assert [np.bincount(block).tolist() for block in blocks(shown)] == [[per_block] * n_classes] * 3
    assert longest_run([trial.i_class for trial in shown]) <= row
    assert all(1.5 <= trial.pause_s <= 2.5 for trial in shown)


@given(
    counts=st.lists(st.integers(0, 9), min_size=2, max_size=4),
    row=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_an_order_has_the_counts_and_the_shortest_runs_they_allow(
    counts: list[int], row: int, seed: int
) -> None:
    order = draw_order(counts, row, np.random.default_rng(seed))
    assert np.bincount(order, minlength=len(counts)).tolist() == counts
    most, others = max(counts), sum(counts) - max(counts)
    if most and most <= row * (others + 1):
        assert longest_run(order) <= row


def test_the_run_before_goes_on() -> None:
    for seed in range(50):
        order = draw_order([2, 2], 2, np.random.default_rng(seed), before=[1, 0, 0])
        assert order[0] == 1


def test_orders_are_shuffled_fairly() -> None:
    rng = np.random.default_rng(1)
    firsts = [draw_order([5, 5], 3, rng)[0] for _ in range(2000)]
    assert abs(np.mean(firsts) - 0.5) < 0.05  # standard error 0.011


def test_the_seed_is_the_schedule() -> None:
    assert take(Schedule(protocol(seed=3), CLASSES)) == take(Schedule(protocol(seed=3), CLASSES))
    orders = {tuple(t.i_class for t in take(Schedule(protocol(seed=s), CLASSES))) for s in range(5)}
    assert len(orders) == 5


def test_rejected_trials_come_again_at_the_end_with_numbers_of_their_own() -> None:
    schedule = Schedule(protocol(trials={"per_class": 4, "per_class_in_block": 2}), CLASSES)
    rejected = []
    for _ in range(8):
        trial = schedule.next_trial()
        assert trial is not None
        accepted = trial.i_trial not in (0, 5)
        if not accepted:
            rejected.append(trial.i_class)
        schedule.judge(trial.i_trial, accepted)
    assert schedule.progress.n_left == 2
    again = take(schedule)
    assert [trial.i_trial for trial in again] == [8, 9]
    assert sorted(trial.i_class for trial in again) == sorted(rejected)
    assert not any(trial.starts_block for trial in again)  # two trials are not worth a break
    assert schedule.progress.per_class == (4, 4)
    assert schedule.progress.n_rejected == 2


def test_many_repeated_trials_are_a_block_after_a_break() -> None:
    schedule = Schedule(protocol(trials={"per_class": 2, "per_class_in_block": 2}), CLASSES)
    for _ in range(4):
        trial = schedule.next_trial()
        assert trial is not None
        schedule.judge(trial.i_trial, False)
    assert schedule.progress.minutes_left == pytest.approx((4 * 8 + 20) / 60)
    again = take(schedule)
    assert [trial.starts_block for trial in again] == [True, False, False, False]


def test_only_so_many_are_replaced_but_unseen_ones_always() -> None:
    trials = {"per_class": 2, "per_class_in_block": 2, "extra_per_class": 3}
    assert len(take(Schedule(protocol(trials=trials), CLASSES), accept=False)) == 2 * (2 + 3)
    schedule = Schedule(protocol(trials=trials), CLASSES)
    for _ in range(20):
        trial = schedule.next_trial()
        assert trial is not None
        schedule.judge(trial.i_trial, False, seen=False)
    assert (schedule.progress.n_rejected, schedule.progress.n_left) == (20, 4)
    assert len(take(schedule)) == 4


def test_one_more_of_a_class() -> None:
    schedule = Schedule(protocol(trials={"per_class": 2, "extra_per_class": 1}), CLASSES)
    assert schedule.replace(1)
    assert not schedule.replace(1)
    assert [trial.i_class for trial in take(schedule)][-1] == 1
    assert schedule.progress.per_class == (2, 3)


def test_the_first_verdict_on_a_shown_trial_counts() -> None:
    schedule = Schedule(protocol(), CLASSES)
    assert not schedule.judge(0, True)
    trial = schedule.next_trial()
    assert trial is not None
    assert schedule.n_unjudged == 1
    assert schedule.judge(trial.i_trial, False)
    assert not schedule.judge(trial.i_trial, True)
    assert (schedule.n_unjudged, schedule.progress.n_accepted, schedule.progress.n_rejected) == (0, 0, 1)


def test_resumed_it_gives_the_rest() -> None:
    schedule = Schedule(protocol(), CLASSES, accepted=(15, 3), i_first=20)
    shown = take(schedule)
    assert [trial.i_trial for trial in shown] == list(range(20, 20 + 5 + 17))
    assert np.bincount([trial.i_class for trial in shown]).tolist() == [5, 17]
    assert not shown[0].starts_block
    assert schedule.progress.per_class == (20, 20)
    assert schedule.progress.n_shown == 22
    fresh = take(Schedule(protocol(), CLASSES))
    resumed = take(Schedule(protocol(), CLASSES, accepted=(5, 5), i_first=10))
    assert [t.i_class for t in fresh[:10]] != [t.i_class for t in resumed[:10]]


def test_nothing_is_left_of_a_complete_one() -> None:
    schedule = Schedule(protocol(), CLASSES, accepted=(20, 25), i_first=45)
    assert schedule.next_trial() is None
    assert (schedule.progress.n_left, schedule.progress.minutes_left) == (0, 0.0)


def test_progress_counts_trials_and_breaks() -> None:
    schedule = Schedule(protocol(), CLASSES)
    assert schedule.progress.minutes_left == pytest.approx((40 * 8 + 3 * 20) / 60)
    for _ in range(11):
        trial = schedule.next_trial()
        assert trial is not None
        schedule.judge(trial.i_trial, True)
    progress = schedule.progress
    assert (progress.n_shown, progress.n_accepted, progress.n_left) == (11, 11, 29)
    assert progress.minutes_left == pytest.approx((29 * 8 + 2 * 20) / 60)
    schedule.next_trial()  # has no verdict yet: 11 are kept, as many as before are to go
    assert (schedule.progress.n_accepted, schedule.progress.n_left) == (11, 29)


def test_finished_it_shows_no_more_whatever_verdicts_come() -> None:
    schedule = Schedule(protocol(), CLASSES)
    first, second = schedule.next_trial(), schedule.next_trial()
    assert first is not None
    assert second is not None
    schedule.finish()
    assert schedule.judge(first.i_trial, True)
    assert schedule.judge(second.i_trial, False)
    assert schedule.next_trial() is None
    assert (schedule.progress.n_accepted, schedule.progress.n_rejected, schedule.progress.n_left) == (1, 1, 0)


@pytest.mark.parametrize(("accepted", "i_first"), [((1,), 0), ((1, -1), 0), ((1, 1), -1)])
def test_counts_must_be_counts(accepted: tuple[int, ...], i_first: int) -> None:
    with pytest.raises(ConfigError, match=r"Schedule: accepted is .* need a count from 0 for each"):
        Schedule(protocol(), CLASSES, accepted, i_first)
