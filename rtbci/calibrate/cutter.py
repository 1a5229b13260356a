"""Cutting calibration trials out of what a decoder remembers of a running stream, at the right time."""

import math
import threading
from bisect import insort
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from rtbci.calibrate.memory import KEEP_S, StreamMemory, StreamShape
from rtbci.calibrate.trial import CalibrationTrial, TrialTiming
from rtbci.errors import ConfigError
from rtbci.recipes import ParadigmRecipe

__all__ = ["RAW_AFTER_S", "RAW_BEFORE_S", "TrialCutter", "check_sliding", "timing_of"]

RAW_BEFORE_S = 1.0
RAW_AFTER_S = 0.5
"""Raw signal that a trial keeps before its cue and after its imagery, in seconds."""
LATE_S = 10.0
"""A cue may come at least this long after its trial's end."""
ROUNDING_S = 1e-6


def timing_of(recipe: ParadigmRecipe, imagery_s: float) -> TrialTiming:
    """Timing of a paradigm's trials.

    Raises
    ------
    ConfigError
        When its windows are locked to markers, or imagery is shorter than a window.
    """
    where = check_sliding(recipe)
    if not recipe.window.length_s <= imagery_s < math.inf:
        raise ConfigError(
            f"{where}: imagery lasts {imagery_s:g} s, need at least a window of {recipe.window.length_s:g} s; make it longer"
        )
    return TrialTiming(recipe.window.length_s, recipe.window.hop_s, imagery_s)


def check_sliding(recipe: ParadigmRecipe) -> str:
    """Refuse windows that are locked to markers.

    Parameters
    ----------
    recipe : ParadigmRecipe
        Of what is to be calibrated.

    Returns
    -------
    str
        Where, for messages.

    Raises
    ------
    ConfigError
        When they are.
    """
    where = f"calibration of '{recipe.name}'"
    if recipe.window.policy != "sliding":
        raise ConfigError(
            f"{where}: its windows are locked to markers, need sliding windows; name another paradigm"
        )
    return where


class _Cue(NamedTuple):
    t_cue: float
    i_trial: int
    i_class: int


