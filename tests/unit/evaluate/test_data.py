import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mne
import numpy as np
import pytest

from rtbci.errors import ConfigError, FileFormatError, MissingPackageError
from rtbci.evaluate.data import open_data, subject_of
from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.evaluate.read_moabb import open_moabb, raw_recording
from tests.data_paths import data_dir, needs_data
from tests.unit.evaluate.samples import LABELS, REST_S, TRIAL_S, imagery_signal, write_folder, write_subject


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("S007R12.edf", "S007"),
        ("S001.npz", "S001"),
        ("sub-03_task-mi_run-02_eeg.vhdr", "sub-03_task-mi"),
        ("R01.edf", "R01"),
        ("ada.xdf", "ada"),
    ],
)
def test_subjects_by_file_name(name: str, subject: str) -> None:
    assert subject_of(Path(name)) == subject


def test_a_folder_of_archives(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "lab", 2, n_runs=3)
    (folder / "README.md").write_text("not a recording")
    reader = open_data([str(folder)])
    assert (reader.name, reader.source, reader.subjects()) == ("lab", str(folder), ["S001", "S002"])
    runs = reader.read("S002")
    assert len(runs) == 3
    for i, run in enumerate(runs):
        np.testing.assert_array_equal(
            run.data, np.round(imagery_signal((1, 2, 2, 1, 1, 2, 1, 2), 200 + i, 0.0))
        )
        assert run.info.labels == LABELS
        assert [m.value for m in run.markers[:4]] == ["T0", "T1", "T0", "T2"]
        assert run.markers[1].t_lsl == pytest.approx(REST_S)
        assert run.sample_times()[0] == 0.0
        assert len(run.markers) == 16
        assert run.duration_s == pytest.approx(8 * (REST_S + TRIAL_S))


def test_files_of_one_subject_belong_together(tmp_path: Path) -> None:
    for name in ("bobR02.npz", "bobR01.npz", "eve.npz"):
        write_subject(tmp_path / name)
    reader = open_data(
        [str(tmp_path / "bobR02.npz"), str(tmp_path / "bobR01.npz"), str(tmp_path / "eve.npz")]
    )
    assert reader.subjects() == ["bob", "eve"]
    assert [run.info.name for run in reader.read("bob")] == ["bobR01", "bobR02"]
    assert open_data([str(tmp_path)], "named").name == "named"


@needs_data
@pytest.mark.data
def test_recordings_of_other_formats() -> None:
    reader = open_data([str(data_dir() / "eegmmidb" / "raw")])
    assert reader.subjects() == ["S001", "S007", "S088"]
    (run,) = reader.read("S088")
    assert run.info.rate_hz == 128.0
    archived = open_data([str(data_dir() / "eegmmidb" / "S001.npz")]).read("S001")[0]
    raw = reader.read("S001")[0]
    assert [m.value for m in archived.markers] == [m.value for m in raw.markers]
    np.testing.assert_allclose(
        [m.t_lsl for m in archived.markers], [m.t_lsl for m in raw.markers], atol=1 / 160
    )


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--data: nothing given"):
        open_data([])
    with pytest.raises(FileFormatError, match="nowhere does not exist, need a folder or recordings"):
        open_data([str(tmp_path / "nowhere")])
    with pytest.raises(FileFormatError, match="holds no recording, need files ending in"):
        open_data([str(tmp_path)])
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(FileFormatError, match="cannot be unpacked"):
        read_npz_runs(tmp_path / "bad.npz")
    with pytest.raises(ConfigError, match="got 2 places, need a MOABB data set on its own"):
        open_data(["moabb:A", "moabb:B"])


# -- MOABB, with a data set of its form ----------------------------------------------------------------


def info_of(labels: list[str], kinds: Any) -> mne.Info:
    return mne.create_info(labels, 100.0, kinds)


def raw(annotated: bool) -> mne.io.BaseRaw:
    data = np.vstack([np.full((2, 1000), 5e-6), np.zeros((2, 1000))])
    data[3, 100:110], data[3, 300:310] = 1, 2
    info = info_of(["C3", "C4", "EOG", "STI"], ["eeg", "eeg", "eog", "stim"])
    found = mne.io.RawArray(data, info, first_samp=50, verbose="ERROR")
    if annotated:
        found.set_annotations(mne.Annotations([1.0, 3.0], [2.0, 2.0], ["left_hand", "right_hand"]))
    return found


class FakeSet:
    subject_list = (2, 1)
    event_id = {"left_hand": 1, "right_hand": 2}  # noqa: RUF012

    def get_data(self, subjects: list[int]) -> dict[int, dict[str, dict[str, mne.io.BaseRaw]]]:
        if subjects == [2]:
            raise OSError("no network")
        return {1: {"1": {"0": raw(True)}, "0": {"0": raw(False), "1": raw(False)}}}


@pytest.fixture
def moabb(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ModuleType("moabb.datasets")
    vars(found).update(FakeSet=FakeSet, helper=1)
    monkeypatch.setitem(sys.modules, "moabb", ModuleType("moabb"))
    monkeypatch.setitem(sys.modules, "moabb.datasets", found)


@pytest.mark.usefixtures("moabb")
def test_subjects_of_moabb() -> None:
    reader = open_data(["moabb:FakeSet"])
    assert (reader.name, reader.source, reader.subjects()) == ("FakeSet", "moabb:FakeSet", ["S001", "S002"])
    runs = reader.read("S001")
    assert [run.name for run in runs] == ["S001-0-0", "S001-0-1", "S001-1-0"]
    for run in runs:
        assert run.info.labels == ("C3", "C4")
        np.testing.assert_allclose(run.data, 5.0)
        assert [(m.t_lsl, m.value) for m in run.markers] == [(1.0, "left_hand"), (3.0, "right_hand")]
    with pytest.raises(
        FileFormatError, match=r"S002 is not on disk and cannot be downloaded .OSError: no network"
    ):
        reader.read("S002")
    with pytest.raises(ConfigError, match="MOABB has no data set 'helper', it has FakeSet"):
        open_moabb("helper")


def test_recordings_without_eeg() -> None:
    info = info_of(["STI"], ["stim"])
    with pytest.raises(FileFormatError, match="x: has no EEG channel"):
        raw_recording(mne.io.RawArray(np.zeros((1, 10)), info, verbose="ERROR"), "x", {})
    info = info_of(["C3"], ["eeg"])
    assert raw_recording(mne.io.RawArray(np.zeros((1, 10)), info, verbose="ERROR"), "x", {}).markers == ()


def test_without_moabb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moabb.datasets", None)
    with pytest.raises(
        MissingPackageError, match=r"needs MOABB, which is not installed; pip install 'rtbci\[moabb\]'"
    ):
        open_data(["moabb:BNCI2014_001"])
