"""Recordings whose answer is known: alpha at C3 for left, at C4 for right, with eyes that follow the cue or not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.commands.eval import plan_of
from rtbci.evaluate.plan import Plan
from rtbci.replay.recording import Recording
from rtbci.stream.source import FloatArray, Marker
from tests.tiny import stream_info, write_paradigm, write_tiny_profile

__all__ = [
    "LABELS",
    "REST_S",
    "TRIAL_S",
    "asked",
    "imagery_recording",
    "write_folder",
    "write_subject",
    "write_tiny",
]

LABELS = ("F7", "F8", "C3", "CZ", "C4")
RATE_HZ = 160.0
REST_S, TRIAL_S = 2.0, 4.1


def imagery_signal(codes: Sequence[int], seed: int, gaze_uv: float, share_wrong: float = 0.0) -> FloatArray:
    """Microvolts, (n_samples, 5): rest, then a trial, for each code (1 left, 2 right)."""
    rng = np.random.default_rng(seed)
    n_rest, n_trial = round(REST_S * RATE_HZ), round(TRIAL_S * RATE_HZ)
    parts = []
    for code in codes:
        data = 6.0 * rng.standard_normal((n_rest + n_trial, len(LABELS)))
        t_s = np.arange(n_trial) / RATE_HZ
        side = code if rng.random() >= share_wrong else 3 - code
        data[n_rest:, 2 if side == 1 else 4] += 12.0 * np.sin(2 * np.pi * 11.0 * t_s)
        turn = gaze_uv * (1 if code == 2 else -1)
        data[n_rest + 16 :, 0] -= turn / 2
        data[n_rest + 16 :, 1] += turn / 2
        parts.append(data)
    return np.concatenate(parts)


def write_subject(
    path: Path,
    codes: Sequence[int] = (1, 2, 2, 1, 1, 2, 1, 2),
    *,
    n_runs: int = 1,
    seed: int = 0,
    gaze_uv: float = 0.0,
    share_wrong: float = 0.0,
) -> None:
    """Write an archive as those of EEGMMIDB."""
    n_step, n_rest = round((REST_S + TRIAL_S) * RATE_HZ), round(REST_S * RATE_HZ)
    content: dict[str, object] = {"sfreq": np.array([RATE_HZ]), "ch_names": np.array(LABELS)}
    for i in range(n_runs):
        signal = imagery_signal(codes, 100 * seed + i, gaze_uv, share_wrong)
        starts = n_step * np.arange(len(codes))
        onsets = np.column_stack([starts, starts + n_rest]).ravel()
        content[f"run{4 + 4 * i:02d}"] = np.round(signal.T).astype(np.int16)
        content[f"run{4 + 4 * i:02d}_onset"] = onsets.astype(np.int32)
        content[f"run{4 + 4 * i:02d}_code"] = (
            np.column_stack([np.zeros(len(codes)), codes]).ravel().astype(np.int8)
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **content)  # type: ignore[arg-type]


def write_folder(folder: Path, n_subjects: int = 3, **options: object) -> Path:
    """Write a folder of subjects S001, S002, ..."""
    for i in range(1, n_subjects + 1):
        write_subject(folder / f"S{i:03d}.npz", seed=i, **options)  # type: ignore[arg-type]
    return folder


def write_tiny(folder: Path, *, weight: float = 1.0, trained_on: Sequence[str] = ()) -> Path:
    """Write the tiny paradigm with a population profile of its own; return the paradigm's folder."""
    import msgspec

    from rtbci.probe.profile import read_profile, write_profile

    paradigm = write_paradigm(folder, population="population")
    recipe = (paradigm / "recipe.toml").read_text()  # decisions as pulses, as in the shipped paradigm
    recipe = recipe.replace("threshold = 0.5", "threshold = 0.8").replace(
        "refractory_s = 0.0", "refractory_s = 1.0"
    )
    (paradigm / "recipe.toml").write_text(recipe)
    write_tiny_profile(paradigm / "population", paradigm, user="population", weight=weight)
    profile = read_profile(paradigm / "population")
    changed = msgspec.structs.replace(profile, trained_on=list(trained_on))
    write_profile(paradigm / "population", changed, replace=True)
    return paradigm


def imagery_recording(codes: Sequence[int], seed: int = 0, gaze_uv: float = 0.0) -> Recording:
    """The same signal as a recording with markers."""
    data = imagery_signal(codes, seed, gaze_uv)
    step = REST_S + TRIAL_S
    markers = [
        (Marker(i * step, "T0"), Marker(i * step + REST_S, f"T{code}")) for i, code in enumerate(codes)
    ]
    return Recording(stream_info(LABELS, RATE_HZ), data, tuple(m for pair in markers for m in pair))


def asked(paradigm: str | Path, place: Path, **more: Any) -> Plan:
    """What the command line makes of a folder of recordings and its defaults; `more` as `plan_of`."""
    return plan_of(
        paradigm=str(paradigm),
        places=[str(place)],
        track="B",
        ks="0",
        profile="population",
        folds=None,
        allow_seen=False,
        data_set="",
        subjects="",
        calibrator="scale_bias",
        remaining="later",
        n_jobs=1,
        ray="",
        backend="onnxruntime",
        **more,
    )
