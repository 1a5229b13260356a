"""EEGNet (Lawhern et al. 2018, J. Neural Eng. 15:056013, doi 10.1088/1741-2552/aace8c), from the paper.

Temporal filters, a spatial filter for each of them, a separable convolution, one linear layer; in torch, on windows at
128 Hz.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtbci.stages.stage import FloatArray

__all__ = [
    "EegNet",
    "NetSettings",
    "eegnet_margins",
    "fine_tune",
    "fit_eegnet",
    "net_from_tensors",
    "net_tensors",
]

KERNEL, KERNEL_SEPARABLE = 64, 16
POOL, POOL_SEPARABLE = 4, 8
MAX_NORM_SPATIAL, MAX_NORM_HEAD = 1.0, 0.25

Windows = npt.NDArray[np.float32]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NetSettings:
    """How the network is trained on the pool, and tuned on a user's trials.

    Parameters
    ----------
    epochs, batch : int
    rate : float
        Highest learning rate; AdamW with OneCycle, as our own branches are trained.
    tune_epochs : int
    tune_rate : float
        Constant, Adam.
    """

    epochs: int = 25
    batch: int = 64
    rate: float = 3e-3
    tune_epochs: int = 10
    tune_rate: float = 2e-4


class EegNet(nn.Module):
    """EEGNet-8,2.

    Parameters
    ----------
    n_channels, n_samples : int
        Of a window at 128 Hz.
    n_temporal, depth, n_pointwise : int
        F1, D and F2 of the paper.
    dropout : float
    """

    def __init__(
        self,
        n_channels: int,
        n_samples: int,
        n_temporal: int = 8,
        depth: int = 2,
        n_pointwise: int = 16,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        n_spatial = n_temporal * depth
        self.temporal = nn.Conv2d(1, n_temporal, (1, KERNEL), bias=False)
        self.norm_temporal = nn.BatchNorm2d(n_temporal)
        self.spatial = nn.Conv2d(n_temporal, n_spatial, (n_channels, 1), groups=n_temporal, bias=False)
        self.norm_spatial = nn.BatchNorm2d(n_spatial)
        self.depthwise = nn.Conv2d(n_spatial, n_spatial, (1, KERNEL_SEPARABLE), groups=n_spatial, bias=False)
        self.pointwise = nn.Conv2d(n_spatial, n_pointwise, 1, bias=False)
        self.norm_separable = nn.BatchNorm2d(n_pointwise)
        self.head = nn.Linear(n_pointwise * (n_samples // POOL // POOL_SEPARABLE), 2)
        self.dropout = dropout
        self.limit_norms()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, 2) of windows (batch, n_channels, n_samples)."""
        x = self._filtered(x)
        x = F.avg_pool2d(F.elu(self.norm_spatial(x)), (1, POOL))
        x = F.dropout(x, self.dropout, self.training)
        x = self.pointwise(self.depthwise(_pad(x, KERNEL_SEPARABLE)))
        x = F.avg_pool2d(F.elu(self.norm_separable(x)), (1, POOL_SEPARABLE))
        return self.head(F.dropout(x, self.dropout, self.training).flatten(1))  # type: ignore[no-any-return]

    def _filtered_in_order(self, x: Tensor) -> Tensor:
        """Temporal filters on every electrode, their normalisation, spatial filters: (batch, n_spatial, 1, n_samples)."""
        return self.spatial(self.norm_temporal(self.temporal(_pad(x[:, None], KERNEL))))  # type: ignore[no-any-return]

    def _filtered(self, x: Tensor) -> Tensor:
        """Compute the same: all is linear but the statistics, so the spatial filters come first.

        Temporal filters then run on 16 channels instead of 8 times the electrodes: with 31, forward and backward of 64
        windows take 0.08 s of a core instead of 0.32.
        """
        norm, weights = self.norm_temporal, self.spatial.weight[:, 0, :, 0]
        mean, variance = self._statistics(x)
        depth = len(weights) // len(norm.weight)
        gain = norm.weight / (variance + norm.eps).sqrt()
        kernels = (self.temporal.weight[:, 0] * gain[:, None, None]).repeat_interleave(depth, 0)
        shift = (norm.bias - mean * gain).repeat_interleave(depth) * weights.sum(1)
        return F.conv1d(_pad(weights @ x, KERNEL), kernels, shift, groups=len(weights))[:, :, None]

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of every temporal filter's output: those kept, or in training the batch's.

        With w a filter, s and R the mean and the second moment of the `KERNEL` samples that it sees at once, the mean
        of its output is w s and the mean square w R w.
        """
        norm = self.norm_temporal
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None or norm.momentum is None:
            raise RuntimeError("EegNet: BatchNorm keeps no statistics, need them; build it with the defaults")
        if not self.training:
            return mean, variance
        n, n_samples = x.numel(), x.shape[2]
        padded = _pad(x, KERNEL).flatten(0, 1)
        products = padded.T @ padded
        steps = products.stride(0) + products.stride(1)
        seen = products.as_strided((KERNEL, KERNEL, n_samples), (*products.stride(), steps)).sum(2) / n
        first = padded.sum(0).unfold(0, n_samples, 1).sum(1) / n
        kernels = self.temporal.weight[:, 0, 0]
        means = kernels @ first
        variances = (kernels @ seen * kernels).sum(1) - means**2
        with torch.no_grad():
            mean.lerp_(means, norm.momentum)
            variance.lerp_(variances * (n / (n - 1)), norm.momentum)
        return means, variances

    @torch.no_grad()
    def limit_norms(self) -> None:
        """Bring the norm of each spatial filter, and of each class's weights, back below its limit."""
        self.spatial.weight.copy_(torch.renorm(self.spatial.weight, 2, 0, MAX_NORM_SPATIAL))
        self.head.weight.copy_(torch.renorm(self.head.weight, 2, 0, MAX_NORM_HEAD))


