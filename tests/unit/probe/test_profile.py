import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.errors import ProfileError
from rtbci.probe import profile as profile_module
from rtbci.probe.profile import (
    Accuracy,
    Profile,
    chain_hash,
    decoder_id,
    generations,
    keep_number,
    newest_profile,
    read_profile,
    write_generation,
    write_profile,
)
from rtbci.probe.profile_record import DecisionEntry
from tests.probe_samples import make_profile

TIMES = {"dwell_s": 0.0, "refractory_s": 0.0, "smoothing_s": 0.0}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    accuracy = Accuracy(mean=70.0, low=66.0, high=74.0, n=75, what="track B")
    profile = msgspec.structs.replace(
        make_profile(), accuracy=accuracy, chain=[{"kind": "reference", "channels": []}], n_trials=20
    )
    written = write_profile(tmp_path / "p", profile)
    found = read_profile(tmp_path / "p")
    assert msgspec.structs.replace(found, weights={}) == msgspec.structs.replace(written, weights={})
    assert found.weights.keys() == profile.weights.keys()
    for name, tensor in profile.weights.items():
        np.testing.assert_array_equal(found.weights[name], tensor)
        assert found.weights[name].dtype == tensor.dtype
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["profile.json", "weights.safetensors"]


def test_the_same_profile_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_profile(tmp_path / name, make_profile())
    for file in ("profile.json", "weights.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_every_generation_is_kept(tmp_path: Path) -> None:
    assert newest_profile(tmp_path, "ada") is None
    first = write_generation(tmp_path, make_profile())
    second = write_generation(tmp_path, make_profile())
    assert [path.name for path in generations(tmp_path, "ada")] == ["0001", "0002"]
    assert newest_profile(tmp_path, "ada") == second
    assert (read_profile(first).generation, read_profile(second).generation) == (1, 2)


def test_a_folder_is_replaced_only_on_demand(tmp_path: Path) -> None:
    write_profile(tmp_path / "p", make_profile())
    with pytest.raises(ProfileError, match="is already there"):
        write_profile(tmp_path / "p", make_profile("bob"))
    write_profile(tmp_path / "p", make_profile("bob"), replace=True)
    assert read_profile(tmp_path / "p").user == "bob"
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_write_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(profile_module, "write_synced", fail)
    with pytest.raises(OSError, match="No space left"):
        write_generation(tmp_path / "profiles" / "tiny", make_profile())
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_profile(tmp_path / "p", make_profile())

    def full_disk(path: Path, content: bytes) -> None:
        path.write_bytes(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(profile_module, "write_synced", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_profile(tmp_path / "p", make_profile("bob"), replace=True)
    assert read_profile(tmp_path / "p").user == "ada"
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def _break(folder: Path, how: str) -> None:
    if how == "truncated weights":
        os.truncate(folder / "weights.safetensors", 100)
    elif how == "flipped bit":
        blob = bytearray((folder / "weights.safetensors").read_bytes())
        blob[-3] ^= 1
        (folder / "weights.safetensors").write_bytes(blob)
    elif how == "no weights":
        (folder / "weights.safetensors").unlink()
    elif how == "truncated json":
        os.truncate(folder / "profile.json", 30)
    elif how == "unknown key":
        text = (folder / "profile.json").read_text()
        (folder / "profile.json").write_text(text.replace('"user"', '"usr": 1, "user"'))
    elif how == "newer schema":
        text = (folder / "profile.json").read_text()
        (folder / "profile.json").write_text(text.replace('"schema": 1', '"schema": 2'))
    elif how == "newer schema, newer keys":
        text = (folder / "profile.json").read_text()
        (folder / "profile.json").write_text(text.replace('"schema": 1', '"moods": [], "schema": 2'))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated weights", "the file was changed or cut short"),
        ("flipped bit", "the file was changed or cut short"),
        ("no weights", r"cannot read .*weights\.safetensors.*need profile\.json and weights"),
        ("truncated json", "profile.json is not a profile"),
        ("unknown key", "unknown field `usr`"),
        ("newer schema", "schema is 2, need 1"),
        (
            "newer schema, newer keys",
            "unknown field `moods`.*its schema is 2, need 1: use the rtbci that wrote it",
        ),
    ],
)
def test_a_broken_profile_is_refused(tmp_path: Path, how: str, message: str) -> None:
    write_profile(tmp_path / "p", make_profile())
    _break(tmp_path / "p", how)
    with pytest.raises(ProfileError, match=message):
        read_profile(tmp_path / "p")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": "../eve"}, "user is '../eve'"),
        ({"classes": ["left"]}, "1 classes and 2 biases"),
        ({"hop_samples": 5}, "window of 24 samples is no multiple of hop 5"),
        ({"temperature": 0.0}, "temperature is 0, need above 0"),
        ({"weights": {"power.coef": np.array([np.nan])}}, r"tensor 'power.coef' is not finite"),
        ({"weights": {"align.covariance": np.eye(2)}}, r"has shape \(2, 2\), need \(3, 3\)"),
        ({"branches": []}, "branches must be one or more"),
        ({"montage": ["C3", "OZ"]}, r"montage names \['OZ'\], need labels that are in channels"),
        ({"mirror": [1, 1]}, r"mirror is \[1, 1\], need each of 2 classes once"),
        (
            {"mirror": [1, 0], "channels": ["C3", "CZ", "C6"]},
            r"C3 \(need C4\), C6 \(need C5\) of 3 electrodes",
        ),
        ({"mirror": list(range(100_000))}, r"mirror is \[0, 1, 2, 3, 4, 5, \.\.\.\], need each"),
        (
            {"weights": {"tangent.user_spread": np.zeros(12)}},
            r"has shape \(12,\), numbers from 0 to 0, need a vector of numbers from 1e-12 to 1e\+06",
        ),
        (
            {"weights": {"tangent.user_spread": np.r_[5e-324, np.ones(11)]}},
            "numbers from 4.94066e-324 to 1, need",
        ),
        ({"weights": {"tangent.user_spread": np.full(12, 1e300)}}, r"numbers from 1e\+300 to 1e\+300, need"),
        (
            {"weights": {"tangent.user_spread": np.ones((2, 6))}},
            r"has shape \(2, 6\), numbers from 1 to 1, need",
        ),
        ({"decision": DecisionEntry(threshold=0.0, **TIMES)}, "decision.threshold is 0, need above 0"),
        ({"decision": DecisionEntry(threshold=0.5, **TIMES | {"dwell_s": -1.0})}, "decision has times"),
    ],
)
def test_a_profile_that_contradicts_itself_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(ProfileError, match=message):
        write_generation(tmp_path, msgspec.structs.replace(make_profile(), **change))
    assert not any(tmp_path.iterdir())


