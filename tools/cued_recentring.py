"""What recentring would gain that knows when trials are, and how much of it is the balance of the runs (docs/adr/0034).

Usage, from the checkout's root, after ``tools.train_motor_imagery`` has left its folds::

    python -m tools.cued_recentring --folds build/train_motor_imagery

Each run from a fresh start: a trial's windows lose the sum of what earlier trials say, by the number of these and a prior.
What earlier trials are differs. Those of the run itself: where a run has as many trials of each class, they also tell
which class is still to come. As many from the subject's other runs, or of the run's others with classes by the toss of a
coin (that takes labels): these tell only where the decoder leans. Beside each, the prior that is best on the other folds.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.stages.resample import Resample
from rtbci.stages.stage import FloatArray
from tools.training.fusing import nested_fusion
from tools.training.judge import compare, markdown_table, score, subject_accuracies
from tools.training.pool import DATA_SET, add_data
from tools.training.results import BRANCHES, OutOfFold, read_folds
from tools.training.signals import RATE_HZ, Run, read_runs, resampled_cues
from tools.training.trials import END_TRACK_B, ENDS_SLIDING, usable_cues

__all__ = ["carried", "drawn", "main", "own", "shifted", "summed", "tossed"]

ROOT = Path(__file__).resolve().parents[1]
PRIORS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
I_TRACK_B = ENDS_SLIDING.index(END_TRACK_B)
N_DRAWS = 10
SHOWN = (4.0, 16.0)
Rows = npt.NDArray[np.intp]
Earlier = Callable[[FloatArray, npt.NDArray[np.int64], Rows, Rows, Rows], tuple[FloatArray, FloatArray]]
"""Margins and classes of all trials; rows of this run, of the subject's runs before it, of all its other runs. Gives for each
trial of the run the sum of what earlier trials say, and their number."""


def own(
    z: FloatArray, classes: npt.NDArray[np.int64], rows: Rows, before: Rows, others: Rows
) -> tuple[FloatArray, FloatArray]:
    """Earlier trials of the run."""
    del classes, before, others
    return np.cumsum(z[rows]) - z[rows], np.arange(len(rows), dtype=np.float64)


def carried(
    z: FloatArray, classes: npt.NDArray[np.int64], rows: Rows, before: Rows, others: Rows
) -> tuple[FloatArray, FloatArray]:
    """The same, and the subject's runs before."""
    sums, counts = own(z, classes, rows, before, others)
    return sums + z[before].sum(), counts + len(before)


def drawn(
    z: FloatArray, classes: npt.NDArray[np.int64], rows: Rows, before: Rows, others: Rows, *, seed: int
) -> tuple[FloatArray, FloatArray]:
    """As many trials as came before, drawn from the subject's other runs with replacement."""
    del classes, before
    rng = np.random.default_rng([seed, int(rows[0])])
    counts = np.arange(len(rows))
    return np.array([z[others[rng.integers(0, len(others), n)]].sum() for n in counts]), counts.astype(
        np.float64
    )


def tossed(
    z: FloatArray, classes: npt.NDArray[np.int64], rows: Rows, before: Rows, others: Rows, *, seed: int
) -> tuple[FloatArray, FloatArray]:
    """As many of the run's other trials, the class of each by the toss of a coin: its lean, without its balance."""
    del before, others
    rng = np.random.default_rng([seed, int(rows[0])])
    sums = np.zeros(len(rows))
    for n, row in enumerate(rows):
        n_second = rng.binomial(n, 0.5)
        for c, n_class in ((0, n - n_second), (1, n_second)):
            of_class = rows[(classes[rows] == c) & (rows != row)]
            sums[n] += z[of_class[rng.integers(0, len(of_class), n_class)]].sum()
    return sums, np.arange(len(rows), dtype=np.float64)


WAYS: dict[str, tuple[Earlier, ...]] = {
    "the run's earlier trials": (own,),
    "the same and those of the runs before": (carried,),
    "as many, drawn from the subject's other runs": tuple(partial(drawn, seed=i) for i in range(N_DRAWS)),
    "as many of the run's others, classes by a coin": tuple(partial(tossed, seed=i) for i in range(N_DRAWS)),
}


def summed(
    margins: FloatArray, classes: npt.NDArray[np.int64], subjects: Rows, runs: Rows, earlier: Earlier
) -> tuple[FloatArray, FloatArray]:
    """What earlier trials say, added up, and their number: each of shape (n_trials,).

    Parameters
    ----------
    margins : ndarray of float64, shape (n_trials, n_windows)
    classes, subjects, runs : ndarray of int, shape (n_trials,)
        In the order of time; `classes` are for ways that need labels.
    earlier : callable
    """
    z = margins.mean(axis=1)
    sums, counts = np.empty(len(z)), np.empty(len(z))
    for subject in np.unique(subjects):
        mine = np.flatnonzero(subjects == subject)
        for run in np.unique(runs[mine]):
            of_run, before = runs[mine] == run, runs[mine] < run
            rows = mine[of_run]
            sums[rows], counts[rows] = earlier(z, classes, rows, mine[before], mine[~of_run])
    return sums, counts


