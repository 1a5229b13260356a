"""What `rtbci streams` says of a stream beside what it is."""

import io

import pytest
from rich.console import Console

from rtbci.commands.streams_fit import fit_rows, labelled
from rtbci.stream.lsl_list import StreamSummary
from rtbci.stream.source import Channel, StreamInfo
from rtbci.stream.streams_table import streams_table


def listed(*labels: str, type: str = "EEG", rate_hz: float = 250.0, answers: bool = True) -> StreamSummary:
    channels = tuple(Channel(label, "microvolts", type) for label in labels)
    return StreamSummary(StreamInfo("board", "openbcigui", rate_hz, channels, type), rate_hz, 0.01, answers)


def test_a_headband_is_told_what_it_is_good_for_and_what_it_lacks() -> None:
    rows = fit_rows(listed("TP9", "AF7", "AF8", "TP10", "Right AUX"))
    assert "alpha (TP9 for O1, TP10 for O2)" in rows["decodes"]
    assert "lacks C3, C4: motor_imagery" in rows["for more"]
    assert "lacks OZ: ssvep" in rows["for more"]


def test_a_paradigm_of_long_windows_says_how_long_nothing_may_be_lost() -> None:
    said = fit_rows(listed("TP9", "AF7", "AF8", "TP10", "Right AUX"))["decodes"]
    assert "sleep (TP10 for C4, 30 s without a gap for each answer)" in said
    assert said.count("without a gap") == said.count("sleep")  # two seconds come about on any headset


def test_few_electrodes_of_many_are_counted() -> None:
    assert "motor_imagery (3 of 31 electrodes)" in fit_rows(listed("C3", "C4", "CZ"))["decodes"]


@pytest.mark.parametrize("labels", [("", ""), ("CH1", "CH2"), ("EXG Channel 0", "EXG Channel 1")])
def test_channels_without_names_of_electrodes_are_to_be_named(labels: tuple[str, ...]) -> None:
    rows = fit_rows(listed(*labels))
    assert list(rows) == ["decodes"]
    assert "--labels" in rows["decodes"]


def test_where_nothing_fits_it_says_what_is_lacking() -> None:
    rows = fit_rows(listed("C5", "C6"))
    assert rows["decodes"] == "nothing that is shipped"
    assert "lacks OZ: ssvep" in rows["for more"]


@pytest.mark.parametrize(
    "stream",
    [
        listed("x", type="ACC", rate_hz=52.0),
        listed("m", type="Markers", rate_hz=0.0),
        listed("", answers=False),
    ],
)
def test_other_streams_are_left_alone(stream: StreamSummary) -> None:
    assert fit_rows(stream) == {}


def test_names_are_tried_on_streams_with_as_many_channels() -> None:
    bare, motion = listed("", "", "", ""), listed("", "", "", "", type="ACC")
    named, same = labelled([bare, motion], ["O1", "O2", "C3", "C4"])
    assert named.info.labels == ("O1", "O2", "C3", "C4")
    assert same is motion
    assert "alpha, motor_imagery" in fit_rows(named)["decodes"]
    assert labelled([bare], []) == [bare]


@pytest.mark.parametrize("there", [[], [listed("C3", "C4", "CZ")]])
def test_a_montage_is_judged_before_it_is_glued(there: list[StreamSummary]) -> None:
    *same, montage = labelled(there, ["O1", "O2", "C3", "C4"])
    assert same == there
    assert montage.info.labels == ("O1", "O2", "C3", "C4")
    assert "no stream" in montage.info.name
    rows = fit_rows(montage)
    assert "alpha, motor_imagery (4 of 31 electrodes)" in rows["decodes"]
    assert "lacks OZ: ssvep" in rows["for more"]


def test_the_table_has_the_rows() -> None:
    stream = listed("TP9", "TP10")
    console = Console(width=250, file=io.StringIO())
    console.print(streams_table([stream], [fit_rows(stream)]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "decodes" in shown
    assert "for more" in shown
