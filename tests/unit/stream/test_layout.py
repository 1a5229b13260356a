"""Matching channels by name, and interpolating those that are missing."""

import subprocess
import sys
from typing import Literal

import numpy as np
import pytest

from rtbci.errors import ChannelError
from rtbci.stream.layout import MAX_ANGLE_DEG, ChannelMap, match_channels, positions
from rtbci.stream.source import Channel, StreamInfo

NINETEEN = "FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 P7 P3 PZ P4 P8 O1 O2"
TWENTY_ONE = "FC5 FC3 FC1 FCZ FC2 FC4 FC6 C5 C3 C1 CZ C2 C4 C6 CP5 CP3 CP1 CPZ CP2 CP4 CP6"
TEN_TWENTY = NINETEEN.split()
SENSORIMOTOR = TWENTY_ONE.split()


def stream(*channels: str | Channel) -> StreamInfo:
    return StreamInfo(
        name="test",
        source_id="",
        rate_hz=250.0,
        channels=tuple(Channel(c, "uV") if isinstance(c, str) else c for c in channels),
    )


def applied(mapping: ChannelMap, chunk: np.ndarray) -> np.ndarray:
    mapped: np.ndarray = chunk @ mapping.matrix.T
    return mapped


def test_order_is_permuted_and_names_are_matched_in_any_spelling() -> None:
    mapping = match_channels(stream("Cz..", "EEG T3-REF", "STATUS", "c4"), ["C4", "T7", "CZ"])
    assert applied(mapping, np.array([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[4.0, 2.0, 1.0]]
    assert mapping.found == (("C4", "c4"), ("T7", "EEG T3-REF"), ("CZ", "Cz.."))
    assert (mapping.interpolated, mapping.unused, mapping.picks) == ((), ("STATUS",), (3, 1, 0))


def test_missing_electrode_is_a_weighted_sum_of_the_others() -> None:
    present = [label for label in SENSORIMOTOR if label != "C3"]
    mapping = match_channels(stream(*present, "Fz", "Pz"), SENSORIMOTOR)
    row = mapping.matrix[SENSORIMOTOR.index("C3")]
    assert mapping.interpolated == ("C3",)
    assert mapping.picks is None
    assert mapping.unused == ()  # Fz and Pz help to interpolate
    assert row.sum() == pytest.approx(1.0, abs=1e-6)
    neighbours = {present[i] for i in np.argsort(-row[: len(present)])[:4]}
    assert neighbours == {"C5", "C1", "FC3", "CP3"}


def test_smooth_potential_is_recovered() -> None:
    # A potential that varies slowly over the head is what splines are made for.
    labels = [*TEN_TWENTY, "FC3", "FC4", "CP3", "CP4"]
    present = [label for label in labels if label != "C4"]
    direction = np.array([0.6, 0.3, 0.7])
    potential = np.exp(positions(present) @ direction)
    mapping = match_channels(stream(*present), labels)
    made = applied(mapping, potential[None])[0, labels.index("C4")]
    assert made == pytest.approx(float(np.exp(positions(["C4"])[0] @ direction)), rel=0.03)


def test_ears_and_other_signals_do_not_help_to_interpolate() -> None:
    present = [label for label in TEN_TWENTY if label != "T7"]
    extra = [Channel("A1"), Channel("M2"), Channel("FT7", type="EMG"), Channel("EKG"), Channel("Status")]
    mapping = match_channels(stream(*present, "FC5", "CP5", *extra), TEN_TWENTY)
    assert set(mapping.unused) == {"A1", "M2", "FT7", "EKG", "Status"}


def test_too_many_missing_are_refused_with_a_table() -> None:
    with pytest.raises(ChannelError) as caught:
        match_channels(stream("Fp1", "Fp2", "C3", "C4"), ["C3", "CZ", "C4", "CPZ"])
    message = str(caught.value)
    assert "lacks 2 of the 4 channels needed, at most 1 can be interpolated; use a montage" in message
    assert "labels in the stream: Fp1, Fp2, C3, C4" in message
    assert [line.split() for line in message.splitlines()[1:]] == [
        ["wanted", "in", "stream", "as", "state"],
        ["C3", "C3", "found"],
        ["CZ", "-", "missing"],
        ["C4", "C4", "found"],
        ["CPZ", "-", "missing"],
    ]


def test_limit_is_the_callers() -> None:
    info = stream(*(label for label in SENSORIMOTOR if label != "CZ"))
    assert match_channels(info, SENSORIMOTOR).interpolated == ("CZ",)
    with pytest.raises(ChannelError, match="at most 0 can be interpolated"):
        match_channels(info, SENSORIMOTOR, max_interpolated=0.0)


def test_extrapolation_is_refused() -> None:
    frontal = ["Fp1", "Fpz", "Fp2", "AF3", "AF4", "F3", "Fz", "F4"]
    with pytest.raises(
        ChannelError, match=f"lacks OZ and its nearest electrode is FZ.*within {MAX_ANGLE_DEG:g} degrees"
    ):
        match_channels(stream(*frontal), [*frontal, "OZ"])


def test_nothing_to_interpolate_from_is_refused() -> None:
    with pytest.raises(ChannelError, match="lacks C3 and its nearest electrode is none at all"):
        match_channels(stream("A1", "A2"), ["A1", "C3"], max_interpolated=0.5)


def test_unknown_place_cannot_be_interpolated() -> None:
    with pytest.raises(ChannelError, match="lacks XY9, and the 10-05 system has no such place"):
        match_channels(stream(*TEN_TWENTY), [*TEN_TWENTY, "XY9"])


def test_stream_without_labels_is_refused() -> None:
    with pytest.raises(ChannelError, match=r"has 2 channels without labels.*switch on channel labels"):
        match_channels(stream("", ""), ["C3"])


def test_duplicates_name_both() -> None:
    with pytest.raises(ChannelError, match=r"'T3' \(channel 1\) and 'T7' \(channel 3\) all mean T7"):
        match_channels(stream("T3", "Cz", "T7"), ["T7"])


def test_duplicates_are_fine_when_only_one_is_eeg_or_none_is_needed() -> None:
    info = stream("C3", Channel("C3", type="EMG"), "NC", "NC", "Cz")
    assert match_channels(info, ["C3", "CZ"]).picks == (0, 4)


def test_duplicates_that_would_be_interpolated_from_are_refused() -> None:
    present = [label for label in TEN_TWENTY if label != "CZ"]
    with pytest.raises(ChannelError, match="all mean CPZ"):
        match_channels(stream(*present, "CPz", "Cpz."), TEN_TWENTY)


def test_biosemi_names_are_not_taken_for_ten_twenty() -> None:
    labels = [f"{bank}{i}" for bank in "ABCD" for i in range(1, 33)]
    with pytest.raises(ChannelError, match=r"BioSemi's own names.*need 10-20 names"):
        match_channels(stream(*labels), ["C3", "C4"])


def test_unknown_positions_are_named() -> None:
    with pytest.raises(ChannelError, match="QQ, RR not in the 10-05 system"):
        positions(["CZ", "QQ", "RR"])


def test_positions_point_where_the_names_say() -> None:
    left, right, front, top = positions(["T7", "T8", "FPZ", "CZ"])
    assert left[0] < -0.9 < 0.9 < right[0]
    assert front[1] > 0.9
    assert top[2] > 0.9
    assert positions([]).shape == (0, 3)


def test_mne_is_not_imported_when_all_channels_are_there() -> None:
    code = (
        "import sys\n"
        "from rtbci.stream.layout import match_channels\n"
        "from rtbci.stream.source import Channel, StreamInfo\n"
        "match_channels(StreamInfo('s', '', 1.0, (Channel('Cz'),)), ['CZ'])\n"
        "assert 'mne' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- left to be inferred ---------------------------------------------------------------------------------


def test_only_electrodes_that_are_wanted_are_read_and_none_is_made_up() -> None:
    mapping = match_channels(stream("Fp1", "c4", "Fz", "Cz.."), ["C3", "CZ", "C4"], missing="infer")
    assert (mapping.wanted, mapping.inferred, mapping.interpolated) == (("C3", "CZ", "C4"), ("C3",), ())
    assert mapping.matrix.tolist() == [[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]]
    assert (mapping.found, mapping.unused) == ((("CZ", "Cz.."), ("C4", "c4")), ("Fp1", "Fz"))
    assert mapping.picks == (3, 1)


def test_when_all_are_there_both_ways_are_the_same() -> None:
    info = stream(*reversed(SENSORIMOTOR), "Fz")
    one, other = match_channels(info, SENSORIMOTOR), match_channels(info, SENSORIMOTOR, missing="infer")
    np.testing.assert_array_equal(one.matrix, other.matrix)
    assert (one.inferred, other.inferred, one.found) == ((), (), other.found)


def test_twins_outside_of_the_layout_do_not_matter_where_nothing_is_interpolated() -> None:
    mapping = match_channels(stream("Fz", "FZ", "C3"), ["C3", "C4"], missing="infer")
    assert mapping.inferred == ("C4",)


@pytest.mark.parametrize("missing", ["infer", "interpolate"])
def test_what_is_required_must_be_there(missing: Literal["infer", "interpolate"]) -> None:
    present = [label for label in SENSORIMOTOR if label != "C3"]
    with pytest.raises(ChannelError) as caught:
        match_channels(stream(*present), SENSORIMOTOR, missing=missing, required=["c3", "C4"])
    message = str(caught.value)
    assert "lacks C3, need C3, C4 whatever else is missing; use a montage that has them" in message
    assert ["C3", "-", "missing"] in [line.split() for line in message.splitlines()]
    assert ["C4", "C4", "found"] in [line.split() for line in message.splitlines()]


def test_too_few_are_refused_with_a_table() -> None:
    with pytest.raises(ChannelError) as caught:
        match_channels(
            stream("C3", "C4", "Fz"), SENSORIMOTOR, missing="infer", required=["C3", "C4"], min_found=3
        )
    message = str(caught.value)
    assert "has 2 of the 21 channels of the decoder, need at least 3, C3, C4 among them; use" in message
    assert len(message.splitlines()) == 23


@pytest.mark.parametrize("missing", ["interpolate", "infer"])
def test_ignored_electrodes_count_as_missing(missing: Literal["interpolate", "infer"]) -> None:
    info = stream(*SENSORIMOTOR, "Fz")
    mapping = match_channels(info, SENSORIMOTOR, missing=missing, ignore=["c5", "FZ"])
    assert mapping.ignored == ("C5", "Fz")
    assert mapping.unused == ()
    assert (mapping.interpolated or mapping.inferred) == ("C5",)
    columns = [info.labels.index(label) for label in ("C5", "Fz")]
    assert not mapping.matrix[:, columns].any()
    with pytest.raises(ChannelError, match=r"\(without C3, to be ignored\) lacks C3"):
        match_channels(info, SENSORIMOTOR, missing=missing, required=["C3"], ignore=["C3"])
    with pytest.raises(ChannelError, match="to be read without XY, need electrodes that it has"):
        match_channels(info, SENSORIMOTOR, ignore=["XY"])
