"""Train, judge and write the shipped motor-imagery decoder.

Usage, from the checkout's root::

    python -m tools.train_motor_imagery --jobs 2

Reads the recordings of ``../shared/data/eegmmidb`` (or ``--data``), cross-validates by subject, then trains
on all subjects and writes ``engines/dare_nano``, ``paradigms/motor_imagery/population`` and
``docs/results.md``. Everything follows from ``--seed``. Folds that are done are kept in ``--work``: give another
folder with other settings. ``--size light`` writes ``engines/dare_light`` and ``paradigms/motor_imagery_light``.
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.encoder.sizes import SIZES
from rtbci.errors import ConfigError, RtbciError
from tools.training.comparing import encoder_gain, encoder_table
from tools.training.folds import (
    SPANS_FIT,
    Fitted,
    Plan,
    fit_all,
    run_branches_fold,
    run_encoder_fold,
    run_fold,
    use_one_thread,
)
from tools.training.fusing import fold_fusions
from tools.training.idle import IdleFusion
from tools.training.judge import subject_folds
from tools.training.networks import FitSettings
from tools.training.pool import add_data, recordings_for, recordings_of
from tools.training.results import (
    BRANCHES,
    OutOfFold,
    idle_fusions,
    read_folds,
    results_of,
    subject_of,
    write_results,
)
from tools.training.shipping import (
    BASE_SIZE,
    command_of,
    fuse_folds,
    paradigm_of,
    plan_record,
    ship,
    write_fold,
    write_idle_fold,
)
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
from tools.training.starts import ADAPTER_STARTS, Start
from tools.training.trials import band_covariances, cut_trials, usable

__all__ = ["fit_on_all", "main"]

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    use_one_thread()
    try:
        paths = recordings_for("train", args.data, args.folds, args.subjects_limit)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    which = sorted(set(args.only_fold or range(args.folds)))
    if which[-1] >= args.folds or which[0] < 0:
        print(f"train: got --only-fold {which}, need numbers from 0 to {args.folds - 1}", file=sys.stderr)
        return 2
    plan = _plan(args)
    try:
        _run_folds(args, plan, paths, which)
        if args.encoder_only or args.branches_only:
            print(encoder_table([(str(args.work), args.work)], which))
        else:
            _judge_and_ship(args, plan, paths, which)
    except RtbciError as error:
        print(f"train: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    return Plan(
        args.size,
        FitSettings(args.epochs, 1e-2, transformer_rate=args.transformer_rate),
        FitSettings(args.power_epochs, 1e-2),
        args.seed,
        Start(args.start, args.adapter_start),
        args.path_dropout,
    )


def _judge_and_ship(args: argparse.Namespace, plan: Plan, paths: list[Path], which: list[int]) -> None:
    out = read_folds(args.work, which)
    results = results_of(out, paths)
    results |= {"n_folds": args.folds, "judged_folds": which, "plan": plan_record(plan)}
    is_whole = len(which) > 1 and args.branches_from is None
    idle = _fuse_folds(args.work, out, which) if is_whole else None
    if args.branches_from is not None:
        results["gain"] = encoder_gain(args.work, args.branches_from, which)
    if not args.folds_only:
        signals = _signals(args.data, args.subjects_limit, LAYOUT)
        n_trials = int(sum(usable(one).sum() for one in signals))
        results["trained"] = {"n_subjects": len(paths), "n_trials": n_trials}
        engine = args.engine or ROOT / "engines" / f"dare_{args.size}"
        profile = args.profile or ROOT / "paradigms" / paradigm_of(args.size) / "population"
        idle_profile = args.idle_profile
        if idle_profile is None and args.size == BASE_SIZE:
            idle_profile = profile.parents[1] / "motor_imagery_idle" / "population"
        with_idle = None if idle is None or idle_profile is None else (idle_profile, idle)
        fitted = fit_on_all(args.data, args.subjects_limit, plan, with_rest=with_idle is not None)
        subjects = [subject_of(path) for path in paths]
        ship(fitted, results, engine, profile, subjects, command_of(plan, which, args.folds), with_idle)
    is_page = args.size == BASE_SIZE and len(which) == args.folds
    write_results(results, args.results or (ROOT / "docs" if is_page else args.work))
    print(json.dumps(results["scores"], indent=1))


def _fuse_folds(work: Path, out: OutOfFold, which: list[int]) -> IdleFusion:
    """Give each fold's decoder the fusion of the others; returns the idle class's fusion of all."""
    fusions = fold_fusions([out.margins[name] for name in BRANCHES], out.classes, out.folds)
    folders = [work / f"fold{i}" for i in which]
    fused = fuse_folds(folders, fusions)
    idle_of_folds, idle = idle_fusions(out, fusions)
    for folder, profile, fusion in zip(folders, fused, idle_of_folds, strict=True):
        write_idle_fold(folder, profile, fusion, work / "idle" / folder.name)
    return idle


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data(parser)
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "train_motor_imagery", help="finished folds"
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=None,
        help="folder of results.md and its JSON (default: docs for all folds of nano, else that of --work)",
    )
    parser.add_argument(
        "--engine", type=Path, default=None, help="written engine (default: engines/dare_SIZE)"
    )
    parser.add_argument(
        "--profile",
        type=Path,
        default=None,
        help="written decoder (default: paradigms/motor_imagery/population; its name ends in _SIZE if not nano)",
    )
    parser.add_argument(
        "--idle-profile",
        type=Path,
        default=None,
        help="of the decoder with an idle class (default: for nano in the folder motor_imagery_idle beside that of "
        "--profile, for other sizes none)",
    )
    _add_judging(parser)
    _add_plan(parser.add_argument_group("what is trained"))
    return parser


def _add_judging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument(
        "--only-fold", type=int, action="append", metavar="I", help="judge only this fold; may be repeated"
    )
    parser.add_argument("--subjects-limit", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="folds at a time; each takes one core and 4 GB")
    parser.add_argument("--folds-only", action="store_true", help="judge only; write no weights")
    alone = parser.add_mutually_exclusive_group()
    alone.add_argument(
        "--encoder-only", action="store_true", help="judge the encoder alone; write nothing but its margins"
    )
    alone.add_argument(
        "--branches-only",
        action="store_true",
        help="judge encoder and tangent space, and both on frontal electrodes; write nothing but their margins",
    )
    alone.add_argument(
        "--branches-from",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="--work of a training on the same data, folds and seed: train and judge the encoder alone, take what does "
        "not depend on it (tangent space, power, controls) from there; no decoder of a fold is written",
    )


def _add_plan(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--size", default=BASE_SIZE, choices=sorted(SIZES), help="size of the encoder")
    group.add_argument("--epochs", type=int, default=10, help="of the encoder")
    group.add_argument("--power-epochs", type=int, default=10, help="of the power branch")
    group.add_argument(
        "--start", type=Path, default=None, metavar="FILE", help="pretrained encoder.safetensors"
    )
    group.add_argument("--adapter-start", choices=ADAPTER_STARTS, default="random")
    group.add_argument(
        "--transformer-rate", type=float, default=0.1, help="as a share of the readout's; 0: frozen"
    )
    group.add_argument(
        "--path-dropout", type=float, default=0.5, help="share of windows without the transformer"
    )


def _run_folds(args: argparse.Namespace, plan: Plan, paths: list[Path], which: list[int]) -> None:
    subjects = np.array([subject_of(path) for path in paths])
    tests = [subjects[one] for one in subject_folds(subjects, args.folds, args.seed)]
    todo = [i for i in which if not (args.work / f"fold{i}.npz").exists()]
    if not todo:
        return
    shared: tuple[Any, ...] = (args.data, args.subjects_limit, args.work, plan)
    one_fold: Callable[..., None] = _one_fold
    if args.branches_only:
        one_fold = _one_branches_fold
    elif args.encoder_only or args.branches_from is not None:
        one_fold, shared = _one_encoder_fold, (*shared, args.branches_from)
    if args.jobs == 1:
        for i in todo:
            one_fold(i, tests[i], *shared)
        return
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(one_fold, i, tests[i], *shared) for i in todo]:
            future.result()


def _one_encoder_fold(
    i: int, test: np.ndarray, data: Path, limit: int | None, work: Path, plan: Plan, others: Path | None
) -> None:
    file = f"fold{i}.npz"
    signals = _signals(data, limit, LAYOUT)
    run_encoder_fold(
        signals, test, plan, work / file, _reporter(i), None if others is None else others / file
    )


def _one_branches_fold(
    i: int, test: np.ndarray, data: Path, limit: int | None, work: Path, plan: Plan
) -> None:
    signals, frontal = (_signals(data, limit, layout) for layout in (LAYOUT, FRONTAL))
    run_branches_fold(signals, frontal, test, plan, work / f"fold{i}.npz", _reporter(i))


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
        _reporter(i),
        lambda fitted: write_fold(
            fitted, work / f"fold{i}", test.tolist(), subjects - set(test.tolist()), command_of(plan)
        ),
    )


def _reporter(i: int) -> Callable[[str], None]:
    return lambda line: print(f"fold {i}: {line}", flush=True)


def fit_on_all(data: Path, limit: int | None, plan: Plan, with_rest: bool = True) -> Fitted:
    """Train the decoder that is shipped, on every subject; rest is told from imagery on wish."""
    signals = _signals(data, limit, LAYOUT)
    covariance = mean_covariance(signals)
    aligned = align_signals(signals, covariance)
    trials = cut_trials(aligned)
    covariances = band_covariances(aligned, SPANS_FIT)
    rows = np.arange(len(trials.classes))
    return fit_all(
        trials,
        covariances,
        rows,
        covariance,
        plan,
        lambda line: print(f"all: {line}", flush=True),
        aligned if with_rest else (),
        with_power=False,
    )


@cache
def _signals(data: Path, limit: int | None, layout: tuple[str, ...]) -> tuple[Signal, ...]:
    paths = recordings_of(data, limit)
    runs: list[Run] = [run for path in paths for run in read_runs(path)]
    return tuple(reference_signal(run, layout) for run in runs)


if __name__ == "__main__":
    raise SystemExit(main())
