from collections.abc import Callable

import numpy as np
import pytest

from rtbci.backends.timing import Timing, round_ms, take_turns


class Work:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.t_s = 0.0
        self.order: list[str] = []

    def clock(self) -> float:
        return self.t_s

    def of(self, name: str, *took_s: float) -> Callable[[], None]:
        left = list(took_s)

        def call() -> None:
            self.order.append(name)
            self.t_s += left.pop(0) if len(left) > 1 else left[0]

        return call


def test_a_round_repeats_a_call_until_its_time_is_over() -> None:
    work = Work()
    np.testing.assert_allclose(round_ms(work.of("a", 0.25, 0.5, 0.5), 1.0, work.clock), [250, 500, 500])


def test_a_call_longer_than_a_round_is_made_once() -> None:
    work = Work()
    np.testing.assert_allclose(round_ms(work.of("a", 7.0), 1.0, work.clock), [7000])


def test_calls_take_turns_and_the_first_of_each_is_not_timed() -> None:
    work = Work()
    result = take_turns({"a": work.of("a", 100.0, 1.0), "b": work.of("b", 2.0)}, 2, 2.0, work.clock)
    assert "".join(work.order) == "ab" + "aab" + "aab"
    assert result == {"a": Timing(1000.0, 1000.0, 1000.0, 4), "b": Timing(2000.0, 2000.0, 2000.0, 2)}


def test_best_is_the_median_of_the_least_disturbed_round() -> None:
    work = Work()
    call = work.of("a", 0.0, 1.0, 1.0, 3.0, 3.0)
    timing = take_turns({"a": call}, 2, 2.0, work.clock)["a"]
    assert timing.best_ms == 1000.0
    assert timing.p50_ms == pytest.approx(2000.0)
