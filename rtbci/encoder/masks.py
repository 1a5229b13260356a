"""Random masks of pretraining: which patches and channels the encoder sees, twice, and what it must predict.

Everything is drawn at once from one generator, for the whole batch, so that the same seed gives the same
masks on one process and on many: each process takes its rows of them.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rtbci.errors import ConfigError, ShapeError

__all__ = ["MaskSettings", "Masks", "draw_masks", "n_visible"]


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """Shares of the masks (DARE-EEG, arXiv 2605.18298).

    Parameters
    ----------
    keep : float
        Probability that a time patch is kept.
    visible : float
        Share of the channels that a kept patch shows; 12 of 58 in the paper.
    min_visible : int
        At least so many channels are shown, where there are as many.
    target : float
        Probability that an unseen channel of a kept patch is a target.
    overlap : (float, float)
        Range that the overlap r of two views is drawn from: shared channels over all channels that either
        view shows (Jaccard index).
    jitter : float
        Half width of the uniform jitter of the shared share, drawn for each patch.
    max_shared : float
        Upper limit of the share of view 1's channels that view 2 shows as well.

    Raises
    ------
    ConfigError
        When a share is outside its range.
    """

    keep: float = 0.5
    visible: float = 0.207
    min_visible: int = 3
    target: float = 0.2
    overlap: tuple[float, float] = (0.2, 0.8)
    jitter: float = 0.05
    max_shared: float = 0.95

    def __post_init__(self) -> None:
        shares = (self.keep, self.visible, self.target, *self.overlap, self.jitter, self.max_shared)
        if not all(0.0 <= share <= 1.0 for share in shares) or self.overlap[0] > self.overlap[1]:
            raise ConfigError(f"MaskSettings: got {self}, need shares from 0 to 1, lower overlap first")
        if self.min_visible < 1:
            raise ConfigError(f"MaskSettings: got min_visible = {self.min_visible}, need at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """Masks of a batch of windows.

    Parameters
    ----------
    kept : Tensor of bool, shape (batch, n_patches)
        Patches that both views show in part.
    first, second : Tensor of int64, shape (batch, n_patches, n_visible)
        Channels that view 1 and view 2 show in each patch, as columns of the input. Without meaning where
        the patch is not kept.
    target : Tensor of bool, shape (batch, n_patches, n_channels)
        What is reconstructed from view 1: all channels of dropped patches, some of those that view 1 does
        not show of kept patches.
    """

    kept: Tensor
    first: Tensor
    second: Tensor
    target: Tensor

    def rows(self, start: int, stop: int) -> "Masks":
        """Masks of the windows `start` to before `stop`; views."""
        part = slice(start, stop)
        return replace(
            self,
            kept=self.kept[part],
            first=self.first[part],
            second=self.second[part],
            target=self.target[part],
        )

    def to(self, device: torch.device) -> "Masks":
        """Masks on another device."""
        tensors = (self.kept, self.first, self.second, self.target)
        return Masks(*(tensor.to(device, non_blocking=True) for tensor in tensors))


def n_visible(n_channels: int, settings: MaskSettings | None = None) -> int:
    """Channels that a kept patch shows of `n_channels`.

    Examples
    --------
    >>> [n_visible(n) for n in (2, 3, 8, 19, 38, 58)]
    [2, 3, 3, 4, 8, 12]
    """
    settings = settings or MaskSettings()
    return min(n_channels, max(settings.min_visible, round(settings.visible * n_channels)))


def draw_masks(
    batch: int,
    n_patches: int,
    n_channels: int,
    generator: torch.Generator,
    settings: MaskSettings | None = None,
) -> Masks:
    """Draw the masks of a batch.

    Parameters
    ----------
    batch, n_patches, n_channels : int
        Windows, patches of each (at least 2), channels of each (at least 1).
    generator : torch.Generator
        On the CPU; advanced by an amount that depends on the three numbers only.
    settings : MaskSettings, optional
        The published ones by default.

    Raises
    ------
    ShapeError
        When there is nothing to mask.

    Notes
    -----
    A patch is kept with probability `keep`. Where all patches of a window came out kept, or all dropped,
    one of them, drawn uniformly, is turned round: there is always something to see and something to predict.

    View 2 shares the share s = 2 r / (1 + r) of view 1's channels, r drawn for each window; two views of n
    channels that share s n of them have a Jaccard index of s / (2 - s) = r. The number shared is rounded up
    or down at random, so that its mean is s n for few channels too. The others are replaced by channels
    that view 1 does not show *of the same time patch*; where there are not enough, more are shared.
    """
    if batch < 1 or n_patches < 2 or n_channels < 1:
        raise ShapeError(
            f"draw_masks: got {batch} windows of {n_patches} patches and {n_channels} channels, "
            "need at least 1, 2 and 1"
        )
    settings = settings or MaskSettings()
    kept = _draw_kept(batch, n_patches, settings, generator)
    order = torch.rand(batch, n_patches, n_channels, generator=generator).argsort(dim=-1)
    n = n_visible(n_channels, settings)
    shared = _draw_shared(batch, n_patches, n, settings, generator)
    shared = shared.clamp(min=n - (n_channels - n))
    slot = torch.arange(n).expand(batch, n_patches, n)
    # The order is random, so its first entries are a random choice among those that view 1 shows.
    source = torch.where(slot < shared[..., None], slot, n + slot - shared[..., None])
    unseen = torch.ones(batch, n_patches, n_channels, dtype=torch.bool).scatter_(-1, order[..., :n], False)
    drawn = torch.rand(batch, n_patches, n_channels, generator=generator) < settings.target
    return Masks(
        kept=kept,
        first=order[..., :n].contiguous(),
        second=order.gather(-1, source),
        target=torch.where(kept[..., None], unseen & drawn, True),
    )


def _draw_kept(batch: int, n_patches: int, settings: MaskSettings, generator: torch.Generator) -> Tensor:
    kept = torch.rand(batch, n_patches, generator=generator) < settings.keep
    turned = torch.randint(n_patches, (batch, 1), generator=generator)
    alike = kept.all(dim=1, keepdim=True) | ~kept.any(dim=1, keepdim=True)
    return kept ^ (alike & (torch.arange(n_patches) == turned))


def _draw_shared(
    batch: int, n_patches: int, n: int, settings: MaskSettings, generator: torch.Generator
) -> Tensor:
    """Number of channels that the two views share in each patch, shape (batch, n_patches)."""
    low, high = settings.overlap
    r = low + (high - low) * torch.rand(batch, 1, generator=generator)
    jitter = settings.jitter * (2.0 * torch.rand(batch, n_patches, generator=generator) - 1.0)
    share = (2.0 * r / (1.0 + r) + jitter).clamp(0.0, settings.max_shared)
    return (share * n + torch.rand(batch, n_patches, generator=generator)).floor().long().clamp(max=n)
