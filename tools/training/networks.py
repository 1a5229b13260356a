"""The two networks of the motor-imagery decoder, as they are trained, and the training loop.

The window's end is drawn anew for every trial and every epoch, because a live user is decoded by
windows that slide; half of all trials are mirrored, left for right, with the other label.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.encoder.sizes import PowerPath
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.power import POWER_FLOOR, PowerProbe
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.training.filters import POWER_CENTRES_HZ, band_waves, convolve
from tools.training.trials import CONTEXT, FIRST_END, LAST_END, PATCH, WINDOW, Trials

__all__ = [
    "EncoderNet",
    "FitSettings",
    "PowerNet",
    "fit_network",
    "head_inputs_of_windows",
    "idle_inputs_of_windows",
    "logits_of_windows",
    "redraw_weights",
]

N_HIDDEN = 16
POWER_PATH = PowerPath(level=0.25)
"""The level is that of whitened signals between 8 and 30 Hz behind the adapter."""


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a network is trained: AdamW, OneCycle, gradients clipped to 1.

    Parameters
    ----------
    epochs, batch : int
    rate : float
        Highest learning rate.
    weight_decay : float
    transformer_rate : float
        Of the encoder's blocks, tokens and last LayerNorm, as a share of `rate`.
    """

    epochs: int
    rate: float
    batch: int = 64
    weight_decay: float = 0.01
    transformer_rate: float = 1.0


