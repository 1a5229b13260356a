import numpy as np

from rtbci.chaos.deliveries import Deliveries
from rtbci.chaos.flow import Action, Appear, Disappear, Samples
from rtbci.stream.source import Chunk
from tests.chaos_samples import INFO


def samples(life: int, *t_due: float) -> Samples:
    return Samples(np.array(t_due), life, Chunk(np.array(t_due)[:, None], np.array(t_due)))


def told(actions: list[Action]) -> list[object]:
    return [one.t_due.tolist() if isinstance(one, Samples) else type(one).__name__ for one in actions]


def test_samples_are_held_until_they_are_due() -> None:
    queue = Deliveries()
    assert queue.t_next == np.inf
    queue.push([samples(0, 1.0, 2.0, 3.0), samples(0, 3.0, 4.0)])
    assert queue.t_next == 1.0
    assert told(list(queue.due(0.5))) == []
    assert told(list(queue.due(2.0))) == [[1.0, 2.0]]
    assert queue.t_next == 3.0
    assert told(list(queue.due(9.0))) == [[3.0], [3.0, 4.0]]


def test_what_a_destroyed_stream_had_not_sent_is_lost() -> None:
    queue = Deliveries()
    queue.push([samples(0, 1.0, 5.0, 5.0), Disappear(3.0, 0), Appear(4.0, 1, INFO), samples(1, 5.0, 5.5)])
    assert told(list(queue.due(9.0))) == [[1.0], "Disappear", "Appear", [5.0, 5.5]]
    assert queue.t_next == np.inf


def test_two_streams_do_not_wait_for_each_other() -> None:
    queue = Deliveries()
    queue.push([samples(0, 8.0), samples(7, 1.0)])
    assert told(list(queue.due(2.0))) == [[1.0]]
