"""Train, judge and write the shipped switch of imagery against rest.

Usage, from the checkout's root::

    python -m tools.train_rest_switch

Reads ``../shared/data/eegmmidb`` (or ``--data``): imagined fists and the rest between them. Cross-validates by subject on
windows from one second after either began, with controls of other electrodes; decodes whole recordings by the live decoder,
each person by a fold that was not trained on them, and chooses the decision's policy on other people. Writes
``paradigms/motor_imagery_rest/population`` and ``docs/results_rest.json``; the tables are printed. Folds are kept in
``--work``, for ``rtbci eval --paradigm motor_imagery_rest --folds WORK``. Nothing is random but the folds (seed 0).
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.clock import utc_now
from rtbci.files import write_whole
from rtbci.probe.from_recipe import recipe_fields
from rtbci.probe.profile import (
    Accuracy,
    BranchEntry,
    Profile,
    join_tensors,
    read_profile,
    write_profile,
)
from rtbci.probe.profile_record import SPREAD_NAME, DecisionEntry
from rtbci.probe.tangent import TangentProbe
from rtbci.recipes import DecisionSettings, ParadigmRecipe, read_paradigm
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tools.rest_switch.fitting import fit_switch, out_of_fold, temperature_of
from tools.rest_switch.periods import IMAGERY, REST, Periods, read_periods
from tools.rest_switch.streaming import judge_online, online_rows, spans_of
from tools.training.folds import use_one_thread
from tools.training.fusing import nested_fusion
from tools.training.judge import compare, markdown_table, score, subject_accuracies, subject_folds
from tools.training.signals import FRONTAL, POSTERIOR, RATE_HZ

PARADIGM = "motor_imagery_rest"
CONTROLS = {"posterior": POSTERIOR, "frontal": FRONTAL}
OWN = "sensorimotor"
SHIPPED_LIMIT = 4.0
"""False activations a minute that the shipped policy may have; below it too few trials are met."""
USER_PRECISION = 12.0
"""Of the prior on each weight's change in a calibration; one for each weight, learned from people, was no better here (docs/calibration.md)."""
DATA = "eegmmidb"


