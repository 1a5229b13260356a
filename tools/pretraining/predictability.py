"""How much of the targets a linear predictor knows: what pretraining has to reach, before any is spent on it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.encoder.masks import n_visible
from rtbci.encoder.sizes import PATCH_SAMPLES
from tools.pretraining.shards import ShardIndex

__all__ = ["Predictability", "linear_predictability"]

N_DRAWS = 10
RIDGE_PER_PATCH = 1e-3
Patches = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Predictability:
    """Mean squared errors of linear predictors of normalised patches; 1 is nothing, 0 is all.

    Parameters
    ----------
    unseen : float
        A channel from as many others as a kept patch shows, at the same time; fitted for each recording
        and choice of channels, so it knows more than one network for all can.
    dropped : float
        A patch from the ones before and after it, of the same channel.
    n_pieces : int
        Recordings that the means are over.
    """

    unseen: float
    dropped: float
    n_pieces: int


def linear_predictability(
    folder: Path, index: ShardIndex, n_pieces: int = 24, seed: int = 0
) -> Predictability:
    """Fit on the first half of recordings, judge on the second.

    Parameters
    ----------
    folder : Path
        Of the shards.
    index : ShardIndex
    n_pieces : int
        Recordings, evenly spread over all.
    seed : int
        Of the choice of visible channels.
    """
    rng = np.random.default_rng(seed)
    places = [(shard, piece) for shard in index.shards for piece in shard.pieces]
    chosen = [places[i] for i in np.unique(np.linspace(0, len(places) - 1, n_pieces).round().astype(int))]
    unseen, dropped = list[float](), list[float]()
    for shard, piece in chosen:
        data = np.load(folder / shard.file, mmap_mode="r", allow_pickle=False)
        patches = _normalised(np.asarray(data[piece.start :][: piece.n_samples], np.float64))
        dropped.append(_from_neighbours(patches))
        if n_visible(len(shard.labels)) < len(shard.labels):
            unseen += [_from_channels(patches, rng) for _ in range(N_DRAWS)]
    return Predictability(float(np.mean(unseen)) if unseen else 1.0, float(np.mean(dropped)), len(chosen))


def _normalised(data: Patches) -> Patches:
    """Patches of mean 0 and variance 1, shape (n_patches, 64, n_channels)."""
    patches = data[: len(data) // PATCH_SAMPLES * PATCH_SAMPLES].reshape(-1, PATCH_SAMPLES, data.shape[1])
    patches = patches - patches.mean(axis=1, keepdims=True)
    return np.asarray(patches / np.maximum(patches.std(axis=1, keepdims=True), 1e-12))


def _from_channels(patches: Patches, rng: np.random.Generator) -> float:
    n_channels = patches.shape[2]
    order = rng.permutation(n_channels)
    seen, unseen = np.split(order, [n_visible(n_channels)])
    half = len(patches) // 2
    first, second = patches[:half].reshape(-1, n_channels), patches[half:].reshape(-1, n_channels)
    return _error(first[:, seen], first[:, unseen], second[:, seen], second[:, unseen])


def _from_neighbours(patches: Patches) -> float:
    around = np.concatenate([patches[:-2], patches[2:]], axis=1).transpose(0, 2, 1)
    wanted = patches[1:-1].transpose(0, 2, 1)
    half = len(wanted) // 2
    parts = (around[:half], wanted[:half], around[half:], wanted[half:])
    return _error(*(part.reshape(-1, part.shape[2]) for part in parts))


def _error(x: Patches, y: Patches, x_test: Patches, y_test: Patches) -> float:
    ridge = RIDGE_PER_PATCH * len(x) * np.eye(x.shape[1])
    weights = np.linalg.solve(x.T @ x + ridge, x.T @ y)
    return float(np.mean(np.square(y_test - x_test @ weights)))