def shifted(margins: FloatArray, sums: FloatArray, counts: FloatArray, prior: float) -> FloatArray:
    """Margins less what earlier trials lean to, against a prior that counts as so many trials that lean nowhere."""
    return margins - (sums / (prior + counts))[:, np.newaxis]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data(parser)
    parser.add_argument("--folds", type=Path, default=ROOT / "build" / "train_motor_imagery")
    args = parser.parse_args(arguments)
    out = read_folds(args.folds, sorted(int(path.stem[4:]) for path in args.folds.glob("fold*.npz")))
    runs = _runs_of(out, args.data / DATA_SET)
    decoders = {
        "encoder + tangent (shipped)": nested_fusion(
            [out.margins[name] for name in BRANCHES], out.classes, out.folds
        ),
        "tangent space": out.margins["tangent"],
        "control: tangent space on frontal electrodes": out.margins["frontal_tangent"],
    }
    print(f"{len(np.unique(out.subjects))} subjects, {len(out.subjects)} trials\n")
    print(
        markdown_table(HEADER, [row for name, one in decoders.items() for row in _rows(name, one, out, runs)])
    )
    return 0


HEADER = (
    "decoder", "earlier trials", "prior, trials", "track B", "gain (SE)", "p, t", "all windows", "gain (SE)", "p, t"
)  # fmt: skip


def _rows(name: str, margins: FloatArray, out: OutOfFold, runs: Rows) -> Iterator[list[str]]:
    """Accuracies of a decoder: not centred, then by way and prior, then with a prior from the other folds."""
    base = _accuracies(margins, out)
    yield [name, "not centred", "", *_cells(base, base)]
    of_fold = np.array(
        [
            next(i for i, test in enumerate(out.folds) if test[out.subjects == s][0])
            for s in np.unique(out.subjects)
        ]
    )
    for way, ways in WAYS.items():
        all_sums = [summed(margins, out.classes, out.subjects, runs, one) for one in ways]
        found = {
            prior: np.mean([_accuracies(shifted(margins, *sums, prior), out) for sums in all_sums], axis=0)
            for prior in PRIORS
        }
        for prior in SHOWN:
            yield [name, way, f"{prior:g}", *_cells(found[prior], base)]
        nested = np.empty_like(base)
        for i in np.unique(of_fold):
            for k in range(len(base)):
                best = max(PRIORS, key=lambda prior: float(found[prior][k][of_fold != i].mean()))
                nested[k][of_fold == i] = found[best][k][of_fold == i]
        yield [name, way, "of the other folds", *_cells(nested, base)]


def _accuracies(margins: FloatArray, out: OutOfFold) -> FloatArray:
    """Of each subject, on track B and over all windows, shape (2, n_subjects)."""
    spans = (margins[:, I_TRACK_B], margins)
    return np.stack([subject_accuracies(out.subjects, out.classes, one) for one in spans])


def _cells(found: FloatArray, base: FloatArray) -> list[str]:
    cells: list[str] = []
    for one, other in zip(found, base, strict=True):
        judged, gain = score("", one), compare("", one, other)
        cells += [f"{judged.mean:.1f} ({judged.se:.1f})"]
        cells += (
            [f"{gain['difference']:+.2f} ({gain['se']:.2f})", f"{gain['p_t']:.3f}"]
            if (one != other).any()
            else ["", ""]
        )
    return cells


def _runs_of(out: OutOfFold, data: Path) -> Rows:
    """Run of each trial; those of a subject are in the order of time."""
    runs = np.empty(len(out.subjects), np.intp)
    for subject in np.unique(out.subjects):
        counts = [_n_usable(run) for run in read_runs(data / f"S{subject:03d}.npz")]
        runs[out.subjects == subject] = np.repeat(np.arange(len(counts)), counts)
    return runs


def _n_usable(run: Run) -> int:
    """Trials of a run that `rtbci`'s own training cuts."""
    return int(usable_cues(resampled_cues(run), _n_out(len(run.data_uv), run.rate_hz)).sum())


@cache
def _n_out(n_samples: int, rate_hz: float) -> int:
    return len(Resample(rate_hz, RATE_HZ, 1).push(np.zeros((n_samples, 1))))


if __name__ == "__main__":
    raise SystemExit(main())
