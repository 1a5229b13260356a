"""Trials made up for tests."""

import numpy as np

from rtbci.calibrate.store import StoreSettings
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.stream.source import FloatArray

__all__ = ["RATE_HZ", "pink", "raw_trial", "store_settings"]

RATE_HZ = 250.0


def pink(n_samples: int, n_channels: int, seed: int = 0, spread_uv: float = 12.0) -> FloatArray:
    """Signal that is alike in neighbouring channels, shape (n_samples, n_channels), in microvolts."""
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.standard_normal((n_samples, 2)), axis=0)
    common -= np.linspace(0, 1, n_samples)[:, None] * (common[-1] - common[0])
    mix = np.column_stack([np.cos(np.arange(n_channels) / 4), np.sin(np.arange(n_channels) / 4)])
    fast = rng.standard_normal((n_samples, 4)) @ rng.standard_normal((4, n_channels))
    return np.asarray(spread_uv * (0.2 * common @ mix.T + 0.5 * fast))


def raw_trial(raw_uv: FloatArray, i_trial: int = 0, imagery_s: float = 3.0) -> CalibrationTrial:
    """A trial of two windows around a raw signal at 250 Hz that begins 1 s before the cue."""
    rng = np.random.default_rng(i_trial)
    return CalibrationTrial(
        i_trial,
        i_trial % 2,
        100.0 + i_trial,
        signal=rng.standard_normal((64, 3)).astype(np.float32),
        t_newest=100.0 + i_trial + imagery_s - np.array([0.0625, 0.0]),
        branch_logits=rng.standard_normal((2, 1, 2)),
        logits=rng.standard_normal((2, 2)),
        raw_uv=raw_uv.astype(np.float32),
        t_raw=np.arange(len(raw_uv)) / RATE_HZ - 1.0,
    )


def store_settings(**changes: object) -> StoreSettings:
    """Settings of a store."""
    values: dict[str, object] = {
        "paradigm": "tiny",
        "user": "ada",
        "classes": ["left_hand", "right_hand"],
        "seed": 1,
        "stream": "amp",
        "source_id": "amp-1",
        "rate_hz": RATE_HZ,
        "labels": ["C3", "CZ", "C4"],
        "imagery_s": 3.0,
        "chain_hash": "00",
        "profile_id": "11",
        "engine_id": "22",
    }
    return StoreSettings(**(values | changes))  # type: ignore[arg-type]
