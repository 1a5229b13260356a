"""Judge and write the shipped workload decoder, and say what else could tell rest from arithmetic.

Usage, from the checkout's root::

    python -m tools.train_workload

Reads ``../shared/data/eegmat`` (or ``--data``): for each person the rest and, behind a gap, the arithmetic as one session, streamed
through the decoder. The weights are the recipe's own; what is fitted is how sure the decoder may be (a temperature and a bias),
with each person left out for the judgement by `rtbci eval`'s pipeline, on all for the profile. Writes
``paradigms/workload/population`` and ``docs/results_workload.json``; the tables are printed. Nothing is random.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rtbci.clock import utc_now
from rtbci.evaluate.evaluate import evaluate
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.statistics import summarize
from rtbci.files import write_whole
from rtbci.probe.band_power import profile_of_recipe
from rtbci.probe.profile import Accuracy, Profile, write_profile
from rtbci.recipes import BandpassSettings, ParadigmRecipe, read_paradigm
from rtbci.recipes.branches import BranchSettings
from rtbci.replay.recording import Recording
from rtbci.stages.stage import FloatArray
from tools.workload.fitted import BANDS_HZ, fit_logistic, left_out, log_powers, tangent_covariances
from tools.workload.measures import Told, decoded, heart_rate, said
from tools.workload.sessions import SessionReader, ecg_of

RATE_HZ = 128.0
TRACK = "2-10"
"""Windows of 8 s in pieces of 10 s."""
PENALTIES = (0.01, 1.0)
PRIOR = 0.01
"""Precision of the prior on how sure the decoder may be."""
FRONTAL = ("FP1", "FP2", "F7", "F8")
RULES: dict[str, tuple[tuple[str, ...], tuple[float, float], float]] = {
    "parietal alpha falls (shipped)": (("P3", "PZ", "P4"), (8.0, 13.0), -1.0),
    "parietal and occipital alpha falls": (("P3", "PZ", "P4", "O1", "O2"), (8.0, 13.0), -1.0),
    "central alpha falls": (("C3", "CZ", "C4"), (8.0, 13.0), -1.0),
    "central beta falls": (("C3", "CZ", "C4"), (13.0, 30.0), -1.0),
    "parietal beta falls": (("P3", "PZ", "P4"), (13.0, 30.0), -1.0),
}
WIDE: dict[str, tuple[tuple[str, ...], tuple[float, float], float]] = {
    "frontal theta rises": (("FZ", "F3", "F4"), (4.0, 7.5), 1.0),
    "control: eyes (frontal 1-4 Hz rises)": (FRONTAL, (1.0, 4.0), 1.0),
    "control: muscles (temporal, frontal 30-40 Hz rises)": (("T7", "T8", *FRONTAL), (30.0, 40.0), 1.0),
}


def main() -> None:
    """Do everything."""
    options = _options()
    recipe = read_paradigm("workload")
    usual_s = recipe.value.baseline.length_s if recipe.value and recipe.value.baseline else 0.0
    reader = SessionReader(options.data, usual_s)
    sessions = {name: reader.read(name)[0] for name in reader.subjects()}
    bare = profile_of_recipe(recipe)
    if bare is None:
        raise SystemExit("the recipe's branches have no weights, need them there")
    odds = {name: decoded(recipe, session, bare)[0] for name, session in sessions.items()}
    folds = options.work / "folds"
    for name in sessions:
        others = [one for one in sessions if one != name]
        _write_fold(folds / f"fold_{name}", name, _sure(bare, [odds[one] for one in others], others))
    judged = evaluate(
        Plan(paradigm=str(recipe.folder), reader=reader, track=TRACK, folds=folds, is_named=True)
    )
    accuracy = [
        100.0 * float(one.scores["k0"].metrics["balanced_accuracy"] or 0.0) for one in judged.subjects
    ]
    profile = _sure(bare, list(odds.values()), list(sessions), _accuracy(accuracy))
    write_profile(recipe.folder / "population", profile, replace=True)
    results = {
        "people": list(sessions),
        "shipped": _shipped(recipe, sessions, folds, accuracy),
        "told": _told(recipe, sessions, options.data, usual_s),
        "profile": {"temperature": profile.temperature, "bias": profile.bias},
    }
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    print(_tables(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Judge and write the shipped workload decoder.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/eegmat"))
    parser.add_argument("--work", type=Path, default=Path("build/workload"))
    parser.add_argument("--out", type=Path, default=Path("docs/results_workload.json"))
    return parser.parse_args()


def _sure(
    bare: Profile, told: Sequence[Told], people: Sequence[str], accuracy: Accuracy | None = None
) -> Profile:
    """The recipe's decoder, as sure as it may be by these people; each person and class weighs the same."""
    x = np.concatenate([np.concatenate([one.rest, one.task]) for one in told])
    y = np.concatenate([np.repeat([0.0, 1.0], [len(one.rest), len(one.task)]) for one in told])
    each = [np.repeat([1 / len(one.rest), 1 / len(one.task)], [len(one.rest), len(one.task)]) for one in told]
    (slope,), bias = fit_logistic(x[:, None], y, np.concatenate(each), PRIOR)
    slope = max(float(slope), 0.1)  # a rule that says nothing of these people is not turned round
    return msgspec.structs.replace(
        bare,
        temperature=1.0 / slope,
        bias=[0.0, bias / slope],
        n_trials=len(x),
        trained_on=[f"eegmat/{name}" for name in people],
        accuracy=accuracy,
        created=utc_now().isoformat(timespec="seconds"),
    )


def _write_fold(folder: Path, subject: str, profile: Profile) -> None:
    write_profile(folder / "profile", profile, replace=True)
    write_whole(folder / "subjects.json", json.dumps({"test": [subject]}).encode())


