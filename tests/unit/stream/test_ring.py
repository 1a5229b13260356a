"""The ring against a plain list of all samples ever written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import ShapeError
from rtbci.stream.ring import Ring


@given(
    capacity=st.integers(1, 12), sizes=st.lists(st.integers(0, 30), max_size=20), n_channels=st.integers(1, 3)
)
def test_every_window_that_is_held_equals_the_list(capacity: int, sizes: list[int], n_channels: int) -> None:
    ring = Ring(capacity, n_channels)
    written = np.zeros((0, n_channels))
    for size in sizes:
        i = np.arange(len(written), len(written) + size, dtype=float)
        chunk = i[:, None] + 0.1 * np.arange(n_channels)
        ring.write(chunk)
        written = np.concatenate((written, chunk))
        assert ring.n_written == len(written)
        oldest = max(0, len(written) - capacity)
        for start in range(oldest, len(written) + 1):
            window = ring.range(start, len(written))
            assert np.array_equal(window, written[start:])
            assert window.flags.c_contiguous
            middle = (start + len(written)) // 2
            assert np.array_equal(ring.range(start, middle), written[start:middle])
        n = ring.n_held
        assert np.array_equal(ring.newest(n), written[len(written) - n :])


def test_windows_are_views_of_the_ring() -> None:
    ring = Ring(4, 2)
    ring.write(np.ones((4, 2)))
    assert ring.newest(3).base is not None
    assert np.shares_memory(ring.newest(4), ring.range(2, 4))


def test_overwritten_and_future_samples_are_refused() -> None:
    ring = Ring(4, 1)
    ring.write(np.zeros((6, 1)))
    with pytest.raises(ShapeError, match="asked for samples 1 to 3, holds 2 to 6; read sooner"):
        ring.range(1, 3)
    with pytest.raises(ShapeError, match="asked for samples 5 to 7"):
        ring.range(5, 7)
    with pytest.raises(ShapeError, match="asked for samples 4 to 3"):
        ring.range(4, 3)
    with pytest.raises(ShapeError, match="holds 2 to 6"):
        ring.newest(5)


def test_negative_indices_do_not_wrap() -> None:
    with pytest.raises(ShapeError, match="asked for samples -1 to 0"):
        Ring(4, 1).newest(1)


def test_reset_equals_new() -> None:
    ring = Ring(3, 1)
    ring.write(np.ones((5, 1)))
    ring.reset()
    assert (ring.n_written, ring.n_held) == (0, 0)
    ring.write(np.full((2, 1), 7.0))
    assert ring.newest(2)[:, 0].tolist() == [7.0, 7.0]


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3, 2)])
def test_wrong_shapes_say_what_is_needed(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"need \(n_samples, 2\)"):
        Ring(4, 2).write(np.zeros(shape))


@pytest.mark.parametrize(("capacity", "n_channels"), [(0, 2), (4, 0)])
def test_empty_rings_are_refused(capacity: int, n_channels: int) -> None:
    with pytest.raises(ShapeError, match="need at least 1"):
        Ring(capacity, n_channels)


def test_other_types_are_kept() -> None:
    ring = Ring(2, 1, np.float32)
    ring.write(np.ones((1, 1)))
    assert ring.newest(1).dtype == np.float32
