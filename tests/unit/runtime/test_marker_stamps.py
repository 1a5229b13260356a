import math

from rtbci.runtime.marker_stamps import AHEAD_S, MarkerStamps
from rtbci.stream.source import Marker


def test_stamps_are_compared_with_the_newest_sample() -> None:
    stamps = MarkerStamps()
    near, far, none = Marker(100.0 + AHEAD_S, "a"), Marker(100.1 + AHEAD_S, "b"), Marker(math.nan, "c")
    assert stamps.push([near, far, none], 100.0) == ([near], [(none, "no_time"), (far, "in_future")])
    assert stamps.push([far], 101.0) == ([far], [])


def test_a_marker_of_a_pause_is_not_ahead_of_the_stream_that_comes_back() -> None:
    stamps = MarkerStamps()
    early, late, unix = Marker(150.0, "a"), Marker(170.0, "b"), Marker(1.8e9, "c")
    assert stamps.push([], 100.0) == ([], [])
    assert stamps.push([early], None) == ([early], [])
    assert stamps.push([late, unix], None) == (
        [],
        [],
    )  # no sample since 100: whose clock they are of nobody knows yet
    assert stamps.push([], None) == ([], [])
    assert stamps.push([], 171.0) == ([late], [(unix, "in_future")])
    assert stamps.push([], 172.0) == ([], [])


def test_a_pause_without_an_end_leaves_its_markers_to_be_told() -> None:
    stamps, late = MarkerStamps(), Marker(170.0, "b")
    stamps.push([late], 100.0 + 10.0)
    stamps.push([late], None)
    assert stamps.push([Marker(500.0, "c")], None) == ([], [])
    assert stamps.flush() == [Marker(500.0, "c")]


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
