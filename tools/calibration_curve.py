"""Judge calibration on real people: each subject's first trials, taken in time order, against the subject's last run.

Usage, from the checkout's root, after ``tools.train_motor_imagery`` has left its folds::

    python -m tools.calibration_curve --folds build/train_motor_imagery --jobs 2 --out build/calibration

Every subject is decoded by a fold whose training did not see it, through the streaming pipeline, cues from the
markers, trials cut and fitted by `rtbci.calibrate`. Subjects that are done are kept in ``--out``.
"""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from rtbci.calibrate.bakeoff import run_bakeoff
from rtbci.calibrate.candidates import standard_candidates
from rtbci.calibrate.competing import Candidate, Fitted
from rtbci.calibrate.confidence import calibration_error, fit_temperature
from rtbci.calibrate.enough import judge
from rtbci.calibrate.features import TrialFeatures
from rtbci.clock import now
from rtbci.errors import ConfigError
from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.evaluate.statistics import Difference, Summary, paired, summarize
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from rtbci.recipes.markers import with_markers
from tools.training.pool import add_data, folds_by_person, recording_of
from tools.training.user_trials import features_by_run

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
KS = (1, 2, 5, 10, 20)
Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    try:
        folds = folds_by_person("calibration_curve", args.folds, args.subjects_limit)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    names = list(folds)
    args.out.mkdir(parents=True, exist_ok=True)
    todo = [name for name in names if not (args.out / f"{name}.json").exists()]
    jobs = [
        (name, folds[name], recording_of(args.data, name), args.out, args.paradigm, args.map) for name in todo
    ]
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for i, name in enumerate(pool.map(_one, jobs), start=1):
            print(f"{i}/{len(jobs)} {name}", flush=True)
    rows = [row for name in names for row in json.loads((args.out / f"{name}.json").read_text())]
    page = table(rows)
    (args.out / "table.md").write_text(page)
    print(page)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data(parser)
    parser.add_argument("--folds", type=Path, default=ROOT / "build" / "train_motor_imagery")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "calibration")
    parser.add_argument("--paradigm", default="motor_imagery")
    parser.add_argument(
        "--map", action="append", default=[], metavar="TEXT=CLASS", help="a marker's class; may be repeated"
    )
    parser.add_argument("--subjects-limit", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=1)
    return parser


def _one(job: tuple[str, Path, Path, Path, str, list[str]]) -> str:
    name, fold, path, out, paradigm, maps = job
    threadpool_limits(1)
    recipe = with_markers(read_paradigm(paradigm), maps)
    profile = read_profile(fold / "profile")
    engine = str(fold / "engine") if (fold / "engine").is_dir() else None
    runs = features_by_run(recipe, profile, read_npz_runs(path), engine)
    trials = [trial for run in runs for trial in run]
    rows = _judged(standard_candidates(profile), trials, first_test=sum(map(len, runs[:-1])))
    (out / f"{name}.json").write_text(json.dumps([row | {"subject": name} for row in rows]) + "\n")
    return name


def _judged(candidates: list[Candidate], trials: list[TrialFeatures], first_test: int) -> list[Row]:
    """Rows of one subject: for each k, each candidate and the one that the bake-off chose."""
    rows: list[Row] = []
    for k in (0, *KS):
        chosen_trials = first_of_each(trials, k)
        if chosen_trials is None or (chosen_trials and chosen_trials[-1] >= first_test):
            continue
        used, test = [trials[i] for i in chosen_trials], trials[first_test:]
        labels = np.array([trial.i_class for trial in test], dtype=np.intp)
        fitted = {one.name: one.fit(used) for one in (candidates if k else candidates[:1])}
        rows += [_row(k, name, one, test, labels) for name, one in fitted.items()]
        if k < 2:
            continue
        t_start = now()
        found = run_bakeoff(candidates, used)
        seconds = now() - t_start
        name = found.chosen.name
        temperature = fit_temperature(found.outcomes[found.i_chosen].logits, found.labels)
        rows.append(
            _row(k, "bake-off", fitted[name], test, labels, temperature)
            | {
                "labels": found.labels.tolist(),
                "crossed": {one.candidate.name: one.logits.tolist() for one in found.outcomes},
                "chosen": name,
                "seconds": seconds,
                "expected": judge(found.nested, found.labels).accuracy,
            }
        )
    return rows


