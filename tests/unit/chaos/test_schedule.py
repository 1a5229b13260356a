import itertools

import numpy as np
import pytest

from rtbci.chaos.scenario import Times
from rtbci.chaos.schedule import Occurrence, Part, Schedule

T_S = np.arange(1000) / 100.0


def test_a_fixed_time_is_exact_to_the_sample() -> None:
    schedule = Schedule(Times(start_s=2.1, length_s=0.1), 0, 0)
    (part,) = schedule.parts(T_S)
    assert (part.first, part.last, part.is_new) == (210, 220, True)
    assert part.occurrence == Occurrence(0, 2.1, 2.1 + 0.1)


def test_only_its_first_samples_are_new() -> None:
    schedule = Schedule(Times(start_s=2.0, length_s=4.0), 0, 0)
    news = [part.is_new for i in range(0, 1000, 100) for part in schedule.parts(T_S[i : i + 100])]
    assert news == [True, False, False, False]


def test_one_that_falls_between_two_samples_does_not_happen() -> None:
    assert not list(Schedule(Times(start_s=2.001, length_s=0.005), 0, 0).parts(T_S))


def test_random_ones_have_the_rate_and_the_lengths_that_were_asked_for() -> None:
    schedule = Schedule(Times(per_minute=30.0, length_s=0.1, max_length_s=0.5), 3, 1)
    t_s = np.arange(360_000) / 100.0
    found: list[Part] = list(schedule.parts(t_s))
    lengths_s = [one.occurrence.stop_s - one.occurrence.start_s for one in found]
    # One every 2 s on average, plus 0.3 s that it lasts: 1565 an hour, standard deviation about 34.
    assert len(found) == pytest.approx(3600 / 2.3, abs=150)
    assert 0.1 <= min(lengths_s) < 0.12
    assert 0.48 < max(lengths_s) <= 0.5
    ends = [(one.occurrence.start_s, one.occurrence.stop_s) for one in found]
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(ends))


def test_each_occurrence_has_random_numbers_of_its_own() -> None:
    schedule = Schedule(Times(per_minute=30.0, length_s=0.1), 3, 1)
    first, second = list(schedule.parts(np.arange(6000) / 100.0))[:2]
    drawn = schedule.rng(first.occurrence).random()
    assert drawn == schedule.rng(first.occurrence).random()
    assert drawn != schedule.rng(second.occurrence).random()
