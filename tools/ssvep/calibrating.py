"""What a calibration of a few trials is worth: in people, where the flicker's phase is not known, and in synthetic users, where it is.

Usage, from the checkout's root, once `tools.train_ssvep` has written its folds::

    python -m tools.ssvep.calibrating
    python -m tools.ssvep.calibrating --synthetic 4 --k 4

For each person of SSVEPExo: the first k trials of each class (rests as the idle class) are the calibration, all later trials are
judged, the whole recording decoded from a fresh start by the profile that came of them, hop by hop. It starts from the weights that
were fitted on the five other people. Nothing is random. A synthetic user (seeds 0 on, answer of `--answer-uv`) has a recording to calibrate on
and a later one that is judged; both have the flicker's markers, and the shipped weights are the start.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtbci.calibrate.bakeoff import run_bakeoff
from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.candidates import standard_candidates
from rtbci.calibrate.competing import Candidate
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.features import TrialFeatures, read_trial
from rtbci.calibrate.recordings import trials_of_recordings
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.evaluate.data import open_data
from rtbci.evaluate.decode import decode_run
from rtbci.evaluate.statistics import paired
from rtbci.evaluate.trials import Track, nearest_window
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.recipes.markers import with_markers
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from tools.ssvep.looking import look_at_flickers

TRIAL_S = 5.0
JUDGED = Track("0.5-4.5", 0.5, 4.5)
NAMES = ("population", "CCA + own filters", "chosen")
"""What is judged; the last is what the bake-off chooses."""
LOCKED = ("TRCA", "TRCA + CCA")
"""And where the phase is known."""
N_JUDGED = 6
"""Later trials of each class of a synthetic user."""


class Cued(NamedTuple):
    """A trial that is judged."""

    t_cue: float
    i_class: int


def main() -> None:
    """Judge, and print the table."""
    options = _options()
    recipe = with_markers(read_paradigm("ssvep"), [f"{options.rest}=idle"])
    if options.synthetic:
        print(
            table(
                judge_synthetic(recipe, options.synthetic, options.answer_uv, options.k),
                (*NAMES[:-1], *LOCKED, NAMES[-1]),
            )
        )
        return
    reader = open_data([str(options.data)])
    found: dict[int, list[Mapping[str, float]]] = {k: [] for k in options.k}
    for name in reader.subjects():
        (run,) = reader.read(name)
        profile = options.folds / f"fold_{name}" / "profile"
        for k, row in judge_person(recipe, run, profile, options.k).items():
            found[k].append(row)
            print(name, k, {one: round(value, 1) for one, value in row.items()}, flush=True)
    print(table(found, NAMES))


def judge_synthetic(
    recipe: ParadigmRecipe, n_users: int, answer_uv: float, ks: Sequence[int]
) -> dict[int, list[Mapping[str, float]]]:
    """As `judge_person`, of users whose flicker begins anew with every cue."""
    found: dict[int, list[Mapping[str, float]]] = {k: [] for k in ks}
    assert recipe.population_folder is not None
    for seed in range(n_users):
        first, later = look_at_flickers(recipe, (max(ks), N_JUDGED), answer_uv, seed)
        population, _, features = read_person(recipe, first, recipe.population_folder)
        cued = [
            Cued(one.t_lsl, recipe.classes.index(one.value))
            for one in later.markers
            if one.value in recipe.classes
        ]
        for k in ks:
            profiles = _profiles(population, _at_most(features, k), LOCKED)
            row = {name: accuracy(recipe, later, profile, cued) for name, profile in profiles.items()}
            found[k].append({**row, "trials": float(sum(one.i_class != recipe.idle for one in cued))})
            print(seed, k, {name: round(value, 1) for name, value in row.items()}, flush=True)
    return found


def judge_person(
    recipe: ParadigmRecipe, run: Recording, fold: Path, ks: Sequence[int]
) -> dict[int, dict[str, float]]:
    """Accuracy in percent over the targets' later trials, for each number of trials and each decoder."""
    population, trials, features = read_person(recipe, run, fold)
    rows: dict[int, dict[str, float]] = {}
    for k in ks:
        n_first = _prefix([one.i_class for one in trials], k, len(recipe.classes))
        first, later = features[:n_first], [Cued(one.t_cue, one.i_class) for one in trials[n_first:]]
        first = _at_most(first, k)
        rows[k] = {}
        for name, profile in _profiles(population, first).items():
            rows[k][name] = accuracy(recipe, run, profile, later)
        rows[k]["trials"] = sum(one.i_class != recipe.idle for one in later)
    return rows


