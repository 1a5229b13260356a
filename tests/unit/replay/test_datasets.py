from pathlib import Path

import pytest

from rtbci.errors import ConfigError, FileFormatError
from rtbci.replay.datasets import read_dataset
from tests.data_paths import data_dir, needs_data


@needs_data
@pytest.mark.data
def test_runs_of_a_subject_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(subjects: int, runs: list[int], **settings: object) -> list[Path]:
        asked.append((subjects, runs, settings["path"], settings["update_path"]))
        return [data_dir() / f"eegmmidb/raw/S{subjects:03d}R{run:02d}.edf" for run in runs]

    monkeypatch.setattr("mne.datasets.eegbci.load_data", load)
    (recording,) = read_dataset("eegbci:7:4,12")
    assert asked == [(7, [4, 12], None, False)]
    assert recording.data.shape == (40000, 64)
    assert recording.gaps().shape == (1, 2)
    assert len(recording.markers) == 60
    read_dataset("eegbci:7")
    assert asked[1][1] == [4, 8, 12]


def test_offline_says_where_the_files_would_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*args: object, **settings: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("mne.datasets.eegbci.load_data", refuse)
    with pytest.raises(
        FileFormatError, match=f"not in {tmp_path} .*no route to host.*needs the network once"
    ):
        read_dataset("eegbci:7", folder=tmp_path)
    monkeypatch.setattr("mne.datasets.ssvep.data_path", refuse)
    monkeypatch.setattr("mne.get_config", lambda key: None)
    with pytest.raises(FileFormatError, match="mne_data"):
        read_dataset("ssvep:1")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("eegbcy:7", "no data set 'eegbcy', need one of eegbci, ssvep"),
        ("eegbci", "subject is '', need a number from 1 to 109"),
        ("eegbci:110", "subject is '110', need a number from 1 to 109"),
        ("eegbci:7:4,99", "run is '99', need a number from 1 to 14"),
        ("ssvep:3", "subject is '3', need a number from 1 to 2"),
    ],
)
def test_names_are_checked_before_anything_is_loaded(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_dataset(spec)
