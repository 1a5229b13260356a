"""What an evaluation says of itself: versions, settings, data, weights, and what to be warned of."""

import platform
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rtbci.evaluate.assign import Assignment, profile_sha256, read_assigned
from rtbci.evaluate.calibrators import find_calibrator
from rtbci.evaluate.online import LATE_S
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.record import DecoderUsed, EyeCheck
from rtbci.evaluate.subject import Judged
from rtbci.evaluate.trials import LONGEST_TRIAL_S, ONSET_S, TRIAL_S, Track, active_classes
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.parts import POPULATION
from rtbci.versions import versions_of

__all__ = [
    "data",
    "decoders",
    "fitted_note",
    "paradigm",
    "settings",
    "unstated_note",
    "versions",
    "warnings_of",
]

VERSIONS_OF = ("rtbci", "numpy", "scipy", "onnxruntime", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of Python, of rtbci and of the libraries that numbers depend on."""
    absent = dict.fromkeys(VERSIONS_OF, "not installed")
    return {"python": platform.python_version(), **absent, **versions_of(VERSIONS_OF)}


def settings(plan: Plan, track: Track) -> dict[str, Any]:
    """What was asked for, and the rules in force."""
    return {
        "track": track.name,
        "track_start_s": track.start_s,
        "track_end_s": track.end_s,
        "ks": list(plan.ks),
        "remaining": plan.remaining,
        "calibrator": find_calibrator(plan.calibrator).name,
        "imagery_onset_s": ONSET_S,
        "trial_s": TRIAL_S,
        "longest_trial_s": LONGEST_TRIAL_S,
        "late_s": LATE_S,
        "backend": plan.backend,
        "channels": None if plan.cap is None else list(plan.cap.labels),
        "cap": None if plan.cap is None else plan.cap.name or None,
    }


def paradigm(recipe: ParadigmRecipe) -> dict[str, Any]:
    """What the recipe says that numbers depend on."""
    idle, recentre = recipe.idle, recipe.recentre
    return {
        "name": recipe.name,
        "classes": list(recipe.classes),
        "idle": None if idle is None else recipe.classes[idle],
        "channels": list(recipe.input.channels),
        "window_s": recipe.window.length_s,
        "hop_s": recipe.window.hop_s,
        "recentre": None if recentre is None else recentre.model_dump(),
        "decision": recipe.decision.model_dump(),
        "stages": [stage.model_dump() for stage in recipe.stages],
    }


def data(plan: Plan, judged: Sequence[Judged]) -> dict[str, Any]:
    """What was judged on."""
    records = [one.record for one in judged]
    trials = [trial for one in records for trial in one.trials]
    return {
        "name": plan.reader.name,
        "source": plan.reader.source,
        "n_subjects": len(records),
        "n_runs": sum(one.n_runs for one in records),
        "n_trials": len(trials),
        "n_trials_without_window": sum(trial.t_window_s is None for trial in trials),
        "recorded_min": sum(one.recorded_s for one in records) / 60.0,
        "channels": list(judged[0].labels),
        "rates_hz": sorted({rate for one in judged for rate in one.rates_hz}),
    }


def decoders(assigned: dict[str, Assignment], judged: Sequence[Judged]) -> list[DecoderUsed]:
    """The weights in use, one entry for each fold."""
    found: dict[tuple[str, str], DecoderUsed] = {}
    for one in judged:
        assignment = assigned[one.record.name]
        key = (assignment.fold, assignment.profile)
        if key in found:
            continue
        profile = read_assigned(assignment)
        found[key] = DecoderUsed(
            fold=assignment.fold,
            profile=assignment.profile,
            profile_sha256=profile_sha256(assignment.profile),
            chain_hash="" if profile is None else profile.chain_hash,
            engine=one.engine[0],
            engine_sha256=one.engine[1],
            n_trained_on=0 if profile is None else len(profile.trained_on),
            user="" if profile is None else profile.user,
            generation=0 if profile is None else profile.generation,
            n_trials=0 if profile is None else profile.n_trials,
        )
    return list(found.values())


def fitted_note(used: Sequence[DecoderUsed]) -> list[str]:
    """What to mind where a user's profile is judged: nothing tells its own trials from others."""
    return [
        f"{one.user}'s profile was fitted on {one.n_trials} trials: of the recordings that they are from the numbers say too much; "
        "give later ones (what `rtbci calibrate` told of it leaves each trial out)"
        for one in used
        if one.user not in ("", POPULATION) and one.n_trials
    ]


def unstated_note(used: Sequence[DecoderUsed], judged: Sequence[Judged]) -> list[str]:
    """What to mind where nothing says on whom the decoder was trained: its profile, or there is none."""
    n = sum(one.record.seen == "unknown" for one in judged)
    if not n:
        return []
    who = f"{n} of {len(judged)} subjects may have been trained on"
    if any(one.profile for one in used):
        return [f"training subjects not stated by the profile: {who}"]
    engine = next((f"engine '{one.engine}'" for one in used if one.engine), "the decoder")
    return [f"{engine} has no profile, so nothing says on whom it was trained, if on anybody: {who}"]


def warnings_of(
    plan: Plan, recipe: ParadigmRecipe, track: Track, judged: Sequence[Judged], eye: EyeCheck
) -> list[str]:
    """What people should know before they believe a number."""
    found = []
    seen = [one.record.seen for one in judged]
    if "yes" in seen:
        found.append(
            f"seen in training: {seen.count('yes')} of {len(seen)} subjects; their numbers say nothing of new people"
        )
    if track.name == "A":
        found.append("track A contains eye movements towards the cue; track B is the one that counts")
    if len(active_classes(recipe.classes)) < 2:
        found.append(
            "one class that is not idle: there is nothing to choose at a cue; what is judged is when it decides, "
            "pseudo-online"
        )
    if recipe.window.length_s < track.end_s - track.start_s:
        found.append(
            f"the window of {recipe.window.length_s:g} s covers only {track.end_s - recipe.window.length_s:g} to "
            f"{track.end_s:g} s after the cue"
        )
    if dropped := sum(trial.t_window_s is None for one in judged for trial in one.record.trials):
        found.append(f"{dropped} trials have no full window at the track's end and are left out")
    short = {k: sum(f"k{k}" not in one.record.scores for one in judged) for k in plan.ks}
    found += [f"k = {k}: {n} subjects have too few trials, left out of it" for k, n in short.items() if n]
    interpolated = {label for one in judged for label in one.record.interpolated}
    if interpolated:
        found.append(f"interpolated electrodes: {', '.join(sorted(interpolated))}")
    found += _given(plan, judged)
    found += _inferred(recipe, judged)
    if len(judged) < 2:
        found.append("one subject: no interval over people")
    if eye.is_above:
        found.append(eye.note)
    return found


def _given(plan: Plan, judged: Sequence[Judged]) -> list[str]:
    """A line for each set of electrodes that the decoder was given of a choice."""
    if plan.cap is None:
        return []
    found = []
    for (labels, n_recorded), n in Counter((one.given, len(one.labels)) for one in judged).items():
        lacking = [label for label in plan.cap.labels if label not in labels]
        found.append(
            f"the decoder was given {len(labels)} of {n_recorded} channels ({n} of {len(judged)} subjects): "
            f"{', '.join(labels)}"
            + (f"; not recorded, but of the cap {plan.cap.name}: {', '.join(lacking)}" if lacking else "")
        )
    return found


def _inferred(recipe: ParadigmRecipe, judged: Sequence[Judged]) -> list[str]:
    """A line for each montage that is not the whole layout, with how many subjects have it."""
    montages = Counter(tuple(one.record.inferred) for one in judged if one.record.inferred)
    n = len(recipe.input.channels)
    return [
        f"{n - len(labels)} of {n} electrodes found, {len(labels)} inferred from the population's covariance "
        f"({n_subjects} of {len(judged)} subjects): {', '.join(labels)}"
        for labels, n_subjects in montages.items()
    ]
