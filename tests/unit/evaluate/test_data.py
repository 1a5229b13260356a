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
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.read_moabb import open_moabb, raw_recording
from rtbci.replay.read import read_recordings
from tests.data_paths import data_dir, needs_data
from tests.unit.evaluate.samples import (
    LABELS,
    REST_S,
    TRIAL_S,
    asked,
    imagery_signal,
    write_folder,
    write_subject,
)


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


def test_an_archive_is_named_as_text_too(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "lab", 1, n_runs=2) / "S001.npz"
    as_text, as_path = read_npz_runs(str(path)), read_npz_runs(path)
    assert [run.n_samples for run in as_text] == [run.n_samples for run in as_path]
    assert len(as_text) == 2
    assert as_text[0].info == as_path[0].info
    with pytest.raises(FileFormatError, match=r"S002\.npz: cannot be opened \(No such file.*check its name"):
        read_npz_runs(str(path.with_name("S002.npz")))


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


# -- BIDS ----------------------------------------------------------------------------------------------


def write_bids(root: Path, name: str, events: str | None) -> Path:
    """A recording of a BIDS data set whose own annotations are codes, and the table that says what they are."""
    subject, session = name.split("_")[:2]
    folder = root / subject / (session if session.startswith("ses-") else "") / "eeg"
    folder.mkdir(parents=True, exist_ok=True)
    info = mne.create_info(["C3", "C4"], 100.0, "eeg", verbose="ERROR")
    found = mne.io.RawArray(np.random.default_rng(0).normal(0, 1e-5, (2, 1000)), info, verbose="ERROR")
    found.set_annotations(mne.Annotations([1.0, 5.0], [0.0, 0.0], ["1", "2"]))
    found.export(str(folder / f"{name}_eeg.edf"), verbose="ERROR")
    if events is not None:
        (folder / f"{name}_events.tsv").write_text(events, encoding="utf-8")
    return folder / f"{name}_eeg.edf"


EVENTS = "onset\tduration\ttrial_type\tvalue\n5.0\t4\tleft_fist\t2\n1.0\t4\tright_fist\t1\nn/a\t0\tlost\t9\n9.0\t0\tn/a\t3\n"


def test_a_bids_data_set(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name in ("sub-01_ses-b_task-mi_run-1", "sub-01_ses-a_task-mi_run-2", "sub-01_ses-a_task-mi_run-1"):
        write_bids(root, name, EVENTS)
    write_bids(root, "sub-02_task-rest", None)
    write_bids(root / "derivatives" / "clean", "sub-03_task-mi", EVENTS)
    reader = open_data([str(root)])
    assert reader.subjects() == ["sub-01", "sub-02"]
    runs = reader.read("sub-01")
    assert [run.name for run in runs] == [
        "sub-01_ses-a_task-mi_run-1_eeg",
        "sub-01_ses-a_task-mi_run-2_eeg",
        "sub-01_ses-b_task-mi_run-1_eeg",
    ]
    assert [tuple(one) for one in runs[0].markers] == [(1.0, "right_fist"), (5.0, "left_fist"), (9.0, "3")]
    assert "markers are those of sub-01_ses-a_task-mi_run-1_events.tsv" in runs[0].notes
    assert [one.value for one in reader.read("sub-02")[0].markers] == ["1", "2"]
    assert open_data([str(root)], task="mi").subjects() == ["sub-01"]
    assert open_data([str(root / "sub-02")]).subjects() == ["sub-02"]
    with pytest.raises(ConfigError, match=r"--task: got 'p300', .*set has mi, rest; name one of these"):
        open_data([str(root)], task="p300")
    with pytest.raises(
        ConfigError, match="--task: got 'mi' and 2 places, need one folder of a BIDS data set"
    ):
        open_data([str(root), str(root)], task="mi")


def test_a_table_of_events_that_is_broken_is_told(tmp_path: Path) -> None:
    path = write_bids(tmp_path, "sub-01_task-mi", "onset\ttrial_type\nsoon\tleft\n")
    with pytest.raises(
        FileFormatError, match=r"sub-01_task-mi_events.tsv: cannot be read .ValueError.*mend it, or move"
    ):
        read_recordings(path)


def test_markers_are_named_for_an_evaluation(tmp_path: Path) -> None:
    write_bids(tmp_path / "set", "sub-01_task-mi", EVENTS)
    plan = plan_for(tmp_path / "set", maps=["left_fist=left_hand", "right_fist=right_hand"])
    assert [one.value for one in plan.reader.read("sub-01")[0].markers] == ["right_hand", "left_hand", "3"]
    assert plan.reader.source.endswith("set (left_fist = left_hand, right_fist = right_hand)")
    assert (plan.reader.name, plan.reader.subjects()) == ("set", ["sub-01"])
    with pytest.raises(ConfigError, match="--map: 'a=b' names class 'b'"):
        plan_for(tmp_path / "set", maps=["a=b"])


def test_channels_are_named_for_an_evaluation(tmp_path: Path) -> None:
    write_bids(tmp_path / "set", "sub-01_task-mi", EVENTS)
    (run,) = asked("motor_imagery", tmp_path / "set").reader.read("sub-01")
    labels = [f"C{i}" for i in range(run.info.n_channels)]
    reader = asked("motor_imagery", tmp_path / "set", labels=labels).reader
    (named,) = reader.read("sub-01")
    assert list(named.info.labels) == labels != list(run.info.labels)
    assert (named.markers, reader.source.endswith(f"set (channels {', '.join(labels)})")) == (
        run.markers,
        True,
    )


def plan_for(folder: Path, maps: list[str]) -> Plan:
    return asked("motor_imagery", folder, maps=maps)


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
        MissingPackageError, match=r"needs MOABB, which is not installed; .*install .*\[moabb\]"
    ):
        open_data(["moabb:BNCI2014_001"])