def _accuracy(percent: Sequence[float]) -> Accuracy:
    found = summarize(list(percent))
    return Accuracy(
        mean=found.mean or 0.0,
        low=max(0.0, found.low or 0.0),
        high=min(100.0, found.high or 0.0),
        n=found.n,
        what="rest against arithmetic, windows of 8 s, each of three people left out; two recordings, rest first",
    )


def _shipped(
    recipe: ParadigmRecipe, sessions: Mapping[str, Recording], folds: Path, accuracy: Sequence[float]
) -> list[dict[str, Any]]:
    rows = []
    for (name, session), percent in zip(sessions.items(), accuracy, strict=True):
        odds, value = decoded(recipe, session, folds / f"fold_{name}" / "profile")
        values = {"value_rest": float(value.rest.mean()), "value_task": float(value.task.mean())}
        above = {f"above_{one:g}": [float((part > one).mean()) for part in value] for one in (0.6, 0.7, 0.8)}
        smooth = {"value_auc": value.row()["auc"]}
        rows.append({"name": name, "balanced_accuracy": percent, **odds.row(), **values, **smooth, **above})
    return rows


def _told(
    recipe: ParadigmRecipe, sessions: Mapping[str, Recording], data: Path, usual_s: float
) -> list[dict[str, Any]]:
    """What other rules, fitted decoders and controls tell of the same windows."""
    rows = [_rule(name, _ruled(recipe, *rule), sessions) for name, rule in RULES.items()]
    wide = _wide(recipe)
    rows += [_rule(name, _ruled(wide, *rule), sessions) for name, rule in WIDE.items()]
    window, hop_s = recipe.window.length_s, recipe.window.hop_s
    gaps_s = {name: float(session.gaps()[0, 0]) for name, session in sessions.items()}
    beats = {name: _beats(data, name, window, hop_s, usual_s) for name in sessions}
    rows.append(
        {"what": "control: heart rate rises (ECG)", "people": [beats[name].row() for name in sessions]}
    )
    powers = {name: log_powers(recipe, session, RATE_HZ) for name, session in sessions.items()}
    for penalty in PENALTIES:
        told = left_out(powers, gaps_s, usual_s, penalty, tangent=False)
        what = f"fitted: {', '.join(BANDS_HZ)} of 12 electrodes, penalty {penalty:g}"
        rows.append({"what": what, "people": [told[name].row() for name in sessions]})
    covariances = {
        name: tangent_covariances(recipe, session, RATE_HZ, (8.0, 30.0)) for name, session in sessions.items()
    }
    told = left_out(covariances, gaps_s, usual_s, 1.0, tangent=True)
    rows.append({"what": "fitted: tangent space, 8-30 Hz", "people": [told[name].row() for name in sessions]})
    return rows


def _rule(name: str, recipe: ParadigmRecipe, sessions: Mapping[str, Recording]) -> dict[str, Any]:
    profile = profile_of_recipe(recipe)
    return {
        "what": name,
        "people": [decoded(recipe, session, profile)[0].row() for session in sessions.values()],
    }


def _ruled(
    recipe: ParadigmRecipe, electrodes: tuple[str, ...], band_hz: tuple[float, float], weight: float
) -> ParadigmRecipe:
    branch = BranchSettings(
        name="rule", kind="power", bands_hz=(band_hz,), electrodes=electrodes, weights=(weight,)
    )
    return recipe.model_copy(update={"branches": (branch,)})


def _wide(recipe: ParadigmRecipe) -> ParadigmRecipe:
    """The same with frontal electrodes and slower and faster waves, which the shipped decoder never sees."""
    layout = recipe.input.model_copy(
        update={"channels": (*recipe.input.channels, *FRONTAL, "F3", "FZ", "F4")}
    )
    stages = tuple(
        one.model_copy(update={"low_hz": 0.5, "high_hz": 45.0}) if isinstance(one, BandpassSettings) else one
        for one in recipe.stages
    )
    return recipe.model_copy(update={"input": layout, "stages": stages})


def _beats(data: Path, name: str, window_s: float, hop_s: float, usual_s: float) -> Told:
    rest, task = (heart_rate(*ecg_of(data, name, i), window_s, hop_s) for i in (0, 1))
    found: FloatArray = np.concatenate([rest[round(usual_s / hop_s) :], task])
    is_task = np.arange(len(found)) >= len(found) - len(task)
    known = np.isfinite(found)
    return said(found[known], is_task[known])


def _tables(results: Mapping[str, Any]) -> str:
    people = results["people"]
    lines = [f"| person | {' | '.join(people)} |", f"|---|{'---|' * len(people)}"]
    lines += [
        f"| {key} | " + " | ".join(f"{one[key]:.2f}" for one in results["shipped"]) + " |"
        for key in ("balanced_accuracy", "auc", "value_auc", "value_rest", "value_task")
    ]
    lines.append(
        "| above 0.7: rest, task | "
        + " | ".join(f"{one['above_0.7'][0]:.2f}, {one['above_0.7'][1]:.2f}" for one in results["shipped"])
        + " |"
    )
    lines += [
        "",
        f"| AUC, task against rest | {' | '.join(people)} | mean | rest: second half against first | task: the same |",
    ]
    lines += [f"|---|{'---|' * len(people)}---|---|---|"]
    for row in results["told"]:
        each = [one["auc"] for one in row["people"]]
        halves = [
            ", ".join(f"{one[key]:.2f}" for one in row["people"]) for key in ("rest_halves", "task_halves")
        ]
        lines.append(
            f"| {row['what']} | {' | '.join(f'{x:.2f}' for x in each)} | {np.mean(each):.2f} | {' | '.join(halves)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
