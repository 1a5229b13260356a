"""Artefacts put into recordings at known times: muscle bursts, an electrode that pops, and the person's own blinks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rtbci.replay.recording import Recording
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray

__all__ = ["KINDS", "Event", "Spoiled", "spoil"]

FRONTAL = ("FP1", "FP2")
MUSCLES = (("T7", "FC5", "C5", "CP5", "P7"), ("T8", "FC6", "C6", "CP6", "P8"))
"""Electrodes over a temporal muscle, the nearest first; half as strong at each next one."""
FIRST_S, EVERY_S = 45.0, 8.0
"""The first artefact comes when the guard has learnt; the next ones so much later, less up to a second."""
BLINK_S = 0.6
FADE_S = 0.05


class Event(NamedTuple):
    """One artefact, in seconds from the recording's start."""

    kind: str
    start_s: float
    stop_s: float


@dataclass(frozen=True)
class Spoiled:
    """A recording with artefacts, and what they are."""

    recording: Recording
    events: tuple[Event, ...]


def spoil(recording: Recording, seed: int) -> Spoiled:
    """Put artefacts of all kinds into a recording, in turn."""
    rng = np.random.default_rng(seed)
    data, rate_hz = recording.data.copy(), recording.info.rate_hz
    labels = [label.upper() for label in recording.info.labels]
    kinds, events, t_s = list(KINDS), [], FIRST_S
    for i in range(1000):
        kind = kinds[i % len(kinds)]
        made = KINDS[kind](recording.data, labels, rate_hz, rng)
        start = round(t_s * rate_hz)
        if start + len(made) >= len(data) - rate_hz:
            break
        data[start : start + len(made)] += made
        events.append(Event(kind, t_s, t_s + len(made) / rate_hz))
        t_s += EVERY_S - float(rng.uniform())
    return Spoiled(Recording(recording.info, data, recording.markers), tuple(events))


def _muscle(
    level_uv: float,
) -> Callable[[FloatArray, Sequence[str], float, np.random.Generator], FloatArray]:
    def make(data: FloatArray, labels: Sequence[str], rate_hz: float, rng: np.random.Generator) -> FloatArray:
        """Noise from 20 Hz on with a slow envelope, strongest at one temple."""
        n = round(rng.uniform(0.5, 1.5) * rate_hz)
        noise = rng.standard_normal((n + round(rate_hz), 1))
        burst = SosFilter.bandpass(20.0, 0.45 * rate_hz, rate_hz, 1, 4).push(noise)[-n:]
        burst /= burst.std()
        envelope = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (FADE_S * rate_hz))
        made = np.zeros((n, data.shape[1]))
        for i, label in enumerate(MUSCLES[int(rng.integers(2))]):
            own = 0.3 * rng.standard_normal(n)  # fibres under each electrode differ
            made[:, labels.index(label)] = level_uv * 0.5**i * envelope * (burst[:, 0] + own)
        return made

    return make


def _pop(data: FloatArray, labels: Sequence[str], rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """One electrode jumps and comes back: a step of 50 to 200 uV that is over in half a second."""
    n = round(1.0 * rate_hz)
    size_uv = float(rng.choice([-1.0, 1.0]) * rng.uniform(50.0, 200.0))
    made = np.zeros((n, data.shape[1]))
    column = int(rng.choice([i for i, label in enumerate(labels) if label[0] in "CPO"]))
    made[:, column] = size_uv * np.exp(-np.arange(n) / (0.2 * rate_hz))
    return made


def _blink(data: FloatArray, labels: Sequence[str], rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """One of the person's own: the frontal wave at a strong blink, as every electrode has it by regression on the frontal ones."""
    low = data - data.mean(axis=0)
    wave = low[:, [labels.index(label) for label in FRONTAL]].mean(axis=1)
    gains = low.T @ wave / float(wave @ wave)
    n = round(BLINK_S * rate_hz)
    half, smooth = n // 2, np.convolve(wave, np.ones(8) / 8, "same")
    peaks = np.argsort(smooth[half:-half])[-round(2 * rate_hz) :] + half
    middle = int(rng.choice(peaks))
    piece = wave[middle - half : middle - half + n] * np.hanning(n)
    return np.asarray(piece[:, np.newaxis] * gains)


KINDS: dict[str, Callable[[FloatArray, Sequence[str], float, np.random.Generator], FloatArray]] = {
    "muscle, 30 uV": _muscle(30.0),
    "pop": _pop,
    "blink": _blink,
    "muscle, 10 uV": _muscle(10.0),
}
