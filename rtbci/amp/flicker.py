"""What a flicker does to the synthetic user who looks at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from rtbci.amp.cues import Cue
from rtbci.errors import ConfigError
from rtbci.probe.flicker_clock import flicker_seconds
from rtbci.stream.noise import SlowNoise
from rtbci.stream.source import FloatArray

__all__ = ["PLACES", "Flicker", "FlickerAnswer"]

PLACES = ("O1", "OZ", "O2")
"""Where the answer comes from."""
DELAY_S, RISE_S = 0.5, 0.15
"""Gaze shift and visual delay, and how fast the answer grows and fades."""
HARMONICS = (1.0, 0.6, 0.3)
"""Amplitudes, the fundamental first."""
HALF_AMPLITUDE_HZ = 18.0
"""At this frequency the fundamental is half as strong as at 0 Hz."""
LEVEL_CORNER_HZ, LEVEL_SPREAD = 0.2, 0.5
"""Attention comes and goes: the logarithm of the strength wanders."""
RELATIVE = (0.7, 1.0, 0.7)


@dataclass(frozen=True)
class Flicker:
    """What there is to look at.

    Parameters
    ----------
    frequencies_hz : mapping of str to float
        Of each target.
    answer_uv : float
        Amplitude of the answer at the electrode where it is largest, for a flicker so slow that it is not weakened; what
        is usual in people differs by a factor of ten.
    """

    frequencies_hz: Mapping[str, float]
    answer_uv: float = 1.5


class FlickerAnswer:
    """Steady-state visual evoked potentials at the places in `PLACES`; one unit strong on average.

    Parameters
    ----------
    frequencies_hz : mapping of str to float
        Of each state in which the user looks at a flicker; in any other there is no answer.
    rate_hz : float
    rng : Generator
        Of its own: strengths and phases do not depend on how other signals are made.

    Raises
    ------
    ConfigError
        When a frequency is not above 0 and below half the rate.

    Notes
    -----
    Until a marker says when the flicker began (see `rtbci.probe.flicker_clock`), every look has a phase of its own; from then on the answer
    follows the flicker, each target's with a lag that stays. Harmonics beyond half the rate are left out.
    """

    def __init__(self, frequencies_hz: Mapping[str, float], rate_hz: float, rng: np.random.Generator) -> None:
        if wrong := [f"{name} {f:g} Hz" for name, f in frequencies_hz.items() if not 0 < f < rate_hz / 2]:
            raise ConfigError(
                f"FlickerAnswer: {', '.join(wrong)} at a rate of {rate_hz:g} Hz, need above 0 and below {rate_hz / 2:g} Hz"
            )
        self._frequencies_hz, self._rate_hz, self._rng = dict(frequencies_hz), rate_hz, rng
        self._delay = round(DELAY_S * rate_hz)
        self._fall = float(np.exp(-1.0 / (RISE_S * rate_hz)))
        self._level = SlowNoise(1, LEVEL_CORNER_HZ, rate_hz, rng)
        self._strengths = {name: np.zeros(1) for name in frequencies_hz}
        self._phases = {name: self._new_phases() for name in frequencies_hz}
        self._switches = [Cue(-(10**9), "rest")]
        self._begins: list[tuple[int, float]] = []  # from a sample on: when the flicker began, in seconds

    def push(self, first: int, n: int, cues: Sequence[Cue], told: Sequence[Cue] = ()) -> FloatArray:
        """Answers (n, 3) for samples `first` on; a new array. `told` are markers of what shows the flicker."""
        self._take(told)
        self._switches += [Cue(cue.i_sample + self._delay, cue.state) for cue in cues]
        for cue in cues:
            if cue.state in self._phases and not self._begins:
                self._phases[cue.state] = self._new_phases()
        level = np.exp(LEVEL_SPREAD * self._level.generate(n)[:, 0])
        t_s = self._flicker_times(first, n)
        total = np.zeros(n)
        looked = self._looked_at(first, n)
        for name, frequency_hz in self._frequencies_hz.items():
            strength = self._smooth(name, np.array([one == name for one in looked], dtype=np.float64))
            if strength.any():
                total += strength * self._waves(name, frequency_hz, t_s)
        return np.asarray((level * total)[:, np.newaxis] * np.array(RELATIVE))

    def _take(self, told: Sequence[Cue]) -> None:
        for one in told:
            seconds = flicker_seconds(one.state)
            if seconds is not None:
                self._begins.append((one.i_sample, one.i_sample / self._rate_hz - seconds))

    def _flicker_times(self, first: int, n: int) -> FloatArray:
        """Seconds since the flicker began, at each of `n` samples; since the first sample where that is not known."""
        i_samples = first + np.arange(n)
        t_s = i_samples / self._rate_hz
        begins_s = np.zeros(n)
        for i_sample, begin_s in self._begins:
            begins_s[i_samples >= i_sample] = begin_s
        while len(self._begins) > 1 and self._begins[1][0] <= first:
            del self._begins[0]
        return np.asarray(t_s - begins_s)

    def _waves(self, name: str, frequency_hz: float, t_s: FloatArray) -> FloatArray:
        found = np.zeros(len(t_s))
        for i, (amplitude, phase) in enumerate(zip(HARMONICS, self._phases[name], strict=True), start=1):
            hz = i * frequency_hz
            if hz < self._rate_hz / 2:
                weaker = 1.0 / (1.0 + hz / i / HALF_AMPLITUDE_HZ)
                found += amplitude * weaker * np.sin(2 * np.pi * hz * t_s + phase)
        return found

    def _smooth(self, name: str, aims: FloatArray) -> FloatArray:
        out, self._strengths[name] = lfilter(
            [1.0 - self._fall], [1.0, -self._fall], aims, zi=self._strengths[name]
        )
        return np.asarray(out)

    def _looked_at(self, first: int, n: int) -> list[str]:
        starts = np.array([switch.i_sample for switch in self._switches])
        at = np.searchsorted(starts, np.arange(first, first + n), side="right") - 1
        states = [self._switches[i].state for i in at]
        del self._switches[: int(at[-1])]
        return states

    def _new_phases(self) -> FloatArray:
        return self._rng.uniform(0.0, 2 * np.pi, len(HARMONICS))
