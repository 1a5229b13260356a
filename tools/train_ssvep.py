"""Fit, judge and write the shipped SSVEP decoder.

Usage, from the checkout's root::

    python -m tools.train_ssvep

Reads ``../shared/data/ssvep-exo`` (or ``--data``: a folder of a folder for each subject), fits the mapping from
correlations to probabilities with each subject left out, judges every subject with `rtbci eval` by the fit without it,
draws accuracy against window length beside plain CCA, and writes ``paradigms/ssvep/population`` and
``docs/results_ssvep.json``; the tables are printed. Nothing is random. Folds are kept in ``--work``, for
``rtbci eval --paradigm ssvep --folds WORK/folds --track 0.5-4.5``.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rtbci.clock import utc_now
from rtbci.evaluate.data import SubjectReader, open_data
from rtbci.evaluate.decode import decode_run
from rtbci.evaluate.evaluate import evaluate
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.record import Evaluation
from rtbci.evaluate.statistics import paired, summarize
from rtbci.files import write_whole
from rtbci.flicker.profile import cca_branch, profile_for
from rtbci.probe.profile import Accuracy, BranchEntry, Profile, write_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.runtime.decoder import Decoder
from tools.ssvep.correlate import Correlated, correlate
from tools.ssvep.fitting import Mapping, fit_mapping
from tools.ssvep.online import judge_online
from tools.ssvep.tables import report
from tools.ssvep.variants import METHODS, write_variant

LENGTHS_S = (0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
REACTIONS_S = (0.5, 1.0)
"""Windows start this long after the cue: 0.5 s is usual where cues are seen (Chen et al. 2015), here they are heard."""
THRESHOLDS = (0.6, 0.7, 0.8, 0.9, 0.95)
RATE_HZ = 256.0


def main() -> None:
    """Do everything."""
    options = _options()
    recipe = read_paradigm("ssvep")
    reader = open_data([str(options.data)])
    subjects = reader.subjects()
    runs = {name: _correlate(reader, name, recipe, options.rest) for name in subjects}
    folds = options.work / "folds"
    for name in subjects:
        others = [one for one in subjects if one != name]
        fitted = fit_mapping([runs[one] for one in others], recipe)
        _write_fold(folds / f"fold_{name}", name, _profile(recipe, fitted, reader.name, others))
        print(f"fold without {name}: idle {fitted.idle:.2f}, weights {fitted.weight[:, 0].round(2).tolist()}")
    shipped = _judge(str(recipe.folder), reader, REACTIONS_S[0], LENGTHS_S[-1], folds)
    fitted = fit_mapping([runs[one] for one in subjects], recipe)
    profile = _profile(recipe, fitted, reader.name, subjects, _accuracy(shipped))
    write_profile(recipe.folder / "population", profile, replace=True)
    results = {
        "data": reader.name,
        "subjects": subjects,
        "curves": [
            {"reaction_s": one, "rows": _curve(options.work, recipe, reader, one)} for one in REACTIONS_S
        ],
        "shipped": _shipped(recipe, reader, folds),
        "online": _online(recipe, reader, runs, folds),
    }
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    print(report(results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fit, judge and write the shipped SSVEP decoder.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ssvep-exo"))
    parser.add_argument("--rest", default="1", help="marker of a trial in which nothing is looked at")
    parser.add_argument("--work", type=Path, default=Path("build/ssvep"))
    parser.add_argument("--out", type=Path, default=Path("docs/results_ssvep.json"))
    return parser.parse_args()


def _correlate(reader: SubjectReader, name: str, recipe: ParadigmRecipe, rest: str) -> Correlated:
    (run,) = reader.read(name)
    return correlate(run, recipe, rest, f"{reader.name}/{name}")


def _profile(
    recipe: ParadigmRecipe,
    fitted: Mapping,
    data: str,
    subjects: Sequence[str],
    accuracy: Accuracy | None = None,
) -> Profile:
    settings = cca_branch(recipe)
    entry = BranchEntry(
        name=settings.name, kind="cca", frequencies_hz=list(settings.frequencies_hz), weight=1.0
    )
    bare = Profile(
        user="population",
        paradigm=recipe.name,
        classes=list(recipe.classes),
        channels=list(recipe.input.channels),
        rate_hz=RATE_HZ,
        window_samples=1,
        hop_samples=1,
        branches=[entry],
        bias=[0.0 if one else fitted.idle for one in settings.frequencies_hz],
        n_trials=fitted.n_trials,
        trained_on=[f"{data}/{name}" for name in subjects],
        created=utc_now().isoformat(timespec="seconds"),
        weights={f"{settings.name}.weight": fitted.weight},
    )
    return msgspec.structs.replace(profile_for(recipe, bare, RATE_HZ), accuracy=accuracy)


def _write_fold(folder: Path, subject: str, profile: Profile) -> None:
    write_profile(folder / "profile", profile, replace=True)
    write_whole(folder / "subjects.json", json.dumps({"test": [subject]}).encode())


def _judge(
    paradigm: str, reader: SubjectReader, reaction_s: float, length_s: float, folds: Path | None
) -> Evaluation:
    track = f"{reaction_s:g}-{reaction_s + length_s:g}"
    return evaluate(Plan(paradigm=paradigm, reader=reader, track=track, folds=folds, is_named=True))


def _shares(judged: Evaluation) -> dict[str, list[float]]:
    """Accuracy in percent and bits a minute of each subject."""
    scores = [one.scores["k0"].metrics for one in judged.subjects]
    return {
        "accuracy": [100.0 * float(one["accuracy"] or 0.0) for one in scores],
        "itr_bits_per_min": [float(one["itr_bits_per_min"] or 0.0) for one in scores],
    }


def _accuracy(judged: Evaluation) -> Accuracy:
    found = summarize(_shares(judged)["accuracy"])
    return Accuracy(
        mean=found.mean or 0.0,
        low=found.low or 0.0,
        high=found.high or 0.0,
        n=found.n,
        what="three targets, windows of 4 s from 0.5 s after the cue, each subject left out of the fit",
    )


def _shipped(recipe: ParadigmRecipe, reader: SubjectReader, folds: Path) -> list[dict[str, Any]]:
    """The shipped decoder, fitted without the subject, at several times after the cue."""
    rows = []
    for end_s in (4.0, 4.5, 5.0):
        track = f"{max(end_s - recipe.window.length_s, 0.0):g}-{end_s:g}"
        judged = evaluate(
            Plan(paradigm=str(recipe.folder), reader=reader, track=track, folds=folds, is_named=True)
        )
        rows.append({"end_s": end_s, **_shares(judged)})
    return rows


def _curve(
    work: Path, recipe: ParadigmRecipe, reader: SubjectReader, reaction_s: float
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for length_s in LENGTHS_S:
        row: dict[str, Any] = {"length_s": length_s}
        for method in METHODS:
            folder = write_variant(work / "variants", recipe, method, length_s)
            row[method] = _shares(_judge(str(folder), reader, reaction_s, length_s, None))
        before, after = (row[one]["accuracy"] for one in ("cca", "fbcca_recentred"))
        difference = paired("accuracy", "cca", "fbcca_recentred", before, after)
        row["difference"] = msgspec.to_builtins(difference)
        rows.append(row)
        print(length_s, {method: round(float(np.mean(row[method]["accuracy"])), 1) for method in METHODS})
    return rows


def _online(
    recipe: ParadigmRecipe, reader: SubjectReader, runs: dict[str, Correlated], folds: Path
) -> list[dict[str, Any]]:
    people = []
    for name, run in runs.items():
        with Decoder(recipe, profile=folds / f"fold_{name}" / "profile") as decoder:
            (recording,) = reader.read(name)
            people.append((decode_run(decoder, recording), run))
    return [{"threshold": one, **judge_online(people, recipe, one).row()} for one in THRESHOLDS]


if __name__ == "__main__":
    main()
