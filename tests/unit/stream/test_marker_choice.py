"""Which marker streams belong to a stream of EEG."""

import pytest

from rtbci.stream.marker_choice import DECISIONS_ID, MarkerStream, how_to_take, why_left, why_other_taken
from rtbci.stream.source import StreamInfo

EEG = StreamInfo("Cap", "cap", 250.0, (), hostname="amp-pc")
HERE = "decoder-pc"


@pytest.mark.parametrize(
    "stream",
    [
        MarkerStream("any", "any", "amp-pc"),
        MarkerStream("any", "any", HERE),
        MarkerStream("any", "", HERE),
        MarkerStream("Cap-markers", "cap-markers", "stimulus-pc"),
        MarkerStream("Cap-stim", "cap_stim", "stimulus-pc"),
        MarkerStream("Cap", "cap", "stimulus-pc"),
    ],
)
def test_streams_that_belong(stream: MarkerStream) -> None:
    assert why_left(EEG, HERE, stream) == ""


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (MarkerStream("stim", "stim", "stimulus-pc"), "from stimulus-pc, another computer"),
        (MarkerStream("stim", "cap2-stim", "stimulus-pc"), "from stimulus-pc, another computer"),
        (MarkerStream("stim", "", "stimulus-pc"), "from stimulus-pc, another computer"),
        (MarkerStream("S7-markers", "S7-markers", "amp-pc"), "they belong to the stream 'S7'"),
        (MarkerStream("rtbci-predictions-decisions", DECISIONS_ID, HERE), "no cues"),
    ],
)
def test_streams_that_do_not_say_why(stream: MarkerStream, said: str) -> None:
    assert said in why_left(EEG, HERE, stream)


def test_without_a_source_id_of_its_own_the_computer_decides() -> None:
    eeg = StreamInfo("Cap", "", 250.0, (), hostname="amp-pc")
    assert why_left(eeg, HERE, MarkerStream("stim", "stim", "amp-pc")) == ""
    assert "stimulus-pc" in why_left(eeg, HERE, MarkerStream("stim", "stim", "stimulus-pc"))


def test_of_one_name_the_nearest_are_taken() -> None:
    far, near, other = (MarkerStream("speller", "speller", host) for host in ("b-pc", HERE, "amp-pc"))
    assert why_other_taken(EEG, HERE, far, [far]) == ""
    assert "from b-pc" in why_other_taken(EEG, HERE, far, [far, near])
    assert why_other_taken(EEG, HERE, near, [far, near, other]) == ""


def test_the_option_is_one_that_a_shell_takes_and_that_names_one_stream() -> None:
    one, twin = MarkerStream("my cues", "id-1", HERE), MarkerStream("my cues", "id-2", HERE)
    assert how_to_take(one, [one]) == "--markers 'my cues'"
    assert how_to_take(one, [one, twin]) == "--markers id-1"
    assert how_to_take(MarkerStream("", "id-3", HERE), []) == "--markers id-3"