def read_person(
    recipe: ParadigmRecipe, run: Recording, fold: Path
) -> tuple[Profile, list[CalibrationTrial], list[TrialFeatures]]:
    """Trials of a recording in the order of their cues, as a calibration reads them."""
    with CalibrationDecoder(recipe, profile=fold) as decoder:
        population = decoder.profile
        assert population is not None  # it was given
        trials = list(trials_of_recordings(decoder, [run], timing_of(recipe, TRIAL_S)))
        trials = [one for one in trials if one.accepted]
        return population, trials, [read_trial(population, decoder.sessions, one) for one in trials]


def table(found: Mapping[int, Sequence[Mapping[str, float]]], names: Sequence[str]) -> str:
    """Accuracies as Markdown."""
    lines = [
        "| trials of each class | decoder | accuracy | by person | against the population's (95 %) | p |"
    ]
    lines.append("|" + "---|" * 6)
    for k, rows in found.items():
        before = [row[NAMES[0]] for row in rows]
        for name in names:
            after = [row[name] for row in rows]
            each = ", ".join(f"{one:.0f}" for one in after)
            gain = paired("accuracy", NAMES[0], name, before, after)
            told = "| - | - |"
            if name != NAMES[0] and gain.low is not None and gain.high is not None and gain.mean is not None:
                told = f"| {gain.mean:+.1f} ({gain.low:+.1f} to {gain.high:+.1f}) | {gain.p_t or 0.0:.2f} |"
            lines.append(f"| {k} | {name} | {np.mean(after):.1f} | {each} {told}")
    n_later = {k: ", ".join(f"{row['trials']:.0f}" for row in rows) for k, rows in found.items()}
    return "\n".join([*lines, "", f"trials judged, by person: {n_later}"])


def _profiles(
    population: Profile, first: Sequence[TrialFeatures], more: Sequence[str] = ()
) -> dict[str, Profile]:
    candidates = {one.name: one for one in standard_candidates(population)}
    fitted = {name: candidates[name].fit(first).profile() for name in (*NAMES[:-1], *more)}
    chosen: Candidate = run_bakeoff(list(candidates.values()), first).chosen
    return {**fitted, NAMES[-1]: chosen.fit(first).profile()}


def accuracy(recipe: ParadigmRecipe, run: Recording, profile: Profile, later: Sequence[Cued]) -> float:
    """Of the targets' trials, over the targets, by the window of 4 s from 0.5 s after the cue."""
    with Decoder(recipe, profile=profile) as decoder:
        windows = decode_run(decoder, run)
    targets = [i for i in range(len(recipe.classes)) if i != recipe.idle]
    right = []
    for one in later:
        if one.i_class in targets:
            i = nearest_window(windows.t_first, windows.t_newest, one.t_cue, JUDGED, recipe.window.hop_s)
            right.append(i is not None and targets[int(windows.probs[i, targets].argmax())] == one.i_class)
    return 100.0 * float(np.mean(right))


def _prefix(classes: Sequence[int], k: int, n_classes: int) -> int:
    """Trials until there are `k` of each class."""
    for n in range(len(classes) + 1):
        if min(classes[:n].count(i) for i in range(n_classes)) >= k:
            return n
    raise SystemExit(f"a person has fewer than {k} trials of a class; ask for fewer with --k")


def _at_most(trials: Sequence[TrialFeatures], k: int) -> list[TrialFeatures]:
    """The first `k` of each class."""
    return [
        one for i, one in enumerate(trials) if sum(other.i_class == one.i_class for other in trials[:i]) < k
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Judge calibrations of SSVEP.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ssvep-exo"))
    parser.add_argument("--rest", default="1", help="marker of a trial in which nothing is looked at")
    parser.add_argument("--folds", type=Path, default=Path("build/ssvep/folds"))
    parser.add_argument("--k", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--synthetic", type=int, default=0, help="so many synthetic users instead of people")
    parser.add_argument("--answer-uv", type=float, default=0.6, help="strength of their answer")
    return parser.parse_args()


if __name__ == "__main__":
    main()
