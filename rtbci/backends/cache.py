"""Compiled engines on this computer's disk, so that each is built once.

Below the root: a folder for each engine (see `rtbci.backends.cache_entry`), ``locks/``, ``timing/`` and ``gates/``. An entry is
written under a name that begins with a dot, to the disk, and renamed: it is there whole or not at all, whenever the
power goes. Who builds holds the entry's lock, which the operating system takes back when that process dies. How
recently an entry was used is a count in its file ``used`` and no time, so that clocks may be wrong.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from rtbci.backends.cache_entry import (
    ENGINE_FILE,
    ENTRY_FILE,
    BrokenEntryError,
    CachedEngine,
    EngineKey,
    Entry,
    read_entry,
)
from rtbci.clock import now, utc_now
from rtbci.files import sync_folder, write_synced
from rtbci.system.names import give_name

__all__ = ["EngineCache", "KeptEngine", "engines_root"]

LIMIT_BYTES = 2_000_000_000
USED_FILE = "used"
LOCKS = "locks"
BESIDE = ("timing", "gates")
"""Folders of what is known about engines: `rtbci.backends.timing_store`, `rtbci.backends.gate_store`."""
UNFINISHED, DOOMED = ".new-", ".old-"


def engines_root() -> Path:
    """Folder of compiled engines: ``<user cache>/rtbci/engines``."""
    return user_cache_path("rtbci", appauthor=False) / "engines"


def _silent(_text: str) -> None:
    """Tell nobody."""


class KeptEngine(NamedTuple):
    """One entry as `EngineCache.entries` finds it.

    Parameters
    ----------
    folder : Path
    entry : Entry or None
        None: it is broken.
    fault : str
        Why it is broken; empty when it is sound.
    n_bytes : int
        What it takes on the disk.
    """

    folder: Path
    entry: Entry | None
    fault: str
    n_bytes: int


class EngineCache:
    """Compiled engines by what they depend on.

    Parameters
    ----------
    root : Path, optional
        Made when something is written; `engines_root` by default.
    limit_bytes : int
        Of all entries together; the least recently used are removed above it.
    told : callable
        Gets a sentence when something happens that a person should know: a broken entry, another process that
        builds, an engine that cannot be kept.

    Notes
    -----
    Any number of threads and processes may use one root at once. A cache that cannot be written to, because the
    disk is full or it is read-only, costs building time and nothing else.
    """

    def __init__(
        self,
        root: Path | None = None,
        limit_bytes: int = LIMIT_BYTES,
        told: Callable[[str], None] = _silent,
    ) -> None:
        self.root = engines_root() if root is None else root
        self.limit_bytes, self._told = limit_bytes, told

    def find(self, key: EngineKey) -> CachedEngine | None:
        """Find an engine, of this very key or built ahead for it; None when there is none that is sound.

        A broken entry is told and removed, unless another process is at work on it just now.
        """
        found = self._read(key)
        if found is None:
            ahead = (
                one.entry.key for one in self.entries(deep=False) if one.entry and one.entry.key.covers(key)
            )
            found = next((one for other in ahead if (one := self._read(other))), None)
        return found

    def build(self, key: EngineKey, make: Callable[[], bytes], name: str = "") -> CachedEngine:
        """Find an engine, or make and keep it; of several processes one makes it and the others wait.

        Parameters
        ----------
        key : EngineKey
            What `make` makes.
        make : callable
            Returns the engine's file. What it raises goes to the caller, and nothing is kept.
        name : str
            Of the engine, for people; the key tells engines apart.
        """
        with self._locked(key.name, wait=True):
            return self._read(key, locked=True) or self._make(key, make, name)

    def entries(self, deep: bool = True) -> list[KeptEngine]:
        """All entries, the most recently used first.

        Parameters
        ----------
        deep : bool
            Check the engines' bytes too, which takes about a second for a gigabyte.
        """
        folders = sorted(self._folders(), key=lambda folder: (-_use_count(folder), folder.name))
        return [kept for folder in folders if (kept := _look_at(folder, deep))]

    def clear(self) -> tuple[int, int]:
        """Remove everything but locks; returns how many entries were removed, and their bytes."""
        self._sweep()
        sizes = {folder: _bytes_of(folder) for folder in self._folders()}
        removed = [n_bytes for folder, n_bytes in sizes.items() if self._remove(folder)]
        for name in BESIDE:
            shutil.rmtree(self.root / name, ignore_errors=True)
        return len(removed), sum(removed)

    def _folders(self) -> Iterator[Path]:
        with suppress(OSError):
            for path in self.root.iterdir():
                if path.is_dir() and not path.name.startswith(".") and path.name not in (LOCKS, *BESIDE):
                    yield path

    def _read(self, key: EngineKey, locked: bool = False) -> CachedEngine | None:
        folder = self.root / key.name
        try:
            found = read_entry(folder, key)
        except FileNotFoundError:
            return None
        except BrokenEntryError as fault:
            self._drop_broken(folder, key, str(fault), locked)
            return None
        except OSError as error:
            self._told(f"engine cache: {folder} cannot be read ({error.strerror or error}); it is not used")
            return None
        self._mark_used(folder)
        return found

    def _drop_broken(self, folder: Path, key: EngineKey, fault: str, locked: bool) -> None:
        """Remove a broken entry under its lock, so that a sound one that replaced it meanwhile stays."""
        self._told(
            f"engine cache: {folder}: {fault}; it is not used, the engine is built again when it is needed"
        )
        if locked:
            self._remove(folder)
            return
        with self._locked(folder.name, wait=False) as is_ours:
            if is_ours and _is_broken(folder, key):
                self._remove(folder)

    def _make(self, key: EngineKey, make: Callable[[], bytes], name: str) -> CachedEngine:
        t_start = now()
        data = make()
        entry = Entry(
            key=key,
            sha256=sha256(data).hexdigest(),
            n_bytes=len(data),
            build_s=round(now() - t_start, 3),
            built=utc_now().isoformat(timespec="seconds"),
            name=name,
        )
        folder = self._keep(entry, data)
        return CachedEngine(data=data, entry=entry, folder=folder, is_new=True)

    def _keep(self, entry: Entry, data: bytes) -> Path | None:
        folder = self.root / entry.key.name
        if len(data) > self.limit_bytes:
            self._told(
                f"engine cache: the engine has {len(data)} bytes, the limit is {self.limit_bytes}; it is not kept "
                "and will be built again"
            )
            return None
        unfinished = self.root / f"{UNFINISHED}{folder.name}"
        try:
            self._write(unfinished, folder, entry, data)
        except OSError as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            self._told(
                f"engine cache: the engine cannot be kept in {self.root} ({error.strerror or error}); it is used now "
                "and will be built again"
            )
            return None
        self._mark_used(folder)
        self._keep_limit(folder)
        return folder

    def _write(self, unfinished: Path, folder: Path, entry: Entry, data: bytes) -> None:
        shutil.rmtree(
            unfinished, ignore_errors=True
        )  # of a process that died; the lock says that none is at work
        unfinished.mkdir(parents=True)
        write_synced(unfinished / ENGINE_FILE, data)
        write_synced(unfinished / ENTRY_FILE, msgspec.json.format(msgspec.json.encode(entry)))
        sync_folder(unfinished)
        self._remove(folder)
        give_name(unfinished, folder)
        sync_folder(self.root)

    def _keep_limit(self, newest: Path) -> None:
        """Remove the least recently used entries but `newest` until all fit; then what dead processes left."""
        self._sweep()
        folders = sorted(self._folders(), key=lambda folder: (folder != newest, -_use_count(folder)))
        total = 0
        for folder in folders:
            total += _bytes_of(folder)
            if total > self.limit_bytes and folder != newest:
                self._told(
                    f"engine cache: {folder} is removed, the limit of {self.limit_bytes} bytes is reached"
                )
                self._remove(folder)

    def _sweep(self) -> None:
        """Remove what processes that died left; those that are at work hold the lock."""
        with suppress(OSError):
            for path in list(self.root.iterdir()):
                if path.name.startswith(DOOMED):
                    shutil.rmtree(path, ignore_errors=True)
                elif path.name.startswith(UNFINISHED):
                    with self._locked(path.name.removeprefix(UNFINISHED), wait=False) as is_ours:
                        if is_ours:
                            shutil.rmtree(path, ignore_errors=True)

    def _remove(self, folder: Path) -> bool:
        """Take an entry away at once: under another name first, so that no reader sees half of it."""
        doomed = folder.with_name(f"{DOOMED}{folder.name}-{os.getpid()}")
        try:
            shutil.rmtree(doomed, ignore_errors=True)
            give_name(folder, doomed)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._told(
                f"engine cache: {folder} cannot be removed ({error.strerror or error}); remove it yourself"
            )
            return False
        shutil.rmtree(doomed, ignore_errors=True)
        return True

    def _mark_used(self, folder: Path) -> None:
        """Make it the most recently used; a cache that cannot be written to forgets the order, no more."""
        newest = max((_use_count(other) for other in self._folders() if other != folder), default=0)
        with suppress(OSError):
            if _use_count(folder) <= newest:
                (folder / USED_FILE).write_text(str(newest + 1), encoding="ascii")

    @contextmanager
    def _locked(self, name: str, wait: bool) -> Iterator[bool]:
        """Hold an entry's lock; False when it was not to be had. Without rights to lock nobody is waited for."""
        lock = FileLock(self.root / LOCKS / f"{name}.lock")
        held = self._acquire(lock, wait)
        try:
            yield held or wait
        finally:
            if held:
                lock.release()

    def _acquire(self, lock: FileLock, wait: bool) -> bool:
        try:
            Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            if wait:
                self._told("engine cache: another process builds this engine; waiting for it")
                lock.acquire()
            return wait
        except (OSError, NotImplementedError) as error:
            if wait:
                why = error.strerror if isinstance(error, OSError) and error.strerror else error
                self._told(
                    f"engine cache: {self.root} cannot be locked ({why}); the engine may be built twice"
                )
            return False
        return True


def _is_broken(folder: Path, key: EngineKey) -> bool:
    try:
        read_entry(folder, key)
    except BrokenEntryError:
        return True
    except OSError:
        return False
    return False


def _look_at(folder: Path, deep: bool) -> KeptEngine | None:
    try:
        if deep:
            return KeptEngine(folder, read_entry(folder).entry, "", _bytes_of(folder))
        entry = msgspec.json.decode((folder / ENTRY_FILE).read_bytes(), type=Entry)
    except FileNotFoundError as error:
        return KeptEngine(folder, None, f"{error.filename} is missing", 0) if folder.exists() else None
    except (BrokenEntryError, msgspec.DecodeError, OSError) as error:
        return KeptEngine(folder, None, str(error), _bytes_of(folder))
    return KeptEngine(folder, entry, "", _bytes_of(folder))


def _use_count(folder: Path) -> int:
    """How late an entry was used, as a count; 0 when that is not known."""
    try:
        return int((folder / USED_FILE).read_bytes()[:18])
    except (OSError, ValueError):
        return 0


def _bytes_of(folder: Path) -> int:
    total = 0
    with suppress(OSError):
        for path in folder.iterdir():
            total += path.stat().st_size
    return total
