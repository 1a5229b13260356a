"""EDF+D: records with pauses between them, which MNE reads as if there were none."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtbci.errors import FileFormatError
from rtbci.replay.edf_records import read_records
from rtbci.replay.read import read_recordings
from rtbci.stream.source import FloatArray, Marker

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("edfio") is None, reason="edfio is not installed; pip install edfio"
)
RATE_HZ = 64.0
N_RECORDS = 6
STARTS = (0, 1, 5, 6, 7, 9)
"""Seconds at which the records of one second begin."""
RESERVED_AT = 192


def write_edf(path: Path, starts: tuple[int, ...] = STARTS, kind: str = "edf") -> FloatArray:
    """A file whose records begin at these seconds, with annotations in the first and after all pauses; returns its samples."""
    edfio: Any = importlib.import_module("edfio")
    signal = {"edf": edfio.EdfSignal, "bdf": edfio.BdfSignal}[kind]
    data = 20.0 * np.random.default_rng(0).standard_normal((int(N_RECORDS * RATE_HZ), 2))
    signals = [
        signal(data[:, i], RATE_HZ, label=label, physical_dimension="uV")
        for i, label in enumerate(("C3", "C4"))
    ]
    notes = [edfio.EdfAnnotation(0.5, None, "first"), edfio.EdfAnnotation(5.25, 0.5, "lästig")]
    whole = {"edf": edfio.Edf, "bdf": edfio.Bdf}[kind](signals, annotations=notes, data_record_duration=1.0)
    whole.write(path)
    content = path.read_bytes()
    for k in reversed(range(N_RECORDS)):
        content = content.replace(b"+%d\x14\x14" % k, b"+%d\x14\x14" % starts[k], 1)
    content = content.replace(b"+5.25\x15", b"+9.25\x15")
    assert content[RESERVED_AT + 3 :].startswith(b"+C")
    path.write_bytes(content[: RESERVED_AT + 4] + b"D" + content[RESERVED_AT + 5 :])
    return data


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_samples_and_markers_have_their_own_times(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    data = write_edf(path, kind=kind)
    (recording,) = read_recordings(path)
    np.testing.assert_allclose(recording.data, data, rtol=0, atol=0.01)
    expected = np.concatenate([start + np.arange(RATE_HZ) / RATE_HZ for start in STARTS])
    np.testing.assert_allclose(recording.sample_times(), expected, atol=1e-9)
    np.testing.assert_allclose(recording.gaps()[:, 1], [3.0, 1.0], atol=1e-9)
    assert recording.markers == (Marker(0.5, "first"), Marker(9.25, "lästig"))
    assert recording.notes == ("EDF+D: records with 2 pauses between them",)


def test_a_part_is_that_of_the_clock(tmp_path: Path) -> None:
    write_edf(tmp_path / "a.edf")
    (part,) = read_recordings(tmp_path / "a.edf", start_s=5.0, stop_s=9.5)
    assert part.n_samples == 3.5 * RATE_HZ
    assert part.t0_s == pytest.approx(5.0)
    (marker,) = part.markers
    assert marker.t_lsl == pytest.approx(4.25)
    assert marker.value == "lästig"


def test_one_without_pauses_is_read_as_it_was(tmp_path: Path) -> None:
    write_edf(tmp_path / "a.edf", starts=tuple(range(N_RECORDS)))
    (recording,) = read_recordings(tmp_path / "a.edf")
    assert len(recording.gaps()) == 0
    content = (tmp_path / "a.edf").read_bytes()
    (tmp_path / "c.edf").write_bytes(content[: RESERVED_AT + 4] + b"C" + content[RESERVED_AT + 5 :])
    assert read_records(tmp_path / "c.edf") is None
    (continuous,) = read_recordings(tmp_path / "c.edf")
    np.testing.assert_array_equal(continuous.data, recording.data)
    np.testing.assert_allclose(continuous.sample_times(), recording.sample_times(), atol=1e-9)


def test_records_that_run_back_are_refused(tmp_path: Path) -> None:
    write_edf(tmp_path / "a.edf", starts=(0, 1, 5, 4, 7, 9))
    with pytest.raises(
        FileFormatError, match="record 4 begins at 4 s, the one before at 5 s, need them in order"
    ):
        read_recordings(tmp_path / "a.edf")


def test_a_record_without_its_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    write_edf(path)
    path.write_bytes(path.read_bytes().replace(b"+6\x14\x14", b"+x\x14\x14"))
    with pytest.raises(FileFormatError, match="not when each of its records begins"):
        read_recordings(path)


def test_any_cut_is_read_or_refused(tmp_path: Path) -> None:
    write_edf(tmp_path / "a.edf")
    content = (tmp_path / "a.edf").read_bytes()
    path = tmp_path / "cut.edf"
    for n in range(0, len(content), 1 + len(content) // 60):
        path.write_bytes(content[:n])
        try:
            (recording,) = read_recordings(path)
        except FileFormatError:
            continue
        assert recording.t_s is not None
        assert len(recording.t_s) == recording.n_samples
