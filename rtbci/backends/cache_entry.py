"""One compiled engine on the disk: what it was made of, and whether it still is that.

An entry is a folder with ``engine.bin`` and ``entry.json``. It is read as a whole into memory and judged there, so
that what was checked is what is used, whatever happens to the files meanwhile.
"""

from hashlib import sha256
from pathlib import Path

import msgspec

from rtbci.recipes import Precision

__all__ = [
    "ENGINE_FILE",
    "ENTRY_FILE",
    "BrokenEntryError",
    "CachedEngine",
    "EngineKey",
    "Entry",
    "read_entry",
]

ENGINE_FILE, ENTRY_FILE = "engine.bin", "entry.json"


class EngineKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a compiled engine depends on: two engines of the same key are the same for every user of them.

    Parameters
    ----------
    network_id : str
        sha256 of the ONNX file.
    graph_id : str
        sha256 of the ONNX model that was really compiled: fixed batch and lowered precision are in it.
    precision : str
        See `rtbci.backends.session.Precision`.
    max_batch : int
        Largest batch of one call.
    fixed_batch : bool
        Whether every call has exactly that batch.
    backend, backend_version : str
        For instance ``"tensorrt_rtx"`` and ``"1.7.1.116"``.
    device : str
        Name of the GPU; empty when built ahead, for any GPU of the `targets`.
    targets : tuple of str
        Compute capabilities, as ``("SM89",)``.
    driver : str
        Version of the GPU's driver; empty when built ahead.
    options : tuple of str
        Such as ``"version_compatible"``.
    """

    network_id: str
    graph_id: str
    precision: Precision
    max_batch: int
    fixed_batch: bool
    backend: str
    backend_version: str
    device: str
    targets: tuple[str, ...]
    driver: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the entry's folder."""
        return sha256(msgspec.json.encode(self)).hexdigest()[:32]

    def covers(self, other: "EngineKey") -> bool:
        """Whether an engine of this key, built ahead, may be used where `other` is asked for."""
        if self.device or not set(other.targets) <= set(self.targets):
            return False
        same = {
            "device": self.device,
            "driver": self.driver,
            "targets": self.targets,
            "options": self.options,
        }
        return msgspec.structs.replace(other, **same) == self


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``entry.json`` says.

    Parameters
    ----------
    key : EngineKey
    sha256 : str
        Of the engine's file: the engine's id.
    n_bytes : int
        Its length.
    build_s : float
        How long building took, in seconds.
    built, name : str
        Calendar time and the recipe's name, for people.
    """

    key: EngineKey
    sha256: str
    n_bytes: int
    build_s: float
    built: str
    name: str = ""


class CachedEngine(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled engine, in memory.

    Parameters
    ----------
    data : bytes
        The engine's file.
    entry : Entry
        What it is.
    folder : Path or None
        Where it is kept; None when it could not be kept.
    is_new : bool
        Whether it was built now, and not found.
    """

    data: bytes
    entry: Entry
    folder: Path | None
    is_new: bool


class BrokenEntryError(Exception):
    """An entry is not what it should be; the message says in which way. Never leaves the cache."""


def read_entry(folder: Path, key: EngineKey | None = None) -> CachedEngine:
    """Read an entry and check it.

    Parameters
    ----------
    folder : Path
        Of the entry.
    key : EngineKey, optional
        What it must have been made of; by default whatever belongs into a folder of this name.

    Raises
    ------
    BrokenEntryError
        When it is corrupt, truncated, or of another key.
    FileNotFoundError
        When there is no such folder (any more).
    OSError
        When the disk or the rights say no.
    """
    try:
        entry = msgspec.json.decode((folder / ENTRY_FILE).read_bytes(), type=Entry)
        data = (folder / ENGINE_FILE).read_bytes()
    except msgspec.DecodeError as error:
        raise BrokenEntryError(f"{ENTRY_FILE} cannot be read ({error})") from None
    except (FileNotFoundError, NotADirectoryError) as error:
        if not folder.exists():
            raise FileNotFoundError(str(folder)) from None
        raise BrokenEntryError(f"{Path(str(error.filename)).name} is missing") from None
    if len(data) != entry.n_bytes:
        raise BrokenEntryError(f"{ENGINE_FILE} has {len(data)} bytes, need {entry.n_bytes}")
    if sha256(data).hexdigest() != entry.sha256:
        raise BrokenEntryError(f"{ENGINE_FILE} is not the file that was written: its sha256 differs")
    if entry.key.name != folder.name or (key is not None and entry.key != key):
        raise BrokenEntryError(f"it is the entry of another engine{_differences(entry.key, key)}")
    return CachedEngine(data=data, entry=entry, folder=folder, is_new=False)


def _differences(found: EngineKey, wanted: EngineKey | None) -> str:
    if wanted is None:
        return ""
    have, need = msgspec.structs.asdict(found), msgspec.structs.asdict(wanted)
    parts = [f"{name} is {have[name]!r}, need {need[name]!r}" for name in have if have[name] != need[name]]
    return f" ({'; '.join(parts)})" if parts else ""
