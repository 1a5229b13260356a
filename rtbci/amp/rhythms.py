"""A synthetic user who does one thing for long: rhythms that follow what it is, and the blocks in which it changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from rtbci.amp.cues import Cue
from rtbci.amp.head import dipole_at, scalp_gains
from rtbci.errors import ConfigError
from rtbci.recipes.value import RhythmSettings
from rtbci.stream.noise import BandNoise, SlowNoise
from rtbci.stream.source import FloatArray

__all__ = ["BlockCues", "RhythmAnswer", "Rhythms"]

DELAY_S, RISE_S = 1.0, 1.5
"""From a cue to the change, and its time constant: people need a while to begin to calculate, and to stop."""
DEPTH = 0.8
"""Of the dipoles, in radii of the head."""
LEVEL_CORNER_HZ, LEVEL_SPREAD = 0.05, 0.2
"""Rhythms come and go by themselves: the logarithm of the amplitude wanders."""


@dataclass(frozen=True)
class Rhythms:
    """What a user does, and what rhythms do then.

    Parameters
    ----------
    states : tuple of str
        What the user may do; begins with the first, for as long as `first_s`.
    rhythms : tuple of RhythmSettings
        Of them; factors by state.
    first_s : float
        How long the first state lasts, where the user gives cues to itself.
    block_s : float
        How long each state lasts after that.

    Raises
    ------
    ConfigError
        When there are fewer than two states, or a rhythm names another one.
    """

    states: tuple[str, ...]
    rhythms: tuple[RhythmSettings, ...]
    first_s: float = 75.0
    block_s: float = 30.0

    def __post_init__(self) -> None:
        unknown = sorted({name for one in self.rhythms for name in one.factors} - set(self.states))
        if len(self.states) < 2 or unknown or not self.rhythms:
            raise ConfigError(
                f"Rhythms: {len(self.rhythms)} rhythms for the states {', '.join(self.states)}, factors for "
                f"{', '.join(unknown) or 'these'}; need one or more, two states or more, and factors for these alone"
            )


class BlockCues:
    """Cues of a user who goes through the states in turn, beginning with the first at sample 0.

    Parameters
    ----------
    rate_hz : float
    rhythms : Rhythms
    """

    def __init__(self, rate_hz: float, rhythms: Rhythms) -> None:
        self._rate_hz, self._rhythms = rate_hz, rhythms
        self._i_block = 0

    def until(self, i_stop: int) -> list[Cue]:
        """Take the cues before sample `i_stop` that were not taken yet."""
        due = []
        while (i_sample := self._begin()) < i_stop:
            due.append(Cue(i_sample, self._rhythms.states[self._i_block % len(self._rhythms.states)]))
            self._i_block += 1
        return due

    def _begin(self) -> int:
        if self._i_block == 0:
            return 0
        t_s = self._rhythms.first_s + (self._i_block - 1) * self._rhythms.block_s
        return round(t_s * self._rate_hz)


class RhythmAnswer:
    """Rhythms on the scalp, in microvolts.

    Parameters
    ----------
    rhythms : Rhythms
    channels : sequence of str
    rate_hz : float
    rng : Generator
        Of its own.

    Raises
    ------
    ConfigError
        When a band does not fit the rate.
    ChannelError
        When an electrode is not known.
    """

    def __init__(
        self, rhythms: Rhythms, channels: Sequence[str], rate_hz: float, rng: np.random.Generator
    ) -> None:
        if (highest := max(one.band_hz[1] for one in rhythms.rhythms)) >= rate_hz / 2:
            raise ConfigError(
                f"RhythmAnswer: a rhythm goes up to {highest:g} Hz at a rate of {rate_hz:g} Hz, need less than half of it"
            )
        self.state = rhythms.states[0]
        self._states = rhythms.states
        self._delay = round(DELAY_S * rate_hz)
        self._fall = float(np.exp(-1.0 / (RISE_S * rate_hz)))
        self._switches = [Cue(-(10**9), self.state)]
        self._parts = [_Part(one, rhythms.states, channels, rate_hz, rng) for one in rhythms.rhythms]

    def push(self, first: int, n: int, cues: Sequence[Cue]) -> FloatArray:
        """Signal of samples `first` on, shape (n, n_channels); a new array."""
        if cues:
            self.state = cues[-1].state
        self._switches += [Cue(cue.i_sample + self._delay, cue.state) for cue in cues]
        starts = np.array([switch.i_sample for switch in self._switches])
        at = np.searchsorted(starts, np.arange(first, first + n), side="right") - 1
        i_states = np.array([self._states.index(self._switches[i].state) for i in at], dtype=np.intp)
        del self._switches[: int(at[-1])]
        return np.asarray(sum(part.push(i_states, self._fall) for part in self._parts))


class _Part:
    """One rhythm: a dipole below each of its electrodes, all of the same strength and each on its own."""

    def __init__(
        self,
        rhythm: RhythmSettings,
        states: Sequence[str],
        channels: Sequence[str],
        rate_hz: float,
        rng: np.random.Generator,
    ) -> None:
        n = len(rhythm.electrodes)
        gains = scalp_gains(channels, [dipole_at(label, DEPTH) for label in rhythm.electrodes])
        self._gains = rhythm.uv * gains / np.sqrt((gains**2).sum(axis=1).max())
        self._factors = np.array([rhythm.factors.get(state, 1.0) for state in states])
        self._level = np.array([self._factors[0]])
        self._noise = BandNoise(n, *rhythm.band_hz, rate_hz, rng)
        self._wander = SlowNoise(1, LEVEL_CORNER_HZ, rate_hz, rng)
        self._memory: FloatArray | None = None

    def push(self, i_states: npt.NDArray[np.intp], fall: float) -> FloatArray:
        """Next samples (n, n_channels), given what the user does at each."""
        aims = self._factors[i_states]
        memory = fall * self._level if self._memory is None else self._memory
        factor, self._memory = lfilter([1.0 - fall], [1.0, -fall], aims, zi=memory)
        strength = factor * np.exp(LEVEL_SPREAD * self._wander.generate(len(aims))[:, 0])
        return np.asarray(strength[:, np.newaxis] * self._noise.generate(len(aims)) @ self._gains.T)
