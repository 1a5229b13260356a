"""A stand-in for head and decoder: keys, or the game's own cues, say what is imagined; it says how sure it is.

It publishes the real messages on a real socket and answers the control socket, so whatever listens to `rtbci run` listens to it.
"""

import math
import random
from collections import deque
from importlib.metadata import version
from statistics import NormalDist
from typing import Literal

from rtbci.decide.policy import DecisionPolicy
from rtbci.errors import ConfigError
from rtbci.publish.messages import (
    DecisionSettings,
    EngineRef,
    HelloContent,
    ProfileRef,
    Quality,
    Rates,
)
from rtbci.publish.outbox import Decoded
from rtbci.runtime.watch import StreamWatch

__all__ = ["HOP_S", "Brain", "Intent", "Mishap", "hello_content"]

Intent = Literal["left", "right", "rest"]
Mishap = Literal["none", "poor_signal", "gap", "lost"]

HOP_S = 1.0 / 16
CLASSES = ("left_hand", "right_hand")
REACTION_S = 0.4
"""From an intent until it can be seen in the EEG."""
STALE_S, LOST_S = 0.5, 1.5
WINDOW_S = 1.5
DECISION = DecisionSettings(
    threshold=0.7, dwell_s=0.25, refractory_s=1.0, smoothing_s=0.5, source="configuration"
)
ENGINE = EngineRef(name="stand-in", id="none")
PROFILE = ProfileRef(user="stand-in", id="none", generation=0)
BAD_CHANNELS = ("FC3", "C3", "CP3", "CZ")
SIGN = {"left": -1.0, "right": 1.0, "rest": 0.0}


def hello_content(hop_s: float = HOP_S) -> HelloContent:
    """What the stand-in says of itself; its paradigm's name says that it is no decoder."""
    return HelloContent(
        rtbci=version("rtbci"),
        paradigm="stand_in",
        classes=CLASSES,
        rates_hz=Rates(stream=None, decoder=1.0 / hop_s, prediction=1.0 / hop_s),
        window_s=WINDOW_S,
        hop_s=hop_s,
        delay_s=0.0,
        engine=ENGINE,
        profile=PROFILE,
        decision=DECISION,
    )


class Brain:
    """From an intent to probabilities, hop by hop; no clock, no socket.

    The evidence of a window is normally distributed, with a mean that follows the intent over the window and noise that
    lasts, as windows overlap. While an intent holds, the most probable class is right in a share `accuracy` of windows, and
    the probabilities are calibrated: of windows with 70 % for a side, 70 % are meant for it.

    Parameters
    ----------
    accuracy : float
        0.5 (knows nothing) to 0.99.
    noise_s : float
        Time constant of the noise, seconds: the longer, the longer an error lasts.
    seed : int or None
        Of the noise.
    hop_s : float
        From one window to the next.

    Attributes
    ----------
    intent : {"left", "right", "rest"}
        What is imagined; may be set from any thread.
    mishap : {"none", "poor_signal", "gap", "lost"}
        What is wrong with the signal; as `intent`.

    Raises
    ------
    ConfigError
        When a number is out of its range.
    """

    def __init__(
        self, accuracy: float = 0.8, noise_s: float = 1.5, seed: int | None = None, hop_s: float = HOP_S
    ) -> None:
        if not 0.5 <= accuracy <= 0.99 or not 0 <= noise_s <= 60:
            raise ConfigError(
                f"Brain: accuracy is {accuracy:g} and noise lasts {noise_s:g} s, need 0.5 to 0.99 and 0 to 60 s; "
                f"set --accuracy and --noise-s"
            )
        self.hop_s = hop_s
        self.intent: Intent = "rest"
        self.mishap: Mishap = "none"
        self._discrimination = 2 * NormalDist().inv_cdf(accuracy)
        self._keep = math.exp(-hop_s / noise_s) if noise_s else 0.0
        self._rng = random.Random(seed)
        self._noise = self._rng.gauss(0.0, 1.0)
        self._signs = deque([0.0] * round((REACTION_S + WINDOW_S) / hop_s))
        self._n_window = round(WINDOW_S / hop_s)
        self._n_full = 0  # hops since the last gap
        self._policy = DecisionPolicy(
            CLASSES,
            threshold=DECISION.threshold,
            dwell_s=DECISION.dwell_s,
            refractory_s=DECISION.refractory_s,
            smoothing_s=DECISION.smoothing_s,
        )
        self.watch = StreamWatch(STALE_S, LOST_S)

    def window(self, t_end: float) -> Decoded | None:
        """What a decoder would say of the window that ends at `t_end` [s]; None while no samples come."""
        if self.mishap == "lost":
            self._begin_anew()
            self.watch.passed(t_end)
            return None
        if self.watch.state in ("waiting", "lost"):
            self.watch.opened(t_end)
        elif self.mishap == "gap":
            self.watch.restarted()
            self._begin_anew()
            self.mishap = "none"
        self.watch.received(t_end)
        probs = self._probs()
        self._n_full += 1
        if self._n_full < self._n_window:
            return self._decoded(None, None, t_end)
        self.watch.full()
        return self._decoded(probs, self._policy.push(probs, t_end).decision, t_end)

    def lost_window(self, t_now: float) -> Decoded:
        """What a decoder says once a second while the stream is lost."""
        return self._decoded(None, None, t_now)

    def _begin_anew(self) -> None:
        self._n_full = 0
        self._policy.reset()

    def _probs(self) -> tuple[float, float]:
        self._signs.append(SIGN[self.intent])
        self._signs.popleft()
        seen = [sign for sign, _ in zip(self._signs, range(self._n_window), strict=False)]
        self._noise = self._keep * self._noise + math.sqrt(1 - self._keep**2) * self._rng.gauss(0.0, 1.0)
        d = self._discrimination
        evidence = d * d / 2 * sum(seen) / len(seen) + d * self._noise
        p_right = 1 / (1 + math.exp(-evidence))
        return 1 - p_right, p_right

    def _decoded(self, probs: tuple[float, float] | None, decision: str | None, t_end: float) -> Decoded:
        is_poor = self.mishap == "poor_signal"
        quality = Quality(score=0.2, bad_channels=BAD_CHANNELS) if is_poor else Quality(score=1.0)
        if is_poor:
            decision = None
        why = "poor_signal" if is_poor else self.watch.why if probs is None else "below_threshold"
        return Decoded(
            probs=probs,
            decision=decision,
            why=None if decision is not None else why,
            t_window=(t_end - WINDOW_S, t_end),
            quality=quality,
            wait_ms=0.0,
            filter_ms=0.0,
            encode_ms=0.0,
            probe_ms=0.0,
            t_decided=t_end,
        )
