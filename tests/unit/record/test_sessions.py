from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rtbci.errors import FileFormatError
from rtbci.files import unfinished
from rtbci.recipes import read_paradigm
from rtbci.record.session_json import (
    JSON_NAME,
    Ended,
    describe_session,
    read_session_json,
    recipe_sha256,
    write_session_json,
)
from rtbci.record.sessions import (
    find_session,
    list_sessions,
    new_session_folder,
    recording_of,
    sessions_root,
    xdf_of,
)
from tests.flash_samples import flash_recipe
from tests.tiny import write_paradigm
from tests.unit.record.samples import START, record, write_session


def test_folders_are_named_by_start_paradigm_and_user_and_never_shared(tmp_path: Path) -> None:
    first = new_session_folder(tmp_path, START, "motor/imagery", "ada")
    assert first == tmp_path / "20260102T030405Z-motor_imagery-ada"
    assert new_session_folder(tmp_path, START, "motor/imagery", "ada").name.endswith("-ada-2")


def test_runs_that_start_at_the_same_moment_get_folders_of_their_own(tmp_path: Path) -> None:
    def one(_: int) -> Path:
        return new_session_folder(tmp_path / "d", START, "mi", "ada")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(one, range(40)))) == 40


@pytest.mark.parametrize("above", ["file", "/".join(["x" * 120] * 40)], ids=["a file", "too long"])
def test_a_folder_that_cannot_be_made_is_only_named(above: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    root = tmp_path / above
    assert new_session_folder(root, START, "mi", "ada") == root / "20260102T030405Z-mi-ada"


def test_sessions_are_found_by_path_name_and_last(tmp_path: Path) -> None:
    assert list_sessions(tmp_path / "none") == []
    with pytest.raises(FileFormatError, match="there are no sessions"):
        find_session("last", tmp_path)
    first = write_session(tmp_path / "20260101T000000Z-a-b")
    second = write_session(tmp_path / "20260102T000000Z-a-b")
    (second / JSON_NAME).write_text("broken")
    (tmp_path / "else").mkdir()
    kept = list_sessions(tmp_path)
    assert [one.folder for one in kept] == [first, second]
    assert kept[0].record == record()
    assert kept[1].record is None
    assert kept[0].n_bytes > 1000
    assert find_session("last", tmp_path) == second
    assert find_session(first.name, tmp_path) == find_session(first, tmp_path) == first
    assert xdf_of(first) == xdf_of(first / "session.xdf") == find_session(first / "session.xdf", tmp_path)
    with pytest.raises(FileFormatError, match="nope: no such session, need a session's folder"):
        find_session("nope", tmp_path)
    assert recording_of(Path("last"), tmp_path) == second
    assert recording_of(Path(first.name), tmp_path) == first
    assert recording_of(Path("no.edf"), tmp_path) == Path(
        "no.edf"
    )  # `rtbci replay` says itself what is wrong


def test_the_default_is_the_users_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert sessions_root() == tmp_path / "rtbci" / "sessions"


def test_session_json_is_written_whole_and_read_back(tmp_path: Path) -> None:
    ended = Ended(utc="u", n_samples=1, n_samples_lost=2, n_messages_lost=3, n_bytes=4)
    for one in (record(), record(ended=ended, session="s", streams=("amp",))):
        write_session_json(tmp_path, one)
        assert read_session_json(tmp_path) == one
    assert not unfinished(tmp_path / JSON_NAME).exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("", "is no session's description"),
        ("[" * 100_000, "is no session's description"),
        ('{"schema_version": 1}', "is no session's description"),
    ],
)
def test_session_json_that_cannot_be_read(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / JSON_NAME).write_text(text)
    with pytest.raises(FileFormatError, match=said):
        read_session_json(tmp_path)


def test_session_json_of_a_later_version(tmp_path: Path) -> None:
    write_session_json(tmp_path, record(schema_version=2))
    with pytest.raises(FileFormatError, match="is of version 2, need 1"):
        read_session_json(tmp_path)


def test_a_session_says_what_it_was_recorded_with(tmp_path: Path) -> None:
    from rtbci.config import RunConfig
    from rtbci.runtime.decoder import Decoder

    paradigm = write_paradigm(tmp_path)
    config = RunConfig(paradigm=str(paradigm), user="ada")
    with Decoder(str(paradigm)) as decoder:
        (network,) = [one.network_id for one in decoder.sessions.values()]
        described = describe_session(config, decoder, START, 5.0)
    (engine,) = described.engines
    assert (engine.network_id, engine.engine_id, engine.backend) == (network, network, "onnxruntime")
    assert (described.paradigm, described.user, described.profile) == ("tiny", "ada", None)
    assert described.config["stream"]["timeout_s"] == 10.0
    assert {"rtbci", "numpy", "onnxruntime", "python"} <= set(described.versions)
    write_session_json(tmp_path, described)
    assert read_session_json(tmp_path) == described


def test_the_recipes_hash_is_of_what_it_says(tmp_path: Path) -> None:
    one, same, other = (
        read_paradigm(str(write_paradigm(tmp_path / name, hop_s=hop_s)))
        for name, hop_s in (("a", 0.0625), ("b", 0.0625), ("c", 0.125))
    )
    assert recipe_sha256(one) == recipe_sha256(same) != recipe_sha256(other)


def test_keys_that_came_later_are_hashed_only_where_they_say_something(tmp_path: Path) -> None:
    plain = read_paradigm(str(write_paradigm(tmp_path / "tiny")))
    said = plain.model_dump(mode="json")
    assert not {"flashes", "value", "rhythms", "guard"} & set(said)
    assert "takes" not in said["input"]
    assert not {"electrodes", "weights", "start"} & set(said["branches"][0])
    full = read_paradigm("sleep")
    assert full.model_dump()["branches"][0]["start"]["W"] == 0.9
    taken = full.model_copy(update={"input": full.input.model_copy(update={"takes": {}})})
    assert recipe_sha256(taken) != recipe_sha256(full)


def test_a_recipe_of_flashes_that_does_not_reckon_with_nobody_is_the_one_that_it_was(tmp_path: Path) -> None:
    """Sessions that were recorded before there was `p_nobody` verify."""
    recipe = flash_recipe(tmp_path / "a")
    assert recipe_sha256(recipe) == "56cb8b4c3a3b993e2e13f7a3456f3b3e1ba1ebd4979f89b9cc7ebcc74ed5e19a"
    aware = flash_recipe(tmp_path / "b", "max_repetitions = 6\np_nobody = 0.1")
    assert recipe_sha256(aware) != recipe_sha256(recipe)
