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
    why : {"below_threshold"} or None
        None when there is a decision. ``below_threshold`` also covers the dwell and the refractory time.
    smoothed : tuple of float, length n_classes
        Probabilities that were compared with the threshold; sum to what was pushed.
    """

    decision: str | None
    why: Literal["below_threshold"] | None
    smoothed: tuple[float, ...]


class DecisionPolicy:
    """Turn the probabilities of each window into a decision or None; deterministic and causal.

    1. Probabilities are smoothed exponentially with time constant `smoothing_s`, by the windows' stamps.
    2. The candidate is the class of the highest smoothed probability (the first of equals).
    3. It is decided for when that probability has been at least `threshold`, for the same class, in
       every window of the last `dwell_s`.
    4. After a decision there is none for `refractory_s`, and windows of that time do not count for the dwell.
       So a refractory time makes a decision a pulse; with 0 it is repeated at every hop while it holds.

    The label of a prediction is another matter: the most probable class of that window alone.

    Parameters
    ----------
    classes : sequence of str
        Names in the order of the probabilities.
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
        threshold: float,
        dwell_s: float = 0.0,
        refractory_s: float = 0.0,
        smoothing_s: float = 0.0,
    ) -> None:
        self.classes = tuple(classes)
        self.threshold = threshold
        self.dwell_s = dwell_s
        self.refractory_s = refractory_s
        self.smoothing_s = smoothing_s
        self._check_settings()
        self.reset()

    def reset(self) -> None:
        """Forget the past: after a gap, another profile, a pause."""
        self._smoothed: tuple[float, ...] = ()
        self._t_last = -math.inf
        self._t_decided = -math.inf
        self._candidate: int | None = None
        self._t_held = -math.inf  # since when the candidate has been above the threshold

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
        candidate = self._due(t_end)
        if candidate is None:
            return Decision(None, "below_threshold", self._smoothed)
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

    def _due(self, t_end: float) -> int | None:
        if t_end - self._t_decided < self.refractory_s - STAMP_JITTER_S:
            self._candidate = None
            return None
        best = max(self._smoothed)
        candidate = self._smoothed.index(best) if best >= self.threshold else None
        if candidate != self._candidate:
            self._candidate, self._t_held = candidate, t_end
        is_held = t_end - self._t_held >= self.dwell_s - STAMP_JITTER_S
        return candidate if is_held else None

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
                ("threshold", self.threshold, 0 < self.threshold <= 1, "above 0 and at most 1"),
                ("dwell_s", self.dwell_s, 0 <= self.dwell_s < math.inf, "at least 0 s"),
                ("refractory_s", self.refractory_s, 0 <= self.refractory_s < math.inf, "at least 0 s"),
                ("smoothing_s", self.smoothing_s, 0 <= self.smoothing_s < math.inf, "at least 0 s"),
            )
            if not fits
        ]
        if problems:
            raise ConfigError(f"DecisionPolicy: {'; '.join(problems)}")
