"""How well experts put back what is masked, beside predictors that have learnt nothing."""

from collections.abc import Sequence
from fnmatch import fnmatch
from glob import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from rtbci.encoder.specmoe.checkpoint import read_expert
from rtbci.encoder.specmoe.losses import masked_error, trivial_errors
from rtbci.encoder.specmoe.masks import apply_mask
from tools.pretraining.batches import WindowSource
from tools.pretraining.shards import ShardIndex
from tools.pretraining.spec_training import SECOND, SpecSource, person_of

__all__ = ["MaskedErrors", "masked_errors"]

SEED = 1_000_000


class MaskedErrors(NamedTuple):
    """Means over batches of `masked_error`, with standard errors over batches.

    Parameters
    ----------
    errors : dict of str to (float, float)
        By predictor: the trivial ones, then each expert by its file's folder, then the experts' mean.
    n_windows : int
    people : tuple of str
        Whose recordings were drawn from.
    """

    errors: dict[str, tuple[float, float]]
    n_windows: int
    people: tuple[str, ...]


def masked_errors(
    folder: Path,
    index: ShardIndex,
    experts: Sequence[Path],
    *,
    only: Sequence[str] = (),
    n_batches: int = 8,
    batch: int = 16,
    window_s: int = 4,
) -> MaskedErrors:
    """Judge experts on windows and masks that are the same for all.

    Parameters
    ----------
    folder, index
        Of the shards.
    experts : sequence of Path
        Checkpoints.
    only : sequence of str
        Patterns of recordings to draw from, of people whom the experts have not seen; all without.
    n_batches, batch, window_s : int
        Batches, windows of each, and their length.
    """
    names = [piece.name for shard in index.shards for piece in shard.pieces]
    wanted = [name for name in names if not only or any(fnmatch(name, pattern) for pattern in only)]
    exclude = [escape(name) for name in set(names) - set(wanted)]
    windows = WindowSource(
        folder, index, batch=batch, n_samples=window_s * SECOND, seed=SEED, exclude=exclude
    )
    source = SpecSource(windows, 4)
    networks = {path.parent.name: read_expert(path)[0] for path in experts}
    found: dict[str, list[float]] = {}
    for i in range(n_batches):
        drawn = source.draw(i)
        for name, error in trivial_errors(drawn.x, drawn.masks)._asdict().items():
            found.setdefault(name, []).append(error)
        with torch.inference_mode():
            masked = apply_mask(drawn.x, drawn.masks).flatten(0, 1)
            made = {name: network(masked).fine.reshape(drawn.x.shape) for name, network in networks.items()}
            made["mean of experts"] = torch.stack(list(made.values())).mean(dim=0)
            for name, one in made.items():
                found.setdefault(name, []).append(float(masked_error(one, drawn.x, drawn.masks)))
    errors = {
        name: (float(np.mean(each)), float(np.std(each, ddof=1) / np.sqrt(n_batches)))
        for name, each in found.items()
    }
    return MaskedErrors(errors, n_batches * batch, tuple(sorted({person_of(name) for name in wanted})))
