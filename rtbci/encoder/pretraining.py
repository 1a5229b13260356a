"""Self-supervised pretraining of the DARE encoder: all its networks, one forward pass, the losses.

Clean-room from the description of DARE-EEG (arXiv 2605.18298). One view of a window is encoded patch by
patch, from a few channels of about half of the patches; the rest is reconstructed (reconstruction), the
features of the complete signal are predicted (anchor alignment), and a second view must give nearly the same
summary (mask alignment). Only the encoder is kept afterwards.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rtbci.encoder.dare import INIT_STD, DareEncoder
from rtbci.encoder.losses import (
    POWER_BANDS_HZ,
    anchor_loss,
    info_nce,
    log_band_powers,
    normalise_patches,
    projection_penalty,
    squared_errors,
)
from rtbci.encoder.masks import Masks
from rtbci.encoder.predictor import Predictor, Reconstructor
from rtbci.encoder.sizes import PATCH_SAMPLES
from rtbci.errors import ConfigError, ShapeError

__all__ = [
    "AmplitudeTask",
    "EmaEncoder",
    "Losses",
    "Pretraining",
    "count_targets",
    "ema_momentum",
    "patches_of",
    "start_wide",
]

CONTRAST_WEIGHT = 0.1
PENALTY_WEIGHT = 1e-4
N_HIDDEN, N_PROJECTED = 512, 256


class Losses(NamedTuple):
    """Losses of one batch; all are float32 scalars, only `total` has a gradient.

    Parameters
    ----------
    total : Tensor
        What is minimised.
    reconstruction : Tensor
        Mean squared error of normalised samples: 1 where nothing is known, 0 where all is.
    reconstruction_dropped, reconstruction_unseen : Tensor
        The same over targets in dropped patches (another time), and in kept ones (another channel); 0 where
        there are none.
    anchor, contrast, penalty : Tensor
        Anchor alignment; InfoNCE and the penalty on the projections, both before their weights.
    amplitude : Tensor
        Mean squared error of standardised log powers, before its weight; 0 where it is switched off.
    """

    total: Tensor
    reconstruction: Tensor
    reconstruction_dropped: Tensor
    reconstruction_unseen: Tensor
    anchor: Tensor
    contrast: Tensor
    penalty: Tensor
    amplitude: Tensor


@dataclass(frozen=True, slots=True)
class AmplitudeTask:
    """Our addition: predict the log power of each target patch beside its shape.

    The published targets are patches normalised to unit variance, so nothing asks the encoder for amplitude,
    and event-related desynchronisation is amplitude.

    Parameters
    ----------
    weight : float
        Of the term; 0 switches it off, as published.
    mean_square : float
        Of the recordings, in the signal's unit squared.
    centres, spreads : tuple of float
        Mean and standard deviation of the log powers over the recordings, one for each band.

    Raises
    ------
    ConfigError
        When a number cannot be used.
    """

    weight: float = 0.0
    mean_square: float = 1.0
    centres: tuple[float, ...] = (0.0,) * len(POWER_BANDS_HZ)
    spreads: tuple[float, ...] = (1.0,) * len(POWER_BANDS_HZ)

    def __post_init__(self) -> None:
        fits = len(self.centres) == len(self.spreads) == len(POWER_BANDS_HZ)
        if self.weight < 0 or not fits or min(self.mean_square, *self.spreads) <= 0:
            raise ConfigError(
                f"AmplitudeTask: got {self}, need a weight of 0 or more, a positive mean square, and a centre "
                f"and a positive spread for each of {len(POWER_BANDS_HZ)} bands"
            )

    @property
    def n_powers(self) -> int:
        """Log powers that the reconstructor gives."""
        return len(POWER_BANDS_HZ) if self.weight else 0

    def wanted(self, patches: Tensor) -> Tensor:
        """Standardised log powers (n, n_bands) of patches (n, 64)."""
        powers = log_band_powers(patches, self.mean_square)
        return (powers - powers.new_tensor(self.centres)) / powers.new_tensor(self.spreads)


class Pretraining(nn.Module):
    """Encoder, predictor, reconstructor and projection head: everything that is trained.

    Parameters
    ----------
    encoder : DareEncoder
        Only ``encode_patches`` and ``size`` are used.
    amplitude : AmplitudeTask, optional
        Switched off by default.
    embedding_std : float
        Standard deviation that the reconstructor's channel embedding starts with.

    Notes
    -----
    The encoder is called once a step, with visible channels of kept patches only. Weights start from torch's
    global generator.
    """

    def __init__(
        self, encoder: DareEncoder, amplitude: AmplitudeTask | None = None, embedding_std: float = INIT_STD
    ) -> None:
        super().__init__()
        self.amplitude = amplitude or AmplitudeTask()
        size = encoder.size
        self.encoder = encoder
        self.predictor = Predictor(size)
        self.reconstructor = Reconstructor(size, embedding_std, self.amplitude.n_powers)
        first = nn.Linear(size.n_summary * size.n_features, N_HIDDEN)
        last = nn.Linear(N_HIDDEN, N_PROJECTED)
        self.projection = nn.Sequential(first, nn.ReLU(), last)
        for layer in (first, last):
            nn.init.trunc_normal_(layer.weight, std=INIT_STD)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: Tensor,
        channel_ids: Tensor,
        masks: Masks,
        anchor: Tensor,
        n_targets: tuple[float, float] | None = None,
    ) -> Losses:
        """Losses of a batch of windows.

        Parameters
        ----------
        x : Tensor of float, shape (batch, n_channels, n_samples)
            Complete windows; `n_samples` a multiple of 64.
        channel_ids : Tensor of int64, shape (n_channels,)
        masks : Masks
        anchor : Tensor, shape (batch, n_patches, S, D)
            Features of the complete windows by the EMA encoder.
        n_targets : (float, float), optional
            See `count_targets`: mean over processes, so that the mean of the processes' losses is the loss
            of the whole batch. By default those of `masks`.
        """
        patches = patches_of(x)
        first, second = self.encode_views(patches, channel_ids, masks)
        predicted = self.predictor(first, masks.kept)
        features = torch.where(masks.kept[..., None, None], first, predicted)
        samples, powers = self.reconstructor(features, channel_ids, masks.target)
        wanted = patches[masks.target]
        dropped, unseen = self._reconstruction(samples, wanted, masks)
        n_dropped, n_unseen = n_targets or count_targets(masks)
        n_all = n_dropped + n_unseen
        z1, z2 = self.project(first, masks.kept), self.project(second, masks.kept)
        parts = {
            "reconstruction": (dropped + unseen) / n_all,
            "anchor": anchor_loss(predicted, anchor),
            "contrast": info_nce(z1, z2),
            "penalty": projection_penalty(z1, z2),
            "amplitude": dropped.new_zeros(()),
        }
        if powers is not None:
            parts["amplitude"] = squared_errors(powers, self.amplitude.wanted(wanted)).sum() / n_all
        total = parts["reconstruction"] + parts["anchor"] + self.amplitude.weight * parts["amplitude"]
        total = total + CONTRAST_WEIGHT * parts["contrast"] + PENALTY_WEIGHT * parts["penalty"]
        return Losses(
            total=total,
            reconstruction_dropped=dropped.detach() / max(n_dropped, 1.0),
            reconstruction_unseen=unseen.detach() / max(n_unseen, 1.0),
            **{name: value.detach() for name, value in parts.items()},
        )

    def encode_views(self, patches: Tensor, channel_ids: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
        """Features of both views, each of shape (batch, n_patches, S, D); zeros at dropped patches."""
        at = masks.kept.nonzero(as_tuple=True)
        columns = torch.cat([masks.first[at], masks.second[at]])
        i_window, i_patch = (index.repeat(2)[:, None] for index in at)
        encoded = self.encoder.encode_patches(patches[i_window, i_patch, columns], channel_ids[columns])
        empty = encoded.new_zeros(*masks.kept.shape, *encoded.shape[1:])
        first, second = encoded.chunk(2)
        return empty.index_put(at, first), empty.index_put(at, second)

    def project(self, features: Tensor, kept: Tensor) -> Tensor:
        """Projection (batch, 256) of the mean over kept patches, not yet of length 1."""
        weights = kept[..., None, None].to(features.dtype)
        mean = (features * weights).sum(dim=1) / weights.sum(dim=1)
        return self.projection(mean.flatten(1))  # type: ignore[no-any-return]

    def _reconstruction(self, samples: Tensor, wanted: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
        """Sums of squared errors over targets in dropped and in kept patches."""
        errors = squared_errors(samples, normalise_patches(wanted))
        is_dropped = ~masks.kept[..., None].expand_as(masks.target)[masks.target]
        return (errors * is_dropped).sum(), (errors * ~is_dropped).sum()


class EmaEncoder(nn.Module):
    """Exponential moving average of an encoder; never trained by gradients.

    Parameters
    ----------
    encoder : DareEncoder
        Copied.
    """

    def __init__(self, encoder: DareEncoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False)

    @torch.no_grad()
    def follow(self, encoder: DareEncoder, momentum: float) -> None:
        """Move towards `encoder`: each weight becomes ``momentum * old + (1 - momentum) * new``."""
        for own, other in zip(self.encoder.parameters(), encoder.parameters(), strict=True):
            own.lerp_(other, 1.0 - momentum)
        for kept, buffer in zip(self.encoder.buffers(), encoder.buffers(), strict=True):
            kept.copy_(buffer)

    @torch.no_grad()
    def forward(self, x: Tensor, channel_ids: Tensor) -> Tensor:
        """Features (batch, n_patches, S, D) of all channels of complete windows (batch, C, n_samples)."""
        patches = patches_of(x)
        features = self.encoder.encode_patches(patches.flatten(0, 1), channel_ids)
        return features.reshape(*patches.shape[:2], *features.shape[1:])


def ema_momentum(i_step: int, n_steps: int, start: float = 0.996) -> float:
    """Momentum after step `i_step` (from 0): from `start` to 1 at the last step, in a straight line.

    Examples
    --------
    >>> ema_momentum(0, 11), ema_momentum(5, 11), ema_momentum(10, 11)
    (0.996, 0.998, 1.0)
    """
    return start + (1.0 - start) * i_step / max(1, n_steps - 1)


def patches_of(x: Tensor) -> Tensor:
    """Patches (batch, n_patches, C, 64) of windows (batch, C, n_samples); a view.

    Raises
    ------
    ShapeError
        When the windows are no whole number of patches.
    """
    if x.ndim != 3 or x.shape[-1] % PATCH_SAMPLES:
        raise ShapeError(
            f"patches_of: x has shape {tuple(x.shape)}, need (batch, n_channels, n_samples) with a multiple "
            f"of {PATCH_SAMPLES} samples; choose another window length"
        )
    return x.reshape(*x.shape[:2], -1, PATCH_SAMPLES).transpose(1, 2)


def count_targets(masks: Masks, n_processes: int = 1) -> tuple[float, float]:
    """Targets in dropped and in kept patches of the whole batch, per process."""
    of_patches = masks.target.sum(dim=-1)
    n_dropped, n_unseen = (of_patches * ~masks.kept).sum(), (of_patches * masks.kept).sum()
    return n_dropped.item() / n_processes, n_unseen.item() / n_processes


@torch.no_grad()
def start_wide(model: Pretraining, rms: float) -> None:
    """Rescale fresh weights so that signals keep their size on the way through the networks.

    Every linear map, drawn with standard deviation 0.02, gets ``1 / sqrt(inputs)``; the factors of residual
    outputs stay, and so do the last maps of predictor and reconstructor, whose answers start near the mean.
    The tokeniser is moreover divided by the signal's root mean square, so that tokens differ by their signal
    also where the unit makes it small (20 uV are 0.02 mV). Ours, not published.

    Parameters
    ----------
    model : Pretraining
        Fresh; changed in place.
    rms : float
        Of the recordings, in their unit.
    """
    last = (model.predictor.out, model.reconstructor.samples, model.reconstructor.powers)
    for module in model.modules():
        if isinstance(module, nn.Linear) and not any(module is one for one in last):
            module.weight.mul_(module.in_features**-0.5 / INIT_STD)
    model.encoder.tokenise.weight.div_(rms)
