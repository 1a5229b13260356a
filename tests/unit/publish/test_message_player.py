"""Playing messages, in simulated time: what clients see is a run of today."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from rtbci.errors import ConfigError, FileFormatError
from rtbci.publish.codec import encode
from rtbci.publish.message_file import MessageRecorder
from rtbci.publish.message_player import LEAD_S, MessagePlayer
from rtbci.publish.messages import Event, Hello, Message, Prediction
from rtbci.stream.simulated_time import SimulatedClock
from tools.write_schema import samples

SAMPLES = samples()
T0 = 5000.0
T_NOW = 9000.0


class Stop(threading.Event):
    """Waiting takes simulated time."""

    def __init__(self, clock: SimulatedClock, t_stop: float = 1e9) -> None:
        super().__init__()
        self.clock, self.t_stop = clock, t_stop

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.sleep_until(self.clock() + (timeout or 0.0))
        if self.clock() >= self.t_stop:
            self.set()
        return self.is_set()


class Taken:
    """A sink that keeps messages; somebody subscribes at the times of `t_new`; sending takes `cost_s`."""

    def __init__(self, clock: SimulatedClock, t_new: Sequence[float] = (), cost_s: float = 0.0) -> None:
        self.clock, self.t_new, self.cost_s = clock, list(t_new), cost_s
        self.messages: list[Message] = []
        self.t_taken: list[float] = []

    def send(self, message: Message) -> None:
        self.clock.t_lsl += self.cost_s
        self.messages.append(message)
        self.t_taken.append(self.clock())

    def poll(self) -> bool:
        if self.t_new and self.clock() >= self.t_new[0]:
            self.t_new.pop(0)
            return True
        return False

    def close(self) -> None:
        pass


class Rehearsing(Taken):
    """Keeps when it was told to rehearse."""

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__(clock)
        self.t_rehearsed: list[float] = []

    def rehearse(self, message: Prediction) -> None:
        assert isinstance(message, Prediction)
        self.t_rehearsed.append(self.clock())


def hello(t_sent: float = T0, session: str = "one", seq: int = 0) -> Message:
    return replace(SAMPLES["hello"], t_sent=t_sent, session=session, seq=seq)


def prediction(t_sent: float, seq: int, session: str = "one") -> Message:
    return replace(
        SAMPLES["prediction"],
        t_sent=t_sent,
        seq=seq,
        session=session,
        t_window=(t_sent - 3.004, t_sent - 0.004),
        age_ms=4.0,
    )


def record(path: Path, *messages: Message) -> Path:
    times = iter(message.t_sent + 0.001 for message in messages)
    recorder = MessageRecorder(path, clock=lambda: next(times))
    for message in messages:
        recorder.take(message.topic.encode(), encode(message))
    recorder.close()
    return path


def play(path: Path, *, speed: float = 1.0, n_passes: int = 1, **sink: object) -> Taken:
    clock = SimulatedClock(T_NOW)
    taken = Taken(clock, **sink)  # type: ignore[arg-type]
    player = MessagePlayer(path, taken, speed=speed, clock=clock)
    for _ in range(n_passes):
        assert player.play(Stop(clock))
    return taken


def test_times_are_those_of_today_and_keep_their_distances(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), prediction(T0 + 1.0, 7), prediction(T0 + 1.0625, 8))
    taken = play(path)
    assert [message.topic for message in taken.messages] == ["hello", "prediction", "prediction"]
    assert taken.t_taken == pytest.approx([T_NOW, T_NOW + 1.0, T_NOW + 1.0625])
    first = taken.messages[1]
    assert isinstance(first, Prediction)
    assert first.t_sent == pytest.approx(T_NOW + 1.0)
    assert first.t_window == pytest.approx((T_NOW + 1.0 - 3.004, T_NOW + 1.0 - 0.004))
    assert first.age_ms == pytest.approx(4.0, abs=1e-6)
    assert first.trace_ms == SAMPLES["prediction"].trace_ms  # type: ignore[union-attr]


def test_being_late_is_told_as_a_decoder_tells_it(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), *(prediction(T0 + 0.01 * i, i) for i in range(3)))
    taken = play(path, cost_s=0.015)
    late_ms = [15.0, 20.0, 25.0]
    for message, late in zip(taken.messages[1:], late_ms, strict=True):
        assert isinstance(message, Prediction)
        assert message.age_ms == pytest.approx(4.0 + late, abs=1e-6)
        assert message.trace_ms.send == pytest.approx(0.02 + late, abs=1e-6)
        assert message.t_sent - message.t_window[1] == pytest.approx(message.age_ms / 1e3)


def test_it_is_a_new_session_numbered_from_0(tmp_path: Path) -> None:
    path = record(tmp_path / "a", prediction(T0, 812), hello(T0 + 0.01, seq=9), prediction(T0 + 0.02, 813))
    taken = play(path)
    assert [(message.topic, message.seq) for message in taken.messages] == [
        ("hello", 0),  # the file's came later: whoever connects first waits for none
        ("prediction", 0),
        ("hello", 1),
        ("prediction", 1),
    ]
    sessions = {message.session for message in taken.messages}
    assert len(sessions) == 1
    assert "one" not in sessions


def test_what_is_missing_in_the_file_is_missing_for_clients(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), prediction(T0 + 0.1, 5), prediction(T0 + 0.2, 9))
    assert [message.seq for message in play(path).messages[1:]] == [0, 4]


def test_each_pass_is_another_session(tmp_path: Path) -> None:
    taken = play(record(tmp_path / "a", hello(), prediction(T0 + 0.1, 5)), n_passes=3)
    assert [message.seq for message in taken.messages] == [0, 0] * 3
    assert len({message.session for message in taken.messages}) == 3


def test_sessions_of_one_file_stay_apart(tmp_path: Path) -> None:
    # The computer was started anew between them: its clock began again.
    second = [hello(3.0, session="two"), prediction(3.5, 0, session="two")]
    path = tmp_path / "a"
    clock = iter([T0, T0 + 1.0, T0 + 11.0, T0 + 11.5])
    recorder = MessageRecorder(path, clock=lambda: next(clock))
    for message in (hello(), prediction(T0 + 1.0, 4), *second):
        recorder.take(message.topic.encode(), encode(message))
    recorder.close()
    taken = play(path)
    assert taken.t_taken == pytest.approx([T_NOW, T_NOW + 1.0, T_NOW + 11.0, T_NOW + 11.5])
    assert taken.messages[0].session != taken.messages[2].session


def test_speed_changes_steps_and_not_messages(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), prediction(T0 + 1.0, 7), prediction(T0 + 3.0, 8))
    taken = play(path, speed=4.0)
    assert taken.t_taken == pytest.approx([T_NOW, T_NOW + 0.25, T_NOW + 0.75])
    last = taken.messages[-1]
    assert isinstance(last, Prediction)
    assert last.t_window[1] - last.t_window[0] == pytest.approx(3.0)
    assert last.age_ms == pytest.approx(4.0, abs=1e-6)
    assert play(path, speed=float("inf")).t_taken == [T_NOW] * 3


def test_events_keep_their_distance(tmp_path: Path) -> None:
    event = replace(SAMPLES["event"], t_sent=T0 + 2.0, t_lsl=T0 + 1.5, session="one")
    message = play(record(tmp_path / "a", hello(), event)).messages[-1]
    assert isinstance(message, Event)
    assert (message.t_lsl, message.t_sent) == pytest.approx((T_NOW + 1.5, T_NOW + 2.0))
    assert (message.kind, message.value, message.seq) == ("decision", "right", 0)


def test_whoever_comes_late_gets_the_newest_hello(tmp_path: Path) -> None:
    changed = replace(hello(T0 + 1.0, seq=1), paradigm="changed")
    path = record(tmp_path / "a", hello(), prediction(T0 + 0.5, 7), changed, prediction(T0 + 3.0, 8))
    taken = play(path, t_new=[T_NOW + 0.2, T_NOW + 2.0])
    hellos = [message for message in taken.messages if isinstance(message, Hello)]
    assert [(one.paradigm, one.seq) for one in hellos] == [
        ("motor_imagery", 0),
        ("motor_imagery", 1),
        ("changed", 2),
        ("changed", 3),
    ]
    assert hellos[1].t_sent == pytest.approx(T_NOW + 0.2, abs=0.051)


def test_it_can_be_stopped_and_wait_for_a_listener(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), prediction(T0 + 60.0, 7))
    clock = SimulatedClock(T_NOW)
    taken = Taken(clock, t_new=[T_NOW + 1.0])
    player = MessagePlayer(path, taken, clock=clock)
    assert player.wait_for_listener(Stop(clock))
    assert clock() == pytest.approx(T_NOW + 1.0, abs=0.051)
    assert not player.wait_for_listener(Stop(clock, T_NOW + 2.0))
    assert not player.play(Stop(clock, T_NOW + 5.0))
    assert [message.topic for message in taken.messages] == ["hello"]
    assert player.n_sent == 1


def test_a_file_that_grows_is_played_as_it_was(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), prediction(T0 + 1.0, 7))
    clock = SimulatedClock(T_NOW)
    taken = Taken(clock)
    player = MessagePlayer(path, taken, clock=clock)
    more = record(tmp_path / "b", prediction(T0 + 2.0, 0, session="another"))
    path.write_bytes(path.read_bytes() + more.read_bytes())
    assert player.play(Stop(clock))
    assert player.n_sent == 2


def test_wrong_files_and_speeds_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), prediction(T0 + 1.0, 7))
    clock = SimulatedClock(T_NOW)
    taken = Taken(clock)
    for speed in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="need a number above 0"):
            MessagePlayer(path, taken, speed=speed, clock=clock)
    path.write_bytes(path.read_bytes() + b"oops\n")
    with pytest.raises(FileFormatError, match="line 3 is no message"):
        MessagePlayer(path, taken, clock=clock)
    assert taken.messages == []


def test_each_prediction_is_rehearsed_a_moment_before_it_is_due(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), prediction(T0 + 1.0, 7), prediction(T0 + 1.0625, 8))
    clock = SimulatedClock(T_NOW)
    sink = Rehearsing(clock)
    assert MessagePlayer(path, sink, clock=clock).play(Stop(clock))
    assert sink.t_taken == pytest.approx([T_NOW, T_NOW + 1.0, T_NOW + 1.0625])
    assert sink.t_rehearsed == pytest.approx([t - LEAD_S for t in sink.t_taken[1:]])


def test_who_is_late_rehearses_nothing(tmp_path: Path) -> None:
    path = record(tmp_path / "a", hello(), prediction(T0 + 1.0, 7), prediction(T0 + 1.0625, 8))
    clock = SimulatedClock(T_NOW)
    sink = Rehearsing(clock)
    assert MessagePlayer(path, sink, speed=float("inf"), clock=clock).play(Stop(clock))
    assert (len(sink.messages), sink.t_rehearsed) == (3, [])
