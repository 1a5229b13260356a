import math

from rtbci.runtime.marker_stamps import AHEAD_S, MarkerStamps
from rtbci.stream.source import Marker


def test_stamps_are_compared_with_the_newest_sample() -> None:
    stamps = MarkerStamps()
    near, far, none = Marker(100.0 + AHEAD_S, "a"), Marker(100.1 + AHEAD_S, "b"), Marker(math.nan, "c")
    assert stamps.push([near, far, none], 100.0) == ([near], [(none, "no_time"), (far, "in_future")])
    assert stamps.push([far], None) == ([], [(far, "in_future")])
    assert stamps.push([far], 101.0) == ([far], [])


def test_markers_wait_for_the_first_sample_of_a_connection() -> None:
    stamps, unix = MarkerStamps(), Marker(1.8e9, "a")
    assert stamps.push([unix], None) == ([], [])
    assert stamps.push([], 1.8e9 - 1.0) == ([unix], [])  # a stream stamped so, too
    stamps.reset()
    assert stamps.push([unix], None) == ([], [])
    assert stamps.push([], 5.0) == ([], [(unix, "in_future")])
    stamps.reset()
    stamps.push([unix], None)
    assert (stamps.flush(), stamps.flush()) == ([unix], [])
