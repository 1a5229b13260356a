"""Train and judge published decoders on the signal and the folds of ours, with and without a user's first trials.

Usage, from the checkout's root::

    python -m tools.compare_decoders --jobs 1 --folds 5 --out build/compare

Reads the recordings of ``../shared/data/eegmmidb`` (or ``--data``). Each fold of each track writes margins
(``fold0_B.npz``) and a record (``fold0_B.json``); folds that are done are kept. Then ``compare.json`` and
``compare.md`` are written from those that are there. ``--ours FOLDER`` adds the decoders whose folds
``tools.train_motor_imagery`` (or a training that writes the same files) left in its ``--work``, compared trial by trial.
With ``--self-paced`` all are also judged over the whole recordings, rest included: ``self_paced.json`` and ``.md``.
"""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.evaluate.data import open_data
from rtbci.probe.refit import PRECISION
from tools.training.baselines.comparing import compare_folds
from tools.training.baselines.eegnet import NetSettings
from tools.training.baselines.few_trials import KS
from tools.training.baselines.fold import Settings, run_fold
from tools.training.baselines.prepare import TRACKS
from tools.training.baselines.self_paced import judge_streamed, streamed_path
from tools.training.baselines.self_paced_table import self_paced_page
from tools.training.baselines.streaming import stream_fold
from tools.training.baselines.table import page
from tools.training.folds import use_one_thread
from tools.training.judge import subject_folds
from tools.training.pool import DATA_SET, add_data, recordings_for
from tools.training.signals import Signal, read_runs, reference_signal

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    try:
        paths = recordings_for("compare", args.data, args.folds, args.subjects_limit)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    labels = read_runs(paths[0])[0].labels if "A" in args.tracks else ()
    net, ks = NetSettings(epochs=args.epochs), tuple(sorted(set(args.ks)))
    if args.self_paced and (args.ours is None or "B" not in args.tracks):
        print(
            "compare: --self-paced needs --ours, whose decoders the baselines are judged beside, and track B",
            file=sys.stderr,
        )
        return 2
    settings = Settings(args.folds, args.seed, args.precision, net, labels, ks)
    try:
        _run_folds(args, paths, settings)
        results = compare_folds(args.out, args.tracks, args.folds, args.ours)
        streamed = _self_paced(args) if args.self_paced else None
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    (args.out / "compare.json").write_text(json.dumps(results, indent=1) + "\n")
    (args.out / "compare.md").write_text(page(results))
    print(page(results))
    if streamed is not None:
        (args.out / "self_paced.json").write_text(json.dumps(streamed, indent=1) + "\n")
        (args.out / "self_paced.md").write_text(self_paced_page(streamed))
        print(self_paced_page(streamed))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data(parser)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "compare", help="folds and tables")
    parser.add_argument("--ours", type=Path, default=None, help="folder of fold0.npz ... of our own training")
    parser.add_argument(
        "--self-paced", action="store_true", help="judge over whole recordings too; needs --ours"
    )
    parser.add_argument(
        "--every", type=int, default=4, help="hops from one window to the next with --self-paced"
    )
    parser.add_argument("--tracks", nargs="+", choices=sorted(TRACKS), default=["B", "A"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--only", type=int, nargs="+", default=None, help="run these folds alone, from 0")
    parser.add_argument("--epochs", type=int, default=NetSettings().epochs, help="of EEGNet on the pool")
    parser.add_argument(
        "--precision", type=float, default=PRECISION, help="of the prior when heads are refitted"
    )
    parser.add_argument(
        "--ks", type=int, nargs="+", choices=KS, default=KS, help="trials a class of the user that are known"
    )
    parser.add_argument("--subjects-limit", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="folds at a time; each takes one core and 6 GB")
    return parser


def _run_folds(args: argparse.Namespace, paths: list[Path], settings: Settings) -> None:
    subjects = np.array([int(path.stem.lstrip("S")) for path in paths])
    tests = [subjects[one] for one in subject_folds(subjects, args.folds, args.seed)]
    chosen = range(args.folds) if args.only is None else args.only
    todo = [
        (i, track, tests[i], tuple(paths), settings, args.out)
        for track in args.tracks
        for i in chosen
        if not _is_done(args.out / f"fold{i}_{track}.json", settings, tests[i])
    ]
    if args.jobs == 1 or len(todo) < 2:
        for one in todo:
            _one_fold(*one)
        return
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(_one_fold, *one) for one in todo]:
            future.result()


def _self_paced(args: argparse.Namespace) -> dict[str, Any]:
    """Stream the finished folds of track B that are not streamed yet; judge all that are."""
    use_one_thread()
    reader = open_data([str(args.data / DATA_SET)], DATA_SET)
    for i in range(args.folds) if args.only is None else args.only:
        path, out = args.out / f"fold{i}_B.npz", streamed_path(args.out, i)
        if path.with_suffix(".json").is_file() and not out.is_file():
            stream_fold(reader, path, args.ours, out, args.every, partial(_report, f"fold {i}"))
    return judge_streamed(args.out, args.folds, args.every)


def _report(what: str, line: str) -> None:
    print(f"{what}: {line}", flush=True)


def _is_done(path: Path, settings: Settings, test: npt.NDArray[np.intp]) -> bool:
    """Whether a fold is there; one of other settings or subjects is never mixed in."""
    if not path.is_file():
        return False
    record = json.loads(path.read_text())
    wanted = json.loads(json.dumps(asdict(settings)))
    if record["settings"] | {"all_channels": None} != wanted | {"all_channels": None} or record[
        "test_subjects"
    ] != sorted(test.tolist()):
        raise ConfigError(
            f"compare: {path} was made with other settings or subjects, need {wanted}; give another --out, or delete it"
        )
    return True


def _one_fold(
    i: int,
    track: str,
    test: npt.NDArray[np.intp],
    paths: tuple[Path, ...],
    settings: Settings,
    out: Path,
) -> None:
    use_one_thread()
    run_fold(
        lambda layout, low_hz, high_hz: _signals(paths, layout, low_hz, high_hz),
        [path for path in paths if int(path.stem.lstrip("S")) in test],
        test,
        TRACKS[track],
        settings,
        out / f"fold{i}_{track}.npz",
        partial(_report, f"fold {i}, track {track}"),
    )


@cache
def _signals(
    paths: tuple[Path, ...], layout: tuple[str, ...], low_hz: float, high_hz: float
) -> tuple[Signal, ...]:
    runs = (run for path in paths for run in read_runs(path))
    return tuple(reference_signal(run, layout, low_hz, high_hz) for run in runs)


if __name__ == "__main__":
    raise SystemExit(main())
