"""What a calibration learns from: the tangent space of some electrodes alone, calibrated as `rtbci calibrate` does it.

Usage, from the checkout's root::

    python -m tools.calibrated_controls --jobs 2

Prints a Markdown table. Five folds by subject, each run of the data causally from a fresh start, nothing recentred; a user's first
k trials of each class in time order move the head by the prior that is learned from the training subjects, track B of
the last run judges. Frontal electrodes are the control: what they tell is gaze. Posterior ones may tell to which side
of the screen somebody attends.
"""

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.training.folds import SPANS_FIT, use_one_thread
from tools.training.judge import compare, markdown_table, score, subject_accuracies, subject_folds
from tools.training.pool import add_data, recordings_for
from tools.training.signals import (
    FRONTAL,
    LAYOUT,
    POSTERIOR,
    align_signals,
    mean_covariance,
    read_runs,
    reference_signal,
)
from tools.training.tangent_fit import fit_tangent, tangent_margins
from tools.training.trials import band_covariances, usable
from tools.training.user_prior import sided_change, sided_features, user_spread

__all__ = ["Cut", "calibrated", "first_trials", "main"]

KS = (5, 10)
CAPS = {
    "all 31, none of them frontal": LAYOUT,
    "the 23 that are not posterior either": tuple(label for label in LAYOUT if label not in POSTERIOR),
    "posterior: " + " ".join(POSTERIOR): POSTERIOR,
    "control, frontal: " + " ".join(FRONTAL): FRONTAL,
}


@dataclass(frozen=True, slots=True)
class Cut:
    """Trials of many subjects, in time order; the fields but `covariances` have shape (n_trials,).

    Parameters
    ----------
    covariances : list of ndarray of float64, each of shape (n_trials, n_bands, n_channels, n_channels)
        Of the windows that a calibration fits on; the last one is track B's.
    classes, subjects, runs : ndarray of int
        `runs` counts each subject's recordings from 0.
    """

    covariances: list[FloatArray]
    classes: npt.NDArray[np.int64]
    subjects: npt.NDArray[np.intp]
    runs: npt.NDArray[np.intp]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data(parser)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--subjects-limit", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args(arguments)
    try:
        paths = recordings_for("calibrated_controls", args.data, args.folds, args.subjects_limit)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = [pool.submit(_one_cap, paths, layout, args.folds) for layout in CAPS.values()]
        found = [job.result() for job in jobs]
    rows = []
    for name, by_k in zip(CAPS, found, strict=True):
        for k, accuracies in by_k.items():
            over, gain = score(name, accuracies), compare(name, accuracies, by_k[0])
            told = [f"{gain['difference']:+.1f} ({gain['se']:.1f})", f"{gain['p_t']:.2g}"] if k else ["", ""]
            rows.append([name, str(k), f"{over.mean:.1f} ({over.se:.1f})", *told])
    print(
        markdown_table(
            ["electrodes", "trials of each class", "accuracy % (SE)", "gain (SE)", "p of the paired t"], rows
        )
    )
    return 0


def calibrated(cut: Cut, test_subjects: npt.NDArray[np.intp], mirror: list[int]) -> dict[int, FloatArray]:
    """Balanced accuracy in percent of each test subject, by ascending number, on its last run, by trials of each class; 0: as it is."""
    train = ~np.isin(cut.subjects, test_subjects)
    pooled = np.concatenate([one[train] for one in cut.covariances])
    classes = cut.classes[train]
    probe = fit_tangent(pooled, np.tile(classes, len(cut.covariances)), mirror)
    sided = sided_features(probe, cut.covariances, mirror)
    sided *= user_spread(sided[:, train], classes, cut.subjects[train])
    margins = np.stack([tangent_margins(probe, one) for one in cut.covariances])
    of_test = [np.flatnonzero(cut.subjects == subject) for subject in test_subjects]
    of_last = [mine[cut.runs[mine] == cut.runs[mine].max()] for mine in of_test]
    found = {}
    for k in (0, *KS):
        said = margins[-1].copy()
        for mine, last in zip(of_test, of_last, strict=True):
            used = np.setdiff1d(first_trials(mine, cut.classes, k), last)
            if len(used):
                said[last] += sided[-1, last] @ sided_change(
                    sided[:, used], cut.classes[used], margins[:, used]
                )
        judged = np.concatenate(of_last)
        found[k] = subject_accuracies(cut.subjects[judged], cut.classes[judged], said[judged])
    return found


def first_trials(mine: npt.NDArray[np.intp], classes: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.intp]:
    """The first `k` of each class among the trials `mine`, which are in time order."""
    return np.concatenate([mine[classes[mine] == c][:k] for c in (0, 1)])


def _one_cap(paths: list[Path], layout: tuple[str, ...], n_folds: int) -> dict[int, FloatArray]:
    use_one_thread()
    numbered = [(i, run) for path in paths for i, run in enumerate(read_runs(path))]
    signals = [reference_signal(run, layout) for _, run in numbered]
    subjects, mirror = np.unique([one.subject for one in signals]), mirror_columns(layout)
    of_trial = [
        (one.subject, i)
        for one, (i, _) in zip(signals, numbered, strict=True)
        for _ in range(usable(one).sum())
    ]
    found: dict[int, list[FloatArray]] = {k: [] for k in (0, *KS)}
    for is_test in subject_folds(subjects, n_folds, 0):
        test = subjects[is_test]
        covariance = mean_covariance([one for one in signals if one.subject not in test])
        aligned = align_signals(signals, covariance)
        spans = band_covariances(aligned, SPANS_FIT)
        cut = Cut(
            [spans[span] for span in SPANS_FIT],
            np.concatenate([one.classes[usable(one)] for one in aligned]).astype(np.int64),
            np.array([subject for subject, _ in of_trial], dtype=np.intp),
            np.array([i for _, i in of_trial], dtype=np.intp),
        )
        for k, accuracies in calibrated(cut, test, mirror).items():
            found[k].append(accuracies)
    return {k: np.concatenate(parts) for k, parts in found.items()}


if __name__ == "__main__":
    raise SystemExit(main())
