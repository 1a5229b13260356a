"""The stream of a soak, and what goes wrong with it: a fault every minute, of every kind in turn."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp
from rtbci.chaos.scenario import Scenario
from rtbci.clock import Clock, now
from rtbci.stream.source import Channel, Chunk, FloatArray, StreamInfo
from rtbci.stream.synthetic import INDEX_LABEL

__all__ = ["CHANNELS", "NumberedAmp", "soak_scenario"]

# fmt: off
MORE_CHANNELS = (
    "FPZ", "AF7", "AF3", "AFZ", "AF4", "AF8", "F5", "F1", "F2", "F6", "FT7", "FT8", "TP7", "TP8", "P5",
    "P1", "P2", "P6", "PO7", "PO3", "POZ", "PO4", "PO8", "F9", "F10",
)
# fmt: on
CHANNELS = DEFAULT_CHANNELS + MORE_CHANNELS
"""63 electrodes; with the number of the sample a stream of 64 channels."""
KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "dropout", "length_s": 0.005, "max_length_s": 0.4},
    {"kind": "vanish", "length_s": 1.0, "max_length_s": 10.0},
    {"kind": "nan", "length_s": 0.01, "max_length_s": 0.2, "channels": ["C3"]},
    {"kind": "jitter", "length_s": 15.0, "jitter_s": 0.02, "packet": 4},
    {"kind": "clock_jump", "length_s": 10.0, "offset_s": 1.5},
    {"kind": "duplicate", "length_s": 1.0},
    {"kind": "burst", "length_s": 0.3, "max_length_s": 1.5},
    {"kind": "drift", "length_s": 15.0, "ppm": 200.0},
    {"kind": "flat", "length_s": 5.0, "n_channels": 1},
    {"kind": "vanish", "length_s": 1.0, "max_length_s": 10.0, "labels": "permuted"},
    {"kind": "clock_jump", "length_s": 8.0, "offset_s": -3.0},
    {"kind": "inf", "length_s": 0.5},
    {"kind": "saturation", "length_s": 5.0, "n_channels": 3},
    {"kind": "line_noise", "length_s": 5.0, "n_channels": 4, "amplitude": 2000.0},
    {"kind": "drift", "length_s": 15.0, "ppm": -200.0},
    {"kind": "twin", "length_s": 10.0},
    {"kind": "dropout", "length_s": 0.001},
    {"kind": "vanish", "length_s": 1.0, "max_length_s": 10.0},
)
"""Gains of a drift stay, so that each has its opposite."""
CONSUMERS = ({"count": 1}, {"count": 1, "read_every_s": 1.0})
"""Beside the subscriber that counts: one that never reads, and one that reads a message a second."""


def soak_scenario(
    minutes: float, seed: int, every_s: float = 60.0, *, longest_s: float = math.inf
) -> Scenario:
    """Make the scenario: the first and last `every_s` without a fault, one at a random moment of each between.

    Parameters
    ----------
    minutes : float
        Length of the soak.
    seed : int
        Of the moments and of all faults.
    every_s : float
        Long enough for a fault, what it takes to recover, and some time in peace.
    longest_s : float
        Longer faults are cut to this.
    """
    rng = np.random.default_rng(seed)
    n = round(60.0 * minutes / every_s) - 2
    faults = [
        {
            **_cut(KINDS[i % len(KINDS)], longest_s),
            "start_s": (i + 1 + float(rng.uniform(0.1, 0.4))) * every_s,
        }
        for i in range(max(0, n))
    ]
    return Scenario.model_validate(
        {
            "schema": 1,
            "title": f"A fault every {every_s:g} s",
            "seed": seed,
            "duration_s": 60.0 * minutes,
            "faults": faults,
            "consumers": CONSUMERS,
        }
    )


def _cut(kind: dict[str, Any], longest_s: float) -> dict[str, Any]:
    lengths = ("length_s", "max_length_s")
    return {key: min(value, longest_s) if key in lengths else value for key, value in kind.items()}


class NumberedAmp(AmpSource):
    """The synthetic amplifier with one more channel, which holds the number of each sample.

    Parameters
    ----------
    rate_hz : float
    seed : int
    name : str
        Of the stream.
    chunk : int
        Samples that come together.
    clock : Clock
    """

    def __init__(self, rate_hz: float, seed: int, name: str, chunk: int = 8, clock: Clock = now) -> None:
        amp = SyntheticAmp(CHANNELS, rate_hz, seed, name=name)
        super().__init__(amp, chunk, clock)
        self._numbered = replace(amp.info, channels=(*amp.info.channels, Channel(INDEX_LABEL, "", "MISC")))
        self._n_numbered = 0

    @property
    def info(self) -> StreamInfo:
        """Metadata of the stream."""
        return self._numbered

    def pull(self, timeout_s: float) -> Chunk:
        """Return the chunks that are due; see `AmpSource.pull`."""
        data, t_lsl = super().pull(timeout_s)
        return Chunk(self._with_numbers(data), t_lsl)

    def _with_numbers(self, data: FloatArray) -> FloatArray:
        index = np.arange(self._n_numbered, self._n_numbered + len(data), dtype=np.float64)
        self._n_numbered += len(data)
        return np.column_stack([data, index])
