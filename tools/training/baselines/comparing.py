"""What the folds say: scores of every decoder and number of calibration trials, and paired tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.probe.profile import read_profile
from rtbci.stages.stage import FloatArray
from tools.training.baselines.few_trials import KS
from tools.training.baselines.fold import FRONTAL_PREFIX, read_fold
from tools.training.fusing import nested_fusion
from tools.training.judge import compare, score, subject_accuracies
from tools.training.trials import END_TRACK_B, ENDS_SLIDING

__all__ = ["OURS_PREFIX", "REFERENCE", "compare_folds"]

REFERENCE = "tangent_two_bands"
"""What every decoder is tested against."""

OURS_PREFIX = "ours_"
FUSED = f"{OURS_PREFIX}fused"
BRANCHES = ("encoder", "tangent", "power")

ByK = dict[str, list[tuple[npt.NDArray[np.intp], FloatArray]]]
"""By decoder, for each number of calibration trials: subjects, and their balanced accuracies in percent."""


@dataclass(frozen=True, slots=True)
class _Joined:
    """All folds of a track: trials in the order of the folds, margins (len(KS) or 1, n) by decoder.

    `held_out` are the trials of each fold, masks (n,); `fused` the branches of ours that are fused, where they are.
    """

    subjects: npt.NDArray[np.intp]
    classes: npt.NDArray[np.int64]
    margins: dict[str, FloatArray]
    eyes: FloatArray
    folds: list[int]
    minutes: float
    held_out: list[npt.NDArray[np.bool_]]
    fused: list[str]


def compare_folds(folder: Path, tracks: Sequence[str], n_folds: int, ours: Path | None) -> dict[str, Any]:
    """Scores and tests of the folds that are there, as plain data.

    Parameters
    ----------
    folder : Path
        Of ``fold0_B.npz`` and the others.
    tracks : sequence of str
    n_folds : int
    ours : Path, optional
        Folder of ``fold0.npz`` ... with ``subjects``, ``classes`` and margins of shape (n,) or (n, n_windows), windows as
        `ENDS_SLIDING`: of these track B is taken. Margins whose name ends in ``_a`` are track A's. Where there is a
        ``fold0/profile`` too, its branches are also judged together.

    Raises
    ------
    ConfigError
        When no fold is there, or our own folds hold other trials.
    """
    results: dict[str, Any] = {"ks": list(KS), "n_folds": n_folds, "tracks": {}}
    for track in tracks:
        done = [i for i in range(n_folds) if (folder / f"fold{i}_{track}.json").is_file()]
        if done:
            results["tracks"][track] = _scored(_join(folder, track, done, ours))
    if not results["tracks"]:
        raise ConfigError(f"compare: {folder} holds no finished fold, need one or more; run without --only")
    return results


def _join(folder: Path, track: str, done: Sequence[int], ours: Path | None) -> _Joined:
    parts, records, fused = [], [], list[str]()
    for i in done:
        arrays, record = read_fold(folder / f"fold{i}_{track}.npz")
        if ours is not None:
            arrays |= _ours(ours / f"fold{i}.npz", track, arrays)
            if track == "B" and (ours / f"fold{i}" / "profile").is_dir():
                arrays[FUSED], fused = _fused(ours / f"fold{i}" / "profile", arrays)
        parts.append(arrays)
        records.append(record)
    names = [name for name in parts[0] if name not in ("subjects", "classes")]
    fold_of = np.repeat(np.arange(len(parts)), [len(part["classes"]) for part in parts])
    return _Joined(
        np.concatenate([part["subjects"] for part in parts]),
        np.concatenate([part["classes"] for part in parts]),
        {name: np.concatenate([part[name] for part in parts], axis=1) for name in names},
        np.concatenate([record["eye_rule"] for record in records]),
        list(done),
        float(np.mean([record["minutes"] for record in records])),
        [fold_of == i for i in range(len(parts))],
        fused,
    )


def _ours(path: Path, track: str, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, FloatArray]:
    """Our own decoders' margins (1, n) in a fold of the same trials."""
    if not path.is_file():
        raise ConfigError(
            f"compare: {path} is not there, need our own folds beside the baselines'; train them"
        )
    with np.load(path) as archive:
        mine = {name: archive[name] for name in archive.files}
    for name in ("subjects", "classes"):
        if not np.array_equal(mine.pop(name), arrays[name]):
            raise ConfigError(
                f"compare: {path} holds other trials than the baselines' fold ({name} differ), need the same folds, "
                "seed and recordings; train them with the same settings"
            )
    found = {}
    for name, margins in mine.items():
        if (
            margins.ndim == 0
            or len(margins) != len(arrays["classes"])
            or name.endswith("_a") != (track == "A")
        ):
            continue
        column = ENDS_SLIDING.index(END_TRACK_B) if margins[0].size == len(ENDS_SLIDING) else 0
        found[f"{OURS_PREFIX}{name}"] = margins.reshape(len(margins), -1)[:, column][np.newaxis]
    return found


