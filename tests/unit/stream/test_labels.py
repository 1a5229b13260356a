"""Spellings of electrode names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import ChannelError
from rtbci.stream.labels import canonical_label, is_eeg, mirror_columns
from rtbci.stream.source import Channel


@pytest.mark.parametrize(
    ("given_label", "canonical"),
    [
        ("Fc5.", "FC5"),
        ("C3..", "C3"),
        ("EEG Fp1", "FP1"),
        ("EEG Fp1-REF", "FP1"),
        ("EEG F3-A2", "F3"),
        ("EEG FP1-LE", "FP1"),
        ("EEG F1-Ref-0", "F1"),
        ("EEG:Cz", "CZ"),
        ("POL C4", "C4"),
        ("C4/M1", "C4"),
        (" cz ", "CZ"),
        ("T3", "T7"),
        ("EEG T4", "T8"),
        ("t5", "P7"),
        ("T6-AVG", "P8"),
        ("T10.", "T10"),
        ("C3-P3", "C3-P3"),
        ("EEG A2-A1", "A2"),
        ("M1", "M1"),
        ("", ""),
    ],
)
def test_known_spellings(given_label: str, canonical: str) -> None:
    assert canonical_label(given_label) == canonical


@given(
    name=st.sampled_from(["FP1", "FCZ", "C3", "T7", "PO8", "TP10"]),
    before=st.sampled_from(["", "EEG ", "eeg-", " "]),
    after=st.sampled_from(["", ".", "..", "-REF", "-A1", " ", "-LE"]),
    lower=st.booleans(),
)
def test_decoration_is_removed_once_and_for_all(name: str, before: str, after: str, lower: bool) -> None:
    decorated = before + name + after
    label = canonical_label(decorated.lower() if lower else decorated)
    assert label == name
    assert canonical_label(label) == label


@pytest.mark.parametrize(
    "label", ["ECG ECG", "EKG", "Status", "EXG1", "REOG", "Right AUX", "EMG Chin", "STI 014"]
)
def test_labels_that_are_not_eeg(label: str) -> None:
    assert not is_eeg(Channel(label))


@pytest.mark.parametrize(
    ("kind", "expected"), [("EEG", True), ("eeg", True), ("", True), ("EOG", False), ("TRIG", False)]
)
def test_types(kind: str, expected: bool) -> None:
    assert is_eeg(Channel("C3", type=kind)) is expected


def test_electrodes_have_partners_on_the_other_side() -> None:
    labels = ["Fp1", "Fp2", "T3", "T4", "FT9", "FT10", "Cz", "POz"]
    assert mirror_columns(labels) == [1, 0, 3, 2, 5, 4, 6, 7]
    with pytest.raises(
        ChannelError, match=r"C3 \(need C4\) of 2 electrodes have no partner on the other side"
    ):
        mirror_columns(["C3", "Cz"])
