"""Caps by name and electrodes that are chosen."""

import pytest

from rtbci.errors import ChannelError, ConfigError
from rtbci.stream.caps import CAPS, Cap, read_cap
from rtbci.stream.labels import canonical_label
from rtbci.stream.montage import has_position
from tests.tiny import stream_info


def test_the_table() -> None:
    assert {name: len(labels) for name, labels in CAPS.items()} == {"10-20": 19, "motor-8": 8, "motor-3": 3}
    for labels in CAPS.values():
        assert len(set(labels)) == len(labels)
        assert all(canonical_label(label) == label and has_position(label) for label in labels)


@pytest.mark.parametrize(
    ("text", "cap"),
    [
        ("", None),
        (" ", None),
        ("c3, Cz,C4", Cap(("C3", "CZ", "C4"))),
        ("T3,t7,EEG Fp1-REF", Cap(("T7", "FP1"))),
        ("E36", Cap(("E36",))),
        ("Motor-3", Cap(("C3", "CZ", "C4"), "motor-3")),
        (" 10-20 ", Cap(CAPS["10-20"], "10-20")),
    ],
)
def test_what_is_understood(text: str, cap: Cap | None) -> None:
    assert read_cap(text) == cap


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",", r"--channels: got ',', need electrodes .* or a cap \(10-20, motor-8, motor-3\); name some"),
        ("motor8", "got 'motor8', .*; did you mean motor-8"),
        ("1020", "did you mean 10-20"),
    ],
)
def test_what_is_not(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_cap(text)


def test_named_one_by_one_all_must_be_there() -> None:
    cap = Cap(("C3", "FC3", "PZ"))
    info = stream_info(("Fc3.", "C3..", "Pz"))
    assert cap.given([info, info]) == ("C3", "FC3", "PZ")
    other = stream_info(("C3", "Cz", "ECG"), name="second")
    message = "--channels: 'second' lacks FC3, PZ, it has C3, CZ; choose among these, or a cap"
    with pytest.raises(ChannelError, match=message):
        cap.given([info, other])


def test_a_cap_is_what_all_recordings_have_of_it() -> None:
    cap = read_cap("motor-8")
    assert cap is not None
    first, second = stream_info(("FC3", "C4", "C3", "O1")), stream_info(("C3", "C4", "PZ"))
    assert cap.given([first]) == ("C3", "C4", "FC3")
    assert cap.given([first, second]) == ("C3", "C4")
    with pytest.raises(ChannelError, match=r"lacks C3, C4, CZ, .*, it has O1, O2"):
        cap.given([stream_info(("O1", "O2"))])


def test_names_that_mean_something_else_are_refused() -> None:
    biosemi = stream_info([f"A{i}" for i in range(1, 33)] + [f"C{i}" for i in range(1, 33)])
    with pytest.raises(ChannelError, match="uses BioSemi's own names"):
        Cap(("C3", "C4")).given([biosemi])
    with pytest.raises(ChannelError, match="all mean T7"):
        Cap(("T7",)).given([stream_info(("T3", "T7"))])
    with pytest.raises(ChannelError, match="channels without labels"):
        Cap(("C3",)).given([stream_info(("", ""))])
