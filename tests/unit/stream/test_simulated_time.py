import threading

from rtbci.stream.simulated_time import T_START_LSL, SimulatedClock, SimulatedStop


def test_waiting_takes_simulated_time_until_the_other_event_is_set() -> None:
    clock, other = SimulatedClock(), threading.Event()
    stop = SimulatedStop(clock, other)
    assert not stop.wait(2.5)
    assert clock() == T_START_LSL + 2.5
    other.set()
    assert stop.is_set()
    assert stop.wait(10.0)
    assert clock() == T_START_LSL + 2.5
    assert SimulatedStop(clock).is_set() is False


def test_the_clock_never_goes_back() -> None:
    clock = SimulatedClock(5.0)
    clock.sleep_until(4.0)
    assert clock() == 5.0
