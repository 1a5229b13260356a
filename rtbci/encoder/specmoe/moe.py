"""The whole decoder: experts, the spectral gate that weighs what they say of each electrode, and the head."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtbci.encoder.specmoe.hinet import SpecEncoder
from rtbci.encoder.specmoe.sizes import N_DOWN, PSD_HOP, PSD_SEGMENT, RATE_HZ, SpecSize
from rtbci.errors import EngineError, ShapeError

__all__ = ["N_BINS", "PSD_FLOOR", "Readout", "SpecMoe", "log_spectra"]

N_BINS = PSD_SEGMENT // 2 + 1
PSD_FLOOR = 1e-4
"""Density, in squared units of the input a hertz, below which a bin counts as silent."""
DROPOUT = 0.2

Readout = Literal["max", "electrodes"]


def log_spectra(x: Tensor) -> Tensor:
    """Welch's power spectral density of each channel, on a scale that is 0 for silence.

    Parameters
    ----------
    x : Tensor of float32, shape (n, n_channels, n_samples)
        At 200 Hz, 2 s or more; samples that fill no segment are left out at the begin.

    Returns
    -------
    Tensor, shape (n, n_channels, N_BINS)
        ``log(1 + density / PSD_FLOOR)``: one-sided, Hann segments of 2 s, half overlapping, their mean not removed.

    Raises
    ------
    ShapeError
        When the window is shorter than a segment.
    """
    if x.ndim != 3 or x.shape[2] < PSD_SEGMENT:
        raise ShapeError(
            f"log_spectra: got shape {tuple(x.shape)}, need (n, n_channels, {PSD_SEGMENT} samples or more)"
        )
    skipped = (x.shape[2] - PSD_SEGMENT) % PSD_HOP
    window = torch.hann_window(PSD_SEGMENT, device=x.device)
    segments = x[..., skipped:].unfold(2, PSD_SEGMENT, PSD_HOP) * window
    density = torch.fft.rfft(segments).abs().square().mean(dim=2) * (2.0 / (RATE_HZ * window.square().sum()))
    doubled = torch.ones(N_BINS, device=x.device)
    doubled[0] = doubled[-1] = 0.5  # neither 0 Hz nor the Nyquist frequency has a negative twin
    return torch.log1p(density * doubled / PSD_FLOOR)


class SpecMoe(nn.Module):
    """Experts, gate and head.

    Parameters
    ----------
    size : str or SpecSize
        Of each expert.
    n_channels, n_classes : int
    n_experts : int
        3 as described.
    readout : {'max', 'electrodes'}
        How electrodes are joined. ``"max"``: the largest value over all electrodes of each feature, as described; it is
        the same whatever the order of the electrodes, so what is on the left cannot be told from what is on the right.
        ``"electrodes"``: a weighted sum, one learned weight for each electrode and feature; ours.

    Raises
    ------
    EngineError
        When a number is below 1, or the readout unknown.
    """

    def __init__(
        self,
        size: str | SpecSize,
        n_channels: int,
        n_classes: int = 2,
        n_experts: int = 3,
        readout: Readout = "electrodes",
    ) -> None:
        super().__init__()
        if min(n_channels, n_experts) < 1 or n_classes < 2 or readout not in ("max", "electrodes"):
            raise EngineError(
                f"SpecMoe: got {n_channels} channels, {n_classes} classes, {n_experts} experts and readout {readout!r}, need "
                "1, 2 and 1 or more, and 'max' or 'electrodes'"
            )
        self.experts = nn.ModuleList(SpecEncoder(size) for _ in range(n_experts))
        self.size: SpecSize = self.experts[0].size  # type: ignore[assignment]
        self.n_channels, self.n_classes = n_channels, n_classes
        self.readout: Readout = readout
        width = self.size.widths[-1]
        self.gates = nn.ModuleList(nn.Linear(N_BINS, width) for _ in range(n_experts))
        n = n_experts * width
        self.electrodes = (
            nn.Parameter(torch.randn(n_channels, n) / n_channels**0.5) if readout == "electrodes" else None
        )
        self.norm = nn.LayerNorm(n)
        self.hidden, self.head = nn.Linear(n, n), nn.Linear(n, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, n_classes) of windows (n, n_channels, n_samples), a multiple of 8 samples, 400 or more."""
        return self.classify(self.features(x), log_spectra(x))

    def features(self, x: Tensor) -> Tensor:
        """What the experts say of each electrode, shape (n, n_channels, n_experts, D).

        Raises
        ------
        ShapeError
            When there are other channels, or samples that cannot be halved three times.
        """
        if x.ndim != 3 or x.shape[1] != self.n_channels or x.shape[2] % 2**N_DOWN:
            raise ShapeError(
                f"SpecMoe: got shape {tuple(x.shape)}, need (n, {self.n_channels}, a multiple of {2**N_DOWN} samples)"
            )
        found = torch.stack([expert.features(x.flatten(0, 1)) for expert in self.experts], dim=1)  # type: ignore[operator]
        return found.reshape(*x.shape[:2], len(self.experts), -1)

    def classify(self, features: Tensor, spectra: Tensor) -> Tensor:
        """Logits from `features` and `log_spectra`; all that is trained where experts are frozen."""
        shares = torch.stack([torch.sigmoid(gate(spectra)) for gate in self.gates], dim=2)
        weighed = (features * shares).flatten(2)
        joined = weighed.amax(dim=1) if self.electrodes is None else (weighed * self.electrodes).sum(dim=1)
        hidden = F.gelu(self.hidden(self.norm(joined)))
        logits: Tensor = self.head(F.dropout(hidden, DROPOUT, self.training))
        return logits

    def load_experts(self, experts: Sequence[SpecEncoder]) -> None:
        """Take the weights of pretrained experts, in order.

        Raises
        ------
        EngineError
            When there are more or fewer, or one is of another size.
        """
        if len(experts) != len(self.experts) or any(one.size != self.size for one in experts):
            raise EngineError(
                f"SpecMoe: got experts of sizes {[one.size.name for one in experts]}, need {len(self.experts)} of "
                f"'{self.size.name}'"
            )
        for mine, given in zip(self.experts, experts, strict=True):
            mine.load_state_dict(given.state_dict())
