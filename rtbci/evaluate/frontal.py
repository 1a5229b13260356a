"""What the frontal electrodes alone show of a trial: the features of the eye check."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rtbci.evaluate.trials import FRONTAL
from rtbci.replay.recording import Recording
from rtbci.runtime.build import stream_gains_uv
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label, is_eeg

__all__ = [
    "BANDS_HZ",
    "BASELINE_S",
    "N_PIECES",
    "SACCADE_S",
    "FrontalRun",
    "eye_rule",
    "frontal_columns",
    "side_classes",
]

N_PIECES = 6
"""The window is cut into so many pieces of equal length for the mean amplitudes."""
BANDS_HZ = ((1.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0))
BASELINE_S = 0.25
"""Mean before the cue that amplitudes are measured from; only differences of the signal are eye movements."""
SACCADE_S = (0.25, 0.5)
"""Where the eyes turn towards a cue at the side of the screen."""
POWER_FLOOR_UV2 = 1e-3
LEFT, RIGHT = "left", "right"


def frontal_columns(run: Recording) -> dict[str, int]:
    """Frontal electrodes that a recording has, by canonical label, in the order of `FRONTAL`."""
    found = {
        canonical_label(channel.label): i for i, channel in enumerate(run.info.channels) if is_eeg(channel)
    }
    return {label: found[label] for label in FRONTAL if label in found}


class FrontalRun:
    """The frontal electrodes of one run, filtered causally once.

    Parameters
    ----------
    run : Recording
    labels : sequence of str
        Frontal electrodes to read, canonical.
    """

    def __init__(self, run: Recording, labels: Sequence[str]) -> None:
        columns = frontal_columns(run)
        picks = [columns[label] for label in labels]
        self._uv: FloatArray = np.nan_to_num(run.data[:, picks] * stream_gains_uv(run.info)[picks])
        self._labels, self._t_s = tuple(labels), run.sample_times()
        rate_hz = run.info.rate_hz
        self._bands = [
            SosFilter.bandpass(low, high, rate_hz, len(picks), 2).push(self._uv)
            for low, high in BANDS_HZ
            if high < rate_hz / 2
        ]

    def features(self, t_cue: float, t_window: tuple[float, float]) -> FloatArray:
        """Features of one trial, shape (n_features,).

        For every electrode the mean amplitude in each of `N_PIECES` pieces of the window, less the mean of the
        0.25 s before the cue (microvolts), and its log power in each of `BANDS_HZ` in the window. Nothing after
        the window's newest sample is read.
        """
        start, stop = np.searchsorted(self._t_s, (t_window[0] - 1e-6, t_window[1] + 1e-6))
        edges = np.linspace(start, stop, N_PIECES + 1).round().astype(int)
        baseline = self._mean(t_cue - BASELINE_S, t_cue)
        pieces = [self._uv[a:b].mean(axis=0) - baseline for a, b in pairwise(edges.tolist())]
        powers = [np.log(np.square(band[start:stop]).mean(axis=0) + POWER_FLOOR_UV2) for band in self._bands]
        return np.concatenate(pieces + powers)

    def lateral_uv(self, t_cue: float) -> float:
        """F8 less F7 at 0.25 to 0.5 s after the cue, less its mean of the 0.25 s before; NaN without them."""
        if not {"F7", "F8"} <= set(self._labels) or t_cue < BASELINE_S:
            return float("nan")
        turn = self._mean(t_cue + SACCADE_S[0], t_cue + SACCADE_S[1]) - self._mean(t_cue - BASELINE_S, t_cue)
        return float(turn[self._labels.index("F8")] - turn[self._labels.index("F7")])

    def _mean(self, from_s: float, to_s: float) -> FloatArray:
        start, stop = np.searchsorted(self._t_s, (from_s - 1e-6, to_s - 1e-6))
        part = self._uv[start:stop] if stop > start else self._uv[start : start + 1]
        return np.asarray(part.mean(axis=0))


def eye_rule(lateral_uv: FloatArray, classes: Sequence[str]) -> npt.NDArray[np.intp] | None:
    """Untrained guess of the class: the side that the eyes turn to, right when F8 is the more positive.

    Parameters
    ----------
    lateral_uv : ndarray of float64, shape (n_trials,)
        From `FrontalRun.lateral_uv`.
    classes : sequence of str

    Returns
    -------
    ndarray of int, shape (n_trials,), or None
        None when the classes are not one left and one right.
    """
    sides = side_classes(classes)
    return None if sides is None else np.where(lateral_uv > 0, sides[1], sides[0]).astype(np.intp)


def side_classes(classes: Sequence[str]) -> tuple[int, int] | None:
    """Indices of the class of the left and of the right side; None when there are not one of each."""
    left = [i for i, name in enumerate(classes) if LEFT in name.lower()]
    right = [i for i, name in enumerate(classes) if RIGHT in name.lower()]
    return (left[0], right[0]) if len(left) == len(right) == 1 else None
