"""A user's lean learnt while the decoder is in use, with a guard that takes it back."""

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from rtbci.errors import ConfigError
from rtbci.stages.stage import FloatArray

__all__ = ["Adaptation", "AdaptationEvent"]


MAX_RISE = 0.1
"""The distance to the middle of all windows is the least there is, so a right centre never makes a decoder surer."""


class AdaptationEvent(NamedTuple):
    """Adaptation began to count, or was taken back.

    Parameters
    ----------
    kind : {'adaptation_on', 'adaptation_rolled_back'}
    reason : str
        Why it was taken back: ``confidence``, ``signal``; empty when it is on.
    shift : float
        Largest shift of a logit at that moment.
    """

    kind: str
    reason: str
    shift: float


class Adaptation:
    """Centre the logits on the windows that say nothing, beside a decoder that is left as it is.

    With ``z`` the logits less their mean over the classes, the centre c is the mean of ``g z`` over the windows so far,
    held back by a prior at zero, where ``g = exp(-|z - c|^2 / (2 width^2 v))`` and v is the mean of ``|z - c|^2``. A
    window that speaks for a class is far from the centre and hardly counts, so that a user who chooses one class nine
    times in ten does not move it as he moves a plain mean (`rtbci.probe.recentre`); all that leans, rest too, does.

    Parameters
    ----------
    n_classes : int
        Length of the logits.
    hop_s : float
        Signal that one window adds, in seconds.
    temperature : float
        Of the fusion; for the confidence.
    prior_s : float
        The prior counts as this many seconds of windows at the centre.
    width : float
        How near is near, in units of the spread; infinite would be the plain mean.
    time_constant_s : float
        Windows lose weight by ``exp(-age / time_constant_s)``.
    learn_s : float
        The centre is used after this many seconds, and again so long after it was taken back.
    memory_s : float
        Confidences are compared over about so long.
    max_drop : float
        It is taken back when the adapted decoder's mean confidence, above that of a guess, is less than the
        other's by more than this share, or more than a tenth above it.
    idle : int, optional
        Class that neither shifts nor is shifted.

    Raises
    ------
    ConfigError
        When a number is out of range or fewer than two classes are left to centre.

    Notes
    -----
    Causal and deterministic: the same logits give the same result. A window never sees itself. Costs less than 30 us a window for two
    classes. A centre that is right lowers confidence a little, as what leans is too sure. The guard is for one that
    has run away, or that no longer holds.
    """

    def __init__(
        self,
        n_classes: int,
        hop_s: float,
        temperature: float = 1.0,
        *,
        prior_s: float = 50.0,
        width: float = 0.3,
        time_constant_s: float = 600.0,
        learn_s: float = 30.0,
        memory_s: float = 120.0,
        max_drop: float = 0.2,
        idle: int | None = None,
    ) -> None:
        self._active = [i for i in range(n_classes) if i != idle]
        if len(self._active) < 2:
            raise ConfigError(
                f"Adaptation: got {len(self._active)} classes that are not idle, need at least 2 to centre"
            )
        numbers = {"hop_s": hop_s, "temperature": temperature, "prior_s": prior_s, "width": width}
        numbers |= {"time_constant_s": time_constant_s, "learn_s": learn_s, "memory_s": memory_s}
        if wrong := [f"{name} is {x:g}" for name, x in numbers.items() if not x > 0]:
            raise ConfigError(f"Adaptation: {', '.join(wrong)}, need a number above 0")
        if not 0 < max_drop <= 1:
            raise ConfigError(f"Adaptation: max_drop is {max_drop:g}, need above 0 and at most 1")
        self._hop_s, self._temperature = hop_s, temperature
        self._prior_s, self._width, self._learn_s, self._max_drop = prior_s, width, learn_s, max_drop
        self._keep = math.exp(-hop_s / time_constant_s)
        self._forget = 1.0 - math.exp(-hop_s / memory_s)
        self.events: deque[AdaptationEvent] = deque(maxlen=64)
        self.reset()

    @property
    def is_on(self) -> bool:
        """Whether the centre is taken off."""
        return self._is_on

    @property
    def centre(self) -> tuple[float, ...]:
        """What is learnt so far, one number for each class that is not idle; used only while `is_on`."""
        span_s = self._weight + self._prior_s
        return tuple(total / span_s for total in self._total)

    def push(self, logits: FloatArray) -> FloatArray:
        """Take the centre off a window's logits if it counts, then learn from the window.

        Parameters
        ----------
        logits : ndarray of float64, shape (n_classes,)
            Of the next window, finite.

        Returns
        -------
        ndarray of float64, shape (n_classes,)
            A new array.
        """
        values: list[float] = logits.tolist()
        mean = sum(values[i] for i in self._active) / len(self._active)
        z = [values[i] - mean for i in self._active]
        centre = self.centre
        shifted = [one - c for one, c in zip(z, centre, strict=True)]
        self._compare(z, shifted)
        if self._is_on:
            for i, c in zip(self._active, centre, strict=True):
                values[i] -= c
        self._learn(z, shifted)
        self._switch()
        return np.array(values)

    def roll_back(self, reason: str) -> None:
        """Forget what was learnt: decode as without adaptation, and learn anew."""
        was_on, shift = self._is_on, max(map(abs, self.centre))
        self.reset()
        if was_on:
            self.events.append(AdaptationEvent("adaptation_rolled_back", reason, shift))

    def reset(self) -> None:
        """Forget all windows, and tell nobody."""
        self._total = [0.0] * len(self._active)
        self._weight = self._learnt_s = 0.0
        self._spread, self._spread_s = 0.125, 30.0  # logits of 0.5 apart, until it is known better
        self._plain = self._adapted = 0.0
        self._is_on = False

    def _learn(self, z: list[float], shifted: list[float]) -> None:
        distance = sum(one * one for one in shifted)
        near = math.exp(-distance / (2.0 * self._width**2 * self._spread))
        gain = self._hop_s * near
        self._total = [self._keep * total + gain * one for total, one in zip(self._total, z, strict=True)]
        self._weight = self._keep * self._weight + gain
        self._spread_s = self._keep * self._spread_s + self._hop_s
        self._spread += self._hop_s / self._spread_s * (distance - self._spread)
        self._spread = max(self._spread, 1e-12)
        self._learnt_s += self._hop_s

    def _compare(self, z: list[float], shifted: list[float]) -> None:
        plain, adapted = self._confidence(z), self._confidence(shifted)
        self._plain += self._forget * (plain - self._plain)
        self._adapted += self._forget * (adapted - self._adapted)

    def _confidence(self, z: list[float]) -> float:
        """How much surer than a guess the most probable of the classes is."""
        highest = max(z)
        total = sum(math.exp((one - highest) / self._temperature) for one in z)
        return 1.0 / total - 1.0 / len(z)

    @property
    def _ratio(self) -> float:
        """Adapted confidence in units of the other; both means start at 0 with the same window."""
        return self._adapted / self._plain if self._plain > 0 else 1.0

    def _switch(self) -> None:
        if self._learnt_s < self._learn_s:
            return
        if not 1.0 - self._max_drop <= self._ratio <= 1.0 + MAX_RISE:
            self.roll_back("confidence")
            self._learnt_s = 0.0
        elif not self._is_on:
            self._is_on = True
            self.events.append(AdaptationEvent("adaptation_on", "", max(map(abs, self.centre))))
