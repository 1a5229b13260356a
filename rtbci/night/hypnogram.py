"""Stages of a night in epochs of 30 s, and what sleep medicine computes from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rtbci.stages.stage import FloatArray

__all__ = ["EPOCH_S", "STAGES", "Hypnogram", "SleepStatistics", "from_windows", "statistics"]

EPOCH_S = 30.0
STAGES: tuple[str, ...] = ("W", "N1", "N2", "N3", "REM")
WAKE, DEEP, DREAMING = "W", "N3", "REM"


@dataclass(frozen=True)
class Hypnogram:
    """One stage for each epoch.

    Parameters
    ----------
    stages : tuple of str or None
        Of `STAGES`; None: not scored.
    t0_s : float
        Where the first epoch begins, in seconds of the recording or of the LSL clock.
    probs : ndarray of float64, shape (n_epochs, n_stages), or None
        NaN where nothing was scored.
    """

    stages: tuple[str | None, ...]
    t0_s: float = 0.0
    probs: FloatArray | None = None

    @property
    def starts_s(self) -> FloatArray:
        """Where the epochs begin, counted from the first, shape (n_epochs,)."""
        return np.asarray(EPOCH_S * np.arange(len(self.stages)), dtype=np.float64)


class SleepStatistics(NamedTuple):
    """As the AASM manual defines them; minutes and shares. None where there was no sleep, or no REM.

    Parameters
    ----------
    recorded_min : float
        Total recording time: all epochs, scored or not. Lights off and on are not known: from begin to end.
    sleep_min : float
        Total sleep time: epochs of N1, N2, N3, REM.
    efficiency : float
        Total sleep time as a share of the recording time, 0 to 1.
    onset_min : float or None
        Sleep latency: to the begin of the first epoch of sleep.
    rem_latency_min : float or None
        From there to the begin of the first epoch of REM.
    waso_min : float
        Wakefulness after sleep onset.
    stage_min : mapping of str to float
        Minutes of each stage.
    unscored_min : float
        Neither asleep nor awake: not scored.
    """

    recorded_min: float
    sleep_min: float
    efficiency: float
    onset_min: float | None
    rem_latency_min: float | None
    waso_min: float
    stage_min: Mapping[str, float]
    unscored_min: float


def statistics(hypnogram: Hypnogram) -> SleepStatistics:
    """Compute what a report of a night says."""
    stages, per_min = hypnogram.stages, EPOCH_S / 60.0
    asleep = [i for i, one in enumerate(stages) if one is not None and one != WAKE]
    onset = asleep[0] if asleep else None
    dreams = [i for i, one in enumerate(stages) if one == DREAMING]
    counts = {name: per_min * sum(one == name for one in stages) for name in STAGES}
    return SleepStatistics(
        recorded_min=per_min * len(stages),
        sleep_min=per_min * len(asleep),
        efficiency=len(asleep) / len(stages) if stages else 0.0,
        onset_min=None if onset is None else per_min * onset,
        rem_latency_min=per_min * (dreams[0] - onset) if dreams and onset is not None else None,
        waso_min=0.0 if onset is None else per_min * sum(one == WAKE for one in stages[onset:]),
        stage_min=counts,
        unscored_min=per_min * sum(one is None for one in stages),
    )


def from_windows(
    t_newest: Sequence[float] | FloatArray,
    probs: FloatArray,
    classes: Sequence[str],
    t0_s: float,
    n_epochs: int,
    hop_s: float,
) -> Hypnogram:
    """Make a hypnogram of a decoder's windows: for each epoch the window that ends where it ends.

    Parameters
    ----------
    t_newest : sequence of float, ascending
        Where the windows end.
    probs : ndarray of float64, shape (n_windows, n_classes)
        NaN for windows that were not full.
    classes : sequence of str
        Of `probs`, some of `STAGES` in any order.
    t0_s : float
        Where the first epoch begins.
    n_epochs : int
    hop_s : float
        From one window to the next; an epoch without a window within half of that is not scored.
    """
    ends = t0_s + EPOCH_S * np.arange(1, n_epochs + 1)
    times = np.asarray(t_newest, dtype=np.float64)
    found = np.full((n_epochs, len(STAGES)), np.nan)
    columns = [STAGES.index(name) for name in classes]
    if len(times):
        after = np.clip(np.searchsorted(times, ends), 1, max(len(times) - 1, 1))
        last = min(len(times) - 1, 1)
        near = np.where(
            np.abs(times[after * last] - ends) < np.abs(times[after - 1] - ends), after * last, after - 1
        )
        # A sample short of an epoch's end is its end: stamps are those of samples.
        close = np.abs(times[near] - ends) <= 0.5 * hop_s + 0.02
        ordered = np.full((len(probs), len(STAGES)), np.nan)
        ordered[:, columns] = probs
        found[close] = ordered[near[close]]
    stages = tuple(None if np.isnan(row[columns]).any() else STAGES[int(np.nanargmax(row))] for row in found)
    return Hypnogram(stages, t0_s, found)
