"""Small shards for the tests of pretraining: one rhythm that all electrodes share, and noise."""

from pathlib import Path

import numpy as np

from rtbci.encoder.sizes import RATE_HZ
from tools.pretraining.shards import ShardIndex, ShardWriter, write_index

__all__ = ["LABELS", "write_shards"]

LABELS = ("F3", "FZ", "F4", "C3", "CZ", "C4", "P3", "P4")


def write_shards(
    folder: Path,
    n_recordings: int = 4,
    n_samples: int = 2000,
    labels: tuple[str, ...] = LABELS,
    seed: int = 0,
    rate_hz: float = RATE_HZ,
    name: str = "recording{}",
) -> ShardIndex:
    """Write shards of two recordings each, in millivolts; returns their index."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    writer = ShardWriter(folder, max_bytes=2 * n_samples * len(labels) * 4)
    t_s = np.arange(n_samples)[:, None] / rate_hz
    for i in range(n_recordings):
        shared = np.sin(2 * np.pi * 9.0 * t_s + i) * np.linspace(-1.0, 1.0, len(labels))
        data = 0.02 * (shared + 0.3 * rng.standard_normal((n_samples, len(labels))))
        writer.add(name.format(i), labels, data)
    writer.close()
    index = ShardIndex("broadband", [], rate_hz, "mV", {"data": "synthetic"}, tuple(writer.shards), {})
    write_index(folder, index)
    return index