def first_of_each(trials: list[TrialFeatures], k: int) -> list[int] | None:
    """Indices of all trials up to the one that completes `k` of each class; None when there are too few."""
    counts: dict[int, int] = {trial.i_class: 0 for trial in trials}
    taken: list[int] = []
    for i, trial in enumerate(trials):
        if min(counts.values()) >= k:
            return taken
        if counts[trial.i_class] < k:
            taken.append(i)
            counts[trial.i_class] += 1
    return taken if min(counts.values()) >= k else None


def _row(
    k: int,
    name: str,
    fitted: Fitted,
    test: list[TrialFeatures],
    labels: "np.ndarray[tuple[int], np.dtype[np.intp]]",
    temperature: float = 1.0,
) -> Row:
    logits = (
        np.stack([fitted.logits(trial)[-1] for trial in test]) / fitted.profile().temperature / temperature
    )
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    used, columns = np.unique(labels, return_inverse=True)
    return {
        "k": k,
        "decoder": name,
        "accuracy": judge(logits, labels).accuracy,
        "loss": -float(log_probs[np.arange(len(labels)), labels].mean()),
        "ece": calibration_error(log_probs[:, used], columns),
    }


def table(rows: list[Row]) -> str:
    """Markdown: means over subjects, differences to the population's decoder on the same trials."""
    lines = [
        "| trials a class | decoder | accuracy % (SE) | less the population's (SE) | p, t | p, Wilcoxon | subjects at 70 % or more | n |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for k in (0, *KS):
        at_k = [row for row in rows if row["k"] == k]
        base = {row["subject"]: float(row["accuracy"]) for row in at_k if row["decoder"] == "population"}
        for name in dict.fromkeys(str(row["decoder"]) for row in at_k):
            mine = {row["subject"]: float(row["accuracy"]) for row in at_k if row["decoder"] == name}
            both = sorted(set(base) & set(mine), key=str)
            x, y = [mine[s] for s in both], [base[s] for s in both]
            gain = paired("accuracy", "population", name, y, x)
            share = 100 * np.mean([one >= 70 for one in x])
            lines.append(
                f"| {k} | {name} | {_mean(summarize(x))} | {_gain(gain)} | {share:.0f} % | {len(x)} |"
            )
    return "\n".join(lines) + "\n" + _choices(rows)


def _mean(over: Summary | Difference, sign: str = "") -> str:
    return f"{over.mean:{sign}.1f} ({over.se:.1f})" if over.se is not None else f"{over.mean:{sign}.1f}"


def _gain(gain: Difference) -> str:
    if gain.p_t is None or gain.p_wilcoxon is None or gain.p_t == 1.0:
        return "- | - | -"
    return f"{_mean(gain, '+')} | {gain.p_t:.2g} | {gain.p_wilcoxon:.2g}"


def _choices(rows: list[Row]) -> str:
    lines = [
        "",
        "| trials a class | chosen | accuracy that the bake-off told, % | reached, % | seconds (median) | ECE, population, conv-probe, chosen |",
        "|---|---|---|---|---|---|",
    ]
    for k in KS:
        mine = [row for row in rows if row["k"] == k and row["decoder"] == "bake-off"]
        if not mine:
            continue
        names = [str(row["chosen"]) for row in mine]
        counts = ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(names))
        told, reached = (np.mean([float(row[key]) for row in mine]) for key in ("expected", "accuracy"))
        seconds = np.median([float(row["seconds"]) for row in mine])
        ece = [
            np.mean([float(row["ece"]) for row in rows if row["k"] == k and row["decoder"] == name])
            for name in ("population", "conv-probe", "bake-off")
        ]
        lines.append(
            f"| {k} | {counts} | {told:.1f} | {reached:.1f} | {seconds:.1f} | {', '.join(f'{x:.3f}' for x in ece)} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
