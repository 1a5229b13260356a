"""A population's heads moved by a user's windows: one logistic MAP over the branches that move, and the profile that comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from rtbci.errors import ProfileError
from rtbci.probe.head_change import HeadChange, Labels, fit_change
from rtbci.probe.head_features import HEAD_TENSORS
from rtbci.probe.profile import BranchEntry, Profile, Weights
from rtbci.probe.profile_record import SPREAD_NAME
from rtbci.stages.stage import FloatArray

__all__ = ["MovedHeads", "Windows", "learned_scales", "move_heads"]

Heads = Mapping[str, FloatArray]


@dataclass(frozen=True)
class Windows:
    """Labelled windows of a user.

    Parameters
    ----------
    heads : mapping of str to ndarray, shape (n_windows, n_features)
        By branch: what its linear head reads; see `rtbci.probe.head_features`.
    logits : ndarray of float64, shape (n_windows, n_classes)
        What the population's decoder said, recentred where the recipe says so, before the temperature.
    labels : ndarray of int, shape (n_windows,)
    weights : ndarray of float64, shape (n_windows,)
        So that all windows of a trial count one together.
    mirrored : mapping of str to ndarray, shape (n_windows, n_features)
        As `heads`, of the signal with left and right electrodes exchanged; empty: a window counts as itself alone.
    """

    heads: Heads
    logits: FloatArray
    labels: Labels
    weights: FloatArray
    mirrored: Heads


@dataclass(frozen=True)
class MovedHeads:
    """What `move_heads` finds.

    Parameters
    ----------
    population : Profile
    scales : mapping of str to ndarray, shape (n_features,)
        By branch that moves, in the profile's order: what its features are divided by.
    change : HeadChange
        Of features side by side.
    """

    population: Profile
    scales: Heads
    change: HeadChange

    def added(self, heads: Heads) -> FloatArray:
        """What is added to the population's logits before the temperature, shape (n_windows, n_classes)."""
        return np.asarray(self.population.temperature * self.change.of(_side_by_side(heads, self.scales)))

    def profile(self) -> Profile:
        """The decoder as it runs: other weights in the heads and another bias; the fusion's weights stay."""
        old, start = self.population, 0
        changed: Weights = {}
        for entry in old.branches:
            if entry.name not in self.scales:
                continue
            head, scale = HEAD_TENSORS[entry.kind], self.scales[entry.name]
            columns, factor = slice(start, start + scale.size), old.temperature / entry.weight
            part, centre = self.change.weight[:, columns] / scale, self.change.centre[columns]
            start += scale.size
            changed[f"{entry.name}.{head.coef}"] = old.weights[f"{entry.name}.{head.coef}"] + factor * part
            # Into the branch, not into the fusion's bias: what recentring sees must lean to no class by itself.
            intercept = old.weights[f"{entry.name}.{head.intercept}"] - factor * part @ (scale * centre)
            changed[f"{entry.name}.{head.intercept}"] = intercept
        bias = (np.array(old.bias) + old.temperature * self.change.bias).tolist()
        return msgspec.structs.replace(old, weights=old.weights | changed, bias=bias)


def learned_scales(population: Profile) -> dict[str, FloatArray]:
    """Scales of the branches that know how far people differ (`SPREAD_NAME`), for `move_heads`; empty where none does.

    A prior of variance one on the weight of a feature that is divided by its scale, in each class's row, is then the one
    that was learned: the spread is of the difference between two classes. A branch that the fusion does not use has none.

    Raises
    ------
    ProfileError
        When a spread has another length than the branch's head.
    """
    found = {}
    for entry in population.branches:
        spread = population.weights.get(f"{entry.name}.{SPREAD_NAME}")
        if spread is None or entry.weight == 0.0:
            continue
        if spread.shape != (needed := _n_weights(population, entry)):
            raise ProfileError(
                f"paradigm '{population.paradigm}': tensor '{entry.name}.{SPREAD_NAME}' has shape {spread.shape}, need {needed}, "
                "as many as the branch's head has weights for a class; train it again"
            )
        found[entry.name] = np.sqrt(2.0) / spread.astype(np.float64)
    return found


def move_heads(population: Profile, windows: Windows, scales: Heads, bias_precision: float) -> MovedHeads:
    """Fit the change of the heads of some branches to a user's windows, the population's decoder as the prior.

    Parameters
    ----------
    population : Profile
    windows : Windows
    scales : mapping of str to ndarray, shape (n_features,)
        By branch that moves: what its features are divided by, such that the prior's variance of a weight is one.
    bias_precision : float
        Inverse variance of the prior on the change of each class's bias, above 0.

    Notes
    -----
    With `Windows.mirrored` each window counts as itself and as its image, half each. The image's label and the population's
    logits of it are those of the window with classes exchanged as the profile's `mirror` says, which holds for decoders that
    were trained with each trial's image.
    """
    x, start = _side_by_side(windows.heads, scales), windows.logits / population.temperature
    labels, weights, mirror = windows.labels, windows.weights, population.mirror
    if mirror and windows.mirrored:
        x = np.concatenate([x, _side_by_side(windows.mirrored, scales)])
        start = np.concatenate([start, start[:, mirror]])
        labels, weights = np.concatenate([labels, np.array(mirror)[labels]]), np.tile(weights / 2.0, 2)
    return MovedHeads(population, scales, fit_change(x, start, labels, weights, bias_precision))


def _n_weights(profile: Profile, entry: BranchEntry) -> tuple[int, ...]:
    head = HEAD_TENSORS.get(entry.kind)
    coef = None if head is None else profile.weights.get(f"{entry.name}.{head.coef}")
    return () if coef is None else coef.shape[1:]


def _side_by_side(heads: Heads, scales: Heads) -> FloatArray:
    return np.concatenate([heads[name] / scale for name, scale in scales.items()], axis=1)
