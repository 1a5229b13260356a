"""Compare the Riemannian family on people who were not trained on: tangent space, MDM, augmented covariance, recentring.

Usage, from the checkout's root::

    python -m tools.riemann_family

Reads ``../shared/data/eegmmidb`` (or ``--data``): left against right imagery, track B (1 to 4 s after the cue, no frontal
electrode), zero calibration, signals by the streaming stages of the live decoder, each run causally from a fresh start.
Folds are those of `tools.train_motor_imagery`; finished alignments are kept in ``--work``. Writes ``docs/results_riemann.json``
and prints the tables.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.files import write_whole
from rtbci.stages.align import RunningAlign
from rtbci.stages.align_riemann import RiemannAlign
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.riemann.decoders import DELAYS, delayed_covariances, fit_mdm, mdm_margins
from tools.training.folds import use_one_thread
from tools.training.fusing import nested_fusion
from tools.training.judge import compare, markdown_table, score, subject_accuracies, subject_folds
from tools.training.pool import recordings_of
from tools.training.signals import (
    CHAIN,
    LAYOUT,
    RATE_HZ,
    Signal,
    mean_covariance,
    read_runs,
    reference_signal,
)
from tools.training.tangent_fit import fit_tangent, tangent_margins
from tools.training.trials import END_TRACK_B, WINDOW, band_covariances, usable

SPAN = (END_TRACK_B - WINDOW, END_TRACK_B)
ALIGNMENTS = {"euclid": RunningAlign, "riemann": RiemannAlign}
DECODERS = ("tangent", "mdm", "acm")
FUSIONS = {
    "tangent + MDM": ("euclid/tangent", "euclid/mdm"),
    "tangent + ACM": ("euclid/tangent", "euclid/acm"),
    "tangent + MDM + ACM": ("euclid/tangent", "euclid/mdm", "euclid/acm"),
    "tangent of both recentrings": ("euclid/tangent", "riemann/tangent"),
    "all six": tuple(f"{one}/{other}" for one in ALIGNMENTS for other in DECODERS),
}
BASE = "euclid/tangent"


def main() -> None:
    """Do everything."""
    options = _options()
    use_one_thread()
    paths = recordings_of(options.data, options.subjects_limit)
    numbers = np.array([int(path.stem.lstrip("S")) for path in paths])
    folds = {
        int(n): i for i, one in enumerate(subject_folds(numbers, options.folds, 0)) for n in numbers[one]
    }
    options.work.mkdir(parents=True, exist_ok=True)
    todo = [name for name in ALIGNMENTS if not _path(options.work, name).exists()]
    signals = [reference_signal(run, LAYOUT) for path in paths for run in read_runs(path)] if todo else []
    for name in todo:
        np.savez(_path(options.work, name), **run_alignment(signals, folds, name))  # type: ignore[arg-type]
        print(f"{name} done", flush=True)
    results = judge(_read(options.work))
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    print(report(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the Riemannian family.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("build/riemann"), help="finished alignments")
    parser.add_argument("--out", type=Path, default=Path("docs/results_riemann.json"))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--subjects-limit", type=int, default=None)
    return parser.parse_args()


def _path(work: Path, alignment: str) -> Path:
    return work / f"{alignment}.npz"


def run_alignment(
    signals: Sequence[Signal], folds: Mapping[int, int], name: str
) -> dict[str, npt.NDArray[Any]]:
    """Margins of every trial by decoders that were fitted without its person's fold.

    Parameters
    ----------
    signals : sequence of Signal
        Before the alignment.
    folds : mapping of int to int
        Fold of each subject.
    name : str
        Of `ALIGNMENTS`; it starts from the covariance of the people of the other folds.

    Returns
    -------
    dict
        ``subjects``, ``classes``, ``fold`` and ``"<name>/<decoder>"``, each of shape (n_trials,).
    """
    signals = [one for one in signals if usable(one).any()]
    n_folds = max(folds.values()) + 1
    starts = [mean_covariance([one for one in signals if folds[one.subject] != i]) for i in range(n_folds)]
    # Run by run: all recordings aligned and in bands at once would not fit into the memory of a laptop.
    parts = [_covariances(align(one, starts[folds[one.subject]], name)) for one in signals]
    bands, delayed = (np.concatenate(many) for many in zip(*parts, strict=True))
    subjects = np.concatenate([np.full(usable(one).sum(), one.subject) for one in signals])
    classes = np.concatenate([one.classes[usable(one)] for one in signals]).astype(np.int64)
    fold = np.array([folds[int(one)] for one in subjects])
    found: dict[str, npt.NDArray[Any]] = {"subjects": subjects, "classes": classes, "fold": fold}
    for i in range(n_folds):
        for decoder, margins in _margins(bands, delayed, classes, fold == i).items():
            found.setdefault(f"{name}/{decoder}", np.zeros(len(classes)))[fold == i] = margins
        print(f"{name}, fold {i}", flush=True)
    return found


def align(signal: Signal, covariance: FloatArray, name: str) -> Signal:
    """Recentre a run from a warm start, with the settings of the shipped chain."""
    kept: dict[str, Any] = {key: CHAIN[-1][key] for key in ("block_s", "shrinkage", "time_constant_s")}
    warm = (covariance, float(str(CHAIN[-1]["warm_start_s"])))
    stage = ALIGNMENTS[name](signal.data.shape[1], RATE_HZ, **kept, warm_start=warm)
    return Signal(signal.subject, stage.push(signal.data), signal.i_cue, signal.classes)


def _covariances(aligned: Signal) -> tuple[FloatArray, FloatArray]:
    """Of the trials' windows, in bands and delay-embedded."""
    return band_covariances([aligned], [SPAN])[SPAN], delayed_covariances([aligned], SPAN)


