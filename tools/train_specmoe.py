"""Train gate and head of SpecMoE on pretrained experts, judge it on people that neither has seen, write engine and decoder.

Usage, from the checkout's root, behind ``python -m tools.pretrain train --encoder specmoe`` (docs/pretraining.md)::

    python -m tools.train_specmoe judge --experts build/expert0 build/expert1 build/expert2
    python -m tools.train_specmoe table --baselines build/compare --dare build/dare --write docs/results_encoders.json
    python -m tools.train_specmoe table --read docs/results_encoders.json
    python -m tools.train_specmoe ship --experts build/expert0 build/expert1 build/expert2

Reads ``../shared/data/eegmmidb`` (or ``--data``). The experts must not have been pretrained on people of the folds that
are judged (``--folds``, of five). ``--experts engines/specmoe_mini`` takes those that are shipped, and nothing else of that
engine. Windows and features are kept in ``--work``; ways that are done are kept.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError, RtbciError
from rtbci.probe.profile import Accuracy
from tools.training.folds import use_one_thread
from tools.training.judge import score, subject_accuracies, subject_folds
from tools.training.pool import add_data, recordings_for
from tools.training.specmoe.experts import expert_files, people_seen
from tools.training.specmoe.fold import SHIPPED, TUNED, WAYS, Material, Plan, fit_way, run_way
from tools.training.specmoe.heads import HeadSettings
from tools.training.specmoe.shipping import write_population, write_spec_engine
from tools.training.specmoe.table import (
    best_temperature,
    judged,
    page,
    read_judged,
    read_margins,
    write_judged,
)

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
N_FOLDS, SEED = 5, 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    use_one_thread()
    try:
        return int(args.run(args))
    except RtbciError as error:
        print(f"train_specmoe: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    judge = commands.add_parser("judge", help="train and judge by fold")
    judge.set_defaults(run=_judge)
    ways = [name for name in WAYS if name != TUNED]
    judge.add_argument(
        "--ways", nargs="+", choices=list(WAYS), default=ways, help="default: all but end to end"
    )
    judge.add_argument("--tune-epochs", type=int, default=1, help=f"of {TUNED}")
    ship = commands.add_parser(
        "ship", help="train on everybody, write engine and decoder; needs judged folds"
    )
    ship.set_defaults(run=_ship)
    ship.add_argument("--engine", type=Path, default=ROOT / "engines" / "specmoe_mini")
    ship.add_argument(
        "--profile", type=Path, default=ROOT / "paradigms" / "motor_imagery_specmoe" / "population"
    )
    for one in (judge, ship):
        one.add_argument(
            "--experts",
            type=Path,
            nargs="+",
            required=True,
            help="folders of expert.safetensors, or one of decoder.safetensors: the experts of that decoder",
        )
        one.add_argument("--epochs", type=int, default=HeadSettings().epochs, help="of gate and head")
        add_data(one)
        one.add_argument("--subjects-limit", type=int, default=None)
    tables = commands.add_parser("table", help="what was judged, beside other decoders on the same trials")
    tables.set_defaults(run=_table)
    tables.add_argument("--baselines", type=Path, default=None, help="--out of tools.compare_decoders")
    tables.add_argument("--dare", type=Path, default=None, help="--work of tools.train_motor_imagery")
    tables.add_argument(
        "--write", type=Path, default=None, metavar="FILE", help="keep each person's accuracies (JSON)"
    )
    tables.add_argument(
        "--read", type=Path, default=None, metavar="FILE", help="show what was kept, and nothing else"
    )
    for one in (judge, ship, tables):
        one.add_argument("--work", type=Path, default=ROOT / "build" / "specmoe")
        one.add_argument("--folds", type=int, nargs="+", default=[0, 1], choices=range(N_FOLDS))
    return parser


def _judge(args: argparse.Namespace) -> int:
    paths, tests = _people(args)
    material = _material(args, paths, tests, args.tune_epochs)
    for name in args.ways:
        for i in args.folds:
            path = args.work / name / f"fold{i}.npz"
            if not path.is_file():
                run_way(name, material, tests[i], path)
        subjects, classes, margins = read_margins(args.work / name, args.folds)
        found = score(name, subject_accuracies(subjects, classes, margins))
        _report(f"{name}: {found.mean:.1f} % (SE {found.se:.1f}, {found.n} people)")
    return 0


def _ship(args: argparse.Namespace) -> int:
    paths, tests = _people(args)
    subjects, classes, margins = read_margins(args.work / SHIPPED, args.folds)
    found = score(SHIPPED, subject_accuracies(subjects, classes, margins))
    material = _material(args, paths, tests, 0)
    windows, covariance = material.windows()
    decoder, _ = fit_way(SHIPPED, material, np.arange(len(windows.classes)))
    command = shlex.join(
        ["python", "-m", "tools.train_specmoe", "ship", "--experts", *map(str, args.experts)]
    )
    engine_id = write_spec_engine(decoder, args.engine, command, people_seen(material.plan.experts))
    accuracy = Accuracy(
        mean=found.mean,
        low=found.low,
        high=found.high,
        n=found.n,
        what=f"track B, windows cut 1-4 s after the cue, subjects not seen in training, folds {args.folds} of {N_FOLDS}",
    )
    write_population(
        args.profile,
        args.engine.name,
        engine_id,
        covariance,
        best_temperature(margins, classes),
        windows.subjects.tolist(),
        accuracy,
        len(windows.classes),
    )
    return 0


def _table(args: argparse.Namespace) -> int:
    if args.read is not None:
        print(page(read_judged(args.read)))
        return 0
    results = judged(args.work, args.folds, args.baselines, args.dare)
    if args.write is not None:
        write_judged(args.write, results)
    print(page(results))
    return 0


def _people(args: argparse.Namespace) -> tuple[list[Path], list[npt.NDArray[np.intp]]]:
    paths = recordings_for("train_specmoe", args.data, N_FOLDS, args.subjects_limit)
    subjects = np.array([int(path.stem.lstrip("S")) for path in paths])
    return paths, [subjects[fold] for fold in subject_folds(subjects, N_FOLDS, SEED)]


def _material(
    args: argparse.Namespace, paths: list[Path], tests: list[npt.NDArray[np.intp]], tune_epochs: int
) -> Material:
    experts = expert_files(args.experts)
    left_out = np.concatenate([tests[i] for i in args.folds])
    _check_experts(experts, left_out)
    plan = Plan(experts, HeadSettings(epochs=args.epochs, tune_epochs=tune_epochs), SEED)
    return Material(paths, left_out, plan, args.work, _report)


def _check_experts(experts: Sequence[Path], left_out: npt.NDArray[np.intp]) -> None:
    """Refuse experts that were pretrained on people who are judged, as far as their own notes say."""
    for path in experts:
        seen = set(people_seen([path]))
        if both := sorted(seen & {f"S{subject:03d}" for subject in left_out}):
            raise ConfigError(
                f"{path}: was pretrained on {', '.join(both)}, who are judged; give other --folds or experts"
            )


def _report(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
