from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtbci.calibrate.bad_channels import find_bad_channels
from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.quality import RejectSettings, judge_trial
from rtbci.calibrate.recordings import marker_lines, trials_of_recordings
from rtbci.errors import ChannelError, FileFormatError
from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.recipes import read_paradigm
from rtbci.recipes.markers import with_markers
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.stream.recording import RecordingSource
from rtbci.stream.source import Marker
from tests.chaos_samples import scenario
from tests.data_paths import data_dir, needs_data
from tests.tiny import eeg, stream_info, write_paradigm
from tools.simulated_session import record_session


def recording(*markers: tuple[float, str], seed: int = 0) -> Recording:
    return Recording(stream_info(), eeg(2500, seed=seed), tuple(Marker(*one) for one in markers))


def test_trials_of_several_recordings(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    first = recording((-1.0, "left"), (2.0, "left"), (4.0, "rest"), (5.0, '{"event": "right"}'), (9.8, "T1"))
    t_s = np.arange(2500) / 250.0 + 0.5 * (np.arange(2500) >= 1250)
    second = replace(recording((2.0, "770.0"), (4.5, "T1"), (7.0, "T2"), seed=1), t_s=t_s)
    data = second.data.copy()
    data[2400:, 0] = np.nan
    with CalibrationDecoder(recipe) as decoder:
        recordings = [first, replace(second, data=data)]
        trials = list(trials_of_recordings(decoder, recordings, timing_of(recipe, 1.5)))
        again = list(trials_of_recordings(decoder, recordings, timing_of(recipe, 1.5)))
    assert [(one.i_trial, one.i_class, one.t_cue, one.reason) for one in trials] == [
        (0, 0, 2.0, ""),
        (1, 1, 5.0, ""),
        (2, 0, 9.8, "recording ended"),
        (3, 1, 22.0, ""),
        (4, 0, 24.5, "gap"),
        (5, 1, 27.0, ""),
    ]
    for one, other in zip(trials, again, strict=True):
        assert one.signal.tobytes() == other.signal.tobytes()
        assert one.branch_logits.tobytes() == other.branch_logits.tobytes()


def test_trials_that_were_not_seen_are_left_out(tmp_path: Path) -> None:
    """As a calibration's own markers have them; the one that takes a cue back may have its time."""
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    shown = recording(
        (2.0, "left"), (2.5, "imagery"), (4.0, "cross"), (5.0, "right"), (5.0, "unseen"), (7.0, "right")
    )
    with CalibrationDecoder(recipe) as decoder:
        trials = list(trials_of_recordings(decoder, [shown], timing_of(recipe, 1.5)))
    assert [(one.i_class, one.t_cue) for one in trials] == [(0, 2.0), (1, 7.0)]


def test_a_cue_of_two_streams_is_one_trial(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    twice = recording((2.0, "left"), (2.03, "769"), (5.0, "T2"), (5.02, "right"))
    with CalibrationDecoder(recipe) as decoder:
        trials = list(trials_of_recordings(decoder, [twice], timing_of(recipe, 1.5)))
    assert [(one.i_trial, one.i_class, one.t_cue) for one in trials] == [(0, 0, 2.0), (1, 1, 5.0)]
    assert marker_lines(recipe, [twice])[-1] == "cues told twice within 0.5 s, counted once: 2"


def test_a_recorded_session_gives_the_trials_that_were_shown(tmp_path: Path) -> None:
    """Its folder, as `rtbci calibrate --record` leaves it, with the steps of the protocol as markers."""
    paradigm = str(write_paradigm(tmp_path / "tiny"))
    steps = [(2.0, "left_hand"), (2.5, "imagery"), (3.5, "pause"), (4.0, "cross"), (4.5, "right_hand")]
    shown = recording(*steps, (4.5, "unseen"), (6.0, "right_hand"), (6.5, "imagery"), (8.0, "done"))
    record_session(
        tmp_path / "session",
        scenario(duration_s=9.5),
        lambda clock: RecordingSource(
            shown.info,
            shown.data,
            shown.markers,
            realtime=True,
            clock=clock,
            sleep_until=clock.sleep_until,
        ),
        {"paradigm": paradigm},
    )
    (read,) = read_recordings(tmp_path / "session")
    recipe = read_paradigm(paradigm)
    with CalibrationDecoder(recipe) as decoder:
        wanted, found = (
            list(trials_of_recordings(decoder, [one], timing_of(recipe, 1.5))) for one in (shown, read)
        )
    assert [(one.i_class, one.reason) for one in found] == [(0, ""), (1, "")]
    for one, other in zip(found, wanted, strict=True):
        assert one.t_cue == pytest.approx(other.t_cue, abs=0.004)
    np.testing.assert_allclose(read.data, shown.data[: read.n_samples], rtol=1e-5)


def test_recordings_without_cues(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    with CalibrationDecoder(recipe) as decoder:
        with pytest.raises(
            FileFormatError,
            match=r"markers are 'arrow_L' \(1\), 'rest' \(1\), need some that name a class .left_hand, right_hand.; "
            "say which is which, as --map TEXT=left_hand, or",
        ):
            list(
                trials_of_recordings(
                    decoder, [recording((1.0, "arrow_L"), (2.0, "rest"))], timing_of(recipe, 1.5)
                )
            )
        mapped = with_markers(recipe, ["arrow_L=left_hand"])
        found = trials_of_recordings(
            decoder, [recording((2.0, "arrow_L"))], timing_of(recipe, 1.5), mapped.class_of
        )
        assert [one.accepted for one in found] == [True]


def test_which_markers_are_taken_for_which_class_is_told(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    first = recording((1.0, "left"), (2.0, "rest"), (3.0, "T2"), (4.0, "rest"))
    second = recording((1.0, "Stimulus/S  7"), (3.0, "T1"))
    assert marker_lines(recipe, [first, second]) == [
        "left_hand: 'left' (1), 'T1' (1)",
        "right_hand: 'T2' (1)",
        "no cue: 'rest' (2), 'Stimulus/S  7' (1)",
    ]
    mapped = with_markers(recipe, ["S 7=right_hand"])
    assert "right_hand: 'T2' (1), 'Stimulus/S  7' (1)" in marker_lines(mapped, [first, second])
    many = recording(*((float(i), f"{i}") for i in range(9)), (9.0, "T1"), (9.5, "T2"))
    assert marker_lines(recipe, [many])[-1].endswith("'7' (1) and 1 more")
    with pytest.raises(
        FileFormatError, match=r"all cues of the recordings are left_hand .*'T1' \(1\).*right_hand: none"
    ):
        marker_lines(recipe, [second])
    with pytest.raises(FileFormatError, match=r"markers are none, need .* as --map TEXT=left_hand"):
        marker_lines(recipe, [recording()])


def test_recordings_of_two_caps_are_refused(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    other = replace(recording((2.0, "left")), info=stream_info(("C3", "CZ", "PZ"), name="other"))
    with (
        CalibrationDecoder(recipe) as decoder,
        pytest.raises(
            ChannelError, match="'other' has 3 channels at 250 Hz, 'tiny' 3 at 250 Hz, need the same cap"
        ),
    ):
        list(trials_of_recordings(decoder, [recording((2.0, "left")), other], timing_of(recipe, 1.5)))


def test_a_unit_that_is_stated_wrongly(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    wrong = recording((2.0, "left"))
    millivolts = replace(wrong, data=wrong.data * 1e-3)
    with CalibrationDecoder(recipe) as decoder:
        (trial,) = trials_of_recordings(decoder, [millivolts], timing_of(recipe, 1.5), unit="mV")
        (right,) = trials_of_recordings(decoder, [wrong], timing_of(recipe, 1.5))
    np.testing.assert_allclose(trial.raw_uv, right.raw_uv, rtol=1e-5)


@pytest.mark.data
@pytest.mark.slow
@needs_data
def test_a_subject_of_eegmmidb() -> None:
    recipe = read_paradigm("motor_imagery")
    run = read_npz_runs(data_dir() / "eegmmidb" / "S001.npz")[0]
    with CalibrationDecoder(recipe) as decoder:
        trials = list(trials_of_recordings(decoder, [run], timing_of(recipe, 4.0)))
        read = decoder.read
    judged = [judge_trial(one, RejectSettings(), run.info.labels, read, run.info.rate_hz) for one in trials]
    assert len(judged) == 15
    assert sum(one.accepted for one in judged) >= 14
    assert sorted({one.i_class for one in judged}) == [0, 1]
    assert find_bad_channels(run.data[:1600], run.info.rate_hz, run.info.labels) == {}