def fit_eegnet(
    x: Windows,
    classes: Classes,
    mirror: Sequence[int],
    settings: NetSettings,
    seed: int,
    report: Callable[[str], None],
) -> EegNet:
    """Train on the pool; half of all trials are mirrored, with the other label.

    Parameters
    ----------
    x : ndarray of float32, shape (n, n_channels, n_samples)
    classes : ndarray of int64, shape (n,)
    mirror : sequence of int
        See `mirror_columns`.
    settings : NetSettings
    seed : int
    report : callable
        Takes one line an epoch, with the time left.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net, columns = EegNet(*x.shape[1:]), torch.tensor(list(mirror))
    n_batches = max(1, len(x) // settings.batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.rate, weight_decay=0.01)
    steps = max(10, settings.epochs * n_batches)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, total_steps=steps, pct_start=0.2)
    t_start = time.monotonic()
    for epoch in range(1, settings.epochs + 1):
        net.train()
        losses = []
        for rows in np.array_split(rng.permutation(len(x)), n_batches):
            batch, wanted = torch.from_numpy(x[rows]), torch.from_numpy(classes[rows])
            flip = torch.from_numpy(rng.random(len(rows)) < 0.5)
            batch[flip] = batch[flip][:, columns]
            losses.append(_step(net, optimizer, batch, torch.where(flip, 1 - wanted, wanted)))
            schedule.step()
        left_s = (time.monotonic() - t_start) / epoch * (settings.epochs - epoch)
        report(f"EEGNet epoch {epoch}/{settings.epochs}: loss {np.mean(losses):.4f}, {left_s:.0f} s left")
    return net.eval()


def net_tensors(net: EegNet) -> dict[str, npt.NDArray[Any]]:
    """Weights and kept statistics by name, for `net_from_tensors`; copies."""
    return {name: one.detach().numpy().copy() for name, one in net.state_dict().items()}


def net_from_tensors(tensors: Mapping[str, npt.NDArray[Any]]) -> EegNet:
    """Build from what `net_tensors` gave, ready to judge windows of the length that it was trained on."""
    n_temporal, n_spatial = (len(tensors[f"{name}.weight"]) for name in ("temporal", "spatial"))
    n_pointwise, n_inputs = len(tensors["pointwise.weight"]), tensors["head.weight"].shape[1]
    n_samples = n_inputs // n_pointwise * POOL * POOL_SEPARABLE
    net = EegNet(
        tensors["spatial.weight"].shape[2], n_samples, n_temporal, n_spatial // n_temporal, n_pointwise
    )
    net.load_state_dict({name: torch.from_numpy(np.array(one)) for name, one in tensors.items()})
    return net.eval()


def fine_tune(
    net: EegNet, x: Windows, classes: Classes, mirror: Sequence[int], settings: NetSettings, seed: int
) -> EegNet:
    """Tune a copy on a user's trials and their mirror images: all of them in every step.

    The statistics of the batch normalisation stay the pool's; a few trials would replace them by noise.
    """
    torch.manual_seed(seed)
    tuned = copy.deepcopy(net).eval()
    both = torch.from_numpy(np.concatenate([x, x[:, list(mirror)]]))
    wanted = torch.from_numpy(np.concatenate([classes, 1 - classes]))
    optimizer = torch.optim.Adam(tuned.parameters(), lr=settings.tune_rate)
    for _ in range(settings.tune_epochs):
        _step(tuned, optimizer, both, wanted)
    return tuned


def eegnet_margins(net: EegNet, x: Windows, mirror: Sequence[int]) -> FloatArray:
    """Logit of class 1 less that of class 0, shape (n,), averaged with the mirrored window's with the sign turned."""
    net.eval()
    columns = list(mirror)
    with torch.no_grad():
        parts = [
            net(torch.from_numpy(part)) - net(torch.from_numpy(part[:, columns]))
            for part in (x[i : i + 128] for i in range(0, len(x), 128))
        ]
    logits = torch.cat(parts).double().numpy()
    return np.asarray((logits[:, 1] - logits[:, 0]) / 2.0)


def _step(net: EegNet, optimizer: torch.optim.Optimizer, x: Tensor, wanted: Tensor) -> float:
    loss = F.cross_entropy(net(x), wanted)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    net.limit_norms()
    return loss.item()


def _pad(x: Tensor, kernel: int) -> Tensor:
    """Zeros on both sides, so that a convolution gives as many samples as it got."""
    return F.pad(x, ((kernel - 1) // 2, kernel // 2))
