"""What the user of the synthetic amplifier does after a cue, and how fast."""

from collections.abc import Sequence

import numpy as np

from rtbci.amp.cues import Cue
from rtbci.amp.eyes import Gaze
from rtbci.stream.source import FloatArray

__all__ = ["User"]

ERD_DELAY_S, ERD_RISE_S = 0.35, 0.25
SACCADE_DELAY_S = 0.25


class User:
    """From cues to the amplitude of each hand's rhythm, and to the gaze; states that are about no hand are rest.

    Parameters
    ----------
    rate_hz : float
    erd, erd_same_side : float
        Share of the amplitude that goes, over the other hemisphere and over the hand's own.
    """

    def __init__(self, rate_hz: float, erd: float, erd_same_side: float) -> None:
        self.state = "rest"
        self._rate_hz, self._erd, self._erd_same_side = rate_hz, erd, erd_same_side
        self._gaze = Gaze(rate_hz)
        self._fall = float(np.exp(-1.0 / (ERD_RISE_S * rate_hz)))
        self._level = np.ones(2)  # amplitude over the left and the right hand area
        self._hands_to = [Cue(-(10**9), "rest")]
        self._gaze_to = [Cue(-(10**9), "rest")]

    def push(self, first: int, n: int, cues: Sequence[Cue]) -> tuple[FloatArray, FloatArray]:
        """Amplitudes (n, 2) of left and right hand area, and gaze (n,), for samples `first` on."""
        if cues:
            self.state = cues[-1].state
        delay, saccade = round(ERD_DELAY_S * self._rate_hz), round(SACCADE_DELAY_S * self._rate_hz)
        self._hands_to += [Cue(cue.i_sample + delay, cue.state) for cue in cues]
        self._gaze_to += [Cue(cue.i_sample + saccade, cue.state) for cue in cues]
        own, other = 1 - self._erd_same_side, 1 - self._erd
        # the left hemisphere moves the right hand
        aims = {"rest": (1.0, 1.0), "left_hand": (own, other), "right_hand": (other, own)}
        hands = self._smooth(
            np.array([aims.get(state, (1.0, 1.0)) for state in _states(self._hands_to, first, n)])
        )
        sides = {"rest": 0.0, "left_hand": -1.0, "right_hand": 1.0}
        gaze = self._gaze.push(
            np.array([sides.get(state, 0.0) for state in _states(self._gaze_to, first, n)])
        )
        return hands, gaze

    def _smooth(self, aims: FloatArray) -> FloatArray:
        out = np.empty_like(aims)
        for i, aim in enumerate(aims):
            self._level = aim + self._fall * (self._level - aim)
            out[i] = self._level
        return out


def _states(switches: list[Cue], first: int, n: int) -> list[str]:
    """State of each of `n` samples; drops switches that no later sample needs."""
    starts = np.array([switch.i_sample for switch in switches])
    at = np.searchsorted(starts, np.arange(first, first + n), side="right") - 1
    states = [switches[i].state for i in at]
    del switches[: int(at[-1])]
    return states
