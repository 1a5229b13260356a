"""Channels that stand for one of a layout."""

import numpy as np
import pytest

from rtbci.errors import ChannelError
from rtbci.runtime.decoder import Decoder
from rtbci.stream.layout import match_channels
from rtbci.stream.source import Channel, StreamInfo
from rtbci.stream.stand_ins import as_in_layout, as_in_stream

TAKES = {"C4": ("C3", "FPZ-CZ", "TP9"), "E1": ("LOC", "EOG horizontal")}


def stream(*labels: str) -> StreamInfo:
    kinds = {"EOG horizontal": "EOG", "LOC": "EOG"}
    channels = tuple(Channel(label, "microvolts", kinds.get(label, "EEG")) for label in labels)
    return StreamInfo("night", "night", 100.0, channels)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("C4-M1", "E1-M2"), ("C4-M1", "E1-M2")),
        (("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"), ("EEG Fpz-Cz", "EOG horizontal")),
        (("TP9", "LOC", "C3"), ("C3", "LOC")),
        (("C3", "C4", "E1"), ("C4", "E1")),
    ],
)
def test_the_best_that_is_there_is_taken(labels: tuple[str, ...], found: tuple[str, ...]) -> None:
    info = stream(*labels)
    renamed, _ = as_in_layout(info, TAKES)
    made = match_channels(renamed, ("C4", "E1"), 0.0, required=("C4", "E1"))
    channel_map = as_in_stream(made, renamed, info)
    assert channel_map.found == (("C4", found[0]), ("E1", found[1]))
    assert [labels[i] for i in channel_map.matrix.argmax(axis=1)] == list(found)
    np.testing.assert_array_equal(channel_map.matrix.sum(axis=1), (1.0, 1.0))
    assert set(channel_map.unused) == set(labels) - set(found)


def test_what_is_to_be_ignored_stands_for_nothing() -> None:
    info = stream("C4", "C3", "LOC")
    renamed, ignore = as_in_layout(info, TAKES, ignore=["C4"])
    made = match_channels(renamed, ("C4", "E1"), 0.0, required=("C4", "E1"), ignore=ignore)
    channel_map = as_in_stream(made, renamed, info)
    assert channel_map.found == (("C4", "C3"), ("E1", "LOC"))
    assert channel_map.ignored == ("C4",)


def test_a_decoder_tells_which_channel_stands_for_what() -> None:
    with Decoder("sleep", ignore=["C3"]) as decoder:
        channel_map = decoder.open(stream("EEG C3-A2", "EEG Fpz-Cz", "EOG horizontal"))
        assert channel_map.found == (("C4", "EEG Fpz-Cz"),)
        with pytest.raises(ChannelError, match="to be read without C3"):
            decoder.open(stream("C4"))
        with pytest.raises(ChannelError, match="lacks C4"):
            decoder.open(stream("EOG horizontal", "C3"))


def test_one_channel_stands_for_one_only() -> None:
    info, _ = as_in_layout(stream("TP9"), {"C4": ("TP9",), "E1": ("TP9",)})
    with pytest.raises(ChannelError, match="lacks E1"):
        match_channels(info, ("C4", "E1"), 0.0, required=("C4", "E1"))


def test_without_stand_ins_nothing_changes() -> None:
    info = stream("C4", "O1")
    assert as_in_layout(info, {})[0] is info
