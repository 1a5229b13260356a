"""What is learnt of a user's answers to flickers: spatial filters and templates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from rtbci.probe.reference_products import WindowProducts
from rtbci.probe.trca import answers, turned
from rtbci.stages.stage import FloatArray

__all__ = ["Answer", "Learnt", "learn", "packed", "read_answer", "unpacked"]

SHRINKAGE = 0.05
"""Of the signal's covariance towards equal power in all channels: few trials, and channels that are made of others."""


@dataclass(frozen=True)
class Answer:
    """What one trial's windows have in common.

    Parameters
    ----------
    waves : ndarray of float64, shape (n_bands, n_frequencies, n_channels, 2 * n_harmonics)
        Amplitudes of cosines and sines, mean of the windows; at phase zero of the flicker where that is known.
    covariance : ndarray of float64, shape (n_bands, n_channels, n_channels)
    has_phase : bool
    """

    waves: FloatArray
    covariance: FloatArray
    has_phase: bool


@dataclass(frozen=True)
class Learnt:
    """What was learnt of trials.

    Parameters
    ----------
    filters : ndarray of float64, shape (n_bands, n_targets, n_channels)
        Of the targets that there were trials of.
    template : ndarray of float64, shape (n_bands, n_frequencies, n_channels, 2 * n_harmonics)
        Zero for targets without a trial, and everywhere where a trial's phase is not known.
    """

    filters: FloatArray
    template: FloatArray


def packed(products: WindowProducts) -> FloatArray:
    """Products of one window as a row of numbers; see `unpacked`."""
    return np.concatenate([products.signal.ravel(), products.cross.ravel()])


def unpacked(row: FloatArray, n_bands: int, n_channels: int, roots: FloatArray) -> WindowProducts:
    """Products that `packed` made a row of."""
    n_lengths, n_frequencies, n_sines, _ = roots.shape
    signal, cross = np.split(row, [n_lengths * n_bands * n_channels**2])
    shape = (n_lengths, n_bands, n_channels)
    return WindowProducts(
        signal.reshape(*shape, n_channels), cross.reshape(*shape, n_frequencies, n_sines), roots
    )


def read_answer(windows: Sequence[WindowProducts], elapsed_s: FloatArray, omega: FloatArray) -> Answer:
    """Read a trial's windows, each at its own phase of the flicker.

    Parameters
    ----------
    windows : sequence of WindowProducts
    elapsed_s : ndarray of float64, shape (n_windows,)
        Flicker's own time at the end of each; NaN: not known, then windows are brought together at the first one's phase.
    omega : ndarray of float64, shape (n_frequencies, n_harmonics)
    """
    has_phase = bool(np.isfinite(elapsed_s).all())
    chosen = list(zip(windows, elapsed_s, strict=True)) if has_phase else [(windows[-1], 0.0)]
    waves = np.mean([turned(answers(one), omega, -seconds) for one, seconds in chosen], axis=0)
    covariance = np.mean([one.signal[-1] for one in windows], axis=0)
    return Answer(waves, covariance, has_phase)


def learn(trials: Sequence[tuple[int, Answer]], *, with_phase: bool) -> Learnt:
    """Learn filters and templates.

    Parameters
    ----------
    trials : sequence of (int, Answer)
        Each with the index of the frequency that was looked at.
    with_phase : bool
        Whether trials are compared with each other (task-related component analysis); else a filter is what raises the
        share of the flicker's sines in each trial's power.

    Raises
    ------
    ValueError
        When there is no trial, or a phase is needed and not known in any trial of a target.

    Notes
    -----
    Where phases are needed, trials without are left out.
    """
    if not trials:
        raise ValueError("no trial of a target")
    targets = {i for i, _ in trials}
    if with_phase:
        trials = [(i, one) for i, one in trials if one.has_phase]
        if {i for i, _ in trials} != targets:
            raise ValueError("the flicker's phase is not known")
    template = np.zeros_like(trials[0][1].waves)
    filters = []
    for i_frequency in sorted(targets):
        mine = [one for i, one in trials if i == i_frequency]
        waves = np.stack([one.waves[:, i_frequency] for one in mine])
        filters.append(_filters(waves, np.mean([one.covariance for one in mine], axis=0), with_phase))
        if with_phase:
            template[:, i_frequency] = waves.mean(axis=0)
    return Learnt(np.stack(filters, axis=1), template)


def _filters(waves: FloatArray, covariance: FloatArray, with_phase: bool) -> FloatArray:
    """One filter for each band, shape (n_bands, n_channels), of a target's trials (n_trials, n_bands, n_channels, n_sines)."""
    alone = np.einsum("tbci,tbdi->bcd", waves, waves)
    shared = alone
    if with_phase and len(waves) > 1:  # between trials, without each with itself
        total = waves.sum(axis=0)
        shared = total @ total.transpose(0, 2, 1) - alone
    n = covariance.shape[-1]
    found = []
    for one, power in zip(shared, covariance, strict=True):
        level = max(float(np.trace(power)) / n, np.finfo(float).tiny)
        shrunk = (1 - SHRINKAGE) * power + SHRINKAGE * level * np.eye(n)
        # the largest eigenvalue alone; scaled, so that the unit of the signal plays no part
        found.append(eigh(one / level, shrunk / level, subset_by_index=[n - 1, n - 1])[1][:, 0])
    return np.stack(found)
