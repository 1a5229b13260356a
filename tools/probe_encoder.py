"""What a frozen encoder knows before any training with labels: a linear probe on its features, on one fold.

    python -m tools.probe_encoder --start build/pretrained/encoder.safetensors --only-fold 0

The features are means over the patches of track B's window of what the transformer gives, without levels; beside
them those of random encoders and the log powers of the electrodes themselves. No weight but the probe's is trained.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from rtbci.errors import RtbciError
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.pretraining.starts import EMBEDDING_STD
from tools.training.folds import use_one_thread
from tools.training.frozen import frozen_features, level_features, probe_margins, windows_of
from tools.training.judge import compare, markdown_table, score, subject_accuracies, subject_folds
from tools.training.networks import EncoderNet
from tools.training.pool import add_data, recordings_of
from tools.training.results import subject_of
from tools.training.signals import (
    LAYOUT,
    align_signals,
    mean_covariance,
    read_runs,
    reference_signal,
)
from tools.training.starts import ADAPTER_STARTS, Start, start_network
from tools.training.trials import Trials, cut_trials

__all__ = ["main"]

N_FOLDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data(parser)
    parser.add_argument("--start", type=Path, required=True, metavar="FILE", help="pretrained checkpoint")
    parser.add_argument("--size", default="nano")
    parser.add_argument("--adapter-start", choices=ADAPTER_STARTS, default="electrodes")
    parser.add_argument("--only-fold", type=int, default=0, metavar="I")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    use_one_thread()
    try:
        print(_table(args))
    except RtbciError as error:
        print(f"probe: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _table(args: argparse.Namespace) -> str:
    paths = recordings_of(args.data)
    subjects = np.array([subject_of(path) for path in paths])
    tested = subjects[subject_folds(subjects, N_FOLDS, args.seed)[args.only_fold]]
    signals = [reference_signal(run, LAYOUT) for path in paths for run in read_runs(path)]
    covariance = mean_covariance([one for one in signals if one.subject not in tested])
    trials = cut_trials(align_signals(signals, covariance))
    test = np.isin(trials.subjects, tested)
    found: dict[str, FloatArray] = {}
    for name, std, start in (
        ("log power of each electrode", 0.5, None),
        ("random, as supervised training starts", 0.5, None),
        ("random, channel embedding as pretraining starts", EMBEDDING_STD["wide"], None),
        ("pretrained", 0.5, args.start),
    ):
        torch.manual_seed(args.seed)
        net = EncoderNet(args.size, LAYOUT, embedding_std=std).eval()
        start_network(net, Start(start, args.adapter_start), covariance)
        features = level_features if name.startswith("log power") else frozen_features
        margins = _judge(net, features, trials, test)
        found[name] = subject_accuracies(trials.subjects[test], trials.classes[test], margins)
    first = found["random, as supervised training starts"]
    rows = []
    for name, accuracies in found.items():
        mean, difference = score(name, accuracies), compare(name, accuracies, first)
        gain = f"{difference['difference']:+.1f} ({difference['se']:.1f})"
        rows.append([name, f"{mean.mean:.1f} ({mean.se:.1f})", gain])
    return markdown_table(["frozen features", "track B, % (SE)", "gain on random (SE)"], rows)


def _judge(
    net: EncoderNet, features: Callable[..., FloatArray], trials: Trials, test: np.ndarray
) -> FloatArray:
    straight = features(net, windows_of(trials))
    mirrored = features(net, windows_of(trials, mirror_columns(LAYOUT))[~test])
    return probe_margins(straight[~test], mirrored, straight[test], trials, np.flatnonzero(~test))


if __name__ == "__main__":
    raise SystemExit(main())
