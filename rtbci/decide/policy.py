"""From probabilities to decisions: a threshold, a dwell, a pause."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from rtbci.errors import ConfigError, ShapeError

__all__ = ["Decision", "DecisionPolicy"]

STAMP_JITTER_S = 1e-3
"""Dwell and refractory time count as over this much early: stamps jitter by less, hops are longer."""


class Decision(NamedTuple):
    """What the policy says of one window.

    Parameters
    ----------
    decision : str or None
        Class decided for.
    why : {"below_threshold", "idle"} or None
        None when there is a decision. ``idle``: the idle class is the candidate, however probable it is.
        ``below_threshold`` also covers the dwell and the refractory time.
    smoothed : tuple of float, length n_classes
        Probabilities that were compared with the threshold; sum to what was pushed.
    refractory : bool
        Whether the window is within the refractory time after a decision: nothing could have been decided.
    """

    decision: str | None
    why: Literal["below_threshold", "idle"] | None
    smoothed: tuple[float, ...]
    refractory: bool = False


class DecisionPolicy:
    """Turn the probabilities of each window into a decision or None; deterministic and causal.

    1. Probabilities are smoothed exponentially with time constant `smoothing_s`, by the windows' stamps.
    2. The candidate is the class of the highest smoothed probability (the first of equals).
    3. It is decided for when that probability has been at least `threshold`, for the same class, in
       every window of the last `dwell_s`.
    4. After a decision there is none for `refractory_s`, and windows of that time do not count for the dwell.
       So a refractory time makes a decision a pulse; with 0 it is repeated at every hop while it holds.
    5. The idle class is never decided for. While it is the candidate there is no decision, whatever its
       probability, and no refractory time starts; as any change of candidate it ends the dwell of another class.

    The label of a prediction is another matter: the most probable class of that window alone.

    Parameters
    ----------
    classes : sequence of str
        Names in the order of the probabilities.
    idle : int or None
        Index of the class that means "does nothing"; None when there is none.
    threshold : float
        Least smoothed probability, above 0 and at most 1.
    dwell_s : float
        From the first window above the threshold to the one that decides, at least 0; 0 decides at once.
    refractory_s : float
        Pause after a decision, at least 0.
    smoothing_s : float
        Time constant, at least 0; 0 does not smooth.

    Raises
    ------
    ConfigError
        When a setting is out of its range; names all that are.
    """

    def __init__(
        self,
        classes: Sequence[str],
        *,
        idle: int | None = None,
        threshold: float,
        dwell_s: float = 0.0,
        refractory_s: float = 0.0,
        smoothing_s: float = 0.0,
    ) -> None:
        self.classes = tuple(classes)
        self.idle = idle
        self.threshold = threshold
        self.dwell_s = dwell_s
        self.refractory_s = refractory_s
        self.smoothing_s = smoothing_s
        self._check_settings()
        self.reset()

    def reset(self) -> None:
        """Forget the past: after a gap, a pause."""
        self._smoothed: tuple[float, ...] = ()
        self._t_last = -math.inf
        self._t_decided = -math.inf
        self._held: int | None = None  # the candidate while it is one to decide for
        self._t_held = -math.inf  # since when

    def succeed(self, earlier: "DecisionPolicy") -> None:
        """Take over from the policy in use so far, whose profile is replaced.

        Its last decision stays one: the pause after it still counts, with this policy's `refractory_s`. What was
        smoothed and held came from other weights and is forgotten.
        """
        self.reset()
        self._t_last, self._t_decided = earlier._t_last, earlier._t_decided

    def interrupt(self) -> None:
        """Forget what was smoothed and held: these windows cannot be believed. The pause after a decision goes on."""
        t_decided = self._t_decided
        self.reset()
        self._t_decided = t_decided

    def push(self, probs: Sequence[float], t_end: float) -> Decision:
        """Decide on the next window.

        Parameters
        ----------
        probs : sequence of float, length n_classes
            Calibrated probabilities of the window.
        t_end : float
            Stamp of its newest sample [s]. When it is not later than the one before, the past is forgotten.

        Raises
        ------
        ShapeError
            When there is not one probability for each class.
        """
        if len(probs) != len(self.classes):
            raise ShapeError(
                f"DecisionPolicy: got {len(probs)} probabilities, need {len(self.classes)} ({self.classes})"
            )
        if t_end <= self._t_last:
            self.reset()
        self._smooth(probs, t_end)
        candidate = self._smoothed.index(max(self._smoothed))
        is_pause = t_end - self._t_decided < self.refractory_s - STAMP_JITTER_S
        if not self._is_due(candidate, t_end, is_pause):
            why: Literal["below_threshold", "idle"] = "idle" if candidate == self.idle else "below_threshold"
            return Decision(None, why, self._smoothed, is_pause)
        self._t_decided = t_end
        return Decision(self.classes[candidate], None, self._smoothed)

    def _smooth(self, probs: Sequence[float], t_end: float) -> None:
        if not self._smoothed or self.smoothing_s == 0:
            self._smoothed = tuple(map(float, probs))
        else:
            keep = math.exp(-(t_end - self._t_last) / self.smoothing_s)
            pairs = zip(self._smoothed, probs, strict=True)
            self._smoothed = tuple(float(keep * old + (1 - keep) * new) for old, new in pairs)
        self._t_last = t_end

    def _is_due(self, candidate: int, t_end: float, is_pause: bool) -> bool:
        is_sure = self._smoothed[candidate] >= self.threshold
        held = candidate if is_sure and not is_pause and candidate != self.idle else None
        if held != self._held:
            self._held, self._t_held = held, t_end
        return held is not None and t_end - self._t_held >= self.dwell_s - STAMP_JITTER_S

    def _check_settings(self) -> None:
        problems = [
            f"{name} is {value!r}, need {need}"
            for name, value, fits, need in (
                (
                    "classes",
                    self.classes,
                    len(set(self.classes)) == len(self.classes) > 1,
                    "two or more, all different",
                ),
                (
                    "idle",
                    self.idle,
                    self.idle is None or 0 <= self.idle < len(self.classes),
                    f"the index of one of the {len(self.classes)} classes, or None",
                ),
                ("threshold", self.threshold, 0 < self.threshold <= 1, "above 0 and at most 1"),
                ("dwell_s", self.dwell_s, 0 <= self.dwell_s < math.inf, "at least 0 s"),
                ("refractory_s", self.refractory_s, 0 <= self.refractory_s < math.inf, "at least 0 s"),
                ("smoothing_s", self.smoothing_s, 0 <= self.smoothing_s < math.inf, "at least 0 s"),
            )
            if not fits
        ]
        if problems:
            raise ConfigError(f"DecisionPolicy: {'; '.join(problems)}")
