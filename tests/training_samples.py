"""Synthetic subjects in the form of shared/data/eegmmidb: noise, with less mu rhythm opposite to the imagined hand."""

from pathlib import Path

import numpy as np

from tools.training.signals import FRONTAL, LAYOUT, Signal
from tools.training.trials import LAST_END

__all__ = ["aligned_signals", "write_subject"]

RATE_HZ = 160.0


def write_subject(
    folder: Path, subject: int, n_runs: int = 2, n_trials: int = 6, trial_s: float = 5.0
) -> Path:
    """Write one subject; F8 less F7 steps towards the cue for 4 s, the rest of `trial_s` is a pause."""
    rng = np.random.default_rng(subject)
    labels = [*FRONTAL, *LAYOUT]
    n_samples = round((n_trials + 1) * trial_s * RATE_HZ)
    content: dict[str, np.ndarray] = {"sfreq": np.array([RATE_HZ]), "ch_names": np.array(labels)}
    for run in range(n_runs):
        onset = (np.arange(n_trials) * trial_s * RATE_HZ + RATE_HZ).astype(np.int32)
        code = rng.permutation(np.arange(n_trials) % 2 + 1).astype(np.int8)
        data = 5.0 * rng.standard_normal((len(labels), n_samples))
        t_s = np.arange(n_samples) / RATE_HZ
        for hand, label in ((1, "C4"), (2, "C3")):
            amplitude = np.full(n_samples, 12.0)
            for i, _ in zip(onset[code == hand], range(n_trials), strict=False):
                amplitude[i : i + round(4 * RATE_HZ)] = 3.0
            data[labels.index(label)] += amplitude * np.cos(2 * np.pi * 10.5 * t_s + rng.uniform(0, 6))
        for i, side in zip(onset, code, strict=True):
            data[labels.index("F8"), i : i + round(4 * RATE_HZ)] += 30.0 if side == 2 else -30.0
        content |= {
            f"run{run:02d}": data.astype(np.int16),
            f"run{run:02d}_onset": onset,
            f"run{run:02d}_code": code,
        }
        content[f"run{run:02d}_duration"] = np.full(n_trials, round(4 * RATE_HZ), np.int32)
    path = folder / f"S{subject:03d}.npz"
    np.savez(path, **content)  # type: ignore[arg-type]
    return path


def aligned_signals(n_subjects: int = 2, n_trials: int = 4, seed: int = 0) -> list[Signal]:
    """Already aligned signals: white noise, one run a subject, the classes in turn."""
    rng = np.random.default_rng(seed)
    i_cue = 300 + np.arange(n_trials) * (LAST_END + 60)
    n_samples = int(i_cue[-1]) + LAST_END + 10
    return [
        Signal(subject, rng.standard_normal((n_samples, len(LAYOUT))), i_cue, np.arange(n_trials) % 2)
        for subject in range(1, n_subjects + 1)
    ]
