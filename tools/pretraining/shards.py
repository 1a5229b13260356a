"""Shards: memory-mapped npy files of recordings with the same electrodes, and the index that describes them."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rtbci.encoder.losses import log_band_powers
from rtbci.encoder.sizes import PATCH_SAMPLES
from rtbci.errors import FileFormatError

__all__ = [
    "INDEX",
    "Piece",
    "Shard",
    "ShardIndex",
    "ShardWriter",
    "read_index",
    "replace_file",
    "write_index",
]

INDEX = "index.json"
FORMAT_VERSION = 1
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Piece:
    """Where one uninterrupted recording lies in its shard; `start` and `n_samples` in samples."""

    name: str
    start: int
    n_samples: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One npy file, float32, shape (n_samples, n_channels).

    Parameters
    ----------
    file : str
        Name in the folder of the index.
    sha256 : str
        Of the file.
    labels : tuple of str
        Electrodes, in the order of the columns.
    n_samples : int
    pieces : tuple of Piece
        Recordings in it; no window spans two.
    mean_square : float
        Of all samples.
    log_power_mean, log_power_square : tuple of float
        Mean and mean square of the patches' log band powers, relative to this shard's mean square.
    """

    file: str
    sha256: str
    labels: tuple[str, ...]
    n_samples: int
    pieces: tuple[Piece, ...]
    mean_square: float
    log_power_mean: tuple[float, ...]
    log_power_square: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """What a folder of shards holds.

    Parameters
    ----------
    chain : str
        Name of the chain that the recordings went through.
    stages : list of dict
        Its stages.
    rate_hz : float
    unit : str
    provenance : dict of str to str
        Data, command, versions.
    shards : tuple of Shard
    skipped : dict of str to str
        Recordings that could not be used, and why.
    sha256 : str
        Of the index file; empty before it is written.
    """

    chain: str
    stages: list[dict[str, Any]]
    rate_hz: float
    unit: str
    provenance: dict[str, str]
    shards: tuple[Shard, ...]
    skipped: dict[str, str]
    sha256: str = ""


class ShardWriter:
    """Collects recordings by their electrodes and writes a shard whenever enough have come together.

    Parameters
    ----------
    folder : Path
        Exists; must hold no shards yet.
    max_bytes : int
        Size that a shard is closed at. At most three times as much is in memory.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        self._waiting: dict[tuple[str, ...], list[tuple[str, Samples]]] = {}
        self.shards: list[Shard] = []

    def add(self, name: str, labels: tuple[str, ...], data: npt.NDArray[np.floating]) -> None:
        """Take a recording (n_samples, n_channels); long ones are cut at shard size."""
        step = max(PATCH_SAMPLES, self._max_bytes // (4 * len(labels)))
        for start in range(0, len(data), step):
            part = np.ascontiguousarray(data[start : start + step], np.float32)
            waiting = self._waiting.setdefault(labels, [])
            waiting.append((name if start == 0 else f"{name}#{start}", part))
            if self._n_bytes(labels) >= self._max_bytes:
                self._write(labels)
        while sum(map(self._n_bytes, self._waiting)) > 2 * self._max_bytes:
            self._write(max(self._waiting, key=self._n_bytes))

    def close(self) -> None:
        """Write what is left."""
        for labels in sorted(self._waiting):
            self._write(labels)

    def _n_bytes(self, labels: tuple[str, ...]) -> int:
        return sum(part.nbytes for _, part in self._waiting.get(labels, ()))

    def _write(self, labels: tuple[str, ...]) -> None:
        parts = self._waiting.pop(labels)
        data = np.concatenate([part for _, part in parts])
        starts = np.cumsum([0, *(len(part) for _, part in parts)])
        file = f"shard-{len(self.shards):05d}.npy"
        partial = self._folder / f".{file}.{os.getpid()}"
        with partial.open("wb") as stream:
            np.save(stream, data)
        with partial.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        replace_file(partial, self._folder / file)
        pieces = tuple(
            Piece(name, int(start), len(part)) for (name, part), start in zip(parts, starts, strict=False)
        )
        mean_square = sum(float(np.square(part, dtype=np.float64).sum()) for _, part in parts) / data.size
        means, squares = _log_powers(data, pieces, mean_square)
        self.shards.append(Shard(file, digest, labels, len(data), pieces, mean_square, means, squares))


def _log_powers(
    data: Samples, pieces: Sequence[Piece], mean_square: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    sums, n = list[npt.NDArray[np.float64]](), 0
    for piece in pieces:
        whole = data[piece.start :][: piece.n_samples // PATCH_SAMPLES * PATCH_SAMPLES]
        patches = torch.from_numpy(whole.reshape(-1, PATCH_SAMPLES, data.shape[1])).transpose(1, 2)
        powers = log_band_powers(patches, mean_square).double()
        sums.append(torch.stack([powers.sum((0, 1)), powers.square().sum((0, 1))]).numpy())
        n += powers.shape[0] * powers.shape[1]
    means, squares = np.sum(sums, axis=0) / n
    return tuple(means.tolist()), tuple(squares.tolist())


def write_index(folder: Path, index: ShardIndex) -> None:
    """Write the index, at once or not at all."""
    content = {"format": FORMAT_VERSION, **asdict(index)}
    del content["sha256"]
    partial = folder / f".{INDEX}.{os.getpid()}"
    partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    replace_file(partial, folder / INDEX)


def read_index(folder: Path, check_content: bool = False) -> ShardIndex:
    """Read an index and check that its shards are there.

    Parameters
    ----------
    folder : Path
    check_content : bool
        Whether every shard is read and its sha256 compared.

    Raises
    ------
    FileFormatError
        When index or shards are missing, or are not what the index says.
    """
    path = folder / INDEX
    try:
        text = path.read_bytes()
        content = json.loads(text)
        if content.pop("format") != FORMAT_VERSION:
            raise FileFormatError(
                f"{path}: has another format than {FORMAT_VERSION}; prepare the shards again"
            )
        shards = tuple(_shard(shard) for shard in content.pop("shards"))
        index = ShardIndex(shards=shards, **content, sha256=hashlib.sha256(text).hexdigest())
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(
            f"{path}: cannot be read as an index of shards ({type(error).__name__}: {error}); "
            "write it with 'python -m tools.pretrain prepare'"
        ) from None
    for shard in index.shards:
        _check_shard(folder / shard.file, shard, check_content)
    return index


def _shard(content: Mapping[str, Any]) -> Shard:
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }
    values["pieces"] = tuple(Piece(**piece) for piece in content["pieces"])
    return Shard(**values)


def _check_shard(path: Path, shard: Shard, check_content: bool) -> None:
    need = (shard.n_samples, len(shard.labels))
    try:
        data = np.load(path, mmap_mode="r", allow_pickle=False)
        if check_content:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != shard.sha256:
                raise FileFormatError(
                    f"{path}: has another sha256 than the index says; prepare the shards again"
                )
    except (OSError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{path}: cannot be opened ({error}); prepare the shards again") from None
    if data.shape != need or data.dtype != np.float32:
        raise FileFormatError(
            f"{path}: holds {data.dtype} of shape {data.shape}, the index says float32 of {need}; "
            "prepare the shards again"
        )


def replace_file(partial: Path, path: Path) -> None:
    """Put a finished file in its place, on the disk and not only in its cache: after a power cut there is either
    the old one or the new one.
    """
    with partial.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
