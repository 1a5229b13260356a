"""Pretrain an encoder on recordings without labels: DARE, or with ``--encoder specmoe`` the experts of SpecMoE.

Usage, from the checkout's root::

    python -m tools.pretrain prepare --data ../shared/data/eegmmidb --out build/shards
    python -m tools.pretrain inspect --shards build/shards
    python -m tools.pretrain train --shards build/shards --size nano --steps 10000 --out build/pretrained
    torchrun --nproc-per-node 8 -m tools.pretrain train --shards build/shards --size light --bf16 ...
    python -m tools.pretrain train --encoder specmoe --expert 0 --shards build/spec --steps 500 --out build/expert0

`prepare` reads npz files, whatever MNE reads, or a BIDS folder, and writes memory-mapped shards. `train` goes on
from the state in ``--out`` where there is one; run the same command again after a kill. See docs/pretraining.md.
"""

import argparse
import json
import os
import shlex
import sys
from dataclasses import fields
from fnmatch import fnmatch
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from rtbci.errors import RtbciError

if TYPE_CHECKING:
    from tools.pretraining.processes import Processes
    from tools.pretraining.shards import ShardIndex

__all__ = ["main"]

RATES = {"dare": 256.0, "specmoe": 200.0}
"""Sampling rates of the encoders, by name; they are checked where shards are used."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    args = _parser().parse_args(given)
    args.command_line = shlex.join(["python", "-m", "tools.pretrain", *given])
    try:
        return int(args.run(args))
    except RtbciError as error:
        print(f"pretrain: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("pretrain: stopped; the same command goes on from the last saved state", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    _add_prepare(commands.add_parser("prepare", help="recordings into shards"))
    _add_train(commands.add_parser("train", help="shards into an encoder"))
    inspect = commands.add_parser("inspect", help="what a linear predictor can learn from shards")
    inspect.set_defaults(run=_inspect)
    inspect.add_argument("--shards", type=Path, required=True)
    inspect.add_argument(
        "--experts",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="expert.safetensors: their masked error instead",
    )
    inspect.add_argument(
        "--only", action="append", default=[], metavar="PATTERN", help="recordings to judge on"
    )
    return parser


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_prepare)
    parser.add_argument("--data", type=Path, required=True, help="recording, folder, or BIDS folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shards; new")
    parser.add_argument("--encoder", choices=RATES, default="dare", help="which one the shards are for")
    parser.add_argument("--paradigm", help="its stages; without it 0.5-45 Hz, average reference, mV")
    parser.add_argument(
        "--leave-out", action="append", default=[], metavar="STAGE", help="stage of the paradigm to leave out"
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="recordings to skip"
    )
    parser.add_argument("--shard-mb", type=int, default=256, help="size of a shard")
    parser.add_argument("--settle-s", type=float, default=5.0, help="seconds left out at each start")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_train)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of state, logs and encoder")
    parser.add_argument("--encoder", choices=RATES, default="dare")
    parser.add_argument("--size", default=None, help="default: nano, or mini for specmoe")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument(
        "--until",
        type=int,
        default=None,
        metavar="STEP",
        help="end here, with encoders; --steps is the schedule",
    )
    parser.add_argument(
        "--batch",
        type=int,
        default=None,
        help="windows a step, over all processes; default: 64, or 32 for specmoe",
    )
    parser.add_argument("--window-s", type=float, default=None, help="default: 4, or 8 for specmoe")
    parser.add_argument(
        "--rate", type=float, default=None, help="highest learning rate; default: 5e-4, or 1e-3 for specmoe"
    )
    parser.add_argument("--weight-decay", type=float, default=None, help="default: 1e-6, or 5e-2 for specmoe")
    parser.add_argument("--momentum", type=float, default=0.996, help="of the EMA, at the start")
    parser.add_argument("--amplitude", type=float, default=0.0, help="weight of the log-power term (ours)")
    parser.add_argument("--init", choices=("wide", "published"), default="wide")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--expert", type=int, default=None, metavar="I", help="specmoe: which expert, from 0")
    parser.add_argument("--n-experts", type=int, default=None, help="specmoe: how many there are; default: 3")
    parser.add_argument(
        "--channels", type=int, default=None, help="specmoe: electrodes drawn a window; default: 4"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="recordings to skip"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--save-every", type=int, default=200, help="steps between saved states")
    parser.add_argument("--log-every", type=int, default=10, help="steps between rows of losses.csv")
    parser.add_argument("--check-shards", action="store_true", help="compare every shard's sha256 first")


def _prepare(args: argparse.Namespace) -> int:
    from rich.progress import Progress

    from tools.pretraining.bids import open_reader
    from tools.pretraining.chains import broadband_plan, paradigm_plan
    from tools.pretraining.prepare import PrepareSettings, prepare_shards

    rate_hz = RATES[args.encoder]
    plan = paradigm_plan(args.paradigm, args.leave_out, rate_hz) if args.paradigm else broadband_plan(rate_hz)
    settings = PrepareSettings(
        settle_s=args.settle_s, max_bytes=args.shard_mb * 2**20, exclude=tuple(args.exclude)
    )
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading")

        def advance(name: str, n_done: int, n_all: int) -> None:
            progress.update(task, description=name or "done", completed=n_done, total=n_all)

        index = prepare_shards(
            open_reader(args.data),
            plan,
            args.out,
            settings,
            {"data": str(args.data), "command": args.command_line},
            advance,
        )
    for name, reason in index.skipped.items():
        print(f"skipped {name}: {reason}", file=sys.stderr)
    hours = sum(shard.n_samples for shard in index.shards) / index.rate_hz / 3600.0
    n_pieces = sum(len(shard.pieces) for shard in index.shards)
    print(
        f"{index.chain}: {n_pieces} recordings, {hours:.2f} h, {len(index.shards)} shards in {args.out}; "
        f"{len(index.skipped)} skipped"
    )
    return 0


def _inspect(args: argparse.Namespace) -> int:
    from tools.pretraining.predictability import linear_predictability
    from tools.pretraining.shards import read_index

    index = read_index(args.shards)
    if args.experts:
        return _inspect_experts(args, index)
    found = linear_predictability(args.shards, index)
    print(
        f"{index.chain} in {index.unit}: mean squared error of linear predictors, 1 is nothing: unseen channel "
        f"{found.unseen:.3f}, dropped patch {found.dropped:.3f} ({found.n_pieces} recordings)"
    )
    return 0


def _inspect_experts(args: argparse.Namespace, index: "ShardIndex") -> int:
    from tools.pretraining.spec_inspect import masked_errors

    found = masked_errors(args.shards, index, args.experts, only=args.only)
    print(
        f"masked error, 1 is zeros (standard error over batches); {found.n_windows} windows of {', '.join(found.people)}"
    )
    for name, (mean, se) in found.errors.items():
        print(f"{name}: {mean:.3f} ({se:.3f})")
    return 0


def _train(args: argparse.Namespace) -> int:
    # Read by cuBLAS when it starts; without it some products differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from tools.pretraining.journal import Journal
    from tools.pretraining.processes import open_processes
    from tools.pretraining.shards import read_index
    from tools.pretraining.training import train

    index = read_index(args.shards, check_content=args.check_shards)
    args.out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    with open_processes(args.device) as processes:
        parts = _spec_parts if args.encoder == "specmoe" else _dare_parts
        training, source, fields_shown = parts(args, index, processes)
        journal = Journal(
            args.out, training.settings.steps, args.log_every, processes.is_first, console, *fields_shown
        )
        notes = {
            "command": args.command_line,
            "steps": str(training.settings.steps),
            "windows": str(source.n_windows),
            "data": json.dumps({**index.provenance, "chain": index.chain, "index_sha256": index.sha256}),
        }
        if people := getattr(source, "people", ()):
            notes["people"] = json.dumps(people)
        train(
            training,
            source,
            args.out,
            processes,
            journal=journal,
            notes=notes,
            unit=index.unit,
            save_every=args.save_every,
            until=args.until,
        )
        if processes.is_first:
            print(f"{args.out}: {journal.summary()['losses']}")
    return 0


def _dare_parts(
    args: argparse.Namespace, index: "ShardIndex", processes: "Processes"
) -> tuple[Any, Any, Any]:
    from rtbci.encoder.pretraining import Losses
    from tools.pretraining.batches import BatchSource
    from tools.pretraining.journal import SHOWN
    from tools.pretraining.training import Training, TrainSettings

    settings = TrainSettings(**_given(args, TrainSettings))
    return (
        Training(settings, index, processes),
        BatchSource(args.shards, index, **_drawing(settings, processes), exclude=settings.exclude),
        (Losses._fields, SHOWN),
    )


def _spec_parts(
    args: argparse.Namespace, index: "ShardIndex", processes: "Processes"
) -> tuple[Any, Any, Any]:
    from rtbci.encoder.specmoe.losses import SpecLosses
    from tools.pretraining.batches import WindowSource
    from tools.pretraining.spec_training import (
        SHOWN,
        SpecSource,
        SpecTraining,
        SpecTrainSettings,
        not_of_expert,
        person_of,
    )

    settings = SpecTrainSettings(**_given(args, SpecTrainSettings))
    training = SpecTraining(settings, index, processes)
    names = [piece.name for shard in index.shards for piece in shard.pieces]
    kept = [name for name in names if not any(fnmatch(name, pattern) for pattern in settings.exclude)]
    others = not_of_expert(kept, settings.expert, settings.n_experts)
    exclude = (*settings.exclude, *map(escape, others))
    windows = WindowSource(args.shards, index, **_drawing(settings, processes), exclude=exclude)
    people = sorted({person_of(name) for name in kept} - {person_of(name) for name in others})
    return training, SpecSource(windows, settings.channels, people), (SpecLosses._fields, SHOWN)


def _given(args: argparse.Namespace, settings: type) -> dict[str, Any]:
    """What was given of a training's settings; the rest are its own defaults."""
    names = {field.name for field in fields(settings)}
    given = {name: value for name, value in vars(args).items() if name in names and value is not None}
    return {**given, "exclude": tuple(args.exclude)}


def _drawing(settings: Any, processes: "Processes") -> dict[str, Any]:
    return {
        "batch": settings.batch,
        "n_samples": settings.n_samples,
        "seed": settings.seed,
        "rank": processes.rank,
        "n_processes": processes.count,
    }


if __name__ == "__main__":
    raise SystemExit(main())