def _margins(
    bands: FloatArray, delayed: FloatArray, classes: npt.NDArray[np.int64], is_test: npt.NDArray[np.bool_]
) -> dict[str, FloatArray]:
    mirror, n, rows = mirror_columns(LAYOUT), len(LAYOUT), ~is_test
    tangent = fit_tangent(bands[rows], classes[rows], mirror)
    mdm = fit_mdm(bands[rows], classes[rows], mirror)
    found = {
        "tangent": tangent_margins(tangent, bands[is_test]),
        "mdm": mdm_margins(mdm, bands[is_test]),
    }
    copies = [k * n + column for k in range(1 + len(DELAYS)) for column in mirror]
    acm = fit_tangent(delayed[rows], classes[rows], copies)
    return found | {"acm": tangent_margins(acm, delayed[is_test])}


def _read(work: Path) -> dict[str, npt.NDArray[Any]]:
    joined: dict[str, npt.NDArray[Any]] = {}
    for name in ALIGNMENTS:
        with np.load(_path(work, name)) as archive:
            joined |= {key: archive[key] for key in archive.files}
    return joined


def judge(out: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Scores over people, and paired tests; fusions by weights of the other folds."""
    subjects, classes = out["subjects"], out["classes"]
    is_test = [out["fold"] == i for i in np.unique(out["fold"])]
    margins = {key: one for key, one in out.items() if "/" in key}
    for name, parts in FUSIONS.items():
        stacked = [margins[part][:, np.newaxis] for part in parts]
        margins[name] = nested_fusion(stacked, classes, is_test)[:, 0]
    right = {name: subject_accuracies(subjects, classes, one) for name, one in margins.items()}
    tests = [compare(f"{name} - {BASE}", one, right[BASE]) for name, one in right.items() if name != BASE]
    tests += [
        compare(f"riemann/{one} - euclid/{one}", right[f"riemann/{one}"], right[f"euclid/{one}"])
        for one in DECODERS
        if one != "tangent"
    ]
    return {
        "n_subjects": len(np.unique(subjects)),
        "n_trials": len(classes),
        "scores": [score(name, one).as_dict() for name, one in right.items()],
        "tests": tests,
    }


def report(results: Mapping[str, Any]) -> str:
    """The tables, in Markdown."""
    scores = [
        [one["name"], f"{one['mean']:.1f}", f"{one['se']:.1f}", f"{one['low']:.1f} to {one['high']:.1f}"]
        for one in results["scores"]
    ]
    tests = [
        [
            one["name"],
            f"{one['difference']:+.2f}",
            f"{one['se']:.2f}",
            f"{one['p_t']:.3f}",
            f"{one['p_wilcoxon']:.3f}",
        ]
        for one in results["tests"]
    ]
    return "\n\n".join(
        [
            markdown_table(["recentring/decoder", "balanced accuracy %", "SE", "95 % interval"], scores),
            markdown_table(["difference", "points", "SE", "p (t)", "p (Wilcoxon)"], tests),
        ]
    )


if __name__ == "__main__":
    main()
