from pathlib import Path

import mne
import numpy as np
import pytest

from rtbci.errors import FileFormatError
from rtbci.evaluate.data import open_data
from rtbci.replay.events_file import is_events_file
from rtbci.replay.read import read_recordings

RATE_HZ = 100.0


def write_fif(folder: Path, stem: str = "run", events: bool = True) -> Path:
    """A recording of two channels, and three events, counted from the start of the acquisition."""
    folder.mkdir(parents=True, exist_ok=True)
    info = mne.create_info(["O1", "O2"], RATE_HZ, "eeg", verbose="ERROR")
    data = np.random.default_rng(0).standard_normal((2, 1000)) * 1e-5
    raw = mne.io.RawArray(data, info, first_samp=250, verbose="ERROR")
    path = folder / f"{stem}_raw.fif"
    raw.save(path, verbose="ERROR")
    if events:
        codes = np.array([[300, 0, 2], [550, 0, 3], [800, 0, 2]])
        mne.write_events(folder / f"{stem}-eve.fif", codes, verbose="ERROR")
    return path


def test_events_beside_a_recording_are_its_markers(tmp_path: Path) -> None:
    path = write_fif(tmp_path)
    (recording,) = read_recordings(path)
    assert [(round(m.t_lsl, 6), m.value) for m in recording.markers] == [(0.5, "2"), (3.0, "3"), (5.5, "2")]
    (part,) = read_recordings(path, start_s=2.0)
    assert [(round(m.t_lsl, 6), m.value) for m in part.markers] == [(1.0, "3"), (3.5, "2")]
    (without,) = read_recordings(write_fif(tmp_path, "other", events=False))
    assert without.markers == ()


def test_an_events_file_that_is_broken_is_told(tmp_path: Path) -> None:
    path = write_fif(tmp_path)
    (tmp_path / "run-eve.fif").write_bytes(b"nothing of the kind")
    with pytest.raises(FileFormatError, match=r"run-eve.fif: cannot be read \(.*need events as MNE"):
        read_recordings(path)


def test_a_folder_of_folders_has_a_subject_in_each(tmp_path: Path) -> None:
    for name in ("ada", "bob"):
        write_fif(tmp_path / name)
    (tmp_path / "ada" / "run.edf").write_bytes(b"the same once more")
    (tmp_path / "notes").mkdir()
    reader = open_data([str(tmp_path)])
    assert reader.subjects() == ["ada", "bob"]
    (run,) = reader.read("ada")
    assert len(run.markers) == 3
    with pytest.raises(FileFormatError, match="notes holds no recording, need files ending in"):
        open_data([str(tmp_path / "notes")])
    assert is_events_file(Path("x_eve.fif"))
    assert not is_events_file(Path("x_raw.fif"))
