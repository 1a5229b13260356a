"""SpecHi-Net, the expert: a U-shaped network on single channels that puts a masked spectrogram back together.

Written from the description of arXiv 2603.16739; what it leaves open is named where it was chosen. Every channel is a
series of its own for the expert: nothing is mixed across electrodes, so it takes any layout.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtbci.encoder.predictor import RotaryBlock
from rtbci.encoder.specmoe.sizes import N_DOWN, SpecSize, find_spec_size
from rtbci.errors import ShapeError

__all__ = ["DownStage", "Reconstructions", "SpecEncoder", "SpecHiNet"]

SMALL_KERNEL = 4
KERNELS = ((65, 4), (16, 2), (8, 2))
"""Large kernel and its dilation, by stage down."""


class Reconstructions(NamedTuple):
    """What the network makes of a masked signal.

    Parameters
    ----------
    coarse, fine : Tensor, shape (n, n_samples)
        Both at full resolution; `fine` has also read the input itself.
    half, quarter : Tensor, shapes (n, n_samples / 2) and (n, n_samples / 4)
        Of the auxiliary heads.
    """

    coarse: Tensor
    fine: Tensor
    half: Tensor
    quarter: Tensor


class DownStage(nn.Module):
    """Halve the samples along two paths, a small kernel and a large dilated one, and join them.

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    kernel, dilation : int
        Of the large path.

    Notes
    -----
    Joined by a 1x1 convolution. BatchNorm behind each convolution, because unlike LayerNorm it leaves a window's
    amplitude in, and costs nothing in an engine.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.small = nn.Conv1d(n_in, n_out, SMALL_KERNEL, 2, bias=False)
        self.large = nn.Conv1d(n_in, n_out, kernel, 2, dilation=dilation, bias=False)
        self.norm_small, self.norm_large = nn.BatchNorm1d(n_out), nn.BatchNorm1d(n_out)
        self.join = nn.Conv1d(2 * n_out, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, 2 m) to (n, n_out, m)."""
        small = F.gelu(self.norm_small(self.small(F.pad(x, pads(SMALL_KERNEL, 1)))))
        kernel = self.large.weight.shape[-1]
        large = F.gelu(self.norm_large(self.large(F.pad(x, pads(kernel, self.dilation)))))
        joined: Tensor = self.join(torch.cat([small, large], dim=1))
        return joined


class SpecEncoder(nn.Module):
    """The way down and the bottom: all of an expert that a decoder needs.

    Parameters
    ----------
    size : str or SpecSize
    """

    def __init__(self, size: str | SpecSize = "published") -> None:
        super().__init__()
        self.size = size if isinstance(size, SpecSize) else find_spec_size(size)
        widths = (1, *self.size.widths)
        self.down = nn.ModuleList(
            DownStage(n_in, n_out, kernel, dilation)
            for n_in, n_out, (kernel, dilation) in zip(widths, widths[1:], KERNELS, strict=False)
        )
        self.middle = _layers(self.size.depths[0], self.size.widths[1], self.size.n_heads)
        self.bottom = _layers(self.size.depths[1], self.size.widths[2], self.size.n_heads)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode single channels.

        Parameters
        ----------
        x : Tensor of float32, shape (n, n_samples)
            `n_samples` a multiple of 8.

        Returns
        -------
        bottom : Tensor, shape (n, D, n_samples / 8)
        skips : list of two Tensors, shapes (n, D1, n_samples / 2) and (n, D2, n_samples / 4)

        Raises
        ------
        ShapeError
            When the samples cannot be halved three times.
        """
        if x.ndim != 2 or x.shape[1] % 2**N_DOWN or not x.shape[1]:
            raise ShapeError(
                f"SpecEncoder: got shape {tuple(x.shape)}, need (n, n_samples) with a multiple of {2**N_DOWN} samples"
            )
        first = self.down[0](x[:, None])
        second = attend(self.down[1](first), self.middle)
        return attend(self.down[2](second), self.bottom), [first, second]

    def features(self, x: Tensor) -> Tensor:
        """Mean over time of the bottom, shape (n, D): what the gate weighs."""
        return self(x)[0].mean(dim=-1)  # type: ignore[no-any-return]


class UpStage(nn.Module):
    """Double the samples and join them with what the way down had at that resolution."""

    def __init__(self, n_in: int, n_skip: int, n_out: int) -> None:
        super().__init__()
        self.rise = nn.ConvTranspose1d(n_in, n_out, 4, 2, 1)
        self.join = nn.Conv1d(n_out + n_skip, n_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(n_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(n, n_in, m) and (n, n_skip, 2 m) to (n, n_out, 2 m)."""
        return F.gelu(self.norm(self.join(torch.cat([self.rise(x), skip], dim=1))))


class SpecHiNet(nn.Module):
    """The whole expert, as it is pretrained.

    Parameters
    ----------
    size : str or SpecSize

    Notes
    -----
    Chosen where the description is silent: stages halve by stride 2; transformer layers stand behind stage two, at the
    bottom and behind the first stage up; the auxiliary heads read the stages up at a half and a quarter of the samples;
    the coarse output comes from the last stage up alone, the fine one adds what two convolutions make of that stage and
    the input. All heads start near zero, the prediction of knowing nothing.
    """

    def __init__(self, size: str | SpecSize = "published") -> None:
        super().__init__()
        self.encoder = SpecEncoder(size)
        self.size = self.encoder.size
        first, second, third = self.size.widths
        self.up = nn.ModuleList(
            [UpStage(third, second, second), UpStage(second, first, first), UpStage(first, 1, first)]
        )
        self.upper = _layers(self.size.depths[2], second, self.size.n_heads)
        self.to_quarter, self.to_half = nn.Conv1d(second, 1, 1), nn.Conv1d(first, 1, 1)
        self.to_coarse = nn.Conv1d(first, 1, 3, padding=1)
        self.refine = nn.Conv1d(first + 1, first, 7, padding=3)
        self.to_fine = nn.Conv1d(first, 1, 7, padding=3)
        for head in (self.to_quarter, self.to_half, self.to_coarse, self.to_fine):
            nn.init.normal_(head.weight, std=1e-2)
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Reconstructions:
        """Reconstruct masked single channels (n, n_samples); see `SpecEncoder.forward` for what it refuses."""
        bottom, (first, second) = self.encoder(x)
        quarter = attend(self.up[0](bottom, second), self.upper)
        half = self.up[1](quarter, first)
        whole = self.up[2](half, x[:, None])
        coarse = self.to_coarse(whole)
        fine = coarse + self.to_fine(F.gelu(self.refine(torch.cat([whole, x[:, None]], dim=1))))
        return Reconstructions(
            coarse[:, 0], fine[:, 0], self.to_half(half)[:, 0], self.to_quarter(quarter)[:, 0]
        )


def attend(x: Tensor, layers: nn.ModuleList) -> Tensor:
    """Run transformer layers over time, (n, D, m) as given."""
    if not len(layers):
        return x
    tokens = x.transpose(1, 2)
    positions = torch.arange(tokens.shape[1], device=x.device)[None]
    for layer in layers:
        tokens = layer(tokens, positions)
    return tokens.transpose(1, 2)


def pads(kernel: int, dilation: int) -> tuple[int, int]:
    """Zeros before and behind, so that stride 2 gives half as many samples."""
    n = dilation * (kernel - 1) - 1
    return n // 2, n - n // 2


def _layers(depth: int, width: int, n_heads: int) -> nn.ModuleList:
    return nn.ModuleList(RotaryBlock(width, n_heads) for _ in range(depth))
