"""Periods of imagery and of rest as covariances in blocks, so that windows of any length can be put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray
from tools.training.signals import RATE_HZ, Run, Signal, alignment, read_runs, reference_signal
from tools.training.trials import band_signals

__all__ = ["BLOCK_S", "FROM_S", "IMAGERY", "REST", "UNTIL_S", "Periods", "read_periods"]

IMAGERY, REST = 0, 1
FROM_S, UNTIL_S = 1.0, 4.0
"""What is read of each period, from its onset: in the first second the screen has just changed."""
BLOCK_S = 0.25
SETTLED_S = 8.0
"""Periods that begin sooner after a run's start are left out: the alignment knows too little yet."""


@dataclass(frozen=True)
class Periods:
    """Second moments of the blocks of all periods.

    Parameters
    ----------
    moments : ndarray of float32, shape (n_periods, n_blocks, n_bands, n_channels, n_channels)
    labels : ndarray of int, shape (n_periods,)
        `IMAGERY` or `REST`.
    subjects : ndarray of int, shape (n_periods,)
    covariance : dict of int to ndarray of float64, shape (n_channels, n_channels)
        Mean second moment of each subject's runs in front of the alignment.
    """

    moments: npt.NDArray[np.float32]
    labels: npt.NDArray[np.intp]
    subjects: npt.NDArray[np.intp]
    covariance: dict[int, FloatArray]

    def windows(self, length_s: float, end_s: float) -> FloatArray:
        """Covariances of the windows that end so long after the onset, (n_periods, n_bands, n_channels, n_channels)."""
        stop = round((end_s - FROM_S) / BLOCK_S)
        start = stop - round(length_s / BLOCK_S)
        return np.asarray(self.moments[:, start:stop].mean(axis=1, dtype=np.float64))


def read_periods(paths: Sequence[Path], layout: Sequence[str]) -> Periods:
    """Push all runs of all people through the live decoder's stages, and cut them.

    No alignment is given a covariance to start from, so that nothing of a person is in what another's fold is fitted on.
    """
    moments, labels, subjects = [], [], []
    covariance: dict[int, FloatArray] = {}
    for path in paths:
        own = []
        for run, (onsets, codes) in zip(read_runs(path), _onsets(path), strict=True):
            signal = reference_signal(run, layout)
            own.append(signal.data.T @ signal.data / len(signal.data))
            cut, kept = _cut(signal, _samples(run, onsets))
            moments.append(cut)
            labels.append(np.where(codes[kept] > 0, IMAGERY, REST))
            subjects.append(np.full(len(cut), run.subject))
            covariance[run.subject] = np.mean(own, axis=0)
    return Periods(
        np.concatenate(moments), np.concatenate(labels).astype(np.intp), np.concatenate(subjects), covariance
    )


def _onsets(path: Path) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Onsets in samples and codes of each run's periods, rest included."""
    with np.load(path) as archive:
        names = sorted(key for key in archive.files if key.startswith("run") and "_" not in key)
        return [
            (archive[f"{name}_onset"].astype(np.intp), archive[f"{name}_code"].astype(np.intp))
            for name in names
        ]


def _samples(run: Run, onsets: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    return np.asarray(np.ceil(onsets * RATE_HZ / run.rate_hz), dtype=np.intp)


def _cut(
    signal: Signal, onsets: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    stage = alignment(signal.data.shape[1], RATE_HZ)
    aligned = Signal(signal.subject, stage.push(signal.data), signal.i_cue, signal.classes)
    bands = band_signals(aligned)
    n, first, n_blocks = (
        round(BLOCK_S * RATE_HZ),
        round(FROM_S * RATE_HZ),
        round((UNTIL_S - FROM_S) / BLOCK_S),
    )
    kept = (onsets >= SETTLED_S * RATE_HZ) & (onsets + first + n_blocks * n <= bands.shape[2])
    found = np.empty((int(kept.sum()), n_blocks, *bands.shape[:2], bands.shape[1]), np.float32)
    for i, onset in enumerate(onsets[kept]):
        part = bands[:, :, onset + first : onset + first + n_blocks * n]
        blocks = part.reshape(*part.shape[:2], n_blocks, n).transpose(2, 0, 1, 3)
        found[i] = blocks @ blocks.transpose(0, 1, 3, 2) / n
    return found, kept
