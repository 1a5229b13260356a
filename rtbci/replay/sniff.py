"""What kind of file a path is, by its first bytes; and one clear error when it is none that is known."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from rtbci.errors import FileFormatError

__all__ = ["KINDS", "Kind", "file_kind", "find_file"]

N_FIRST_BYTES = 256


@dataclass(frozen=True)
class Kind:
    """A file format.

    Parameters
    ----------
    name : str
        As people know it.
    extensions : tuple of str
        File name endings, lower case; the first is the usual one.
    magic : tuple of bytes
        What a file of this kind may begin with.
    """

    name: str
    extensions: tuple[str, ...]
    magic: tuple[bytes, ...]


KINDS = (
    Kind("EDF", (".edf", ".rec"), (b"0       ",)),
    Kind("BDF", (".bdf",), (b"\xffBIOSEMI",)),
    Kind("GDF", (".gdf",), (b"GDF ",)),
    Kind(
        "BrainVision",
        (".vhdr", ".ahdr"),
        (b"Brain Vision Data Exchange Header", b"BrainVision Data Exchange Header"),
    ),
    Kind("EEGLAB", (".set",), (b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file", b"\x89HDF\r\n")),
    Kind("FIF", (".fif",), (b"\x00\x00\x00\x64\x00\x00\x00\x1f",)),
    Kind("EGI raw", (".raw",), tuple(bytes([0, 0, 0, version]) for version in range(2, 8))),
    Kind("Nicolet", (".data",), ()),  # headerless; known by the .head beside it
    Kind("Neuroscan CNT", (".cnt",), (b"Version 3.0",)),
    Kind("XDF", (".xdf", ".xdfz"), (b"XDF:",)),
    Kind("Muse CSV", (".csv",), (b"timestamps,",)),
    Kind("Muse Monitor CSV", (".csv",), (b"TimeStamp,",)),
    Kind("OpenBCI text", (".txt", ".csv"), (b"%OpenBCI",)),
    Kind("npz", (".npz",), (b"PK\x03\x04",)),
)
BY_NAME = {kind.name: kind for kind in KINDS}
COMPANIONS = {".eeg": ".vhdr", ".vmrk": ".vhdr", ".dat": ".vhdr", ".fdt": ".set", ".head": ".data"}
"""Files that are only a part of a recording, and the ending of the file to open instead."""
NO_REPLAY = {b"\x1f\x8b": "a gzip archive; unpack it first", b"%PDF": "a PDF", b"\x89PNG": "a picture"}


def find_file(path: Path) -> Path:
    """Return the file to open for `path`: itself, or the header that its companion belongs to.

    Raises
    ------
    FileFormatError
        When there is no such file, it is a folder or empty, or the header is missing.
    """
    if path.is_dir():
        raise FileFormatError(f"{path}: is a folder, need one recording; {_inside(path)}")
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; {_nearest(path)}")
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path}: is empty (0 bytes), need a recording; copy or export it again")
    ending = COMPANIONS.get(path.suffix.lower())
    return path if ending is None or _knows_itself(path) else _header(path, ending)


def file_kind(path: Path) -> Kind:
    """Tell the kind of an existing file from its first bytes.

    Raises
    ------
    FileFormatError
        When the contents are of no known kind, or of another kind than the name says (MNE's readers
        go by the name).
    """
    with path.open("rb") as file:
        first = file.read(N_FIRST_BYTES)
    if path.suffix.lower() == ".data" and path.with_suffix(".head").is_file():
        return BY_NAME["Nicolet"]
    first = first.removeprefix(b"\xef\xbb\xbf")
    found = next((kind for kind in KINDS if first.startswith(kind.magic)), None)
    if found is None:
        raise FileFormatError(f"{path}: {_unknown(path, first)}")
    # our own readers and pyxdf do not mind the name
    by_contents = found.name in ("XDF", "Muse CSV", "Muse Monitor CSV", "OpenBCI text", "npz")
    if not by_contents and path.suffix.lower() not in found.extensions:
        raise FileFormatError(
            f"{path}: contents are {found.name}, but the name ends in {path.suffix or 'nothing'!r}; "
            f"rename it to {path.stem}{found.extensions[0]}"
        )
    return found


def _unknown(path: Path, first: bytes) -> str:
    for magic, what in NO_REPLAY.items():
        if first.startswith(magic):
            return f"is {what}, need an EEG recording"
    named = next((kind for kind in KINDS if path.suffix.lower() in kind.extensions), None)
    if named is not None and named.extensions[0] not in (".csv", ".txt"):
        return (
            f"is named like {named.name}, but its contents are not ({first[:8]!r}); damaged or another format"
        )
    if path.suffix.lower() in (".csv", ".txt"):
        return (
            "is a text file whose columns are not known; need a file of Muse (eeg-notebooks, "
            "Muse Monitor) or the OpenBCI GUI, or convert it to EDF"
        )
    known = ", ".join(f"{kind.name} ({kind.extensions[0]})" for kind in KINDS)
    return f"is not an EEG recording that is known; need one of {known}"


def _knows_itself(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.read(N_FIRST_BYTES)
    return any(kind.magic and first.startswith(kind.magic) for kind in KINDS if kind.name != "EGI raw")


def _header(path: Path, ending: str) -> Path:
    same_stem = path.with_suffix(ending)
    if same_stem.is_file():
        return same_stem
    for candidate in sorted(path.parent.glob(f"*{ending}")):
        if path.name.encode() in candidate.read_bytes()[:4096]:
            return candidate
    raise FileFormatError(
        f"{path}: is one part of a recording, need its header {same_stem.name}; put it in the same folder"
    )


def _nearest(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either"
    names = [entry.name for entry in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    return (
        f"did you mean {path.parent / near[0]}?" if near else f"nothing in {path.parent} has a similar name"
    )


def _inside(folder: Path) -> str:
    endings = {ending for kind in KINDS for ending in kind.extensions}
    names = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in endings)
    return f"it holds {', '.join(names[:5])}" if names else "it holds no recording"
