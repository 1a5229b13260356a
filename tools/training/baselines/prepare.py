"""What the baselines read: windows and covariances of one track, from the decoder's causal signal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.probe.tangent import shrink
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray
from tools.training.eye_rule import EARLY_S, LATE_S
from tools.training.signals import RATE_HZ, Signal, align_signals, mean_covariance
from tools.training.trials import BAND_ORDER, CONTEXT, END_TRACK_B, cut_trials

__all__ = [
    "DELAYS",
    "FILTER_BANK_HZ",
    "SHRINKAGE",
    "STEP",
    "TRACKS",
    "TWO_BANDS_HZ",
    "Covariances",
    "Prepared",
    "Track",
    "delay_embedding",
    "delay_mirror",
    "prepare",
    "second_moments",
]

TWO_BANDS_HZ = ((8.0, 13.0), (13.0, 30.0))
FILTER_BANK_HZ = ((8.0, 12.0), (12.0, 16.0), (16.0, 20.0), (20.0, 24.0), (24.0, 28.0), (26.0, 30.0))
"""Bands of 4 Hz inside 8 to 30 Hz; the last two overlap, because 22 Hz are no multiple of 4."""

DELAYS = (0, 8, 16)
"""Augmented covariance: order 3, lag of 8 samples at 128 Hz, 62.5 ms: the signal beside itself up to 1/8 s ago."""

SHRINKAGE = 0.05
"""As in the decoder's tangent branch: the average reference takes a rank away."""

STEP = 2
"""From 256 to 128 Hz; the signal ends at 30 (or 40) Hz, so every other sample tells all."""

Covariances = dict[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Track:
    """Where in a trial is judged.

    Parameters
    ----------
    name : str
    span : (int, int)
        Start and end of the window in samples at 256 Hz after the cue.
    eye_s : (float, float)
        Span of the untrained eye rule beside it.
    """

    name: str
    span: tuple[int, int]
    eye_s: tuple[float, float]


TRACKS = {
    "A": Track("A", (0, END_TRACK_B), EARLY_S),
    "B": Track("B", (round(RATE_HZ), END_TRACK_B), LATE_S),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """All trials of all subjects, in the order of `cut_trials`.

    Parameters
    ----------
    subjects, classes : ndarray of int, shape (n,)
    x : ndarray of float32, shape (n, n_channels, n_samples)
        The window at 128 Hz.
    covariances : dict of ndarray of float64, shape (n, n_bands, n_channels, n_channels)
        Shrunk: ``broad`` (8-30 Hz), ``two_bands``, ``filter_bank``, ``delays`` (with more channels). Empty where they
        were not asked for.
    """

    subjects: npt.NDArray[np.intp]
    classes: npt.NDArray[np.int64]
    x: npt.NDArray[np.float32]
    covariances: Covariances


def prepare(
    signals: Sequence[Signal], test_subjects: npt.NDArray[np.intp], track: Track, *, is_power: bool = True
) -> Prepared:
    """Align every run and cut a track's windows.

    Parameters
    ----------
    signals : sequence of Signal
        From `reference_signal`, all subjects.
    test_subjects : ndarray of int
        Not in the alignment's warm start.
    track : Track
    is_power : bool
        Whether covariances are wanted.
    """
    start = mean_covariance([one for one in signals if one.subject not in test_subjects])
    windows, covariances, subjects, classes = [], [], [], []
    for signal in signals:
        aligned = align_signals([signal], start)[0]
        trials = cut_trials([aligned])
        whole = _cut(trials.x, track)
        windows.append(np.ascontiguousarray(whole[:, :, ::STEP]))
        subjects.append(trials.subjects)
        classes.append(trials.classes)
        if is_power:
            covariances.append(_covariances(aligned, whole, track))
    return Prepared(
        np.concatenate(subjects),
        np.concatenate(classes),
        np.concatenate(windows),
        {name: np.concatenate([one[name] for one in covariances]) for name in covariances[0]}
        if covariances
        else {},
    )


def delay_embedding(x: npt.NDArray[np.float32], delays: Sequence[int] = DELAYS) -> npt.NDArray[np.float32]:
    """Put delayed copies of the channels beside them: augmented covariance (Carrara, Papadopoulo 2024).

    Parameters
    ----------
    x : ndarray of float32, shape (n, n_channels, n_samples)
    delays : sequence of int
        Samples, ascending from 0.

    Returns
    -------
    ndarray of float32, shape (n, n_delays * n_channels, n_samples - delays[-1])
        Delay after delay; only samples of the window, so that it stays causal and inside the track.
    """
    stop = x.shape[2] - delays[-1]
    return np.concatenate([x[:, :, delays[-1] - d : delays[-1] - d + stop] for d in delays], axis=1)


def delay_mirror(mirror: Sequence[int], delays: Sequence[int] = DELAYS) -> list[int]:
    """`mirror_columns` for the channels of `delay_embedding`."""
    return [i_delay * len(mirror) + column for i_delay in range(len(delays)) for column in mirror]


def _cut(x: npt.NDArray[np.float32], track: Track) -> npt.NDArray[np.float32]:
    start, end = track.span
    return x[:, :, CONTEXT + start : CONTEXT + end]


def _covariances(aligned: Signal, whole: npt.NDArray[np.float32], track: Track) -> Covariances:
    delayed = delay_embedding(whole[:, :, ::STEP])
    return {
        "broad": second_moments(whole)[:, np.newaxis],
        "two_bands": _in_bands(aligned, TWO_BANDS_HZ, track),
        "filter_bank": _in_bands(aligned, FILTER_BANK_HZ, track),
        "delays": second_moments(delayed)[:, np.newaxis],
    }


def _in_bands(aligned: Signal, bands_hz: Sequence[tuple[float, float]], track: Track) -> FloatArray:
    """Filtered causally over the whole run, as the live branch does."""
    found = []
    for low_hz, high_hz in bands_hz:
        band = SosFilter.bandpass(low_hz, high_hz, RATE_HZ, aligned.data.shape[1], BAND_ORDER)
        filtered = Signal(aligned.subject, band.push(aligned.data), aligned.i_cue, aligned.classes)
        found.append(second_moments(_cut(cut_trials([filtered]).x, track)))
    return np.stack(found, axis=1)


def second_moments(windows: npt.NDArray[np.float32]) -> FloatArray:
    """Shrunk second moments (n, n_channels, n_channels) of windows (n, n_channels, n_samples)."""
    double = windows.astype(np.float64)
    return shrink(double @ double.transpose(0, 2, 1) / windows.shape[2], SHRINKAGE)
