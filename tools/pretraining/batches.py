"""Batches of windows, drawn from memory-mapped shards; step i's batch follows from the seed and i alone.

That is what makes a resumed training continue bit for bit, and many processes draw what one would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rtbci.encoder.dare import channel_ids
from rtbci.encoder.masks import Masks, MaskSettings, draw_masks
from rtbci.encoder.pretraining import AmplitudeTask, count_targets
from rtbci.encoder.sizes import PATCH_SAMPLES
from rtbci.encoder.vocabulary import CHANNELS
from rtbci.errors import ConfigError, SignalError
from tools.pretraining.shards import Piece, Shard, ShardIndex

__all__ = ["Batch", "BatchSource", "WindowSource", "amplitude_task", "root_mean_square"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One process's part of a batch.

    Parameters
    ----------
    x : Tensor of float32, shape (n_rows, n_channels, n_samples)
    channel_ids : Tensor of int64, shape (n_channels,)
    masks : Masks
    n_targets : (float, float)
        Of the whole batch, per process; see `rtbci.encoder.pretraining.count_targets`.
    """

    x: Tensor
    channel_ids: Tensor
    masks: Masks
    n_targets: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """All pieces with the same electrodes; `n_before[i]` windows start in the pieces before piece i."""

    labels: tuple[str, ...]
    places: list[tuple[Shard, Piece]]
    n_before: npt.NDArray[np.int64]


