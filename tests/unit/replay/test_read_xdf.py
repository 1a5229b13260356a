"""XDF files whose stamps are not what stamps should be."""

from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import FileFormatError
from rtbci.record.xdf_headers import stream_header
from rtbci.record.xdf_write import XdfWriter
from rtbci.replay.read import read_recordings
from rtbci.stream.source import Channel, FloatArray
from tests.unit.record.samples import START

RATE_HZ = 100.0
DATA = 20.0 * np.random.default_rng(0).standard_normal((1000, 2))


def write_xdf(path: Path, *stamps: FloatArray) -> Path:
    """A file of one EEG stream for each array of stamps, without footers and clock offsets."""
    writer = XdfWriter()
    content = writer.begin(START)
    for k, t_s in enumerate(stamps):
        channels = [Channel("C3", "microvolts", "EEG"), Channel("C4", "microvolts", "EEG")]
        i, head = writer.open_stream(stream_header(f"amp-{k}", "EEG", RATE_HZ, "double64", channels=channels))
        content += head + writer.samples(i, [(DATA[: len(t_s)], t_s)])
    path.write_bytes(content)
    return path


def test_samples_stay_in_their_order_where_a_clock_was_set_back(tmp_path: Path) -> None:
    """Sorted by their stamps, two stretches of signal would be one of samples in turn."""
    t_s = 10.0 + np.arange(1000) / RATE_HZ
    t_s[500:] -= 4.0
    (recording,) = read_recordings(write_xdf(tmp_path / "a.xdf", t_s))
    np.testing.assert_array_equal(recording.data, DATA)
    np.testing.assert_allclose(recording.sample_times(), t_s - t_s[0], atol=1e-6)
    (note,) = [note for note in recording.notes if "run back" in note]
    assert "run back by 3.99 s after 4.99 s, a clock was set back" in note


def test_a_pause_of_a_second_moves_no_sample(tmp_path: Path) -> None:
    """Where a line is drawn through it, samples before and after it are half a second from their markers."""
    t_s = 10.0 + np.arange(1000) / RATE_HZ
    t_s[500:] += 1.2
    jitter_s = 0.002 * np.random.default_rng(1).standard_normal(1000)
    (recording,) = read_recordings(write_xdf(tmp_path / "a.xdf", t_s + jitter_s))
    np.testing.assert_allclose(recording.t0_s + recording.sample_times(), t_s, atol=5e-4)
    np.testing.assert_allclose(recording.gaps(), [[4.99, 1.2]], atol=1e-3)
    assert recording.info.rate_hz == RATE_HZ


def test_jitter_that_runs_back_is_no_clock_that_was_set_back(tmp_path: Path) -> None:
    t_s = 10.0 + np.arange(1000) / RATE_HZ
    t_s[100:110] = t_s[100:110][::-1]
    (recording,) = read_recordings(write_xdf(tmp_path / "a.xdf", t_s))
    assert not any("run back" in note for note in recording.notes)
    assert (np.diff(recording.sample_times()) > 0).all()


def test_stamps_that_are_all_the_same_are_no_times(tmp_path: Path) -> None:
    same, right = np.full(1000, 5.0), 10.0 + np.arange(1000) / RATE_HZ
    (recording,) = read_recordings(write_xdf(tmp_path / "a.xdf", same, right))
    assert (recording.name, recording.info.rate_hz) == ("amp-1", RATE_HZ)
    assert any("stream 'amp-0' was left out: 100 Hz by its header" in note for note in recording.notes)
    with pytest.raises(FileFormatError, match=r"none with samples at a regular rate.*'amp-0' was left out"):
        read_recordings(write_xdf(tmp_path / "b.xdf", same))
