"""Hypnograms and their statistics, by hand."""

import csv
import io

import numpy as np
import pytest

from rtbci.amp.night import STAGES as SIMULATED
from rtbci.night.drawn import csv_of, statistics_rows, text_hypnogram, write_png
from rtbci.night.hypnogram import STAGES, Hypnogram, from_windows, statistics
from rtbci.night.session import marked_stages
from rtbci.stream.source import Marker

NIGHT = Hypnogram(("W", "W", "N1", "N2", None, "N2", "W", "N3", "REM", "REM", "W", "W"))


def test_the_simulated_stages_are_the_stages() -> None:
    assert SIMULATED == STAGES


def test_statistics_are_those_of_the_manual() -> None:
    found = statistics(NIGHT)
    assert found.recorded_min == 6.0
    assert found.sleep_min == 3.0
    assert found.efficiency == 0.5
    assert found.onset_min == 1.0
    assert found.rem_latency_min == 3.0
    assert found.waso_min == 1.5
    assert found.stage_min == {"W": 2.5, "N1": 0.5, "N2": 1.0, "N3": 0.5, "REM": 1.0}
    assert found.unscored_min == 0.5
    assert found.recorded_min == sum(found.stage_min.values()) + found.unscored_min


@pytest.mark.parametrize("stages", [(), ("W", "W"), (None, None)])
def test_a_night_without_sleep_has_no_latencies(stages: tuple[str | None, ...]) -> None:
    found = statistics(Hypnogram(stages))
    assert (found.sleep_min, found.efficiency, found.onset_min, found.rem_latency_min) == (
        0.0,
        0.0,
        None,
        None,
    )
    assert ("sleep latency", "no sleep") in statistics_rows(found)
    assert text_hypnogram(Hypnogram(stages))


def test_an_epoch_is_the_window_that_ends_with_it() -> None:
    classes = ("REM", "W", "N1", "N2", "N3")  # in an order of their own
    t = 100.0 + np.array([20.0, 25.0, 29.99, 35.0, 60.0, 119.9])
    probs = np.full((6, 5), 0.05)
    for i, sure in enumerate((0, 0, 1, 2, 3, 4)):
        probs[i, sure] = 0.8
    probs[0] = np.nan
    found = from_windows(t, probs, classes, 100.0, 5, 5.0)
    assert found.stages == ("W", "N2", None, "N3", None)
    assert found.probs is not None
    assert found.probs[0].tolist() == [0.8, 0.05, 0.05, 0.05, 0.05]  # in the order of STAGES
    assert from_windows([], np.empty((0, 5)), classes, 0.0, 2, 5.0).stages == (None, None)


def test_markers_hold_until_the_next() -> None:
    markers = [Marker(0.0, "W"), Marker(61.0, "N2"), Marker(70.0, "somebody spoke"), Marker(90.0, "REM")]
    found = marked_stages(markers, Hypnogram(("W",) * 5, t0_s=-30.0))
    assert found is not None
    assert found.stages == (None, "W", "W", "N2", "REM")
    assert marked_stages([Marker(0.0, "cue")], NIGHT) is None


def test_a_table_has_a_row_for_each_epoch() -> None:
    probs = np.full((12, 5), 0.2)
    probs[4] = np.nan
    rows = list(csv.reader(io.StringIO(csv_of(Hypnogram(NIGHT.stages, 0.0, probs)).decode())))
    assert rows[0] == ["start_s", "stage", *STAGES]
    assert [row[1] or None for row in rows[1:]] == list(NIGHT.stages)
    assert rows[5] == ["120", "", "", "", "", "", ""]


def test_text_shows_each_stage_in_its_row() -> None:
    lines = text_hypnogram(NIGHT)
    assert [line.split()[0] for line in lines[:5]] == ["W", "REM", "N1", "N2", "N3"]
    assert lines[0][5:] == "██  · █   ██"
    assert lines[1][5:].rstrip() == "    ·   ██"
    longest = max(len(line) for line in text_hypnogram(Hypnogram(NIGHT.stages * 100)))
    assert longest <= 101


def test_a_figure_is_drawn(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "night.png"
    write_png(path, Hypnogram(NIGHT.stages, 0.0, np.full((12, 5), 0.2)), "a night", NIGHT)
    assert path.read_bytes()[:4] == b"\x89PNG"
