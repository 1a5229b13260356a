import numpy as np

from rtbci.stream.source import Chunk, Marker
from rtbci.stream.waiting import ITEM_BYTES, Counted, Waiting


def chunk(first: int, n: int = 10) -> Chunk:
    i = np.arange(first, first + n, dtype=float)
    return Chunk(i[:, None], i)


def firsts(waiting: Waiting) -> list[int]:
    found = []
    while (item := waiting.take()) is not None:
        found.append(int(item[0].t_lsl[0]))
    return found


def test_first_in_first_out_with_the_markers_that_came_with_it() -> None:
    waiting = Waiting()
    assert (waiting.take(), waiting.t_newest) == (None, None)
    one, two = chunk(0), chunk(10)
    waiting.add(one, [Marker(3.0, "a")])
    waiting.add(two, [])
    waiting.add(Chunk(np.empty((0, 1)), np.empty(0)), [Marker(20.0, "b")])
    assert (waiting.n_items, waiting.t_newest) == (3, 19.0)
    assert waiting.take() == (one, [Marker(3.0, "a")])
    assert waiting.take() == (two, [])
    assert waiting.t_newest is None
    last = waiting.take()
    assert last is not None
    assert last[1] == [Marker(20.0, "b")]
    assert waiting.take_left_out() == Counted(0, 0)


def test_what_is_too_much_is_left_out_from_the_front_and_counted_and_its_markers_stay() -> None:
    size = chunk(0).data.nbytes + chunk(0).t_lsl.nbytes + ITEM_BYTES
    waiting = Waiting(3 * size + 2 * ITEM_BYTES)
    for i in range(5):
        waiting.add(chunk(10 * i), [Marker(float(i), f"m{i}")] if i < 2 else [])
    assert waiting.take_left_out() == Counted(0, 0)  # nothing has been taken behind them
    first = waiting.take()
    assert first is not None
    assert first[0].t_lsl[0] == 20.0
    assert [marker.value for marker in first[1]] == ["m0", "m1"]
    assert waiting.take_left_out() == Counted(2, 20)
    assert waiting.take_left_out() == Counted(0, 0)
    assert firsts(waiting) == [30, 40]
    for i in range(3):  # and the bytes of what was taken are free again
        waiting.add(chunk(10 * i), [])
    assert firsts(waiting) == [0, 10, 20]


def test_one_chunk_is_kept_however_large() -> None:
    waiting = Waiting(100)
    waiting.add(chunk(0, 1000), [])
    assert firsts(waiting) == [0]
    assert waiting.take_left_out() == Counted(0, 0)


def test_all_of_it_can_be_left_out() -> None:
    waiting = Waiting(3000)
    for i in range(9):
        waiting.add(chunk(10 * i), [])
    n_waiting = waiting.n_items
    assert n_waiting < 9
    assert waiting.leave_out_all() == Counted(n_waiting, 10 * n_waiting)
    assert waiting.take_left_out() == Counted(9, 90)
    assert waiting.take() is None
