"""SpecMoE beside other decoders: the same trials, paired over people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from rtbci.errors import ConfigError
from rtbci.stages.stage import FloatArray
from tools.training.judge import compare, markdown_table, score, subject_accuracies
from tools.training.specmoe.fold import SHIPPED, WAYS
from tools.training.trials import END_TRACK_B, ENDS_SLIDING

__all__ = ["best_temperature", "read_margins", "table"]

BASELINES = {
    "eegnet": "EEGNet",
    "frontal_eegnet": "control: EEGNet on frontal electrodes",
    "tangent": "tangent space + LR, 8-30 Hz",
    "tangent_two_bands": "tangent space + LR, two bands",
}
DARE = {"encoder": "DARE nano with its probe", "tangent": "tangent space of four bands, ours"}

Margins = tuple[npt.NDArray[np.intp], npt.NDArray[np.int64], FloatArray]


def read_margins(folder: Path, folds: Sequence[int]) -> Margins:
    """Subjects, classes and margins of all trials of some folds, as `run_way` wrote them.

    Raises
    ------
    ConfigError
        When a fold is not there.
    """
    parts = [_read(folder / f"fold{i}.npz") for i in folds]
    return _join([(part["subjects"], part["classes"], part["margins"]) for part in parts])


def best_temperature(margins: FloatArray, classes: npt.NDArray[np.int64]) -> float:
    """What logits are divided by for the least log loss."""
    signs = 2.0 * classes - 1.0

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0.0, -signs * margins / np.exp(log_temperature)).mean())

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(found.x))


def table(work: Path, folds: Sequence[int], baselines: Path | None, dare: Path | None) -> str:
    """Accuracy, standard error over people and the paired difference from the served decoder, in Markdown.

    Parameters
    ----------
    work : Path
        With a folder for each way that was judged.
    folds : sequence of int
    baselines : Path, optional
        ``--out`` of tools.compare_decoders.
    dare : Path, optional
        ``--work`` of tools.train_motor_imagery.

    Raises
    ------
    ConfigError
        When a file is missing, or holds other trials.
    """
    served = read_margins(work / SHIPPED, folds)
    rows = {
        WAYS[name]: read_margins(work / name, folds)
        for name in WAYS
        if all((work / name / f"fold{i}.npz").is_file() for i in folds)
    }
    for path, file, names in ((baselines, "fold{}_B.npz", BASELINES), (dare, "fold{}.npz", DARE)):
        if path is not None:
            archives = [_read(path / file.format(i)) for i in folds]
            for name, label in names.items():
                if all(name in one for one in archives):
                    rows[label] = _join(
                        [(one["subjects"], one["classes"], _track_b(one[name])) for one in archives]
                    )
    mine = subject_accuracies(*served)
    cells = []
    for label, found in rows.items():
        if not (np.array_equal(found[0], served[0]) and np.array_equal(found[1], served[1])):
            raise ConfigError(
                f"table: '{label}' was judged on other trials, need the same recordings and folds"
            )
        theirs = subject_accuracies(*found)
        one, test = score(label, theirs), compare(label, mine, theirs)
        difference = (
            f"{test['difference']:+.1f} ({test['se']:.1f})" if found is not rows[WAYS[SHIPPED]] else ""
        )
        p = f"{test['p_t']:.4f}, {test['p_wilcoxon']:.4f}" if difference else ""
        cells.append(
            [label, f"{one.mean:.1f} ({one.se:.1f})", f"{one.low:.1f} to {one.high:.1f}", difference, p]
        )
    header = ["decoder", "accuracy % (SE)", "95 % interval", "served less it (SE)", "p: t, Wilcoxon"]
    tail = f"{len(served[1])} trials of {len(mine)} people, folds {', '.join(map(str, folds))} of 5."
    return f"{markdown_table(header, cells)}\n\n{tail}"


def _track_b(margins: npt.NDArray[Any]) -> FloatArray:
    """Of the window 1 to 4 s, without a user's trials."""
    if margins.ndim == 2 and margins.shape[1] == len(ENDS_SLIDING):
        return np.asarray(margins[:, ENDS_SLIDING.index(END_TRACK_B)])
    return np.asarray(margins[0] if margins.ndim == 2 else margins)


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    if not path.is_file():
        raise ConfigError(f"{path}: is not there, need it; judge or train that fold first")
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def _join(parts: Sequence[tuple[npt.NDArray[Any], ...]]) -> Margins:
    subjects, classes, margins = (np.concatenate(one) for one in zip(*parts, strict=True))
    return subjects.astype(np.intp), classes.astype(np.int64), margins.astype(np.float64)
