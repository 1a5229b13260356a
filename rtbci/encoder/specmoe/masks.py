"""Gaussian masks on the spectrogram: what an expert has to put back in pretraining.

A mask is a product of Gaussian holes. Each hole is a stripe over all times around one frequency, a stripe over all
frequencies around one time, or a spot. One mask serves all channels of a window.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rtbci.encoder.specmoe.sizes import RATE_HZ
from rtbci.errors import ConfigError, ShapeError

__all__ = [
    "Holes",
    "SpecMaskSettings",
    "apply_mask",
    "draw_holes",
    "draw_masks",
    "hole_depths",
    "spectrogram",
]

N_FFT, N_HOP = 400, 200
N_BINS = N_FFT // 2 + 1
FREQUENCY, TIME, SPOT = range(3)
N_AT_ONCE = 32
MOST_HOLES = 2048


@dataclass(frozen=True, slots=True)
class SpecMaskSettings:
    """How masks are drawn; the defaults are those of arXiv 2603.16739.

    Parameters
    ----------
    area : float
        Mean of what is taken away, over the whole plane.
    width : float
        Standard deviation of a hole, as a share of each axis: 5 Hz, and 0.4 s of 8 s.
    types : (float, float, float)
        Probabilities of a stripe around a frequency, a stripe around a time, and a spot.
    band_share : float
        Probability that a frequency is drawn from one of the bands, and not from the whole axis.
    bands_hz : tuple of (float, float)
        Delta, theta, alpha, beta.
    band_probs : tuple of float
        One for each band.

    Raises
    ------
    ConfigError
        When a number cannot be used.
    """

    area: float = 0.5
    width: float = 0.05
    types: tuple[float, float, float] = (0.6, 0.3, 0.1)
    band_share: float = 0.5
    bands_hz: tuple[tuple[float, float], ...] = ((1.0, 4.0), (4.0, 8.0), (8.0, 12.0), (12.0, 30.0))
    band_probs: tuple[float, ...] = (0.3, 0.4, 0.2, 0.1)

    def __post_init__(self) -> None:
        shares = (*self.types, *self.band_probs, self.band_share)
        is_whole = abs(sum(self.types) - 1) < 1e-6 and abs(sum(self.band_probs) - 1) < 1e-6
        if not (0 < self.area < 1 and 0 < self.width <= 1) or min(shares) < 0 or self.band_share > 1:
            raise ConfigError(
                f"SpecMaskSettings: got {self}, need an area and a width in (0, 1), and shares of 0 to 1"
            )
        if not is_whole or len(self.band_probs) != len(self.bands_hz):
            raise ConfigError(
                f"SpecMaskSettings: got types {self.types} and band_probs {self.band_probs}, need each to sum to 1, and a "
                "probability for each band"
            )


class Holes(NamedTuple):
    """Where holes are.

    Parameters
    ----------
    kinds : Tensor of int64, shape (n, k)
        0 a stripe around a frequency, 1 around a time, 2 a spot.
    f_hz : Tensor, shape (n, k)
        Their frequencies, 0 to 100 Hz.
    t : Tensor, shape (n, k)
        Their times, 0 to 1 of the window.
    """

    kinds: Tensor
    f_hz: Tensor
    t: Tensor


def draw_holes(n: int, k: int, generator: torch.Generator, settings: SpecMaskSettings) -> Holes:
    """Draw `k` holes for each of `n` windows."""
    shape = (n, k)

    def uniform() -> Tensor:
        return torch.rand(shape, generator=generator)

    kinds = _choice(settings.types, n * k, generator).reshape(shape)
    i_band = _choice(settings.band_probs, n * k, generator).reshape(shape)
    edges = torch.tensor(settings.bands_hz)[i_band]
    in_band = edges[..., 0] + (edges[..., 1] - edges[..., 0]) * uniform()
    anywhere = uniform() * (RATE_HZ / 2)
    return Holes(kinds, torch.where(uniform() < settings.band_share, in_band, anywhere), uniform())


def hole_depths(holes: Holes, n_frames: int, width: float) -> Tensor:
    """How much each hole takes away, 0 to 1, shape (n, k, N_BINS, n_frames)."""
    f = torch.arange(N_BINS) / (N_BINS - 1) - (holes.f_hz / (RATE_HZ / 2))[..., None]
    t = torch.arange(n_frames) / max(1, n_frames - 1) - holes.t[..., None]
    f2 = (f / width).square() * (holes.kinds != TIME)[..., None]
    t2 = (t / width).square() * (holes.kinds != FREQUENCY)[..., None]
    return torch.exp(-0.5 * (f2[..., :, None] + t2[..., None, :]))


def draw_masks(
    n: int, n_samples: int, generator: torch.Generator, settings: SpecMaskSettings | None = None
) -> Tensor:
    """Draw a mask for each window: holes are multiplied in until the area is reached, the last one less deep.

    Parameters
    ----------
    n, n_samples : int
        Windows, and samples of each.
    generator : torch.Generator
        On the CPU.
    settings : SpecMaskSettings, optional

    Returns
    -------
    Tensor of float32, shape (n, N_BINS, n_frames)
        1 where all is left, 0 where nothing is; ``1 - mask`` has the mean `settings.area`, exactly.
    """
    settings = settings or SpecMaskSettings()
    masks = torch.ones(n, N_BINS, n_samples // N_HOP + 1)
    todo, n_drawn = torch.arange(n), 0
    while len(todo):
        if n_drawn >= MOST_HOLES:
            raise ConfigError(
                f"draw_masks: {MOST_HOLES} holes do not reach the area {settings.area:g}, need wider or fewer-spot ones; "
                "raise width"
            )
        holes = draw_holes(len(todo), N_AT_ONCE, generator, settings)
        masks[todo], is_done = _dig(
            masks[todo], hole_depths(holes, masks.shape[2], settings.width), settings.area
        )
        todo, n_drawn = todo[~is_done], n_drawn + N_AT_ONCE
    return masks


def spectrogram(x: Tensor) -> Tensor:
    """Complex short-time spectrum (n, N_BINS, n_frames) of (n, n_samples): Hann, 2 s, half overlapping.

    Raises
    ------
    ShapeError
        When there is less than a second, or no whole number of seconds' hops.
    """
    if x.ndim != 2 or x.shape[1] < N_FFT or x.shape[1] % N_HOP:
        raise ShapeError(
            f"spectrogram: got shape {tuple(x.shape)}, need (n, n_samples) with a multiple of {N_HOP} samples, "
            f"{N_FFT} or more"
        )
    window = torch.hann_window(N_FFT, device=x.device)
    found: Tensor = torch.stft(
        x.float(), N_FFT, N_HOP, window=window, pad_mode="constant", return_complex=True
    )
    return found


def apply_mask(x: Tensor, masks: Tensor) -> Tensor:
    """Multiply the spectrogram and go back.

    Parameters
    ----------
    x : Tensor, shape (n, n_channels, n_samples)
    masks : Tensor, shape (n, N_BINS, n_frames)
        One for all channels of a window.

    Returns
    -------
    Tensor, shape (n, n_channels, n_samples)
        `x` itself, within rounding, where the mask is 1.
    """
    n, n_channels, n_samples = x.shape
    spectra = spectrogram(x.flatten(0, 1)) * masks.repeat_interleave(n_channels, 0)
    window = torch.hann_window(N_FFT, device=x.device)
    back: Tensor = torch.istft(spectra, N_FFT, N_HOP, window=window, length=n_samples)
    return back.reshape(n, n_channels, n_samples)


def _dig(masks: Tensor, depths: Tensor, area: float) -> tuple[Tensor, Tensor]:
    """Multiply holes in, one after the other; also say which masks have reached the area."""
    after = masks[:, None] * torch.cumprod(1.0 - depths, dim=1)
    areas = (1.0 - after).mean(dim=(2, 3))
    is_done = areas[:, -1] >= area
    last = (areas >= area).to(torch.int8).argmax(dim=1)  # the hole that reaches it
    rows = torch.arange(len(masks))
    before = torch.where((last > 0)[:, None, None], after[rows, (last - 1).clamp(min=0)], masks)
    taken = before * depths[rows, last]
    share = (area - (1.0 - before).mean(dim=(1, 2))) / taken.mean(dim=(1, 2)).clamp(min=1e-12)
    exact = before - share[:, None, None] * taken
    return torch.where(is_done[:, None, None], exact, after[:, -1]), is_done


def _choice(probs: tuple[float, ...], n: int, generator: torch.Generator) -> Tensor:
    return torch.multinomial(torch.tensor(probs), n, replacement=True, generator=generator)
