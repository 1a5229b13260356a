import pytest

from rtbci.encoder.vocabulary import CHANNELS, channel_index, channel_indices
from rtbci.errors import ChannelError


def test_there_are_62_names_and_none_comes_twice() -> None:
    assert len(CHANNELS) == len(set(CHANNELS)) == 62


def test_index_is_the_place_in_the_list() -> None:
    assert [channel_index(name) for name in CHANNELS] == list(range(62))


@pytest.mark.parametrize(
    ("old", "new"), [("T3", "T7"), ("t4", "T8"), ("T5", "P7"), ("T6.", "P8"), (" Fc5. ", "FC5")]
)
def test_aliases_case_and_dots(old: str, new: str) -> None:
    assert channel_index(old) == channel_index(new)


@pytest.mark.parametrize("label", ["AFZ", "T9", "P10", "M1", "IZ", "", "EMG"])
def test_unknown_electrode_is_refused_with_the_list(label: str) -> None:
    with pytest.raises(ChannelError, match=rf"got electrode '{label}', need one of the 62.*FP1 FPZ"):
        channel_index(label)


def test_electrode_named_twice_is_refused() -> None:
    with pytest.raises(ChannelError, match="got T3 a second time"):
        channel_indices(["C3", "T7", "T3"])