def test_chain_hash_depends_on_settings_and_their_order_only() -> None:
    a, b = {"kind": "bandpass", "low_hz": 8.0}, {"kind": "reference", "channels": ()}
    assert chain_hash([a, b]) == chain_hash(
        [dict(reversed(a.items())), {"kind": "reference", "channels": []}]
    )
    assert chain_hash([a, b]) != chain_hash([b, a])
    assert chain_hash([a, b]) != chain_hash([{**a, "low_hz": 7.0}, b])


def test_numbers_of_a_type_that_numpy_has_not_are_refused(tmp_path: Path) -> None:
    header = json.dumps(
        {"tangent.user_spread": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    ).encode()
    blob = len(header).to_bytes(8, "little") + header + b"\0" * 4
    write_profile(tmp_path / "p", make_profile())
    (tmp_path / "p" / "weights.safetensors").write_bytes(blob)
    text = json.loads((tmp_path / "p" / "profile.json").read_text())
    text["weights_sha256"] = hashlib.sha256(blob).hexdigest()
    (tmp_path / "p" / "profile.json").write_text(json.dumps(text))
    with pytest.raises(ProfileError, match="is no safetensors file of numbers that numpy has"):
        read_profile(tmp_path / "p")


def test_what_only_a_calibration_reads_does_not_change_what_decodes(tmp_path: Path) -> None:
    plain = write_profile(tmp_path / "plain", make_profile())
    prior = {"tangent.user_spread": np.ones(plain.weights["tangent.coef"].shape[1])}
    knows = write_profile(
        tmp_path / "knows", msgspec.structs.replace(make_profile(), weights=plain.weights | prior)
    )
    assert knows.weights_sha256 != plain.weights_sha256
    assert decoder_id(knows) == decoder_id(plain) == plain.weights_sha256
    other = {"tangent.coef": plain.weights["tangent.coef"] + 1.0}
    moved = msgspec.structs.replace(knows, weights=knows.weights | other)
    assert decoder_id(moved) != decoder_id(knows)


def test_no_pickle_is_ever_read(tmp_path: Path) -> None:
    import pickle

    write_profile(tmp_path / "p", make_profile())
    (tmp_path / "p" / "profile.json").write_bytes(pickle.dumps(Profile))
    with pytest.raises(ProfileError, match="is not a profile"):
        read_profile(tmp_path / "p")


def test_whom_it_was_trained_on_is_kept_and_may_be_missing(tmp_path: Path) -> None:
    import json

    named = msgspec.structs.replace(make_profile(), trained_on=["eegmmidb/S001"], chain_hash="a" * 64)
    write_profile(tmp_path / "p", named)
    found = read_profile(tmp_path / "p")
    assert found.trained_on == ["eegmmidb/S001"]
    assert found.chain_hash == "a" * 64
    older = json.loads((tmp_path / "p" / "profile.json").read_text())
    del older["trained_on"]
    (tmp_path / "p" / "profile.json").write_text(json.dumps(older))
    assert read_profile(tmp_path / "p").trained_on == []


def test_a_number_that_somebody_else_took_meanwhile_is_left_to_him(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_generation(tmp_path, make_profile())
    rename = os.rename

    def after_the_other(old: Path, new: Path) -> None:
        if new.name == "0002" and not new.exists():
            monkeypatch.setattr(os, "rename", rename)
            write_profile(new, make_profile())  # between the look and the rename
        rename(old, new)

    monkeypatch.setattr(os, "rename", after_the_other)
    assert write_generation(tmp_path, make_profile()).name == "0003"
    assert [path.name for path in sorted((tmp_path / "ada").iterdir())] == ["0001", "0002", "0003"]
    assert [read_profile(path).generation for path in generations(tmp_path, "ada")] == [1, 0, 3]


WRITER = """
import sys
from pathlib import Path
from rtbci.probe.profile import read_profile, write_generation
profile = read_profile(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    write_generation(sys.argv[2], profile)
"""


def test_two_processes_may_write_at_once(tmp_path: Path) -> None:
    write_profile(tmp_path / "p", make_profile())
    command = [sys.executable, "-c", WRITER, str(tmp_path / "p"), str(tmp_path / "root")]
    writers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate() and writer.returncode for writer in writers] == [0, 0]
    found = generations(tmp_path / "root", "ada")
    assert [read_profile(path).generation for path in found] == list(range(1, 41))
    assert len(list((tmp_path / "root" / "ada").iterdir())) == 40


def test_a_number_is_not_given_twice(tmp_path: Path) -> None:
    import shutil

    for _ in range(2):
        write_generation(tmp_path, make_profile())
    for folder in reversed(generations(tmp_path, "ada")):
        keep_number(folder)
        shutil.rmtree(folder)
    assert newest_profile(tmp_path, "ada") is None
    assert write_generation(tmp_path, make_profile()).name == "0003"
    (tmp_path / "ada" / "0004").write_text("a file, no folder")
    assert write_generation(tmp_path, make_profile()).name == "0005"
    (tmp_path / "ada" / "highest").write_text("many")
    with pytest.raises(ProfileError, match="highest is no number"):
        write_generation(tmp_path, make_profile())
