from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import ConfigError, FileFormatError
from rtbci.evaluate.split import first_trials
from rtbci.evaluate.trials import (
    IDLE,
    TRACKS,
    Trial,
    check_track,
    find_trials,
    nearest_window,
    window_labels,
)
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.stream.source import Marker
from tests.tiny import stream_info, write_paradigm

HOP_S = 0.0625


@pytest.fixture
def recipe(tmp_path: Path) -> ParadigmRecipe:
    return read_paradigm(str(write_paradigm(tmp_path)))


def run_with(*markers: tuple[float, str], seconds: float = 30.0) -> Recording:
    return Recording(
        stream_info(), np.zeros((round(250 * seconds), 3)), tuple(Marker(t, text) for t, text in markers)
    )


def test_where_trials_end(recipe: ParadigmRecipe) -> None:
    run = run_with((1.0, "T1"), (5.1, "T0"), (9.0, "right"), (20.0, "T2"), (28.0, "T1"))
    trials = find_trials([run], recipe, "d/S001")
    # at the next marker; after 4 s when that is far; with the recording
    assert [(t.t_cue, t.t_end, t.i_class) for t in trials] == [
        (1.0, 5.1, 0),
        (9.0, 13.0, 1),
        (20.0, 24.0, 1),
        (28.0, 30.0, 0),
    ]


def test_a_trial_that_was_not_seen_to_its_end_is_none(recipe: ParadigmRecipe) -> None:
    run = run_with((1.0, "T1"), (5.0, "unseen"), (9.0, "T2"), (9.0, "flash"), (13.0, "T0"), (14.0, "unseen"))
    assert [(t.t_cue, t.t_end) for t in find_trials([run], recipe, "d/S001")] == [(9.0, 13.0)]


def test_a_cue_of_two_streams_is_one_trial_and_ends_none(recipe: ParadigmRecipe) -> None:
    run = run_with((1.0, "T1"), (1.03, "769"), (5.1, "T0"), (9.0, "right"), (9.01, "T2"), (13.5, "T0"))
    assert [(t.t_cue, t.t_end) for t in find_trials([run], recipe, "d/S001")] == [(1.0, 5.1), (9.0, 13.5)]


def test_recordings_without_cues(recipe: ParadigmRecipe) -> None:
    with pytest.raises(
        FileFormatError, match="d/S001: no cues, its markers are blink, need some of T1, T2, left"
    ):
        find_trials([run_with((1.0, "blink"))], recipe, "d/S001")
    with pytest.raises(FileFormatError, match="its markers are none"):
        find_trials([run_with()], recipe, "d/S001")


def grid(window_s: float = 3.0, n: int = 400, offset_s: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    t_newest = offset_s + HOP_S * np.arange(1, n + 1)
    return np.maximum(t_newest - window_s, 0.0), t_newest


@pytest.mark.parametrize("t_cue", [4.0, 4.03, 4.0624])
def test_the_window_ends_at_the_track_but_not_after(t_cue: float) -> None:
    first, newest = grid()
    i = nearest_window(first, newest, t_cue, TRACKS["B"], HOP_S)
    assert i is not None
    assert 0 <= t_cue + 4.0 - newest[i] < HOP_S
    assert first[i] > t_cue + 1.0 - HOP_S - 1e-9


def test_no_window_where_the_signal_ends_or_breaks() -> None:
    first, newest = grid()
    track = TRACKS["B"]
    assert nearest_window(first, newest, 22.0, track, HOP_S) is None  # the recording ends at 25 s
    hole = np.abs(newest - 8.0) > 0.5
    assert nearest_window(first[hole], newest[hole], 4.0, track, HOP_S) is None
    assert nearest_window(first[hole], newest[hole], 10.0, track, HOP_S) is not None
    assert (
        nearest_window(first - 0.5, newest, 4.0, track, HOP_S) is None
    )  # a window of 3.5 s reaches out of B
    assert nearest_window(first - 0.5, newest, 4.0, TRACKS["A"], HOP_S) is not None


def test_labels_of_windows() -> None:
    trials = [Trial(0, 2.0, 6.1, 1), Trial(0, 8.0, 12.0, 2)]
    t = np.array([1.9, 2.0, 2.49, 2.5, 6.1, 6.2, 9.0, 12.1])
    assert window_labels(t, trials).tolist() == [IDLE, IDLE, IDLE, 1, 1, IDLE, 2, IDLE]
    assert window_labels(t, trials, idle=2).tolist() == [IDLE, IDLE, IDLE, 1, 1, IDLE, IDLE, IDLE]


def test_tracks(recipe: ParadigmRecipe, tmp_path: Path) -> None:
    assert check_track("b", recipe) == TRACKS["B"]
    with pytest.raises(ConfigError, match="--track: got 'C', need A"):
        check_track("C", recipe)
    long = read_paradigm(str(write_paradigm(tmp_path / "long", window_s=4.0)))
    assert check_track("A", long).start_s == 0.0
    with pytest.raises(ConfigError, match=r"has windows of 4 s, need at most 3 s .* judge it on track A"):
        check_track("B", long)
    longer = read_paradigm(str(write_paradigm(tmp_path / "longer", window_s=8.0)))
    with pytest.raises(ConfigError, match=r"seconds after them, as --track 0-9"):
        check_track("B", longer)
    locked = read_paradigm(str(write_paradigm(tmp_path / "locked", policy="marker")))
    with pytest.raises(ConfigError, match="locked to markers, need sliding"):
        check_track("A", locked)


def test_frontal_electrodes_need_a_band_above_eye_movements(tmp_path: Path) -> None:
    labels = ("F7", "CZ", "C4")
    in_band = read_paradigm(str(write_paradigm(tmp_path / "band", labels=labels)))
    assert check_track("B", in_band).name == "B"
    broad = read_paradigm(str(write_paradigm(tmp_path / "broad", labels=labels, stages="")))
    with pytest.raises(ConfigError, match="reads F7 below 8 Hz"):
        check_track("B", broad)
    assert check_track("A", broad).name == "A"


def trials_of(classes: str) -> list[Trial]:
    return [Trial(i // 4, 10.0 * (i % 4), 10.0 * (i % 4) + 4.0, int(c)) for i, c in enumerate(classes)]


def test_first_trials_in_time() -> None:
    split = first_trials(trials_of("00101011"), 2, [0, 1], "later")
    assert split is not None
    assert split.calibration == (0, 1, 2, 4)
    assert split.judged == (5, 6, 7)  # trial 3 came before calibration was over
    assert (split.i_run, split.t_s) == (1, 4.0)
    everything = first_trials(trials_of("00101011"), 2, [0, 1], "all")
    assert everything is not None
    assert everything.judged == (3, 5, 6, 7)


def test_no_calibration_judges_all() -> None:
    split = first_trials(trials_of("0101"), 0, [0, 1], "later")
    assert split is not None
    assert (split.calibration, split.judged, split.t_s) == ((), (0, 1, 2, 3), -1.0)


def test_too_few_trials() -> None:
    assert first_trials(trials_of("0001"), 2, [0, 1], "later") is None
    assert first_trials(trials_of("0011"), 2, [0, 1], "later") is None  # none left to judge
    assert first_trials([], 0, [0, 1], "later") is None