def main() -> None:
    """Do everything."""
    options = _options()
    use_one_thread()
    recipe = read_paradigm(PARADIGM)
    paths = sorted((options.data / DATA).glob("S*.npz"))[: options.subjects_limit]
    options.work.mkdir(parents=True, exist_ok=True)
    if not (options.work / "all" / "profile").is_dir():
        _fit(recipe, paths, options)
    numbers = np.array([int(path.stem.lstrip("S")) for path in paths])
    folds = subject_folds(numbers, options.folds, 0)
    which = np.array([int(np.argmax([test[k] for test in folds])) for k in range(len(paths))])
    streamed = [k for k in range(len(paths)) if k % options.every == 0]
    people = []
    for k in streamed:
        people.append(spans_of(read_profile(options.work / f"fold{which[k]}" / "profile"), recipe, paths[k]))
        print(f"{paths[k].stem} decoded", flush=True)
    rows, policies = judge_online(people, which[streamed], recipe)
    for name in CONTROLS:
        _judge_control(name, paths, options, recipe.window.length_s)
    judged = _scores(options.work, options.folds)
    results = judged | {"online": rows, "n_streamed": len(people), "shipped_limit_per_min": SHIPPED_LIMIT}
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    _ship(recipe, read_profile(options.work / "all" / "profile"), judged, policies[SHIPPED_LIMIT])
    print(report(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the switch of imagery against rest.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("build/rest_switch"))
    parser.add_argument("--out", type=Path, default=Path("docs/results_rest.json"))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--subjects-limit", type=int, default=None)
    parser.add_argument(
        "--every", type=int, default=1, help="whole recordings of every Nth person are decoded"
    )
    return parser.parse_args()


def _fit(recipe: ParadigmRecipe, paths: Sequence[Path], options: argparse.Namespace) -> None:
    """Fit the folds' decoders and that of all people; keep them and the margins of held-out people."""
    periods = read_periods(paths, recipe.input.channels)
    print(f"{len(periods.labels)} periods read", flush=True)
    mirror, length_s = mirror_columns(recipe.input.channels), recipe.window.length_s
    folds = subject_folds(periods.subjects, options.folds, 0)
    margins, probes = out_of_fold(periods, folds, length_s, mirror)
    _keep(options.work, OWN, periods, margins)
    for i, (test, probe) in enumerate(zip(folds, probes, strict=True)):
        temperature = temperature_of(margins[~test], periods.labels[~test])
        train = set(periods.subjects[~test].tolist())
        profile = _profile(recipe, probe, temperature, periods, train)
        _write_fold(options.work / f"fold{i}", profile, sorted(set(periods.subjects[test].tolist())))
    probe = fit_switch(periods, np.ones(len(periods.labels), bool), length_s, mirror)
    temperature = temperature_of(margins, periods.labels)
    shipped = _profile(recipe, probe, temperature, periods, set(periods.subjects.tolist()))
    write_profile(options.work / "all" / "profile", shipped, replace=True)
    print("fitted", flush=True)


def _judge_control(name: str, paths: Sequence[Path], options: argparse.Namespace, length_s: float) -> None:
    """The same from other electrodes alone."""
    if (options.work / f"{name}.npz").is_file():
        return
    periods = read_periods(paths, CONTROLS[name])
    folds = subject_folds(periods.subjects, options.folds, 0)
    margins, _ = out_of_fold(periods, folds, length_s, mirror_columns(CONTROLS[name]))
    _keep(options.work, name, periods, margins)
    print(f"{name}: windows judged", flush=True)


def _keep(work: Path, name: str, periods: Periods, margins: FloatArray) -> None:
    np.savez(work / f"{name}.npz", margins=margins, subjects=periods.subjects, labels=periods.labels)


def _scores(work: Path, n_folds: int) -> dict[str, Any]:
    from sklearn.metrics import roc_auc_score

    margins: dict[str, FloatArray] = {}
    for name in (OWN, *CONTROLS):
        with np.load(work / f"{name}.npz") as archive:
            margins[name] = archive["margins"]
    with np.load(work / f"{OWN}.npz") as archive:
        subjects, labels = archive["subjects"], archive["labels"].astype(np.int64)
    both = f"{OWN} and posterior"
    folds = subject_folds(subjects, n_folds, 0)
    margins = margins | {both: nested_fusion([margins[OWN], margins["posterior"]], labels, folds)}
    right = {name: subject_accuracies(subjects, labels, one) for name, one in margins.items()}
    auc = {name: float(roc_auc_score(labels, one[:, 0])) for name, one in margins.items()}
    return {
        "n_subjects": len(np.unique(subjects)),
        "n_periods": len(labels),
        "scores": [score(name, one).as_dict() | {"auc": auc[name]} for name, one in right.items()],
        "tests": [
            compare(f"{OWN} - {name}", right[OWN], one) for name, one in right.items() if name in CONTROLS
        ]
        + [compare(f"{both} - posterior", right[both], right["posterior"])],
    }


def _profile(
    recipe: ParadigmRecipe, probe: TangentProbe, temperature: float, periods: Periods, train: set[int]
) -> Profile:
    branch = recipe.branches[0]
    tensors = {name: x.astype(np.float32) for name, x in join_tensors({branch.name: probe}).items()}
    spread = np.full(probe.coef.shape[1], USER_PRECISION**-0.5, np.float32)
    covariance = np.mean([periods.covariance[one] for one in sorted(train)], axis=0)
    return Profile(
        **recipe_fields(recipe, RATE_HZ),
        user="population",
        branches=[
            BranchEntry(name=branch.name, kind="tangent", bands_hz=list(branch.bands_hz), order=branch.order)
        ],
        bias=[0.0, 0.0],
        temperature=temperature,
        n_trials=int(np.isin(periods.subjects, list(train)).sum()),
        trained_on=[f"{DATA}/S{one:03d}" for one in sorted(train)],
        created=utc_now().isoformat(timespec="seconds"),
        mirror=[IMAGERY, REST],  # the other hand is imagery too
        weights=tensors
        | {"align.covariance": covariance.astype(np.float32), f"{branch.name}.{SPREAD_NAME}": spread},
    )


def _write_fold(folder: Path, profile: Profile, test: Sequence[int]) -> Profile:
    written = write_profile(folder / "profile", profile, replace=True)
    names = [f"S{one:03d}" for one in sorted(test)]
    write_whole(folder / "subjects.json", (json.dumps({"test": names}) + "\n").encode())
    return written


def _ship(recipe: ParadigmRecipe, profile: Profile, judged: dict[str, Any], policy: DecisionSettings) -> None:
    from msgspec.structs import replace

    own = next(one for one in judged["scores"] if one["name"] == OWN)
    accuracy = Accuracy(
        mean=own["mean"],
        low=own["low"],
        high=own["high"],
        n=own["n"],
        what=f"imagery against rest, windows of {recipe.window.length_s:g} s from 1 s after either began, people not seen",
    )
    entry = DecisionEntry(**policy.model_dump())
    write_profile(
        recipe.folder / "population", replace(profile, accuracy=accuracy, decision=entry), replace=True
    )


def report(results: dict[str, Any]) -> str:
    """The tables, in Markdown."""
    scores = [
        [one["name"], f"{one['mean']:.1f}", f"{one['low']:.1f} to {one['high']:.1f}", f"{one['auc']:.3f}"]
        for one in results["scores"]
    ]
    tests = [
        [one["name"], f"{one['difference']:+.2f} ({one['se']:.2f})", f"{one['p_t']:.2g}"]
        for one in results["tests"]
    ]
    header = [
        "at most false/min",
        "trials met %",
        "false/min",
        "s to it",
        "people with half met %",
        "policy of all",
    ]
    return "\n\n".join(
        [
            markdown_table(["electrodes", "balanced accuracy %", "95 % interval", "area, pooled"], scores),
            markdown_table(["difference", "points (SE)", "p (t)"], tests),
            markdown_table(header, online_rows(results["online"])),
        ]
    )


if __name__ == "__main__":
    main()
