import pytest

from rtbci.stream.repeats import REPEAT_S, Repeats, without_repeats
from rtbci.stream.source import Marker


def test_a_cue_that_two_streams_tell_counts_once() -> None:
    markers = [
        Marker(1.0, "cue/left"),
        Marker(1.03, "769"),
        Marker(1.04, "fixation"),
        Marker(1.2, "770"),  # another class: a cue of its own
        Marker(1.0 + REPEAT_S, "769"),
        Marker(0.9, "x"),
    ]
    classes = {"cue/left": "left_hand", "769": "left_hand", "770": "right_hand"}
    assert without_repeats(markers, classes.get) == [*markers[5:], markers[0], *markers[2:5]]


@pytest.mark.parametrize("late_s", [0.02, -0.02])
def test_which_stream_comes_first_does_not_matter(late_s: float) -> None:
    repeats = Repeats()
    said = [repeats.is_repeat(t, "left_hand") for t in (5.0, 5.0 + late_s, 13.0, 13.0 + late_s, 21.0)]
    assert said == [False, True, False, True, False]
    assert repeats.n == 2
