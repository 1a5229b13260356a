"""A synthetic amplifier on somebody who sleeps: one channel of EEG and one of EOG, reproducible to the bit."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtbci.amp.night import EPOCH_S, STAGES, Course
from rtbci.errors import ConfigError
from rtbci.stream.noise import BandNoise, Mains, PinkNoise, SlowNoise
from rtbci.stream.source import Channel, FloatArray, Marker, StreamInfo

__all__ = ["Sleeper", "SleepingAmp"]

BLOCK_S = 10.0
"""Made in blocks of so long; a stage begins with one."""
RAMP_S = 2.0
"""One stage goes over into the next in so long."""
BANDS_HZ = {
    "slow": (0.5, 2.0),
    "delta": (2.0, 4.0),
    "theta": (4.0, 7.5),
    "alpha": (8.5, 11.5),
    "sigma": (11.5, 15.0),
    "beta": (17.0, 30.0),
}
COMPONENTS = ("background", *BANDS_HZ)
# fmt: off
LEVELS_UV = {        # background, slow, delta, theta, alpha, sigma, beta
    "W":   (8.0,  2.0, 2.0, 3.0, 14.0, 1.5, 4.5),
    "N1":  (8.5,  5.0, 4.0, 7.0,  4.0, 2.0, 3.0),
    "N2":  (9.5, 11.0, 7.0, 6.5,  2.5, 2.5, 2.2),
    "N3":  (11.0, 30.0, 13.0, 7.0, 2.0, 2.2, 1.5),
    "REM": (8.0,  4.0, 4.0, 6.5,  3.5, 1.8, 2.8),
}
# fmt: on
"""Standard deviations in microvolts, made up so that they fit the words of the AASM manual: alpha in relaxed wakefulness; low
amplitudes of mixed frequencies, mostly 4 to 7 Hz, in N1 and REM; slow waves of more than 75 microvolts from peak to peak in N3."""
SPINDLES_PER_MIN = {"N2": 5.0, "N3": 1.5}
COMPLEXES_PER_MIN = {"N2": 1.5, "N3": 0.5}
EYES = {"W": (8.0, 60.0), "REM": (14.0, 80.0), "N1": (0.5, 15.0)}
"""Rapid eye movements a minute and their size in the EOG, in microvolts."""
ROLLING_UV = {"N1": 40.0, "W": 8.0}
"""Slow eye movements."""
EYE_IN_EEG, EEG_IN_EOG = 0.08, 0.35
EYES_OPEN = 0.5
"""Share of the wakefulness in which the eyes are open: little alpha, muscles, blinks, and movements that look like slow waves."""
OPEN_GAINS = {
    "alpha": (0.15, 0.4),
    "beta": (1.0, 2.5),
    "slow": (1.0, 6.0),
    "delta": (1.0, 3.0),
    "theta": (1.0, 2.0),
}
BLINKS_PER_MIN, BLINK_UV = 12.0, 150.0
BETWEEN_EPOCHS, BETWEEN_PEOPLE, BETWEEN_ALPHAS = 0.25, 0.25, 0.5
"""Standard deviations of the logarithms of levels."""


@dataclass(frozen=True)
class Sleeper:
    """Who sleeps: what is different between people, drawn from a seed.

    Parameters
    ----------
    gains : tuple of float
        Of each of `COMPONENTS`.
    spindle_hz : float
    spindle_uv, complex_uv : float
        Amplitudes.
    noise_uv : float
        White noise of a channel.
    """

    gains: tuple[float, ...]
    spindle_hz: float
    spindle_uv: float
    complex_uv: float
    noise_uv: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Sleeper":
        """Somebody."""
        spread = np.array([BETWEEN_ALPHAS if name == "alpha" else BETWEEN_PEOPLE for name in COMPONENTS])
        overall = rng.normal(0.0, BETWEEN_PEOPLE)
        gains = np.exp(spread * rng.standard_normal(len(COMPONENTS)) + overall)
        return cls(
            tuple(gains.tolist()),
            float(rng.uniform(12.0, 14.5)),
            float(rng.uniform(18.0, 32.0) * np.exp(overall)),
            float(rng.uniform(60.0, 110.0) * np.exp(overall)),
            float(rng.uniform(0.5, 1.5)),
        )


class SleepingAmp:
    """Generates a night in microvolts; an amplifier as `rtbci.amp.synthetic.SyntheticAmp`, for tests and to look at.

    Parameters
    ----------
    course : Course
        Stages; behind its end the user is awake.
    channels : sequence of str
        The first is EEG; a second one is EOG, and more are EEG again, each with noise of its own.
    rate_hz : float
        At least 64.
    seed : int
        Of the person and of all that is random.
    line_hz : float
        Mains; 0: none.
    name : str
        Of the stream.

    Raises
    ------
    ConfigError
        When a setting is impossible.

    Notes
    -----
    It shows that the parts work together, and nothing about how well anybody's sleep is staged: who made up the levels
    made up what tells the stages apart. Not thread-safe, except `set_state`.
    """

    def __init__(
        self,
        course: Course,
        channels: Sequence[str] = ("C4", "E1"),
        rate_hz: float = 100.0,
        seed: int = 0,
        *,
        line_hz: float = 0.0,
        name: str = "rtbci-night",
    ) -> None:
        if not 64 <= rate_hz <= 100_000:
            raise ConfigError(f"SleepingAmp: rate is {rate_hz:g} Hz, need 64 to 100000 Hz; 100 is usual")
        if not channels:
            raise ConfigError("SleepingAmp: has no channels, need one for EEG; name one")
        self.states: tuple[str, ...] = STAGES
        self._course = course
        self.info = _info(course, channels, rate_hz, seed, line_hz, name)
        rng_person, self._rng, rng_mains = (
            np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(3)
        )
        self.sleeper = Sleeper.draw(rng_person)
        self._n_channels, self._rate_hz, self._n_block = len(channels), rate_hz, round(BLOCK_S * rate_hz)
        self._make_noise()
        self._mains = Mains(len(channels), rate_hz, line_hz, 2.0, rng_mains)
        self._i_block, self._asked, self._is_open = 0, "", False
        self._stage, self._levels = "", np.zeros(len(COMPONENTS) + 1)
        self._left = np.empty((0, len(channels)))
        self._tail = np.zeros((0, 2))  # of spindles, complexes and blinks that go on in the next block
        self._gaze, self._events = 0.0, self._tail
        self._markers: list[Marker] = []

    def _make_noise(self) -> None:
        rate_hz, rng = self._rate_hz, self._rng
        self._background = PinkNoise(1, rate_hz, rng)
        self._own = PinkNoise(self._n_channels, rate_hz, rng)
        self._rhythms = {name: BandNoise(1, *band, rate_hz, rng) for name, band in BANDS_HZ.items()}
        self._waxing = SlowNoise(1, 0.1, rate_hz, rng)
        self._rolling = BandNoise(1, 0.2, 0.5, rate_hz, rng)

    @property
    def n_given(self) -> int:
        """Samples handed out so far."""
        return self._i_block * self._n_block - len(self._left)

    def set_state(self, state: str) -> None:
        """Let the user be in a stage from the next block on, whatever the night's course was.

        Raises
        ------
        ConfigError
            When there is no such stage.
        """
        if state not in STAGES:
            raise ConfigError(f"SleepingAmp: state is {state!r}, need one of {', '.join(STAGES)}")
        self._asked = state

    def generate(self, n_samples: int) -> tuple[FloatArray, list[Marker]]:
        """Next `n_samples`; see `rtbci.amp.synthetic.SyntheticAmp.generate`. A marker names each stage that begins."""
        blocks, n_there = [self._left], len(self._left)
        while n_there < n_samples:
            blocks.append(self._block())
            n_there += self._n_block
        made = np.concatenate(blocks)
        data, self._left = made[:n_samples].copy(), made[n_samples:]
        t_stop = self.n_given / self._rate_hz
        due = [one for one in self._markers if one.t_lsl < t_stop]
        self._markers = self._markers[len(due) :]
        return data, due

    def _block(self) -> FloatArray:
        i_epoch = int(self._i_block * BLOCK_S / EPOCH_S)
        planned = self._course.stages[i_epoch] if i_epoch < len(self._course.stages) else STAGES[0]
        stage = self._asked or planned
        if stage != self._stage:
            self._markers.append(Marker(self._i_block * self._n_block / self._rate_hz, stage))
            self._stage = stage
        if self._i_block % round(EPOCH_S / BLOCK_S) == 0:
            self._is_open = bool(self._rng.random() < EYES_OPEN)
        levels = self._ramp(stage)
        eeg, eye = self._eeg(levels, stage), self._eyes(levels[:, -1], stage)
        first = self._i_block * self._n_block
        self._i_block += 1
        gains = np.ones(self._n_channels)
        eyes = np.full(self._n_channels, EYE_IN_EEG)
        gains[1:2], eyes[1:2] = EEG_IN_EOG, 1.0
        data = eeg[:, None] * gains + eye[:, None] * eyes + 2.0 * self._own.generate(self._n_block)
        data += self.sleeper.noise_uv * self._rng.standard_normal(data.shape)
        return np.asarray(data + self._mains.samples(first, self._n_block))

    def _ramp(self, stage: str) -> FloatArray:
        """Levels of all components and of slow eye movements at each sample, shape (n_block, n_components + 1)."""
        varied = np.exp(BETWEEN_EPOCHS * self._rng.standard_normal(len(COMPONENTS)))
        if stage == STAGES[0] and self._is_open:
            varied = varied * [self._rng.uniform(*OPEN_GAINS.get(name, (1.0, 1.0))) for name in COMPONENTS]
        aim = np.append(np.array(LEVELS_UV[stage]) * self.sleeper.gains * varied, ROLLING_UV.get(stage, 0.0))
        if not self._levels.any():
            self._levels = aim
        share = np.minimum(np.arange(1, self._n_block + 1) / (RAMP_S * self._rate_hz), 1.0)[:, None]
        levels = self._levels + share * (aim - self._levels)
        self._levels = aim
        return np.asarray(levels)

    def _eeg(self, levels: FloatArray, stage: str) -> FloatArray:
        n = self._n_block
        eeg = levels[:, 0] * self._background.generate(n)[:, 0]
        waxing = np.exp(0.5 * self._waxing.generate(n)[:, 0])
        for i, (name, rhythm) in enumerate(self._rhythms.items(), 1):
            eeg += levels[:, i] * rhythm.generate(n)[:, 0] * (waxing if name == "alpha" else 1.0)
        self._events = self._graphoelements(stage)
        return np.asarray(eeg + self._events[:n, 0])

    def _graphoelements(self, stage: str) -> FloatArray:
        """Spindles and K complexes (column 0) and blinks (1), with what goes on behind the block."""
        n, rate_hz, rng = self._n_block, self._rate_hz, self._rng
        signal = np.zeros((n + round(3.0 * rate_hz), 2))
        signal[: len(self._tail)] += self._tail
        for start in _times(rng, SPINDLES_PER_MIN.get(stage, 0.0), n):
            length_s = rng.uniform(0.6, 1.6)
            t = np.arange(round(length_s * rate_hz)) / rate_hz
            wave = np.sin(2 * np.pi * self.sleeper.spindle_hz * t + rng.uniform(0, 6.28))
            signal[start : start + len(t), 0] += self.sleeper.spindle_uv * np.sin(np.pi * t / length_s) * wave
        for start in _times(rng, COMPLEXES_PER_MIN.get(stage, 0.0), n):
            t = np.arange(round(1.0 * rate_hz)) / rate_hz
            wave = -np.exp(-(((t - 0.25) / 0.1) ** 2)) + 0.7 * np.exp(-(((t - 0.6) / 0.16) ** 2))
            signal[start : start + len(t), 0] += self.sleeper.complex_uv * wave
        blinks = BLINKS_PER_MIN if stage == STAGES[0] and self._is_open else 0.0
        for start in _times(rng, blinks, n):
            t = np.arange(round(0.4 * rate_hz)) / rate_hz
            signal[start : start + len(t), 1] += (
                rng.uniform(0.4, 1.0) * BLINK_UV * np.sin(np.pi * t / 0.4) ** 2
            )
        self._tail = signal[n:]
        return signal

    def _eyes(self, rolling_uv: FloatArray, stage: str) -> FloatArray:
        """Eye movements in the EOG, shape (n_block,)."""
        n = self._n_block
        per_min, size_uv = EYES.get(stage, (0.0, 0.0))
        steps = np.zeros(n)
        for start in _times(self._rng, per_min, n):
            aim = self._rng.normal(0.0, size_uv)
            steps[start] += aim - self._gaze - steps[:start].sum()
        gaze = self._gaze + np.cumsum(steps)
        # The amplifier's high-pass and the eye itself bring the signal back to zero.
        decay = float(np.exp(-1.0 / (2.0 * self._rate_hz)))
        out, level = np.empty(n), self._gaze
        before = self._gaze
        for i, aim in enumerate(gaze.tolist()):
            level = decay * level + aim - before
            before = aim
            out[i] = level
        self._gaze = float(out[-1])
        return np.asarray(out + self._events[:n, 1] + rolling_uv * self._rolling.generate(n)[:, 0])


def _times(rng: np.random.Generator, per_min: float, n_block: int) -> list[int]:
    """Samples of a block at which something that comes so often begins."""
    n = int(rng.poisson(per_min * BLOCK_S / 60.0))
    return sorted(rng.integers(0, n_block, n).tolist())


def _info(
    course: Course, channels: Sequence[str], rate_hz: float, seed: int, line_hz: float, name: str
) -> StreamInfo:
    key = repr((course, tuple(channels), rate_hz, seed, line_hz)).encode()
    return StreamInfo(
        name=name,
        source_id=f"{name}-{hashlib.blake2s(key, digest_size=4).hexdigest()}",
        rate_hz=rate_hz,
        channels=tuple(
            Channel(label, "microvolts", "EOG" if i == 1 else "EEG") for i, label in enumerate(channels)
        ),
        manufacturer="rtbci (synthetic)",
        reference="M1",
    )
