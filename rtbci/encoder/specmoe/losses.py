"""What an expert is trained by, and how far its reconstruction is from what can be had without any training."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtbci.encoder.specmoe.hinet import Reconstructions, SpecHiNet
from rtbci.encoder.specmoe.masks import apply_mask, spectrogram

__all__ = [
    "SpecLosses",
    "SpecPretraining",
    "TrivialErrors",
    "masked_error",
    "reconstruction_losses",
    "spectrum_distance",
    "trivial_errors",
]

SPECTRUM_WEIGHT = 0.02
AUXILIARY_WEIGHTS = (0.3, 0.2)
"""Of the heads at a half and at a quarter of the samples."""
N_FFT, N_HOP = 512, 256
SEEN = 0.5
"""Linear interpolation takes a frame for known where the mask leaves more than this."""


class SpecLosses(NamedTuple):
    """Losses of a step, each before its weight; `masked` is for people and not trained on.

    Parameters
    ----------
    total : Tensor
    coarse, fine : Tensor
        Mean squared error at full resolution.
    spectrum : Tensor
        Sum of both outputs' distances of short-time spectra.
    half, quarter : Tensor
        Mean squared error of the auxiliary heads.
    masked : Tensor
        `masked_error` of the fine output: 1 is what zeros have.
    """

    total: Tensor
    coarse: Tensor
    fine: Tensor
    spectrum: Tensor
    half: Tensor
    quarter: Tensor
    masked: Tensor


class TrivialErrors(NamedTuple):
    """`masked_error` of predictors that have learnt nothing.

    Parameters
    ----------
    zeros : float
        1 by definition; also the mean of a band-passed signal.
    masked_input : float
        The network's own input.
    interpolated : float
        Linear interpolation over time, bin by bin, between the frames that the mask leaves more than half of.
    """

    zeros: float
    masked_input: float
    interpolated: float


class SpecPretraining(nn.Module):
    """An expert with the loss around it.

    Parameters
    ----------
    network : SpecHiNet
    """

    def __init__(self, network: SpecHiNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, masks: Tensor) -> SpecLosses:
        """Mask, reconstruct, compare.

        Parameters
        ----------
        x : Tensor of float32, shape (n, n_channels, n_samples)
            A multiple of 200 samples, 400 or more.
        masks : Tensor, shape (n, 201, n_frames)
        """
        wanted = x.flatten(0, 1)
        made = self.network(apply_mask(x, masks).flatten(0, 1))
        with torch.no_grad():
            masked = masked_error(made.fine.reshape(x.shape), x, masks)
        return reconstruction_losses(made, wanted, masked)


def reconstruction_losses(made: Reconstructions, wanted: Tensor, masked: Tensor) -> SpecLosses:
    """Losses of reconstructions of `wanted`, shape (n, n_samples)."""
    coarse, fine = F.mse_loss(made.coarse, wanted), F.mse_loss(made.fine, wanted)
    spectrum = spectrum_distance(made.coarse, wanted) + spectrum_distance(made.fine, wanted)
    half = F.mse_loss(made.half, F.avg_pool1d(wanted[:, None], 2)[:, 0])
    quarter = F.mse_loss(made.quarter, F.avg_pool1d(wanted[:, None], 4)[:, 0])
    auxiliary = AUXILIARY_WEIGHTS[0] * half + AUXILIARY_WEIGHTS[1] * quarter
    total = coarse + fine + SPECTRUM_WEIGHT * spectrum + auxiliary
    return SpecLosses(total, coarse, fine, spectrum, half, quarter, masked)


def spectrum_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference of short-time magnitudes (Hann, 512 samples, every 256) of (n, n_samples)."""
    window = torch.hann_window(N_FFT, device=a.device)
    first, second = (
        torch.stft(x.float(), N_FFT, N_HOP, window=window, pad_mode="constant", return_complex=True)
        for x in (a, b)
    )
    return (_magnitude(first) - _magnitude(second)).abs().mean()


def masked_error(made: Tensor, wanted: Tensor, masks: Tensor) -> Tensor:
    """Squared error of the spectrogram where the mask takes away, relative to the signal there.

    Parameters
    ----------
    made, wanted : Tensor, shape (n, n_channels, n_samples)
    masks : Tensor, shape (n, 201, n_frames)

    Returns
    -------
    Tensor, scalar
        Weighted by ``1 - mask``; 1 for zeros.
    """
    weights = (1.0 - masks).repeat_interleave(made.shape[1], 0)
    target = spectrogram(wanted.flatten(0, 1))
    return _relative(spectrogram(made.flatten(0, 1)), target, weights)


def trivial_errors(x: Tensor, masks: Tensor) -> TrivialErrors:
    """`masked_error` of what needs no network, for the same windows and masks."""
    n_channels = x.shape[1]
    weights = (1.0 - masks).repeat_interleave(n_channels, 0)
    target = spectrogram(x.flatten(0, 1))
    own = float(masked_error(apply_mask(x, masks), x, masks))
    guess = _interpolated(target, 1.0 - weights)
    return TrivialErrors(1.0, own, float(_relative(guess, target, weights)))


def _interpolated(spectra: Tensor, masks: Tensor) -> Tensor:
    """Between the nearest seen frames of each bin; the only one where there is one, zero where there is none."""
    n_frames = spectra.shape[2]
    frames = torch.arange(n_frames, device=spectra.device)
    seen = masks > SEEN
    before = torch.where(seen, frames, -1).cummax(dim=2).values
    after = torch.where(seen, frames, n_frames).flip(2).cummin(dim=2).values.flip(2)
    has_before, has_after = before >= 0, after < n_frames
    left = torch.where(has_before, before, after).clamp(0, n_frames - 1)
    right = torch.where(has_after, after, before).clamp(0, n_frames - 1)
    share = (frames - left) / (right - left).clamp(min=1)
    known = spectra.gather(2, left) * (1 - share) + spectra.gather(2, right) * share
    return known * (has_before | has_after)


def _relative(made: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    return (weights * (made - wanted).abs().square()).sum() / (weights * wanted.abs().square()).sum()


def _magnitude(spectra: Tensor) -> Tensor:
    """Absolute value with a gradient at zero."""
    return (torch.view_as_real(spectra).square().sum(dim=-1) + 1e-12).sqrt()
