"""What one calibration trial is: cue, signal, what the population decoder said, whether it is used."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.stages.stage import FloatArray

__all__ = ["CONTEXT_S", "FIRST_START_S", "CalibrationTrial", "TrialTiming"]

CONTEXT_S = 1.0
"""Before the earliest window, for filters inside the branches to settle."""
FIRST_START_S = 0.5
"""No window of a trial begins sooner after its cue: that is how long a reaction takes (see `rtbci.evaluate.trials`)."""


@dataclass(frozen=True, slots=True)
class TrialTiming:
    """Which part of the stream belongs to a trial.

    Parameters
    ----------
    window_s, hop_s : float
        Of the decoder, in seconds.
    imagery_s : float
        From the cue to the end of imagery, in seconds; windows end at the latest then.
    """

    window_s: float
    hop_s: float
    imagery_s: float

    @property
    def first_end_s(self) -> float:
        """Where the earliest window ends, in seconds after the cue."""
        return min(FIRST_START_S + self.window_s, self.imagery_s)

    @property
    def n_windows(self) -> int:
        """Windows of a trial; consecutive ones are a hop apart, the last ends at `imagery_s` or up to a hop before."""
        return 1 + int((self.imagery_s - self.first_end_s) / self.hop_s + 1e-6)

    @property
    def n_hops(self) -> int:
        """Hops of signal that a trial keeps: context, first window, and one for each further window."""
        return round(CONTEXT_S / self.hop_s) + round(self.window_s / self.hop_s) + self.n_windows - 1


@dataclass(frozen=True)
class CalibrationTrial:
    """One trial as the decoder saw it.

    Parameters
    ----------
    i_trial : int
        Number of the cue, from 0; a repeated trial gets a number of its own.
    i_class : int
        Class asked for, an index into the paradigm's classes.
    t_cue : float
        When the cue was seen, in seconds of the local LSL clock (of the recording, where there is one).
    signal : ndarray of float32, shape (n_hops * hop_samples, n_channels)
        The decoder's signal, after all stages; ends with the newest sample of the last window.
    t_newest : ndarray of float64, shape (n_windows,)
        Stamp of the newest raw sample of each window, oldest first.
    branch_logits : ndarray of float64, shape (n_windows, n_branches, n_classes)
        What each branch of the decoder in use said, before fusion and recentring.
    logits : ndarray of float64, shape (n_windows, n_classes)
        Fused, recentred where the recipe says so, before the temperature.
    raw_uv : ndarray of float32, shape (n_samples, n_raw_channels)
        The stream as received, in microvolts, around the cue; for quality and the report.
    t_raw : ndarray of float64, shape (n_samples,)
        Their stamps, relative to the cue, in seconds.
    accepted : bool
        Whether the trial is used.
    reason : str
        Why not; empty when accepted.
    flicker_s : ndarray of float64, shape (n_windows,)
        Flicker's own time at the end of each window, NaN where it is not known (so it is where none is given); see
        `rtbci.probe.flicker_clock`.
    """

    i_trial: int
    i_class: int
    t_cue: float
    signal: npt.NDArray[np.float32]
    t_newest: FloatArray
    branch_logits: FloatArray
    logits: FloatArray
    raw_uv: npt.NDArray[np.float32]
    t_raw: FloatArray
    accepted: bool = True
    reason: str = ""
    flicker_s: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        n = len(self.t_newest)
        if not len(self.flicker_s):
            object.__setattr__(self, "flicker_s", np.full(n, np.nan))
        counts = {len(self.branch_logits), len(self.logits), len(self.flicker_s)}
        if counts != {n} or len(self.t_raw) != len(self.raw_uv):
            raise ShapeError(
                f"CalibrationTrial {self.i_trial}: {n} windows with {len(self.branch_logits)} and {len(self.logits)} logits and "
                f"{len(self.flicker_s)} times of a flicker, "
                f"{len(self.raw_uv)} raw samples with {len(self.t_raw)} stamps; need as many of each"
            )

    def rejected(self, reason: str) -> "CalibrationTrial":
        """The same trial, not to be used."""
        return replace(self, accepted=False, reason=reason)

    def window(self, i_window: int, hop_samples: int) -> npt.NDArray[np.float32]:
        """Signal that ends with a window: all that came before it, as `Branch.logits_of` takes it.

        Parameters
        ----------
        i_window : int
            From 0; negative counts from the last.
        hop_samples : int
            Of the decoder.

        Returns
        -------
        ndarray of float32, shape (n_samples, n_channels)
            A view.
        """
        n = len(self.t_newest)
        i = range(n)[i_window]
        return self.signal[: len(self.signal) - (n - 1 - i) * hop_samples]


def _accepted_trials(trials: Sequence[CalibrationTrial]) -> list[CalibrationTrial]:
    """Those that are used, in order."""
    return [trial for trial in trials if trial.accepted]
