"""Losses of pretraining, each a function of tensors (DARE-EEG, arXiv 2605.18298), and one of our own."""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from rtbci.encoder.sizes import PATCH_SAMPLES, RATE_HZ

__all__ = [
    "POWER_BANDS_HZ",
    "anchor_loss",
    "gather_rows",
    "info_nce",
    "log_band_powers",
    "normalise_patches",
    "projection_penalty",
    "squared_errors",
]

TEMPERATURE = 0.1
POWER_BANDS_HZ = ((6.0, 14.0), (14.0, 30.0))
"""Bands of `log_band_powers`; a patch of 250 ms has a bin every 4 Hz."""
PATCH_EPS = 1e-10
"""Variance added to a patch before it is normalised: (0.01 uV)^2 where the unit is millivolts."""
POWER_FLOOR = 1e-6
"""Added to a patch's band power relative to the recordings' mean square, so that a flat patch has a logarithm."""


def normalise_patches(patches: Tensor) -> Tensor:
    """LayerNorm of each patch over its samples, without learned scale, shape (..., 64) as given."""
    return F.layer_norm(patches.float(), (PATCH_SAMPLES,), eps=PATCH_EPS)


def squared_errors(predicted: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of each row, shape (n,), of (n, k) tensors, in float32."""
    return (predicted.float() - wanted.float()).square().mean(dim=-1)


def anchor_loss(predicted: Tensor, anchor: Tensor) -> Tensor:
    """Mean squared error between the predictor's output and the LayerNorm of the EMA encoder's features.

    Parameters
    ----------
    predicted, anchor : Tensor, shape (batch, n_patches, S, D)
        At all patches; `anchor` is that of the complete signal and gets no gradient.
    """
    wanted = F.layer_norm(anchor.detach().float(), anchor.shape[-1:])
    return F.mse_loss(predicted.float(), wanted)


def info_nce(z1: Tensor, z2: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Symmetric InfoNCE between two views (van den Oord et al. 2018, arXiv 1807.03748).

    Parameters
    ----------
    z1, z2 : Tensor, shape (batch, n)
        Not yet normalised. Row i of one belongs to row i of the other; the other rows, those of all other
        processes too, are its negatives.
    temperature : float

    Returns
    -------
    Tensor, scalar
        Mean over this process's rows. Averaged over processes it is the loss of the whole batch, and
        so are the gradients.
    """
    z1, z2 = F.normalize(z1.float(), dim=-1), F.normalize(z2.float(), dim=-1)
    all1, all2 = gather_rows(z1), gather_rows(z2)
    start = dist.get_rank() * len(z1) if _is_distributed() else 0
    own = torch.arange(start, start + len(z1), device=z1.device)
    forward = F.cross_entropy(z1 @ all2.T / temperature, own)
    backward = F.cross_entropy(z2 @ all1.T / temperature, own)
    return (forward + backward) / 2.0


def projection_penalty(z1: Tensor, z2: Tensor) -> Tensor:
    """Half the sum of the two views' mean squared projections, before they are normalised to length 1.

    After normalisation the mean square is a constant, so only the vectors before it can be meant.
    """
    return 0.5 * (z1.float().square().mean() + z2.float().square().mean())


def log_band_powers(patches: Tensor, mean_square: float = 1.0) -> Tensor:
    """Logarithm of each patch's power in bands.

    Parameters
    ----------
    patches : Tensor, shape (..., 64)
        At 256 Hz.
    mean_square : float
        Of the recordings, in the signal's unit squared: the power that counts as 1.

    Returns
    -------
    Tensor of float32, shape (..., n_bands)
    """
    window = torch.hann_window(PATCH_SAMPLES, periodic=True, device=patches.device)
    spectrum = torch.fft.rfft(patches.float() * window).abs().square()
    spectrum = spectrum * (2.0 / (PATCH_SAMPLES * window.square().sum() * mean_square))
    f_hz = torch.fft.rfftfreq(PATCH_SAMPLES, 1.0 / RATE_HZ, device=patches.device)
    powers = [spectrum[..., (f_hz >= low) & (f_hz < high)].sum(dim=-1) for low, high in POWER_BANDS_HZ]
    return torch.log(torch.stack(powers, dim=-1) + POWER_FLOOR)


def gather_rows(x: Tensor) -> Tensor:
    """Rows of all processes, in the order of their ranks; gradients go back to where the rows came from.

    Parameters
    ----------
    x : Tensor, shape (n, k)
        As many rows on every process.

    Returns
    -------
    Tensor, shape (n_processes * n, k)
    """
    if not _is_distributed():
        return x
    gathered: Tensor = _GatherRows.apply(x)  # type: ignore[no-untyped-call]
    return gathered


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004 (torch passes it)
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ARG004 (torch passes it)
        # Every process's loss reads every row: what each says of them is summed, each takes its own rows.
        grad = grads[0].contiguous()
        dist.all_reduce(grad)
        n = len(grad) // dist.get_world_size()
        return grad[dist.get_rank() * n :][:n]


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
