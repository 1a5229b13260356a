import threading
import time

import pylsl
import pytest

from rtbci import clock


def test_now_is_the_clock_of_lsl() -> None:
    before, t_now, after = pylsl.local_clock(), clock.now(), pylsl.local_clock()
    assert before <= t_now <= after


def test_sleeping_until_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    t_now, slept = [10.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        t_now[0] += seconds / 2 if len(slept) == 1 else seconds  # the first one ends early

    monkeypatch.setattr(time, "sleep", sleep)
    clock.sleep_until(12.0, lambda: t_now[0])
    assert slept == [2.0, 1.0]
    clock.sleep_until(11.0, lambda: t_now[0])
    assert len(slept) == 2


def test_cpu_time_grows_and_calendar_time_has_a_zone() -> None:
    before = clock.cpu_s()
    for _ in range(10_000):  # Windows counts in steps of 16 ms
        if clock.cpu_s() > before:
            break
        sum(range(10_000))
    assert clock.cpu_s() > before
    assert clock.utc_now().utcoffset() is not None


def test_waiting_ends_at_its_time_or_at_once_when_stopped() -> None:
    stop = threading.Event()
    times = iter([1.0, 2.0])
    assert clock.wait_on(1.0, stop, lambda: next(times))
    stop.set()
    assert not clock.wait_on(1e9, stop, lambda: 0.0)
    assert not clock.wait_on(0.0, stop, lambda: 1.0)
