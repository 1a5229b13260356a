"""Windows for decoders that are trained elsewhere: what an engine gets live, with the groups of a fair cross-validation."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rtbci
from rtbci.calibrate.windows import LabelledWindows, windows
from rtbci.errors import ConfigError, FileFormatError
from rtbci.evaluate.decode import HopDecoder, decode_run
from rtbci.recipes import read_paradigm
from rtbci.replay.recording import Recording
from rtbci.stream.source import Marker
from tests.tiny import CLASSES, LABELS, RATE_HZ, WINDOW_S, eeg, stream_info, write_paradigm

CUES = (Marker(2.0, "left"), Marker(5.0, "blank"), Marker(8.0, "right"), Marker(14.0, "T1"))
IMAGERY_S = 2.0
PER_TRIAL = 17  # of 0.5 s, every 0.0625 s, from 0.5 to 2 s after the cue


def recording(seconds: float = 20.0, markers: tuple[Marker, ...] = CUES, seed: int = 0) -> Recording:
    return Recording(stream_info(), eeg(round(250 * seconds), seed=seed), markers)


@pytest.fixture
def paradigm(tmp_path: Path) -> str:
    """Without its engine: whoever is about to train one has none."""
    folder = write_paradigm(tmp_path / "tiny")
    shutil.rmtree(tmp_path / "tiny" / "engine")
    return str(folder)


def test_every_window_is_bit_for_bit_what_the_engine_gets(tmp_path: Path) -> None:
    whole = str(write_paradigm(tmp_path / "whole"))
    found = windows(whole, [recording()], imagery_s=IMAGERY_S)
    with HopDecoder(read_paradigm(whole)) as decoder:
        hops = decode_run(decoder, recording())
        for x, t_newest in zip(found.x, found.t_newest, strict=True):
            (i,) = np.flatnonzero(hops.t_newest == t_newest)
            np.testing.assert_array_equal(x, decoder.signals([int(i)], context_s=0.0)[0].T)
            said = decoder.sessions["window"].run(x[np.newaxis])[0]
            np.testing.assert_allclose(said, hops.probs[i], atol=1e-6)


def test_labels_groups_and_times(paradigm: str) -> None:
    found = windows(paradigm, [recording(), recording(seed=1)], imagery_s=IMAGERY_S)
    assert len(found) == 6 * PER_TRIAL
    assert found.x.shape == (6 * PER_TRIAL, len(LABELS), round(WINDOW_S * RATE_HZ))
    assert found.x.dtype == np.float32
    assert found.x.flags.c_contiguous
    assert (found.classes, found.channels, found.rate_hz) == (CLASSES, LABELS, RATE_HZ)
    assert found.i_trial.tolist() == np.repeat(np.arange(6), PER_TRIAL).tolist()
    assert found.i_recording.tolist() == np.repeat([0, 1], 3 * PER_TRIAL).tolist()
    last = found.pick(found.is_last)
    assert last.y.tolist() == [0, 1, 0] * 2
    assert last.t_cue.tolist() == [2.0, 8.0, 14.0] * 2
    assert last.i_trial.tolist() == list(range(6))
    late_s = found.t_newest - found.t_cue
    assert 1.0 - 0.0625 < late_s.min() <= late_s.max() <= IMAGERY_S
    assert np.all(IMAGERY_S - (last.t_newest - last.t_cue) < 0.0625)
    assert found.recordings == ("tiny", "tiny")
    assert repr(found) == (
        f"LabelledWindows({6 * PER_TRIAL} of shape (3, 64) at 128 Hz: {4 * PER_TRIAL} left_hand, "
        f"{2 * PER_TRIAL} right_hand; 6 trials, 0 left out)"
    )


def test_fewer_windows_of_a_trial(paradigm: str) -> None:
    every = windows(paradigm, [recording()], imagery_s=IMAGERY_S)
    one, three = (windows(paradigm, [recording()], imagery_s=IMAGERY_S, n_per_trial=n) for n in (1, 3))
    last = every.pick(every.is_last)
    np.testing.assert_array_equal(one.x, last.x)
    assert len(three) == 9
    assert three.t_newest[:3].tolist() == every.t_newest[[0, 8, 16]].tolist()
    with pytest.raises(ConfigError, match="windows of 'tiny': n_per_trial is 0, need 1 or more"):
        windows(paradigm, [recording()], n_per_trial=0)


def test_channels_are_found_by_name_and_units_are_microvolts(paradigm: str) -> None:
    plain = recording()
    turned = replace(plain, info=stream_info(LABELS[::-1]), data=plain.data[:, ::-1])
    volts = replace(
        plain,
        info=replace(plain.info, channels=tuple(replace(one, unit="V") for one in plain.info.channels)),
        data=1e-6 * plain.data,
    )
    found = windows(paradigm, [plain, turned, volts], imagery_s=IMAGERY_S)
    n = 3 * PER_TRIAL
    np.testing.assert_array_equal(found.x[:n], found.x[n : 2 * n])
    np.testing.assert_allclose(found.x[:n], found.x[2 * n :], rtol=1e-5, atol=1e-5)


def test_what_has_no_window_is_told(paradigm: str) -> None:
    broken = recording(seconds=15.0)
    broken.data[round(250 * 8.7)] = np.nan
    unmarked = recording(markers=(Marker(1.0, "blank"),))
    found = windows(paradigm, [broken, unmarked], imagery_s=IMAGERY_S)
    assert found.i_trial.tolist() == [0] * PER_TRIAL
    assert found.left_out == (
        "tiny: right_hand at 8.0 s: gap",
        "tiny: left_hand at 14.0 s: recording ended",
        "tiny: no cues",
    )


def test_numbers_of_trials_go_on_behind_one_that_is_left_out(paradigm: str) -> None:
    found = windows(paradigm, [recording(seconds=15.0), recording()], imagery_s=IMAGERY_S, n_per_trial=1)
    assert found.i_trial.tolist() == [0, 1, 3, 4, 5]
    assert len(set(found.i_trial.tolist())) == len(found)


def test_recordings_that_cannot_be_used(paradigm: str) -> None:
    with pytest.raises(
        FileFormatError, match=r"windows of 'tiny': no cues, its markers are blank, need some of T1"
    ):
        windows(paradigm, [recording(markers=(Marker(1.0, "blank"),))])
    with pytest.raises(FileFormatError, match="windows of 'tiny': no cues, its markers are none"):
        windows(paradigm, [])
    with pytest.raises(
        FileFormatError, match=r"none of 1 trials has its windows \(the first: tiny: left_hand at 2.0 s: rec"
    ):
        windows(paradigm, [recording(seconds=5.0, markers=CUES[:1])])
    with pytest.raises(ConfigError, match=r"imagery lasts 0\.25 s, need at least a window of 0\.5 s"):
        windows(paradigm, [recording()], imagery_s=0.25)


def test_it_is_public(paradigm: str) -> None:
    assert rtbci.windows is windows
    assert isinstance(rtbci.windows(paradigm, [recording()]), rtbci.LabelledWindows)
    assert rtbci.LabelledWindows is LabelledWindows


def test_a_population_decoder_s_alignment_is_where_it_begins() -> None:
    labels = read_paradigm("motor_imagery").input.channels
    made = Recording(stream_info(labels), eeg(2500, len(labels)), (Marker(4.0, "left_hand"),))
    found = windows("motor_imagery", [made], n_per_trial=1)
    with HopDecoder("motor_imagery") as decoder:
        hops = decode_run(decoder, made)
        (i,) = np.flatnonzero(hops.t_newest == found.t_newest[0])
        wanted = decoder.signals([int(i)], context_s=0.0)[0].T
    assert found.x.shape == (1, 31, 768)
    np.testing.assert_allclose(found.x[0], wanted, rtol=1e-5, atol=1e-6)
