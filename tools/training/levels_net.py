"""The shipped decoder's encoder without its transformer, at half the rate: what is left of it where it has to be cheap to train."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.training.filters import convolve
from tools.training.folds import SPANS_FIT
from tools.training.networks import EncoderNet, FitSettings, fit_network, logits_of_windows
from tools.training.signals import LAYOUT
from tools.training.trials import PATCH, Trials

__all__ = ["LevelsNet", "fit_levels", "levels_margins"]

STEP = 2
"""From 256 to 128 Hz; the signal ends at 30 Hz, so every other sample tells all."""

SETTINGS = FitSettings(epochs=10, rate=1e-2)
"""As the shipped encoder is trained."""


class LevelsNet(EncoderNet):
    """Adapter, levels and their readout of `EncoderNet`, which with and without its transformer is equally good (docs/adr/0037).

    Notes
    -----
    A fit takes a sixth of the whole network's time. Logits correlate by 0.9997 with those at the full rate.
    """

    def _views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([x, x[:, self.mirror]])[..., ::STEP]
        virtual = convolve(self.adapter @ both, STEP * self.adapter_fir[:, ::STEP])
        patches = virtual.reshape(*virtual.shape[:2], -1, PATCH // STEP).transpose(1, 2).flatten(0, 1)
        features = self.encoder.read(self._levels(patches, len(x)), self.ids)
        straight, mirrored = self.per_patch(
            features.reshape(2 * len(x), -1, self.per_patch.in_features)
        ).split(len(x))
        return straight, mirrored


def fit_levels(
    trials: Trials,
    rows: npt.NDArray[np.intp],
    seed: int,
    settings: FitSettings = SETTINGS,
    report: Callable[[str], None] = print,
) -> LevelsNet:
    """Train on some trials of the sensorimotor layout, half of them mirrored; see `fit_network`."""
    torch.manual_seed(seed)
    net = LevelsNet("nano", LAYOUT)
    fit_network(net, trials, rows, mirror_columns(LAYOUT), settings, seed, report)
    return net


def levels_margins(net: LevelsNet, trials: Trials, asked: npt.NDArray[np.bool_]) -> FloatArray:
    """Logit of right less that of left, mean over the windows that the shipped decoder's tangent space is fitted on; shape (n,)."""
    logits = [logits_of_windows(net, trials.windows(end, net.context)[asked]) for _, end in SPANS_FIT]
    return np.asarray(np.diff(np.mean(logits, axis=0), axis=1)[:, 0])
