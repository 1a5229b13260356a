"""Short filters that the networks learn: what they start from, and how they are applied in training."""

import torch
from torch import Tensor

from tools.training.signals import RATE_HZ
from tools.training.trials import CONTEXT

__all__ = ["POWER_CENTRES_HZ", "band_waves", "convolve"]

POWER_CENTRES_HZ = (10.5, 16.5, 25.0)


def band_waves() -> Tensor:
    """Windowed cosines at the centres of three bands, shape (3, CONTEXT + 1); of norm 0.5 each."""
    t_s = (torch.arange(CONTEXT + 1) - CONTEXT / 2) / RATE_HZ
    window = torch.hann_window(CONTEXT + 3, periodic=False)[1:-1]
    waves = torch.stack([torch.cos(2 * torch.pi * f_hz * t_s) * window for f_hz in POWER_CENTRES_HZ])
    return waves / waves.square().sum(1, keepdim=True).sqrt() / 2.0


def convolve(x: Tensor, taps: Tensor) -> Tensor:
    """Causal filter of each channel, only where all its taps meet samples.

    Parameters
    ----------
    x : Tensor, shape (batch, n_channels, n_samples)
    taps : Tensor, shape (n_channels, n_taps)
        Tap 0 meets the newest sample.

    Returns
    -------
    Tensor, shape (batch, n_channels, n_samples - n_taps + 1)

    Notes
    -----
    By FFT: two to three times as fast on a CPU as the grouped convolution, with its gradient.
    """
    n = x.shape[-1]
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(x, n) * torch.fft.rfft(taps, n), n)
    return filtered[..., taps.shape[1] - 1 :]
