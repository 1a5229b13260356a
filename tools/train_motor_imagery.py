"""Train, judge and write the shipped motor-imagery decoder.

Usage, from the checkout's root::

    python -m tools.train_motor_imagery --jobs 2

Reads the recordings of ``../shared/data/eegmmidb`` (or ``--data``), cross-validates by subject, then trains
on all subjects and writes ``engines/dare_nano``, ``paradigms/motor_imagery/population`` and
``docs/results.md``. Everything follows from ``--seed``. Folds that are done are kept in ``--work``.
"""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from tools.training.folds import SPANS_FIT, Fitted, Plan, fit_all, run_fold, use_one_thread
from tools.training.fusing import fold_fusions
from tools.training.judge import subject_folds
from tools.training.networks import FitSettings
from tools.training.results import BRANCHES, idle_fusions, read_folds, results_of, write_results
from tools.training.shipping import fuse_folds, ship, write_fold, write_idle_fold
from tools.training.signals import (
    FRONTAL,
    LAYOUT,
    POSTERIOR,
    Run,
    Signal,
    align_signals,
    mean_covariance,
    read_runs,
    reference_signal,
)
from tools.training.trials import band_covariances, cut_trials

__all__ = ["fit_on_all", "main"]

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    use_one_thread()
    plan = Plan(
        args.size,
        FitSettings(args.epochs, 1e-2, transformer_rate=0.1),
        FitSettings(args.power_epochs, 1e-2),
        args.seed,
    )
    paths = sorted((args.data / "eegmmidb").glob("S*.npz"))[: args.subjects_limit]
    if len(paths) < args.folds:
        print(
            f"train: found {len(paths)} subjects below {args.data}, need {args.folds} or more; give --data",
            file=sys.stderr,
        )
        return 2
    subjects = np.array([int(path.stem.lstrip("S")) for path in paths])
    _run_folds(args, plan, subjects)
    out = read_folds(args.work, args.folds)
    results = results_of(out, paths)
    fusions = fold_fusions([out.margins[name] for name in BRANCHES], out.classes, out.folds)
    folders = [args.work / f"fold{i}" for i in range(args.folds)]
    fused = fuse_folds(folders, fusions)
    idle_of_folds, idle = idle_fusions(out, fusions)
    for folder, profile, fusion in zip(folders, fused, idle_of_folds, strict=True):
        write_idle_fold(folder, profile, fusion, args.work / "idle" / folder.name)
    results |= {"seed": args.seed, "epochs": args.epochs, "n_folds": args.folds, "size": args.size}
    if not args.folds_only:
        ship(
            fit_on_all(args.data, args.subjects_limit, plan),
            results,
            args.engine,
            args.profile,
            subjects.tolist(),
            (args.idle_profile or args.profile.parents[1] / "motor_imagery_idle" / "population", idle),
        )
    write_results(results, args.results)
    print(json.dumps(results["scores"], indent=1))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of eegmmidb/"
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "train_motor_imagery", help="finished folds"
    )
    parser.add_argument(
        "--results", type=Path, default=ROOT / "docs", help="folder of results.md and its JSON"
    )
    parser.add_argument("--engine", type=Path, default=ROOT / "engines" / "dare_nano")
    parser.add_argument("--profile", type=Path, default=ROOT / "paradigms" / "motor_imagery" / "population")
    parser.add_argument(
        "--idle-profile",
        type=Path,
        default=None,
        help="of the decoder with an idle class (default: in the folder motor_imagery_idle beside that of --profile)",
    )
    parser.add_argument("--size", default="nano", help="size of the encoder")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10, help="of the encoder")
    parser.add_argument("--power-epochs", type=int, default=10, help="of the power branch")
    parser.add_argument("--subjects-limit", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="folds at a time; each takes one core and 4 GB")
    parser.add_argument("--folds-only", action="store_true", help="judge only; write no weights")
    return parser


def _run_folds(args: argparse.Namespace, plan: Plan, subjects: np.ndarray) -> None:
    tests = [subjects[one] for one in subject_folds(subjects, args.folds, args.seed)]
    todo = [i for i in range(args.folds) if not (args.work / f"fold{i}.npz").exists()]
    if not todo:
        return
    shared = (args.data, args.subjects_limit, args.work, plan)
    if args.jobs == 1:
        for i in todo:
            _one_fold(i, tests[i], *shared)
        return
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(_one_fold, i, tests[i], *shared) for i in todo]:
            future.result()


def _one_fold(i: int, test: np.ndarray, data: Path, limit: int | None, work: Path, plan: Plan) -> None:
    use_one_thread()
    subjects = {signal.subject for signal in _signals(data, limit, LAYOUT)}
    run_fold(
        _signals(data, limit, LAYOUT),
        _signals(data, limit, FRONTAL),
        _signals(data, limit, POSTERIOR),
        test,
        plan,
        work / f"fold{i}.npz",
        lambda line: print(f"fold {i}: {line}", flush=True),
        lambda fitted: write_fold(fitted, work / f"fold{i}", test.tolist(), subjects - set(test.tolist())),
    )


def fit_on_all(data: Path, limit: int | None, plan: Plan) -> Fitted:
    """Train the decoder that is shipped, on every subject."""
    signals = _signals(data, limit, LAYOUT)
    covariance = mean_covariance(signals)
    aligned = align_signals(signals, covariance)
    trials = cut_trials(aligned)
    covariances = band_covariances(aligned, SPANS_FIT)
    rows = np.arange(len(trials.classes))
    return fit_all(
        trials, covariances, rows, covariance, plan, lambda line: print(f"all: {line}", flush=True), aligned
    )


@cache
def _signals(data: Path, limit: int | None, layout: tuple[str, ...]) -> tuple[Signal, ...]:
    paths = sorted((data / "eegmmidb").glob("S*.npz"))[:limit]
    runs: list[Run] = [run for path in paths for run in read_runs(path)]
    return tuple(reference_signal(run, layout) for run in runs)


if __name__ == "__main__":
    raise SystemExit(main())
