"""A paradigm with a continuous output and a baseline of three seconds, decoded by numpy alone."""

from pathlib import Path

import numpy as np

from rtbci.stream.source import FloatArray
from tests.tiny import LABELS

__all__ = ["RATE_HZ", "alpha", "write_value_paradigm"]

RATE_HZ = 128.0

RECIPE = """
schema = 1
name = "calm"
title = "Test"
classes = ["tense", "calm"]
[input]
channels = ["C3", "CZ", "C4"]
unit_check = false
[[stages]]
kind = "resample"
rate_hz = 128.0
[window]
length_s = 1.0
hop_s = 0.25
[[branches]]
name = "alpha"
kind = "power"
bands_hz = [[8.0, 13.0]]
electrodes = ["C3", "cz", "C4"]
weights = [1.0]
[value]
of = "calm"
smoothing_s = 0.5
{baseline}
[decision]
threshold = 0.7
dwell_s = 0.0
refractory_s = 0.0
smoothing_s = 0.0
[markers]
tense = ["tense"]
calm = ["calm"]
[[rhythms]]
band_hz = [9.0, 11.0]
electrodes = ["C3", "C4"]
uv = 20.0
factors = {{ calm = 3.0 }}
{more}
"""
BASELINE = """
[value.baseline]
length_s = 3.0
spread = 0.5
prior_s = 1.0
"""


def write_value_paradigm(folder: Path, baseline: str = BASELINE, more: str = "") -> Path:
    """Write it; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(RECIPE.format(baseline=baseline, more=more))
    return folder


def alpha(seconds: float, strong_from_s: float, factor: float = 4.0, seed: int = 0) -> FloatArray:
    """Noise and a rhythm of 10 Hz, (n_samples, 3) at `RATE_HZ`, stronger from a moment on."""
    n = round(seconds * RATE_HZ)
    t_s = np.arange(n) / RATE_HZ
    noise = np.random.default_rng(seed).standard_normal((n, len(LABELS)))
    strength = np.where(t_s >= strong_from_s, factor, 1.0)
    return np.asarray(3.0 * noise + 10.0 * (strength * np.sin(2 * np.pi * 10.0 * t_s))[:, None])