class TrialCutter:
    """Gives each announced trial once its last sample is there.

    Parameters
    ----------
    timing : TrialTiming

    Attributes
    ----------
    trials : SimpleQueue of CalibrationTrial
        Complete and rejected trials, in the order in which that became certain.

    Notes
    -----
    `cue` and `abandon` may be called from any thread; all else belongs to the decoder's. A trial is complete when a
    hop *behind* its last window and a raw sample behind its tail have come, so what it holds does not depend on
    chunks, nor on whether the cue was announced before or after its samples.

    Rejected here, with nothing but their cue: trials with a break of the stream between the first sample that they
    need and the end of their tail (``gap``), that need samples from before the stream's first (``stream began after
    the cue``), whose samples are not kept any more (``cue came too late``), and what `abandon` is told.
    """

    def __init__(self, timing: TrialTiming) -> None:
        self.timing = timing
        self.trials: SimpleQueue[CalibrationTrial] = SimpleQueue()
        # The first window may end up to a hop before its place.
        self._before_s = (timing.n_hops + 1) * timing.hop_s - timing.imagery_s
        self._lock = threading.Lock()
        self._pending: list[_Cue] = []  # in the order of their times
        self._memory: StreamMemory | None = None

    @property
    def keep_s(self) -> float:
        """Seconds of the stream that must be kept."""
        trial_s = max(self._before_s, RAW_BEFORE_S) + self.timing.imagery_s + RAW_AFTER_S
        return max(KEEP_S, trial_s + LATE_S)

    @property
    def n_pending(self) -> int:
        """Trials that were announced and not given yet."""
        with self._lock:
            return len(self._pending)

    def cue(self, i_trial: int, i_class: int, t_cue: float) -> None:
        """Announce a trial, before or after its samples have come.

        Parameters
        ----------
        i_trial, i_class : int
            As in `CalibrationTrial`.
        t_cue : float
            When the cue is or was seen, in seconds of the stream's stamps.

        Raises
        ------
        ConfigError
            When the time is not finite.
        """
        if not math.isfinite(t_cue):
            raise ConfigError(f"TrialCutter: cue {i_trial} is at {t_cue} s, need a finite time")
        with self._lock:
            insort(self._pending, _Cue(float(t_cue), i_trial, i_class))

    def abandon(self, reason: str) -> None:
        """Reject all trials that are announced and not complete."""
        with self._lock:
            self._abandon(reason)

    def finish(self) -> None:
        """The stream has ended for good: give trials whose windows are all there, reject the others.

        Their tail is what was recorded of it. A trial without its last samples: ``recording ended``.
        """
        with self._lock:
            self._cut()
            memory, hop_s = self._memory, self.timing.hop_s
            while memory is not None and self._pending:
                t_end = self._pending[0].t_cue + self.timing.imagery_s
                if memory.t_hop_newest + hop_s <= t_end + ROUNDING_S:
                    break
                self._take_first(memory)
            self._abandon("recording ended")

    def opened(self, memory: StreamMemory) -> None:
        """A stream was opened; one that was there before is lost, and its trials with it."""
        with self._lock:
            if self._memory is not None:
                self._abandon("stream lost")
            self._memory = memory

    def cut(self) -> None:
        """Give what has become complete; called after every push."""
        with self._lock:
            self._cut()

    def interrupted(self) -> None:
        """The stream breaks off here and will begin anew: reject the trials that have begun."""
        with self._lock:
            self._cut()
            newest = -np.inf if self._memory is None else self._memory.t_raw_newest
            begun = [cue for cue in self._pending if cue.t_cue - self._before_s <= newest]
            self._pending = [cue for cue in self._pending if cue not in begun]
            for cue in begun:
                self.trials.put(self._nothing(cue, "gap"))

    def _abandon(self, reason: str) -> None:
        for cue in self._pending:
            self.trials.put(self._nothing(cue, reason))
        self._pending = []

    def _cut(self) -> None:
        memory = self._memory
        while memory is not None and self._pending and self._is_complete(self._pending[0], memory):
            self._take_first(memory)

    def _take_first(self, memory: StreamMemory) -> None:
        cue = self._pending.pop(0)
        i_last = memory.i_hop_until(cue.t_cue + self.timing.imagery_s + ROUNDING_S)
        fault = self._fault(cue, i_last, memory)
        self.trials.put(self._nothing(cue, fault) if fault else self._trial(cue, i_last, memory))

    def _is_complete(self, cue: _Cue, memory: StreamMemory) -> bool:
        t_end = cue.t_cue + self.timing.imagery_s
        return memory.t_hop_newest > t_end + ROUNDING_S and memory.t_raw_newest > t_end + RAW_AFTER_S

    def _fault(self, cue: _Cue, i_last: int, memory: StreamMemory) -> str:
        """Why a trial cannot be cut, or nothing."""
        i_first = i_last - self.timing.n_hops + 1
        t_first = np.inf if memory.t_first is None else memory.t_first
        if t_first > cue.t_cue - self._before_s or (i_first < 0 and memory.holds_hop(0)):
            return "gap" if memory.was_restarted else "stream began after the cue"
        return "" if memory.holds_hop(i_first) and i_last >= 0 else "cue came too late"

    def _trial(self, cue: _Cue, i_last: int, memory: StreamMemory) -> CalibrationTrial:
        timing, stop = self.timing, i_last + 1
        raw_uv, t_raw = memory.raw(cue.t_cue - RAW_BEFORE_S, cue.t_cue + timing.imagery_s + RAW_AFTER_S)
        windows = (stop - timing.n_windows, stop)
        return CalibrationTrial(
            cue.i_trial,
            cue.i_class,
            cue.t_cue,
            signal=memory.signal(stop - timing.n_hops, stop),
            t_newest=memory.stamps(*windows),
            branch_logits=memory.branch_logits(*windows),
            logits=memory.logits(*windows),
            raw_uv=raw_uv,
            t_raw=t_raw - cue.t_cue,
            flicker_s=memory.flicker_s(*windows),
        )

    def _nothing(self, cue: _Cue, reason: str) -> CalibrationTrial:
        shape = self._memory.shape if self._memory else StreamShape(0.0, 0, 0, 0.0, 0, 0, 0)
        return CalibrationTrial(
            cue.i_trial,
            cue.i_class,
            cue.t_cue,
            signal=np.empty((0, shape.n_channels), np.float32),
            t_newest=np.empty(0),
            branch_logits=np.empty((0, shape.n_branches, shape.n_classes)),
            logits=np.empty((0, shape.n_classes)),
            raw_uv=np.empty((0, shape.n_raw_channels), np.float32),
            t_raw=np.empty(0),
            accepted=False,
            reason=reason,
        )
