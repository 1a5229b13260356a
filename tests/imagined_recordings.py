"""Recordings of the synthetic amplifier's user, with markers of any text."""

from collections.abc import Sequence

import numpy as np

from rtbci.amp.synthetic import Signal, SyntheticAmp
from rtbci.replay.recording import Recording
from rtbci.stream.source import Marker

__all__ = ["CHANNELS", "imagined"]

CHANNELS = ("FC3", "FCZ", "FC4", "C3", "CZ", "C4", "CP3", "CPZ", "CP4", "P3", "P4", "O1", "O2")
RATE_HZ, IMAGERY_S, PAUSE_S = 128.0, 4.5, 1.5


def imagined(
    states: Sequence[str], texts: Sequence[str], n_of_each: int, seed: int, signal: Signal | None = None
) -> Recording:
    """A recording in which the user does `n_of_each` trials of each state, in random order."""
    signal = signal or Signal(erd=0.6, mu_uv=10.0, blink_every_s=0.0)
    amp = SyntheticAmp(CHANNELS, RATE_HZ, seed, cues=False, signal=signal)
    plan = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(states)), n_of_each))
    pieces = [amp.generate(round(3 * RATE_HZ))[0]]
    markers = []
    for i in (int(one) for one in plan):
        markers.append(Marker(sum(map(len, pieces)) / RATE_HZ, texts[i]))
        amp.set_state(states[i])
        pieces.append(amp.generate(round(IMAGERY_S * RATE_HZ))[0])
        amp.set_state("rest")
        pieces.append(amp.generate(round(PAUSE_S * RATE_HZ))[0])
    return Recording(amp.info, np.concatenate(pieces), tuple(markers))
