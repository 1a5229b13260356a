"""Encoders that were trained on the same folds in different ways, beside one another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from tools.training.judge import compare, markdown_table, score, subject_accuracies
from tools.training.results import I_TRACK_B

__all__ = ["encoder_gain", "encoder_table"]

Fold = dict[str, npt.NDArray[Any]]


def encoder_table(trainings: Sequence[tuple[str, Path]], which: Sequence[int]) -> str:
    """Accuracy of each training's encoder with its probe, and what it gains on the first, as a Markdown table.

    Parameters
    ----------
    trainings : sequence of (str, Path)
        Name and ``--work`` folder of each; all judged on the same trials.
    which : sequence of int
        Folds.

    Raises
    ------
    ConfigError
        When a fold is not there, or is of other trials than that of the first training.
    """
    found = {name: _accuracies(folder, which, trainings[0][1]) for name, folder in trainings}
    first = found[trainings[0][0]]
    rows = []
    for name, of_track in found.items():
        cells = [name]
        for track, accuracies in of_track.items():
            mean = score(name, accuracies)
            difference = compare(name, accuracies, first[track])
            cells += [f"{mean.mean:.1f} ({mean.se:.1f})", _gain(difference)]
        rows.append(cells)
    header = ["encoder, with its probe", "track B, % (SE)", "gain, p", "sliding, % (SE)", "gain, p"]
    return markdown_table(header, rows)


def encoder_gain(folder: Path, other: Path, which: Sequence[int]) -> dict[str, dict[str, object]]:
    """What the encoder of `folder` gains on that of `other`, by track; see `tools.training.judge.compare`."""
    mine, others = _accuracies(folder, which, other), _accuracies(other, which, other)
    return {track: compare(track, mine[track], others[track]) for track in mine}


def _gain(difference: dict[str, object]) -> str:
    if difference["p_t"] == 1.0:
        return ""
    return f"{difference['difference']:+.1f} ({difference['se']:.1f}), {difference['p_t']:.2f}"


def _accuracies(folder: Path, which: Sequence[int], first: Path) -> dict[str, npt.NDArray[np.float64]]:
    parts = [(_read(folder, i), _read(first, i)) for i in which]
    for i, (part, other) in zip(which, parts, strict=True):
        if any(not np.array_equal(part[key], other[key]) for key in ("subjects", "classes")):
            raise ConfigError(
                f"{folder}: fold {i} is not of the trials of {first}, need the same; train again"
            )
    subjects, classes, margins = (
        np.concatenate([part[key] for part, _ in parts]) for key in ("subjects", "classes", "encoder")
    )
    return {
        "B": subject_accuracies(subjects, classes, margins[:, I_TRACK_B]),
        "sliding": subject_accuracies(subjects, classes, margins),
    }


def _read(folder: Path, i: int) -> Fold:
    path = folder / f"fold{i}.npz"
    try:
        with np.load(path) as archive:
            return {key: archive[key] for key in ("subjects", "classes", "encoder")}
    except (OSError, KeyError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}), need a fold that was trained") from None
