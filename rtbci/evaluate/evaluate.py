"""The standard judgement of a decoder, from recordings to the record of an evaluation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from rtbci.clock import utc_now
from rtbci.errors import ConfigError, FileFormatError
from rtbci.evaluate.assign import Assignment, assign_folds, assign_profile
from rtbci.evaluate.calibrators import find_calibrator
from rtbci.evaluate.describe import (
    data,
    decoders,
    fitted_note,
    paradigm,
    settings,
    unstated_note,
    versions,
    warnings_of,
)
from rtbci.evaluate.eye import check_eyes, need_sklearn
from rtbci.evaluate.online import thresholds
from rtbci.evaluate.parallel import in_processes, on_ray
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.record import KIND, SCHEMA, Evaluation, EyeCheck
from rtbci.evaluate.subject import Judged, Task, judge_subject
from rtbci.evaluate.summary import baseline_tests, summarize_condition
from rtbci.evaluate.trials import Track, active_classes, check_track, find_trials
from rtbci.recipes import ParadigmRecipe, read_paradigm

__all__ = ["evaluate"]

Report = Callable[[int, int], None]


def evaluate(plan: Plan, report: Report | None = None) -> Evaluation:
    """Judge a decoder.

    Parameters
    ----------
    plan : Plan
    report : callable
        Called with the number of subjects done and of all, at the start and after each.

    Raises
    ------
    ConfigError
        When the plan contradicts itself, the recipe or the data: wrong track, no such subject, a class that never
        occurs, more calibration trials than there are.
    FileFormatError, ProfileError, EngineError, ChannelError, ...
        What recordings and decoder have to say.
    """
    recipe = read_paradigm(plan.paradigm)
    track = check_track(plan.track, recipe)
    need_sklearn()
    find_calibrator(plan.calibrator)
    plan = replace(plan, ks=_checked_ks(plan.ks))
    subjects = _subjects(plan)
    assigned = _assign(plan, recipe, subjects)
    _check_k(plan, recipe, subjects)
    tasks = [_task(plan, recipe, subject, assigned[subject]) for subject in subjects]
    judged: dict[int, Judged] = {}
    if report is not None:
        report(0, len(tasks))
    for i, one in _run(plan, tasks):
        judged[i] = one
        if report is not None:
            report(len(judged), len(tasks))
    return _evaluation(plan, recipe, track, assigned, [judged[i] for i in range(len(tasks))])


def _checked_ks(ks: Sequence[int]) -> tuple[int, ...]:
    if any(k < 0 for k in ks):
        raise ConfigError(f"--k: got {', '.join(map(str, ks))}, need numbers of trials, 0 or more")
    return tuple(sorted({0, *ks}))


def _subjects(plan: Plan) -> list[str]:
    found = plan.reader.subjects()
    if unknown := [name for name in plan.subjects if name not in found]:
        raise ConfigError(
            f"--subjects: {', '.join(unknown)} not in {plan.reader.source}, which has {', '.join(found[:12])}"
            f"{', ...' if len(found) > 12 else ''}; choose among these"
        )
    return list(dict.fromkeys(plan.subjects)) or found


def _assign(plan: Plan, recipe: ParadigmRecipe, subjects: Sequence[str]) -> dict[str, Assignment]:
    name = plan.reader.name
    if plan.folds is None:
        return assign_profile(
            recipe, plan.profile, name, subjects, allow_seen=plan.allow_seen, is_named=plan.is_named
        )
    if plan.profile is not None:
        raise ConfigError(
            "eval: got --folds and --profile, need one of them; each fold brings its own profile"
        )
    return assign_folds(plan.folds, name, subjects, is_named=plan.is_named)


def _task(plan: Plan, recipe: ParadigmRecipe, subject: str, assignment: Assignment) -> Task:
    return Task(
        reader=plan.reader,
        subject=subject,
        paradigm=str(recipe.folder),
        assignment=assignment,
        track=plan.track,
        ks=plan.ks,
        calibrator=plan.calibrator,
        remaining=plan.remaining,
        backend=plan.backend,
        cap=plan.cap,
    )


def _run(plan: Plan, tasks: Sequence[Task]) -> Iterator[tuple[int, Judged]]:
    if plan.ray:
        return on_ray(judge_subject, tasks, plan.ray)
    return in_processes(judge_subject, tasks, plan.n_jobs)


def _evaluation(
    plan: Plan,
    recipe: ParadigmRecipe,
    track: Track,
    assigned: dict[str, Assignment],
    judged: Sequence[Judged],
) -> Evaluation:
    records = [one.record for one in judged]
    active = active_classes(recipe.classes)
    _check_judged(plan, judged)
    grid = thresholds(len(recipe.classes)).tolist()
    names = [name for k in plan.ks for name in ([f"k{k}"] if k == 0 else [f"k{k}_base", f"k{k}"])]
    seen = {one.seen for one in records}
    eye, used = _eye_check(judged, active), decoders(assigned, judged)
    return Evaluation(
        kind=KIND,
        schema_version=SCHEMA,
        created=utc_now().isoformat(timespec="seconds"),
        versions=versions(),
        settings=settings(plan, track),
        paradigm=paradigm(recipe),
        data=data(plan, judged),
        seen=seen.pop() if len(seen) == 1 else "some",
        decoders=used,
        thresholds=grid,
        conditions=[summarize_condition(name, records, active, track.end_s, grid) for name in names],
        tests=baseline_tests(records, plan.ks),
        eye=eye,
        subjects=records,
        warnings=[
            *fitted_note(used),
            *unstated_note(used, judged),
            *warnings_of(plan, recipe, track, judged, eye),
        ],
    )


def _check_judged(plan: Plan, judged: Sequence[Judged]) -> None:
    trials = [trial for one in judged for trial in one.record.trials]
    if not any("k0" in trial.log_probs for trial in trials):
        raise FileFormatError(
            f"{plan.reader.source}: none of its {len(trials)} cues has a full window before the track's end, need "
            "recordings that go on for 4 s after a cue"
        )


def _check_k(plan: Plan, recipe: ParadigmRecipe, subjects: Sequence[str]) -> None:
    """Read cues until one subject has enough of them; before hours of decoding, not after."""
    active = active_classes(recipe.classes)
    most = 0
    for subject in subjects:
        trials = find_trials(plan.reader.read(subject), recipe, f"{plan.reader.name}/{subject}")
        cues = [recipe.classes[trial.i_class] for trial in trials]
        most = max(most, min(cues.count(name) for name in active))
        if most > max(plan.ks):
            return
    if not most:
        raise FileFormatError(
            f"{plan.reader.source}: no subject has cues of every class ({', '.join(active)}), need trials of each; "
            "give other runs, or correct [markers] in the paradigm's recipe.toml"
        )
    raise ConfigError(
        f"--k: got {max(plan.ks)}, but no subject has as many trials of every class and one more to judge (the best "
        f"has {most} of its rarest class); need a smaller k"
    )


def _eye_check(judged: Sequence[Judged], active: Sequence[str]) -> EyeCheck:
    common = [label for label in judged[0].frontal if all(label in one.frontal for one in judged)]
    n_features = min((one.features.shape[2] for one in judged if len(one.features)), default=0)
    features, margins, classes, lateral = [], [], [], []
    for one in judged:
        trials = [trial for trial in one.record.trials if "k0" in trial.log_probs]
        if not trials:
            continue
        columns = [one.frontal.index(label) for label in common]
        features.append(one.features[:, columns, :n_features].reshape(len(trials), -1))
        said = np.array([trial.log_probs["k0"] for trial in trials])
        margins.append(said - said.mean(axis=1, keepdims=True))
        classes.append(np.array([active.index(trial.cue) for trial in trials], dtype=np.intp))
        lateral.append(
            np.array([np.nan if trial.lateral_uv is None else trial.lateral_uv for trial in trials])
        )
    return check_eyes(common, features, margins, classes, lateral, active)