def _fused(path: Path, arrays: dict[str, npt.NDArray[Any]]) -> tuple[FloatArray, list[str]]:
    """Margins (1, n) of our branches together, by a fold's profile, whose weights were fitted on the other folds; and their names."""
    profile = read_profile(path)
    names = [f"{OURS_PREFIX}{entry.name}" for entry in profile.branches]
    if missing := [name.removeprefix(OURS_PREFIX) for name in names if name not in arrays]:
        raise ConfigError(
            f"compare: {path} fuses {', '.join(missing)}, whose margins the fold's npz lacks, need all its branches; "
            "train the fold again"
        )
    weights = [entry.weight for entry in profile.branches]
    total = sum(weight * arrays[name] for weight, name in zip(weights, names, strict=True))
    return np.asarray(total / profile.temperature), names


def _scored(joined: _Joined) -> dict[str, Any]:
    by_k = {name: [_accuracies(joined, row) for row in margins] for name, margins in joined.margins.items()}
    scores = [
        {"k": KS[i_k]} | score(name, found[1]).as_dict()
        for name, rows in by_k.items()
        for i_k, found in enumerate(rows)
        if len(found[1]) > 1
    ]
    return {
        "scores": scores,
        "eye_rule": score("eye rule", joined.eyes).as_dict(),
        "tests": _tests(by_k),
        "gains": _gains(joined, by_k),
        "added": _added(joined, by_k),
        "n_trials": len(joined.classes),
        "n_subjects": len(np.unique(joined.subjects)),
        "n_judged": [int(np.isfinite(row).sum()) for row in joined.margins[REFERENCE]],
        "folds": joined.folds,
        "minutes": joined.minutes,
    }


def _accuracies(joined: _Joined, margins: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Subjects of whom both classes are judged, and their balanced accuracies."""
    judged = np.isfinite(margins)
    both = set(joined.subjects[judged & (joined.classes == 0)]) & set(
        joined.subjects[judged & (joined.classes == 1)]
    )
    kept = judged & np.isin(joined.subjects, sorted(both))
    if not kept.any():
        return np.arange(0), np.zeros(0)
    return np.unique(joined.subjects[kept]), subject_accuracies(
        joined.subjects[kept], joined.classes[kept], margins[kept]
    )


def _tests(by_k: ByK) -> list[dict[str, Any]]:
    """Each decoder against the reference and its own frontal control, ours against each; all without calibration."""
    pairs: list[tuple[str, str]] = []
    for name in by_k:
        if f"{FRONTAL_PREFIX}{name}" in by_k:
            pairs.append((name, f"{FRONTAL_PREFIX}{name}"))
        if f"{FRONTAL_PREFIX}{name}" in by_k or name.startswith((OURS_PREFIX, "eegnet")):
            pairs.append((name, REFERENCE))
    if FUSED in by_k:
        ours = [f"{OURS_PREFIX}{name}" for name in BRANCHES]
        pairs += [(FUSED, name) for name in by_k if f"{FRONTAL_PREFIX}{name}" in by_k or name in ours]
    return [
        compare(f"{first} - {second}", by_k[first][0][1], by_k[second][0][1])
        for first, second in dict.fromkeys(pairs)
        if first != second
    ]


def _added(joined: _Joined, by_k: ByK) -> list[dict[str, Any]]:
    """Each baseline as one more part of ours, against ours without it; weights of either are fitted on the other folds."""
    if len(joined.held_out) < 2 or not joined.fused:
        return []
    names = [name for name in by_k if f"{FRONTAL_PREFIX}{name}" in by_k and not name.startswith(OURS_PREFIX)]
    ours = [joined.margins[name][0][:, np.newaxis] for name in joined.fused]

    def accuracies(parts: Sequence[FloatArray]) -> FloatArray:
        return _accuracies(joined, nested_fusion(parts, joined.classes, joined.held_out)[:, 0])[1]

    without = accuracies(ours)
    return [
        compare(name, accuracies([*ours, joined.margins[name][0][:, np.newaxis]]), without) for name in names
    ]


def _gains(joined: _Joined, by_k: ByK) -> list[dict[str, Any]]:
    """Each decoder with the user's trials against the same without, on the same trials: accuracy and log loss."""
    gains: list[dict[str, Any]] = []
    for name, margins in joined.margins.items():
        if not np.isfinite(margins[0]).all():  # it has nothing to say without the user's trials
            continue
        for i_k in range(1, len(margins)):
            without = np.where(np.isfinite(margins[i_k]), margins[0], np.nan)
            after, before = by_k[name][i_k][1], _accuracies(joined, without)[1]
            if len(after) > 1:
                losses = _log_losses(joined, margins[i_k]) - _log_losses(joined, without)
                gains.append(
                    {"k": KS[i_k]}
                    | compare(name, after, before)
                    | {
                        "log_loss_difference": float(losses.mean()),
                        "log_loss_se": float(losses.std(ddof=1) / np.sqrt(len(losses))),
                    }
                )
    return gains


def _log_losses(joined: _Joined, margins: FloatArray) -> FloatArray:
    """Mean log loss, nats, of each subject of whom a trial is judged."""
    judged = np.isfinite(margins)
    subjects, signs = joined.subjects[judged], 2.0 * joined.classes[judged] - 1.0
    losses = np.logaddexp(0.0, -signs * margins[judged])
    return np.array([losses[subjects == subject].mean() for subject in np.unique(subjects)])
