from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rtbci.errors import FileFormatError
from rtbci.replay.read import read_recordings
from rtbci.stream.source import FloatArray


def openbci(path: Path, indices: npt.NDArray[np.int_], stamps_ms: FloatArray | None = None) -> Path:
    lines = ["%OpenBCI Raw EXG Data", "%Number of channels = 2", "%Sample Rate = 250 Hz"]
    lines.append(
        "Sample Index, EXG Channel 0, EXG Channel 1, Timestamp, Marker Channel, Timestamp (Formatted)"
    )
    for i, index in enumerate(indices):
        stamp = 1.5e12 + 4 * i if stamps_ms is None else stamps_ms[i]
        lines.append(f"{index}, {i}.5, -{i}, {stamp:.0f}, {3 if i == 5 else 0}, 12:00:00")
    path.write_text("\n".join(lines))
    return path


def test_openbci_counts_samples(tmp_path: Path) -> None:
    (recording,) = read_recordings(openbci(tmp_path / "a.txt", np.arange(600) % 256))
    assert recording.t_s is None
    assert recording.info.rate_hz == 250.0
    assert recording.info.labels == ("EXG Channel 0", "EXG Channel 1")
    assert [(round(m.t_lsl, 6), m.value) for m in recording.markers] == [(0.02, "3")]


def test_openbci_lost_samples_and_pauses_are_gaps(tmp_path: Path) -> None:
    indices = np.delete(np.arange(600), slice(100, 110)) % 256
    stamps_ms = np.linspace(1.5e12, 1.5e12 + 4.0 * 589, 590)
    stamps_ms[300:] += 2000.0
    (recording,) = read_recordings(openbci(tmp_path / "a.txt", indices, stamps_ms))
    np.testing.assert_allclose(recording.gaps(), [[99 / 250, 10 / 250], [309 / 250, 2.0]], atol=1e-3)
    assert any("10 samples lost by their index, 1 pauses" in note for note in recording.notes)


def test_openbci_of_older_guis_has_no_titles(tmp_path: Path) -> None:
    path = tmp_path / "old.txt"
    rows = [f"{i % 256}, 1.0, 2.0, 0.0, 0.0, 0.0, 12:00:00.000, 1500000000000" for i in range(10)]
    path.write_text(
        "\n".join(["%OpenBCI Raw EEG Data", "%Number of channels = 2", "%Sample Rate = 250.0 Hz", *rows])
    )
    (recording,) = read_recordings(path)
    np.testing.assert_array_equal(recording.data, np.tile([1.0, 2.0], (10, 1)))


def test_openbci_without_a_rate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("%OpenBCI Raw EXG Data\n%Number of channels = 2\n0, 1, 2\n1, 1, 2\n")
    with pytest.raises(FileFormatError, match=r"'%Sample Rate = \.\.\.' is missing or unreadable"):
        read_recordings(path)


def test_openbci_whose_titles_are_damaged_is_refused(tmp_path: Path) -> None:
    path = openbci(tmp_path / "a.txt", np.arange(20))
    path.write_text(path.read_text().replace("EXG Channel", "E"))
    with pytest.raises(FileFormatError, match="its line of titles names no 'EXG Channel'"):
        read_recordings(path)


def test_muse_monitor_events_become_markers(tmp_path: Path) -> None:
    path = tmp_path / "mm.csv"
    rows = ["TimeStamp,RAW_TP9,RAW_AF7,AUX_RIGHT,Battery,Elements"]
    for i in range(512):
        second = f"2024-01-01 10:00:{i // 256:02d}.{i % 256 * 1000 // 256:03d}"
        rows.append(f"{second},{800 + i % 7},{810 + i % 5},0,90,")
        if i == 256:
            rows.append(f"{second},,,,,/muse/elements/blink")
    path.write_text("\n".join(rows))
    (recording,) = read_recordings(path)
    assert recording.data.shape == (512, 3)
    assert recording.info.rate_hz == 256.0
    assert recording.info.labels == ("TP9", "AF7", "AUX_RIGHT")
    assert [(round(m.t_lsl, 3), m.value) for m in recording.markers] == [(1.0, "/muse/elements/blink")]


def test_a_cut_last_row_is_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "muse.csv"
    rows = [f"{i / 256:.3f},1.0,2.0,0" for i in range(500)]
    path.write_text("\n".join(["timestamps,TP9,AF7,Marker", *rows, "1.9"]))
    (recording,) = read_recordings(path)
    assert recording.n_samples == 500
    assert "1 rows did not parse and were left out" in recording.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timestamps,Marker0\n1,0\n2,0\n", "has no signal column"),
        ("timestamps,TP9\n1.0,x\n2.0,y\n3.0,z\n", "0 rows of samples and 3 that do not parse"),
        ("timestamps,TP9\n1.0,1\n1.0,1\n1.0,1\n", "stamps do not advance"),
        ("timestamps,TP9\nnan,1\nnan,1\nnan,1\n", "is not a finite number"),
        ("TimeStamp,Delta_TP9\n2024-01-01 10:00:00,1\n", "has no RAW_ column"),
    ],
)
def test_broken_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "muse.csv"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        read_recordings(path)
