import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from rtbci.calibrate import lock as lock_module
from rtbci.calibrate import store as store_module
from rtbci.calibrate.lock import lock_file
from rtbci.calibrate.store import (
    ARRAYS,
    TrialStore,
    calibrations_root,
    lock_user,
    new_folder,
    newest_folder,
    read_settings,
    read_trials,
)
from rtbci.errors import ConfigError, FileFormatError
from rtbci.files import unfinished
from rtbci.runtime.profiles import profiles_root
from rtbci.system.locks import take_lock
from tests.unit.calibrate.samples import pink, raw_trial, store_settings


def _full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def check_equal(one: object, other: object) -> None:
    for name in ("i_trial", "i_class", "t_cue", "accepted", "reason"):
        assert getattr(one, name) == getattr(other, name)
    for name in ARRAYS:
        assert getattr(one, name).dtype == getattr(other, name).dtype
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_trials_come_back_as_they_were(tmp_path: Path) -> None:
    trials = [raw_trial(pink(300, 3, seed=i), i) for i in range(12)]
    trials[3] = trials[3].rejected("amplitude: C3 µV")
    with TrialStore(tmp_path / "a", store_settings()) as store:
        for trial in reversed(trials):
            assert store.write(trial).parent == tmp_path / "a"
        found, faults = store.read()
    assert (len(found), faults) == (12, [])
    for one, other in zip(found, trials, strict=True):
        check_equal(one, other)
    assert read_settings(tmp_path / "a") == store_settings()


