import errno
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtbci.backends import cache as module
from rtbci.backends.cache import EngineCache, engines_root
from rtbci.backends.cache_entry import EngineKey

SPAWN = multiprocessing.get_context("spawn")
DATA = bytes(range(256)) * 40


def key(**changes: Any) -> EngineKey:
    made = EngineKey(
        network_id="1" * 64,
        graph_id="2" * 64,
        precision="fp16",
        max_batch=256,
        fixed_batch=False,
        backend="tensorrt_rtx",
        backend_version="1.7.1.116",
        device="NVIDIA A",
        targets=("SM89",),
        driver="580.1",
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, said: list[str]) -> EngineCache:
    return EngineCache(tmp_path / "engines", told=said.append)


def never() -> bytes:
    raise AssertionError("must not be built")


def entry_of(cache: EngineCache, a_key: EngineKey) -> Path:
    return cache.root / a_key.name


def names(cache: EngineCache) -> list[str]:
    return sorted(path.name for path in cache.root.iterdir() if path.name not in ("locks", "timing"))


def test_built_once_then_found(cache: EngineCache, said: list[str]) -> None:
    assert cache.find(key()) is None
    built = cache.build(key(), lambda: DATA)
    assert (built.data, built.is_new, built.folder) == (DATA, True, entry_of(cache, key()))
    again = cache.build(key(), never)
    found = cache.find(key())
    assert found == again
    assert found is not None
    assert (found.data, found.is_new, found.entry) == (DATA, False, built.entry)
    assert names(cache) == [key().name]
    assert said == []


@pytest.mark.parametrize(
    "changes",
    [
        {"network_id": "3" * 64},
        {"graph_id": "3" * 64},
        {"precision": "bf16"},
        {"max_batch": 1},
        {"fixed_batch": True},
        {"backend": "tensorrt"},
        {"backend_version": "1.8"},
        {"device": "NVIDIA B"},
        {"targets": ("SM90",)},
        {"driver": "580.2"},
        {"options": ("version_compatible",)},
    ],
)
def test_each_field_of_the_key_counts(cache: EngineCache, changes: dict[str, Any]) -> None:
    cache.build(key(), lambda: DATA)
    assert cache.find(key(**changes)) is None