class WindowSource:
    """Draws windows; what else a batch holds is up to who draws.

    Parameters
    ----------
    folder : Path
        Of the shards.
    index : ShardIndex
    batch : int
        Windows of a step, over all processes.
    n_samples : int
        Of a window.
    seed : int
    rank, n_processes : int
        Which rows of a batch are read here: the same number on every process.
    exclude : sequence of str
        Patterns (`fnmatch`) of recordings not to draw from.

    Raises
    ------
    ConfigError
        When a number does not fit, or no recording is long enough.

    Notes
    -----
    All windows of a batch have the same electrodes. A layout is drawn as often as it has windows, and within
    it every window of every recording is as likely. Only the rows of this process are read from disk.
    """

    def __init__(
        self,
        folder: Path,
        index: ShardIndex,
        *,
        batch: int,
        n_samples: int,
        seed: int,
        rank: int = 0,
        n_processes: int = 1,
        exclude: Sequence[str] = (),
    ) -> None:
        if batch < 2 * n_processes or batch % n_processes:
            raise ConfigError(
                f"WindowSource: got a batch of {batch} for {n_processes} processes, need a multiple with at least "
                "2 windows for each"
            )
        self._folder, self.batch, self._n_samples, self._seed = folder, batch, n_samples, seed
        self._rank, self._n_processes = rank, n_processes
        self._layouts = _layouts(index, n_samples, exclude)
        self._weights = np.array([layout.n_before[-1] for layout in self._layouts], float)

    @property
    def channels(self) -> tuple[str, ...]:
        """Electrodes of all recordings drawn from, in the encoder's order."""
        found = {label for layout in self._layouts for label in layout.labels}
        return tuple(label for label in CHANNELS if label in found)

    @property
    def n_windows(self) -> int:
        """Windows that can be drawn."""
        return int(self._weights.sum())

    def draw_windows(self, i_step: int) -> tuple[tuple[str, ...], npt.NDArray[np.float32], torch.Generator]:
        """Draw the windows of a step.

        Parameters
        ----------
        i_step : int
            From 0.

        Returns
        -------
        labels : tuple of str
            Electrodes.
        x : ndarray of float32, shape (n_rows, n_channels, n_samples)
            The windows of this process.
        generator : torch.Generator
            For whatever else is drawn for the whole batch; the same on every process.
        """
        rng = np.random.default_rng([self._seed, i_step])
        i_layout = rng.choice(len(self._layouts), p=self._weights / self._weights.sum())
        layout = self._layouts[i_layout]
        wanted = rng.integers(layout.n_before[-1], size=self.batch)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return layout.labels, self._read(layout, wanted[self.rows]), generator

    @property
    def rows(self) -> slice:
        """Rows of a batch that this process has."""
        n_rows = self.batch // self._n_processes
        return slice(self._rank * n_rows, (self._rank + 1) * n_rows)

    def _read(self, layout: _Layout, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        x = np.empty((len(wanted), len(layout.labels), self._n_samples), np.float32)
        for row, i_window in zip(x, wanted, strict=True):
            i_piece = int(np.searchsorted(layout.n_before, i_window, side="right")) - 1
            shard, piece = layout.places[i_piece]
            start = piece.start + int(i_window - layout.n_before[i_piece])
            # Mapped anew each time: tens of microseconds, and no list of thousands of open files.
            data = np.load(self._folder / shard.file, mmap_mode="r", allow_pickle=False)
            row[:] = data[start : start + self._n_samples].T
        return x


class BatchSource(WindowSource):
    """Draws batches for the DARE encoder.

    Parameters
    ----------
    folder, index, batch, n_samples, seed, rank, n_processes, exclude
        See `WindowSource`; `n_samples` a multiple of 64.
    masks : MaskSettings, optional

    Raises
    ------
    ConfigError
        When a number does not fit, or no recording is long enough.
    """

    def __init__(
        self,
        folder: Path,
        index: ShardIndex,
        *,
        batch: int,
        n_samples: int,
        seed: int,
        rank: int = 0,
        n_processes: int = 1,
        exclude: Sequence[str] = (),
        masks: MaskSettings | None = None,
    ) -> None:
        if n_samples < 2 * PATCH_SAMPLES or n_samples % PATCH_SAMPLES:
            raise ConfigError(
                f"BatchSource: got windows of {n_samples} samples, need a multiple of {PATCH_SAMPLES}, two or more"
            )
        super().__init__(
            folder,
            index,
            batch=batch,
            n_samples=n_samples,
            seed=seed,
            rank=rank,
            n_processes=n_processes,
            exclude=exclude,
        )
        self._masks = masks

    def draw(self, i_step: int) -> Batch:
        """Draw the batch of a step.

        Parameters
        ----------
        i_step : int
            From 0.
        """
        labels, x, generator = self.draw_windows(i_step)
        n_patches = self._n_samples // PATCH_SAMPLES
        masks = draw_masks(self.batch, n_patches, len(labels), generator, self._masks)
        rows = self.rows
        return Batch(
            x=torch.from_numpy(x),
            channel_ids=channel_ids(labels),
            masks=masks.rows(rows.start, rows.stop),
            n_targets=count_targets(masks, self._n_processes),
        )


def _layouts(index: ShardIndex, n_samples: int, exclude: Sequence[str]) -> list[_Layout]:
    places: dict[tuple[str, ...], list[tuple[Shard, Piece]]] = {}
    for shard in index.shards:
        for piece in shard.pieces:
            is_excluded = any(fnmatch(piece.name, pattern) for pattern in exclude)
            if piece.n_samples >= n_samples and not is_excluded:
                places.setdefault(shard.labels, []).append((shard, piece))
    if not places:
        raise ConfigError(
            f"WindowSource: no recording of the shards has {n_samples} samples and is not excluded, need one; "
            "choose a shorter window or exclude less"
        )
    return [
        _Layout(labels, found, np.cumsum([0, *(piece.n_samples - n_samples + 1 for _, piece in found)]))
        for labels, found in sorted(places.items())
    ]


def root_mean_square(index: ShardIndex) -> float:
    """Of all samples of all shards, in their unit.

    Raises
    ------
    SignalError
        When there is no signal at all.
    """
    weights = [shard.n_samples * len(shard.labels) for shard in index.shards]
    rms = float(np.sqrt(np.average([shard.mean_square for shard in index.shards], weights=weights)))
    if not rms > 0:
        raise SignalError("root_mean_square: the shards hold only zeros, need a signal; prepare them again")
    return rms


def amplitude_task(index: ShardIndex, weight: float) -> AmplitudeTask:
    """The amplitude term with the statistics of the shards.

    Each shard's log powers are relative to its own mean square, and are moved to that of all shards.
    """
    mean_square = root_mean_square(index) ** 2
    weights = np.array([shard.n_samples * len(shard.labels) for shard in index.shards], float)
    own = np.array([shard.mean_square for shard in index.shards])
    means = np.array([shard.log_power_mean for shard in index.shards])
    variances = np.array([shard.log_power_square for shard in index.shards]) - np.square(means)
    means = means + np.log(own / mean_square)[:, np.newaxis]
    centres = np.average(means, axis=0, weights=weights)
    spreads = np.sqrt(np.average(variances + np.square(means - centres), axis=0, weights=weights))
    return AmplitudeTask(weight, mean_square, tuple(centres.tolist()), tuple(spreads.tolist()))