def redraw_weights(encoder: DareEncoder) -> None:
    """Start every linear map of the encoder with standard deviation ``1 / sqrt(inputs)``.

    With the published 0.02 and a width of only 64, every layer of an untrained nano shrinks the signal six
    times: its features differ between patches by 0.07, now by 0.8. On the one fold where both were
    trained it stayed at chance for all 26 epochs (track B, rate 1e-3), with this it left it after 6.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
    with torch.no_grad():
        for i_layer, block in enumerate(encoder.blocks, start=1):
            block.attention.proj.weight.div_((2.0 * i_layer) ** 0.5)  # type: ignore[union-attr, operator]
            block.fc2.weight.div_((2.0 * i_layer) ** 0.5)  # type: ignore[union-attr, operator]


class EncoderNet(nn.Module):
    """Spectro-spatial adapter, DARE encoder with its power path, probe; trained as one, and blind to which side is which.

    Every window is seen twice, as it is and with left and right electrodes exchanged, and the probe reads half the difference of the
    two. It has no bias, so the mirrored window has the same logits with the other sign, whatever the weights
    (docs/adr/0037-both-sides.md).

    Parameters
    ----------
    size : str
        Size of the encoder.
    layout : sequence of str
        Electrodes, in order; symmetric.
    embedding_std : float
        See `DareEncoder`.
    dropout : float
        Share of the levels that are silent, the same ones for all patches of a window and for its mirror image: dropped anew for each
        patch they would be averaged out over time. On two folds 70.2 % (track B) against 66.5 % with dropout on the features.
    power : PowerPath or None
        None is the published encoder.
    gain : float
        What the transformer's last LayerNorm starts with. Small: the readout learns first.

    path_dropout : float
        Share of the windows whose features come from the readout alone.

    Notes
    -----
    The adapter's spatial filters start random, its impulse responses as those of `PowerNet`, one centre after the
    other. Levels are normalised over the batch; `folded` puts that into the encoder's weights. The probe takes a weighted
    mean over the patches, then classifies: with weights of their own for each patch it overfits.
    """

    context = CONTEXT

    def __init__(
        self,
        size: str,
        layout: Sequence[str],
        embedding_std: float = 0.5,
        dropout: float = 0.65,
        power: PowerPath | None = POWER_PATH,
        gain: float = 0.1,
        path_dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.path_dropout = path_dropout
        self.encoder = DareEncoder(size, embedding_std=embedding_std, power=power)
        redraw_weights(self.encoder)
        nn.init.constant_(self.encoder.norm.weight, gain)
        n_patches, dimensions, n = WINDOW // PATCH, self.encoder.size, len(layout)
        self.adapter = nn.Parameter(torch.randn(n, n) / n**0.5)
        self.adapter_fir = nn.Parameter(band_waves()[torch.arange(n) % len(POWER_CENTRES_HZ)].clone())
        self.norm = nn.BatchNorm1d(n, affine=False)
        self.per_patch = nn.Linear(dimensions.n_summary * dimensions.n_features, N_HIDDEN, bias=False)
        self.patch_scores = nn.Parameter(torch.zeros(n_patches, N_HIDDEN))
        self.head = nn.Linear(N_HIDDEN, 2, bias=False)
        self.ids: Tensor
        self.register_buffer("ids", channel_ids(layout))
        self.mirror: Tensor
        self.register_buffer("mirror", torch.tensor(mirror_columns(layout)))
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, 2) of windows (batch, n_channels, CONTEXT + WINDOW)."""
        hidden = self.head_inputs(x).reshape(-1, *self.patch_scores.shape)
        return self.head((hidden * self.patch_scores.softmax(0)).sum(1))  # type: ignore[no-any-return]

    def head_inputs(self, x: Tensor) -> Tensor:
        """What the probe's last layer reads, (batch, n_patches * n_hidden): half the difference of both views."""
        straight, mirrored = self._views(x)
        return ((straight - mirrored) / 2.0).flatten(1)

    def idle_inputs(self, x: Tensor) -> Tensor:
        """What a probe with an idle class reads, (batch, n_patches * 2 * n_hidden): half their sum, too, which no side changes."""
        straight, mirrored = self._views(x)
        return torch.cat([straight - mirrored, straight + mirrored], dim=2).flatten(1) / 2.0

    def _views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden numbers of the windows and of their mirror images, each (batch, n_patches, n_hidden)."""
        both = torch.cat([x, x[:, self.mirror]])
        virtual = convolve(self.adapter @ both, self.adapter_fir)
        patches = virtual.reshape(*virtual.shape[:2], -1, PATCH).transpose(1, 2).flatten(0, 1)
        levels = None if self.encoder.power is None else self._levels(patches, len(x))
        features = self._transform(patches, levels, len(x))
        if levels is not None:
            features = features + self.encoder.read(levels, self.ids).reshape(features.shape)
        straight, mirrored = self.per_patch(features).split(len(x))
        return straight, mirrored

    def _transform(self, patches: Tensor, levels: Tensor | None, n_windows: int) -> Tensor:
        """Features of the transformer, (2 * n_windows, n_patches, n); zeros, not computed, where it is left out."""
        factors = F.dropout(patches.new_ones(n_windows, 1, 1), self.path_dropout, self.training).repeat(
            2, 1, 1
        )
        at = factors.flatten().nonzero().squeeze(1)
        n_features = self.per_patch.in_features
        if not len(at):
            return patches.new_zeros(2 * n_windows, WINDOW // PATCH, n_features)
        rows = (at[:, None] * (WINDOW // PATCH) + torch.arange(WINDOW // PATCH)).flatten()
        kept = self.encoder.transform(patches[rows], self.ids, None if levels is None else levels[rows])
        kept = kept.reshape(len(at), WINDOW // PATCH, n_features) * factors[at]
        return kept.new_zeros(2 * n_windows, *kept.shape[1:]).index_put((at,), kept)

    def _levels(self, patches: Tensor, n_windows: int) -> Tensor:
        levels: Tensor = self.norm(self.encoder.levels(patches, self.ids))
        levels = levels.reshape(2 * n_windows, -1, levels.shape[-1])
        keep = F.dropout(torch.ones_like(levels[:n_windows, :1]), self.dropout, self.training)
        return (levels * keep.repeat(2, 1, 1)).flatten(0, 1)

    def folded(self) -> DareEncoder:
        """A copy of the encoder that needs no normalisation of its levels.

        Raises
        ------
        RuntimeError
            When the network keeps no statistics.
        """
        encoder = copy.deepcopy(self.encoder)
        if encoder.power is None:
            return encoder
        mean, spread = _statistics(self.norm)
        with torch.no_grad():
            encoder.power_offset[self.ids] += mean
            encoder.power_embedding.weight[self.ids] /= spread[:, None]
            encoder.readout.weight[self.ids] /= spread[:, None]
        return encoder

    def adapter_tensors(self) -> dict[str, FloatArray]:
        """The adapter as the profile carries it, the mirrored view below the other; tap 0 meets the newest sample."""
        with torch.no_grad():
            spatial = torch.cat([self.adapter, self.adapter[:, self.mirror]])
            return {
                "adapter": spatial.double().numpy(),
                "adapter_fir": self.adapter_fir.repeat(2, 1).double().numpy(),
            }

    def probe(self) -> ConvProbe:
        """The probe as the runtime has it, of two views; the mean over the patches is part of its last layer."""
        with torch.no_grad():
            per_patch = torch.cat([self.per_patch.weight, -self.per_patch.weight], dim=1) / 2.0
            weight = (self.head.weight[:, None] * self.patch_scores.softmax(0)).flatten(1)
            parts = (per_patch, torch.zeros(len(per_patch)), weight, torch.zeros(2))
            return ConvProbe(*(part.double().numpy() for part in parts))


def _statistics(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Running mean and standard deviation.

    Raises
    ------
    RuntimeError
        When there are none.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise RuntimeError("BatchNorm keeps no statistics, need them; build the network with the defaults")
    return norm.running_mean, (norm.running_var + norm.eps).sqrt()


class PowerNet(nn.Module):
    """Spatial filters, short temporal filters, log power of each patch, one linear layer.

    Parameters
    ----------
    n_channels : int
    n_filters : int
        Spatial filters in each of three bands.
    """

    context = CONTEXT

    def __init__(self, n_channels: int, n_filters: int = 12, dropout: float = 0.5) -> None:
        super().__init__()
        waves = band_waves()
        self.temporal = nn.Parameter(waves)
        self.spatial = nn.Parameter(torch.randn(len(waves), n_filters, n_channels) / n_channels**0.5)
        self.patch_scores = nn.Parameter(torch.zeros(len(waves) * n_filters, WINDOW // PATCH))
        self.norm = nn.BatchNorm1d(len(waves) * n_filters, affine=False)
        self.head = nn.Linear(len(waves) * n_filters, 2)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, 2) of windows (batch, n_channels, CONTEXT + WINDOW)."""
        features = self.norm(self.head_inputs(x))
        return self.head(F.dropout(features, self.dropout, self.training))  # type: ignore[no-any-return]

    def head_inputs(self, x: Tensor) -> Tensor:
        """Mean log powers, not normalised yet, (batch, n_bands * n_filters)."""
        _, n_filters, n_channels = self.spatial.shape
        virtual = self.spatial.reshape(-1, n_channels) @ x
        filtered = convolve(virtual, self.temporal.repeat_interleave(n_filters, 0))
        powers = filtered.square().reshape(len(x), -1, WINDOW // PATCH, PATCH).mean(3)
        return (torch.log(powers + POWER_FLOOR) * self.patch_scores.softmax(1)).sum(2)

    def probe(self) -> PowerProbe:
        """The probe as the runtime has it: normalisation folded into the last layer."""
        mean, spread = _statistics(self.norm)
        with torch.no_grad():
            coef = self.head.weight / spread
            intercept = self.head.bias - coef @ mean
            parts = (self.spatial, self.temporal, self.patch_scores.softmax(1), coef, intercept)
            return PowerProbe(*(part.double().numpy() for part in parts))


def fit_network(
    net: EncoderNet | PowerNet,
    trials: Trials,
    rows: npt.NDArray[np.intp],
    mirror: Sequence[int],
    settings: FitSettings,
    seed: int,
    report: Callable[[str], None] = print,
) -> None:
    """Train in place.

    Parameters
    ----------
    net : EncoderNet or PowerNet
        Fresh.
    trials : Trials
    rows : ndarray of int
        Trials to train on.
    mirror : sequence of int
        See `mirror_columns`.
    settings : FitSettings
    seed : int
        Of the order of trials, the windows' ends and the mirroring.
    report : callable
        Takes one line an epoch, with the time left.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    columns = torch.tensor(list(mirror))
    n_batches = max(1, len(rows) // settings.batch)
    slow, fast = _parameter_groups(net)
    groups: list[dict[str, Any]] = [{"params": fast}, {"params": slow}]
    rates = [settings.rate, settings.rate * settings.transformer_rate]
    optimizer = torch.optim.AdamW(groups, lr=settings.rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        rates,
        total_steps=max(10, settings.epochs * n_batches),
        pct_start=0.2,
    )
    net.train()
    t_start = time.monotonic()
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for batch in np.array_split(rng.permutation(rows)[: n_batches * settings.batch], n_batches):
            x, y = _draw(trials, batch, net.context, columns, rng)
            loss = F.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        left_s = (time.monotonic() - t_start) / epoch * (settings.epochs - epoch)
        report(
            f"{type(net).__name__} epoch {epoch}/{settings.epochs}: loss {np.mean(losses):.4f}, {left_s:.0f} s left"
        )
    net.eval()


def _parameter_groups(net: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The transformer's parameters, and all others."""
    slow: list[nn.Parameter] = []
    fast: list[nn.Parameter] = []
    for name, parameter in net.named_parameters():
        in_transformer = name.startswith("encoder.") and "readout" not in name and "power_offset" not in name
        (slow if in_transformer else fast).append(parameter)
    return slow, fast


def logits_of_windows(net: EncoderNet | PowerNet, windows: npt.NDArray[np.float32]) -> FloatArray:
    """Logits (n, 2) of windows (n, n_channels, context + WINDOW)."""
    return _of_windows(net, net, windows)


def head_inputs_of_windows(net: EncoderNet | PowerNet, windows: npt.NDArray[np.float32]) -> FloatArray:
    """What the network's last layer reads, before dropout and normalisation, (n, n_features)."""
    return _of_windows(net, net.head_inputs, windows)


def idle_inputs_of_windows(net: EncoderNet, windows: npt.NDArray[np.float32]) -> FloatArray:
    """What the last layer of a probe with an idle class reads, (n, 2 * n_features)."""
    return _of_windows(net, net.idle_inputs, windows)


def _of_windows(
    net: nn.Module, read: Callable[[Tensor], Tensor], windows: npt.NDArray[np.float32]
) -> FloatArray:
    net.eval()
    with torch.no_grad():
        parts = [
            read(torch.from_numpy(np.ascontiguousarray(windows[i : i + 128])))
            for i in range(0, len(windows), 128)
        ]
    return torch.cat(parts).double().numpy()


def _draw(
    trials: Trials, batch: npt.NDArray[np.intp], context: int, mirror: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    stops = CONTEXT + rng.integers(FIRST_END, LAST_END + 1, len(batch))
    cut = [trials.x[i, :, stop - WINDOW - context : stop] for i, stop in zip(batch, stops, strict=True)]
    x, y = torch.from_numpy(np.stack(cut)), torch.from_numpy(trials.classes[batch])
    flip = torch.from_numpy(rng.random(len(batch)) < 0.5)
    x[flip] = x[flip][:, mirror]
    return x, torch.where(flip, 1 - y, y)