def test_an_engine_built_ahead_is_found_for_each_of_its_targets(cache: EngineCache) -> None:
    ahead = key(device="", driver="", targets=("SM86", "SM89"))
    cache.build(ahead, lambda: DATA)
    found = cache.find(key())
    assert found is not None
    assert found.entry.key == ahead
    assert cache.find(key(targets=("SM90",))) is None
    assert cache.find(key(backend_version="1.8")) is None
    assert not key().covers(key(driver="1"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda f: os.truncate(f / "engine.bin", 77), "engine.bin has 77 bytes, need 10240"),
    "empty": (lambda f: (f / "engine.bin").write_bytes(b""), "engine.bin has 0 bytes"),
    "longer": (lambda f: (f / "engine.bin").write_bytes(DATA + b"x"), "has 10241 bytes, need 10240"),
    "flipped bit": (lambda f: flip(f / "engine.bin"), "its sha256 differs"),
    "no engine": (lambda f: (f / "engine.bin").unlink(), "engine.bin is missing"),
    "no entry": (lambda f: (f / "entry.json").unlink(), "entry.json is missing"),
    "half an entry": (lambda f: os.truncate(f / "entry.json", 50), "entry.json cannot be read"),
    "unknown field": (
        lambda f: (f / "entry.json").write_text('{"x": 1}'),
        "entry.json cannot be read",
    ),
    "not even text": (lambda f: (f / "entry.json").write_bytes(b"\xff\x00"), "entry.json cannot be read"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_told_and_rebuilt(cache: EngineCache, said: list[str], kind: str) -> None:
    damage, words = DAMAGE[kind]
    cache.build(key(), lambda: DATA)
    damage(entry_of(cache, key()))
    broken = cache.entries()[0]
    assert words in broken.fault
    assert broken.entry is None
    assert cache.find(key()) is None
    assert [words in line for line in said] == [True], said
    assert names(cache) == []
    assert cache.build(key(), lambda: DATA).is_new
    damage(entry_of(cache, key()))
    assert cache.build(key(), lambda: DATA).is_new
    assert len(said) == 2
    assert cache.find(key()) is not None


def test_an_entry_of_another_engine_is_not_taken_for_this_one(cache: EngineCache, said: list[str]) -> None:
    other = key(device="NVIDIA B")
    cache.build(other, lambda: DATA)
    entry_of(cache, other).rename(entry_of(cache, key()))
    assert "of another engine" in cache.entries()[0].fault
    assert cache.find(key()) is None
    assert "device is 'NVIDIA B', need 'NVIDIA A'" in said[0]
    assert names(cache) == []


def test_a_key_changed_in_the_file_is_noticed(cache: EngineCache, said: list[str]) -> None:
    cache.build(key(), lambda: DATA)
    path = entry_of(cache, key()) / "entry.json"
    content = json.loads(path.read_text())
    content["key"]["driver"] = "580.2"
    path.write_text(json.dumps(content))
    assert cache.find(key()) is None
    assert "driver is '580.2', need '580.1'" in said[0]


def test_what_fails_to_build_leaves_nothing(cache: EngineCache) -> None:
    def fail() -> bytes:
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        cache.build(key(), fail)
    assert names(cache) == []
    assert cache.build(key(), lambda: DATA).is_new


def test_the_least_recently_used_go_first_whatever_the_clock_says(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [key(driver=str(i)) for i in range(4)]
    room_for_three = 3 * (len(DATA) + 1500)
    cache = EngineCache(tmp_path, room_for_three, said.append)
    for one in keys[:3]:
        cache.build(one, lambda: DATA)
    for path in tmp_path.rglob("*"):  # as if everything had been written tomorrow
        os.utime(path, (4e9, 4e9))
    cache.find(keys[0])
    monkeypatch.setattr(module, "now", lambda: -1e6)
    cache.build(keys[3], lambda: DATA)
    assert [one.entry.key.driver for one in cache.entries() if one.entry] == ["3", "0", "2"]
    assert "is removed, the limit of" in said[0]
    assert keys[1].name in said[0]
    assert len(said) == 1


def test_an_engine_above_the_limit_is_used_and_not_kept(tmp_path: Path, said: list[str]) -> None:
    cache = EngineCache(tmp_path, 100, said.append)
    built = cache.build(key(), lambda: DATA)
    assert (built.data, built.folder) == (DATA, None)
    assert "the limit is 100; it is not kept" in said[0]
    assert cache.find(key()) is None


def test_a_full_disk_costs_the_entry_and_nothing_else(
    cache: EngineCache, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_synced", full)
        built = cache.build(key(), lambda: DATA)
    assert (built.data, built.folder) == (DATA, None)
    assert "cannot be kept" in said[0]
    assert "No space left on device" in said[0]
    assert names(cache) == []


def test_a_root_that_cannot_be_written_to(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = EngineCache(tmp_path / "file" / "engines", told=said.append)
    assert cache.find(key()) is None
    built = cache.build(key(), lambda: DATA)
    assert (built.data, built.folder, cache.entries(), cache.clear()) == (DATA, None, [], (0, 0))
    assert "cannot be locked" in said[0]
    assert "cannot be kept" in said[1]


def test_clear_removes_all_but_locks(cache: EngineCache) -> None:
    cache.build(key(), lambda: DATA)
    (cache.root / "timing").mkdir()
    (cache.root / "timing" / "x").write_bytes(b"1")
    (cache.root / ".new-rest").mkdir()
    n, n_bytes = cache.clear()
    assert n == 1
    assert n_bytes > len(DATA)
    assert [path.name for path in cache.root.iterdir()] == ["locks"]
    assert cache.find(key()) is None


def test_root_is_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engines_root() == tmp_path / "rtbci" / "engines" == EngineCache().root


def build_at_once(root: Path, barrier: Barrier, counted: Path) -> None:
    def make() -> bytes:
        with counted.open("a") as file:
            file.write("built\n")
        return DATA

    barrier.wait(30)
    for i in range(20):
        assert EngineCache(root).build(key(driver=str(i)), make).data == DATA


@pytest.mark.slow
def test_two_processes_build_each_engine_once(tmp_path: Path) -> None:
    barrier = SPAWN.Barrier(2)
    arguments = (tmp_path / "engines", barrier, tmp_path / "count")
    processes = [SPAWN.Process(target=build_at_once, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert (tmp_path / "count").read_text() == "built\n" * 20
    assert len(EngineCache(tmp_path / "engines").entries()) == 20


def build_and_hang(root: Path, is_building: Event) -> None:
    def make() -> bytes:
        folder = root / f".new-{key().name}"
        folder.mkdir()
        (folder / "engine.bin").write_bytes(DATA[:99])
        is_building.set()
        signal.pause()
        return b""

    EngineCache(root).build(key(), make)


@pytest.mark.slow
def test_a_killed_builder_leaves_neither_lock_nor_rest(cache: EngineCache, said: list[str]) -> None:
    cache.root.mkdir()
    is_building = SPAWN.Event()
    process = SPAWN.Process(target=build_and_hang, args=(cache.root, is_building))
    process.start()
    assert is_building.wait(30)
    other = key(driver="other")
    cache.build(other, lambda: DATA)
    assert names(cache) == sorted([f".new-{key().name}", other.name]), "a builder at work is left alone"
    assert cache.find(key()) is None
    process.kill()
    process.join(30)
    assert cache.build(key(), lambda: DATA).is_new
    assert names(cache) == sorted([key().name, other.name])
    assert said == []


def test_what_dead_processes_left_is_swept(cache: EngineCache) -> None:
    for name in (".new-dead", ".old-dead-7"):
        (cache.root / name).mkdir(parents=True)
        (cache.root / name / "engine.bin").write_bytes(DATA)
    cache.build(key(), lambda: DATA)
    assert names(cache) == [key().name]


def test_an_entry_evicted_while_it_is_read_is_no_broken_one(
    cache: EngineCache, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.build(key(), lambda: DATA)
    read_bytes = Path.read_bytes

    def evicted(path: Path) -> bytes:
        if path.name == "engine.bin":
            shutil.rmtree(path.parent)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", evicted)
    assert cache.find(key()) is None
    assert said == []
