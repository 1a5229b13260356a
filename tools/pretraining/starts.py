"""How a pretraining starts: weights that let the first steps learn. Ours, not published; see docs/pretraining.md."""

import numpy as np
import torch
from torch import Tensor

from rtbci.encoder.pretraining import Pretraining, start_wide
from rtbci.encoder.vocabulary import CHANNELS
from rtbci.stream.montage import angles_deg

__all__ = ["EMBEDDING_STD", "WIDTH_DEG", "smooth_rows", "start"]

EMBEDDING_STD = {"wide": 2.0, "published": 0.02}
"""Standard deviation of the channel embeddings at the start, by the name of the start."""
WIDTH_DEG = 40.0
OWN_SHARE = 0.05
"""Share of an electrode's variance that is its own, so that neighbours can be told apart."""


def smooth_rows(n_features: int, width_deg: float = WIDTH_DEG) -> Tensor:
    """Random rows, alike for electrodes that are near: a Gaussian process on the head.

    Parameters
    ----------
    n_features : int
    width_deg : float
        Two electrodes so many degrees apart correlate by exp(-1/2), apart from their own shares.

    Returns
    -------
    Tensor of float32, shape (n_vocabulary, n_features)
        Of variance 1, from torch's global generator; the columns are independent.
    """
    angles = angles_deg(CHANNELS, CHANNELS)
    kernel = (1.0 - OWN_SHARE) * np.exp(-0.5 * (angles / width_deg) ** 2) + OWN_SHARE * np.eye(len(CHANNELS))
    # Of angles on a sphere this kernel is positive definite but for a little, which the own share covers here.
    values, vectors = np.linalg.eigh(kernel)
    root = torch.from_numpy(vectors * np.sqrt(np.maximum(values, 0.0))).float()
    return root @ torch.randn(len(CHANNELS), n_features)


@torch.no_grad()
def start(model: Pretraining, init: str, rms: float) -> None:
    """Start a fresh model in place.

    Parameters
    ----------
    model : Pretraining
    init : {'wide', 'published'}
        ``"published"`` leaves it as it was drawn.
    rms : float
        Of the recordings, in their unit.
    """
    if init == "published":
        return
    start_wide(model, rms)
    reconstructor = model.reconstructor
    for embedding in (model.encoder.channel_embedding, reconstructor.channel_embedding):
        embedding.weight.copy_(EMBEDDING_STD[init] * smooth_rows(embedding.embedding_dim))
    reconstructor.channel_gains.weight.copy_(smooth_rows(reconstructor.channel_gains.embedding_dim))
