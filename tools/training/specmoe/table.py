"""SpecMoE beside other decoders: the same trials, paired over people; kept as accuracies of each person."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from rtbci.errors import ConfigError
from rtbci.files import write_whole
from rtbci.stages.stage import FloatArray
from tools.training.fusing import nested_fusion
from tools.training.judge import compare, markdown_table, score, subject_accuracies, subject_folds
from tools.training.results import BRANCHES, N_PARTS
from tools.training.specmoe.fold import SHIPPED, WAYS
from tools.training.trials import END_TRACK_B, ENDS_SLIDING

__all__ = ["best_temperature", "judged", "page", "read_judged", "read_margins", "write_judged"]

FUSED = "dare_fused"
AGAINST = {SHIPPED: "SpecMoE", "dare_encoder": "DARE", FUSED: "DARE + tangent"}
"""What the others are compared with, where it was judged, and what it is called there."""

DARE = {
    "encoder": "DARE nano with its probe",
    "fused": "DARE nano + tangent space, as `motor_imagery` is shipped",
    "tangent": "tangent space, 8-11, 11-14, 14-20 and 20-30 Hz",
    "frontal_encoder": "control: DARE nano with its probe on frontal electrodes",
    "frontal_fused": "control: DARE nano + tangent space on frontal electrodes",
    "frontal_tangent": "control: tangent space, four bands, on frontal electrodes",
}
BASELINES = {
    "eegnet": "EEGNet",
    "frontal_eegnet": "control: EEGNet on frontal electrodes",
    "tangent": "tangent space, 8-30 Hz",
    "tangent_two_bands": "tangent space, 8-13 and 13-30 Hz",
    "frontal_tangent_two_bands": "control: tangent space, two bands, on frontal electrodes",
}

Arrays = dict[str, npt.NDArray[Any]]
Judged = dict[str, Any]
"""Folds, people, number of trials; ``decoders``: name, what it is and the accuracy (percent) of each person."""

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


def judged(
    work: Path,
    folds: Sequence[int],
    baselines: Path | None = None,
    dare: Path | None = None,
) -> Judged:
    """Balanced accuracy of each person on track B, by every decoder that was judged on the same trials.

    Parameters
    ----------
    work : Path
        With a folder for each way that was judged; the served one must be there.
    folds : sequence of int
    baselines : Path, optional
        ``--out`` of tools.compare_decoders.
    dare : Path, optional
        ``--work`` of tools.train_motor_imagery. Weights of encoder and tangent space in a fold are fitted on the other ones
        (on other people of it, when there is one fold alone).

    Raises
    ------
    ConfigError
        When a file is missing, or holds other trials.
    """
    served = read_margins(work / SHIPPED, folds)
    found = {
        name: (f"SpecMoE mini: {what}", read_margins(work / name, folds))
        for name, what in WAYS.items()
        if all((work / name / f"fold{i}.npz").is_file() for i in folds)
    }
    for path, file, prefix, names in (
        (dare, "fold{}.npz", "dare_", DARE),
        (baselines, "fold{}_B.npz", "", BASELINES),
    ):
        if path is not None:
            archives: Sequence[Arrays] = [_read(path / file.format(i)) for i in folds]
            if path is dare:
                archives = _fused(_fused(archives), "frontal_")
            for name, what in names.items():
                if all(name in one for one in archives):
                    parts = [(one["subjects"], one["classes"], _track_b(one[name])) for one in archives]
                    found[prefix + name] = what, _join(parts)
    for what, (subjects, classes, _) in found.values():
        if not (np.array_equal(subjects, served[0]) and np.array_equal(classes, served[1])):
            raise ConfigError(
                f"table: '{what}' was judged on other trials, need the same recordings and folds"
            )
    return {
        "track": "B",
        "folds": list(folds),
        "n_trials": len(served[1]),
        "subjects": np.unique(served[0]).tolist(),
        "decoders": [
            {"name": name, "what": what, "accuracies": subject_accuracies(*margins).tolist()}
            for name, (what, margins) in found.items()
        ],
    }


def write_judged(path: Path, results: Judged) -> None:
    """Write `judged` as JSON."""
    write_whole(path, (json.dumps(results, indent=1) + "\n").encode())


def read_judged(path: Path) -> Judged:
    """Read what `write_judged` wrote.

    Raises
    ------
    ConfigError
        When there is no such file, or a decoder has not an accuracy for each person.
    """
    try:
        results: Judged = json.loads(path.read_text())
        n = [len(one["accuracies"]) for one in results["decoders"]]
        is_whole = set(n) == {len(results["subjects"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({type(error).__name__}: {error}), need what `table --write` wrote"
        ) from None
    if not is_whole:
        raise ConfigError(
            f"{path}: has {n} accuracies, need one of each of {len(results['subjects'])} people; write it again"
        )
    return results


def page(results: Judged) -> str:
    """Accuracies, and paired differences from each of `AGAINST`, as Markdown tables."""
    found = {one["name"]: np.array(one["accuracies"]) for one in results["decoders"]}
    labels = {one["name"]: one["what"] for one in results["decoders"]}
    against = [name for name in AGAINST if name in found]
    rows, pairs = [], []
    for name, mine in found.items():
        one = score(name, mine)
        rows.append([labels[name], f"{one.mean:.1f} ({one.se:.1f})", f"{one.low:.1f} to {one.high:.1f}"])
        pairs.append([labels[name], *("" if name == of else _difference(found[of], mine) for of in against)])
    return "\n\n".join(
        [
            markdown_table(["decoder", "accuracy % (SE)", "95 % interval"], rows),
            markdown_table(["column less row (SE); p: t, Wilcoxon", *(AGAINST[of] for of in against)], pairs),
            f"Track {results['track']}, {results['n_trials']} trials of {len(results['subjects'])} people, folds "
            f"{', '.join(map(str, results['folds']))} of 5.",
        ]
    )


def _difference(first: FloatArray, second: FloatArray) -> str:
    test = compare("", first, second)
    return f"{test['difference']:+.1f} ({test['se']:.1f}); {test['p_t']:.4f}, {test['p_wilcoxon']:.4f}"


def _fused(archives: Sequence[Arrays], prefix: str = "") -> Sequence[Arrays]:
    """The same folds, with encoder and tangent space together, each fold by weights of the others, as they are shipped."""
    names = [f"{prefix}{name}" for name in BRANCHES]
    if not all(name in one for one in archives for name in names):
        return archives
    subjects, classes = (np.concatenate([one[name] for one in archives]) for name in ("subjects", "classes"))
    margins = [np.concatenate([one[name] for one in archives]) for name in names]
    of_fold = np.repeat(np.arange(len(archives)), [len(one["classes"]) for one in archives])
    tests = [of_fold == i for i in range(len(archives))]
    fused = nested_fusion(margins, classes, tests if len(tests) > 1 else subject_folds(subjects, N_PARTS, 0))
    return [one | {f"{prefix}fused": fused[test]} for one, test in zip(archives, tests, strict=True)]


def _track_b(margins: npt.NDArray[Any]) -> FloatArray:
    """Of the window 1 to 4 s, without a user's trials."""
    if margins.ndim == 2 and margins.shape[1] == len(ENDS_SLIDING):
        return np.asarray(margins[:, ENDS_SLIDING.index(END_TRACK_B)])
    return np.asarray(margins[0] if margins.ndim == 2 else margins)


def _read(path: Path) -> Arrays:
    if not path.is_file():
        raise ConfigError(f"{path}: is not there, need it; judge or train that fold first")
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def _join(parts: Sequence[tuple[npt.NDArray[Any], ...]]) -> Margins:
    subjects, classes, margins = (np.concatenate(one) for one in zip(*parts, strict=True))
    return subjects.astype(np.intp), classes.astype(np.int64), margins.astype(np.float64)