def test_resumed_store_goes_on(tmp_path: Path) -> None:
    with TrialStore(tmp_path, store_settings()) as store:
        store.write(raw_trial(pink(300, 3), 0))
    with pytest.raises(ConfigError, match="is already there, need a new folder"):
        TrialStore(tmp_path, store_settings())
    with TrialStore(tmp_path, store_settings(), resume=True) as store:
        store.write(raw_trial(pink(300, 3), 1))
        assert [one.i_trial for one in store.read().trials] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 2}, "seed 1, now 2"),
        ({"user": "bob"}, "user 'ada', now 'bob'"),
        (
            {"chain_hash": "99", "labels": ["C3"]},
            r"labels \['C3', 'CZ', 'C4'\], now \['C3'\]; chain_hash '00', now '99'",
        ),
        ({"engine_id": "9" * 80}, r"engine_id '22', now '9+\.\.\.; need the same"),
    ],
)
def test_resume_is_refused_for_other_settings(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    TrialStore(tmp_path, store_settings()).close()
    with pytest.raises(ConfigError, match=f"was begun with {told}"):
        TrialStore(tmp_path, store_settings(**changes), resume=True)
    TrialStore(tmp_path, store_settings(), resume=True).close()  # the refused one holds no lock


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds nothing to go on with"):
        TrialStore(tmp_path / "none", store_settings(), resume=True)
    (tmp_path / "store.json").write_text('{"schema": 1}')
    with pytest.raises(FileFormatError, match="cannot be read"):
        TrialStore(tmp_path, store_settings(), resume=True)
    TrialStore(tmp_path / "new", store_settings(schema_version=7)).close()
    with pytest.raises(FileFormatError, match="schema is 7, need 1"):
        read_settings(tmp_path / "new")


def test_what_a_file_says_of_its_cue_has_a_checksum(tmp_path: Path) -> None:
    with TrialStore(tmp_path, store_settings()) as store:
        path = store.write(raw_trial(pink(300, 3), 0))
    content = path.read_bytes()
    for before, after in ((b'i_class\\":0', b'i_class\\":1'), (b'accepted\\":true', b'accepted\\":null')):
        assert content.count(before) == 1
        path.write_bytes(content.replace(before, after))
        found = read_trials(tmp_path)
        assert (found.trials, len(found.faults)) == ([], 1)


def test_damaged_files_are_told_and_left_out(tmp_path: Path) -> None:
    with TrialStore(tmp_path, store_settings()) as store:
        paths = [store.write(raw_trial(pink(300, 3), i)) for i in range(4)]
    content = bytearray(paths[0].read_bytes())
    content[-5] ^= 1  # still a safetensors file
    paths[0].write_bytes(content)
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    paths[2].write_bytes(b"")
    found = read_trials(tmp_path)
    assert [one.i_trial for one in found.trials] == [3]
    assert len(found.faults) == 3
    assert [path.name in fault for path, fault in zip(paths, found.faults, strict=False)] == [True] * 3
    assert "something in it was changed" in found.faults[0]


def test_a_crash_in_the_middle_of_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(_descriptor: int) -> None:
        raise OSError("no space left")

    with TrialStore(tmp_path, store_settings()) as store:
        store.write(raw_trial(pink(300, 3), 0))
        monkeypatch.setattr(os, "fsync", full_disk)
        with pytest.raises(
            FileFormatError, match=r"trial-0001.*cannot be written \(no space left\), need room"
        ):
            store.write(raw_trial(pink(300, 3), 1))
        monkeypatch.undo()
    assert not list(tmp_path.glob(".*.new"))
    unfinished(tmp_path / "trial-0001.safetensors").write_bytes(
        b"half"
    )  # as a process leaves it that is killed
    assert [one.i_trial for one in read_trials(tmp_path).trials] == [0]
    TrialStore(tmp_path, store_settings(), resume=True).close()
    assert not list(tmp_path.glob(".*.new"))


WRITER = """
import os
import sys
from pathlib import Path
from rtbci.calibrate.store import TrialStore
from tests.unit.calibrate.samples import pink, raw_trial, store_settings

store = TrialStore(Path(sys.argv[1]), store_settings())
store.write(raw_trial(pink(300, 3), 0))
def stuck(_descriptor):
    print("writing", flush=True)
    sys.stdin.read()
os.fsync = stuck
store.write(raw_trial(pink(300, 3), 1))
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_killed_in_the_middle_of_a_write(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        with pytest.raises(ConfigError, match=f"is being written by process {process.pid}, need one"):
            TrialStore(tmp_path, store_settings(), resume=True)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert list(tmp_path.glob(".*.new"))
    with TrialStore(tmp_path, store_settings(), resume=True) as store:
        assert [one.i_trial for one in store.read().trials] == [0]
        store.write(raw_trial(pink(300, 3), 1))
        assert store.read().faults == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    unlock = lock_file(tmp_path / "lock")
    with pytest.raises(ConfigError, match=f"is being written by process {os.getpid()}"):
        lock_file(tmp_path / "lock")
    unlock()
    lock_file(tmp_path / "lock")()


def test_a_user_is_calibrated_once_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "user_data_path", lambda name, **_: tmp_path / name)
    unlock = lock_user("tiny", "ada")
    lock_user("tiny", "bob")()
    with pytest.raises(
        ConfigError, match=f"ada: is being written by process {os.getpid()}, need one calibration"
    ):
        lock_user("tiny", "ada")
    unlock()
    lock_user("tiny", "ada")()


def test_a_user_without_a_calibration_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "user_data_path", lambda name, **_: tmp_path / name)
    root = calibrations_root("tiny", "ada")
    unlock = lock_user("tiny", "ada")
    assert root.is_dir()
    unlock()
    assert not root.exists()
    unlock = lock_user("tiny", "ada")
    (root / "20300102T030405Z").mkdir()
    unlock()
    assert sorted(one.name for one in root.iterdir()) == ["20300102T030405Z", "store.lock"]


def test_a_full_disk_keeps_neither_lock_nor_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without content finds room on a full disk; what is written into it does not."""
    monkeypatch.setattr(store_module, "user_data_path", lambda name, **_: tmp_path / name)
    root = calibrations_root("tiny", "ada")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", _full)
        with pytest.raises(FileFormatError, match=r"ada: cannot be written \(No space left"):
            lock_user("tiny", "ada")
        assert list(tmp_path.iterdir()) == []
        root.mkdir(parents=True)
        with pytest.raises(FileFormatError, match=r"ada: cannot be written \(No space left"):
            lock_user("tiny", "ada")
        assert list(root.iterdir()) == []
    lock_user("tiny", "ada")()


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder removed the file, and let go of it, between our opening and our locking."""
    path = tmp_path / "user" / "lock"
    taken: list[int] = []

    def removed_first(descriptor: int) -> bool:
        if not taken:
            path.unlink()
            path.parent.rmdir()
        taken.append(descriptor)
        return take_lock(descriptor)

    monkeypatch.setattr(lock_module, "take_lock", removed_first)
    unlock = lock_file(path)
    assert len(taken) == 2
    with pytest.raises(ConfigError, match="is being written by process"):
        lock_file(path)
    unlock()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rtbci").write_text("a file")
    monkeypatch.setattr(store_module, "user_data_path", lambda name, **_: tmp_path / name)
    with pytest.raises(FileFormatError, match=r"ada: cannot be written"):
        lock_user("tiny", "ada")
    with pytest.raises(FileFormatError, match="x: cannot be written"):
        TrialStore(tmp_path / "rtbci" / "x", store_settings())


def test_another_amplifier_of_the_same_cap_may_go_on(tmp_path: Path) -> None:
    TrialStore(tmp_path, store_settings()).close()
    TrialStore(tmp_path, store_settings(stream="amp 2", source_id="x"), resume=True).close()
    with pytest.raises(ConfigError, match="was begun with labels"):
        TrialStore(tmp_path, store_settings(labels=["C3"]), resume=True)


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "user_data_path", lambda name, **_: tmp_path / name)
    root = tmp_path / "rtbci" / "calibrations" / "tiny" / "ada"
    assert calibrations_root("tiny", "ada") == root
    assert newest_folder("tiny", "ada") is None
    starts = [datetime(2030, 1, 2, 3, 4, second, tzinfo=UTC) for second in (5, 6)]
    folders = [new_folder("tiny", "ada", start) for start in starts]
    assert folders[0] == root / "20300102T030405Z"
    for folder in reversed(folders):
        with TrialStore(folder, store_settings()) as store:
            assert newest_folder("tiny", "ada") != folder  # nothing to go on with yet
            store.write(raw_trial(pink(300, 3), 0))
    assert newest_folder("tiny", "ada") == folders[1]
    with pytest.raises(ConfigError, match=r"user '\.\./x': need 1 to 64 letters"):
        calibrations_root("tiny", "../x")


def test_a_user_with_profiles_is_calibrated_by_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (profiles_root("tiny") / "Ada" / "0001").mkdir(parents=True)
    with pytest.raises(ConfigError, match="user 'ada': there is 'Ada'"):
        lock_user("tiny", "ada")
    lock_user("tiny", "Ada")()
    with pytest.raises(ConfigError, match="user 'nul': Windows keeps"):
        lock_user("tiny", "nul")
