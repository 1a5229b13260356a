"""The standard judgement of a decoder of flashes: streamed through the running decoder, in chronological folds."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.clock import utc_now
from rtbci.errors import CalibrationError, FileFormatError
from rtbci.evaluate.data import SubjectReader
from rtbci.files import write_whole
from rtbci.flashes.emulate import assign_groups, find_repetitions
from rtbci.flashes.epochs import Flash, FlashEpochs, cut_epochs, find_flashes, flashes_of
from rtbci.flashes.fit import block_folds, need_pyriemann
from rtbci.flashes.judge import Selection, area_under_curve
from rtbci.flashes.nobody import NobodyRow, try_nobody, unattended
from rtbci.flashes.trying import Trying, try_selections
from rtbci.flashes.user_fit import MAX_FOLDS, FlashFit, fit_flashes, selections_of
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.runtime.deciding import evidence_of
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray
from rtbci.stream.source import Marker

__all__ = ["FlashEvaluation", "FlashSubject", "evaluate_flashes", "write_flash_evaluation"]

N_DRAWS = 20
"""Items and orders of groups that are drawn for each selection that is emulated."""
SEED = 0


class FlashSubject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person.

    Parameters
    ----------
    name : str
    n_flashes, n_targets, n_lost, n_selections : int
    folds : list of (float, float, float)
        Area under the ROC curve of each fold's flashes by a decoder fitted on all others, and its 95 % interval.
    area : (float, float, float)
        Of all of them together.
    earlier : list of (float, float, float)
        The same by a decoder fitted on the folds before alone; from the third fold on: one alone cannot be judged.
    profile_area : (float, float, float) or None
        By the profile that was asked for; None where it has seen the person.
    is_emulated : bool
        Whether rows, columns and items were given to flashes of which only is known whether they were meant.
    trying : Trying or None
        Selections; None where there are none to be had.
    nobody : list of NobodyRow
        The same, and selections in which nobody attended, with several priors for that; empty where there are no such.
    """

    name: str
    n_flashes: int
    n_targets: int
    n_lost: int
    n_selections: int
    folds: list[tuple[float, float, float]]
    area: tuple[float, float, float]
    earlier: list[tuple[float, float, float]]
    profile_area: tuple[float, float, float] | None
    is_emulated: bool
    trying: Trying | None
    nobody: list[NobodyRow] = msgspec.field(default_factory=list)


class FlashEvaluation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All people of a data set.

    Parameters
    ----------
    created : str
    paradigm, data : str
    soa_s : float
    subjects : list of FlashSubject
    """

    created: str
    paradigm: str
    data: str
    soa_s: float
    subjects: list[FlashSubject]
    kind: str = "rtbci flash evaluation"
    schema_version: int = msgspec.field(default=1, name="schema")


def evaluate_flashes(
    reader: SubjectReader,
    recipe: ParadigmRecipe,
    subjects: Sequence[str] = (),
    profile: Profile | None = None,
    *,
    allow_seen: bool = False,
) -> FlashEvaluation:
    """Judge what is fitted on each person's own flashes, and a profile on people that it has not seen.

    Parameters
    ----------
    reader : SubjectReader
    recipe : ParadigmRecipe
    subjects : sequence of str
        Only these; empty: all.
    profile : Profile, optional
    allow_seen : bool
        Judge the profile on people that it was fitted on, too.

    Raises
    ------
    FileFormatError
        When a recording has no flashes of which is known whether they were meant.
    RtbciError
        What a recording lacks.
    """
    need_pyriemann()
    names, judged = list(subjects) or reader.subjects(), list[FlashSubject]()
    for name in names:
        seen = profile is not None and f"{reader.name}/{name}" in profile.trained_on
        used = None if seen and not allow_seen else profile
        judged.append(_judge(name, reader.read(name), recipe, used))
    return FlashEvaluation(
        created=utc_now().isoformat(timespec="seconds"),
        paradigm=recipe.name,
        data=reader.name,
        soa_s=flashes_of(recipe).soa_s,
        subjects=judged,
    )


def write_flash_evaluation(path: Path, found: FlashEvaluation) -> None:
    """Write everything as JSON, atomically."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def _judge(
    name: str, runs: Sequence[Recording], recipe: ParadigmRecipe, profile: Profile | None
) -> FlashSubject:
    found = cut_epochs(runs, recipe)
    folds = block_folds(found.i_selection, MAX_FOLDS)
    crossed, earlier = np.full(len(folds), np.nan), np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        crossed[folds == fold] = _streamed_by(found, folds != fold, folds == fold, runs, recipe)
        if fold:
            earlier[folds == fold] = _streamed_by(found, folds < fold, folds == fold, runs, recipe)
    selections, blocks = _drawn_selections(found, crossed, recipe)
    empty = unattended(found, crossed, recipe, flashes_of(recipe).max_repetitions)
    whole = None if profile is None else _streamed(profile, runs, recipe, found.flashes)
    return FlashSubject(
        name=name,
        n_flashes=len(folds),
        n_targets=int(found.is_target.sum()),
        n_lost=found.n_lost,
        n_selections=len(np.unique(found.i_selection)),
        folds=[_area(crossed[folds == fold], found.is_target[folds == fold]) for fold in np.unique(folds)],
        area=_area(crossed, found.is_target),
        earlier=[
            _area(earlier[folds == fold], found.is_target[folds == fold])
            for fold in np.unique(folds)
            if np.isfinite(earlier[folds == fold]).any()
        ],
        profile_area=None if whole is None else _area(whole, found.is_target),
        is_emulated=not found.flashes[0].cue,
        trying=try_selections(selections, blocks, recipe) if len(selections) > 1 else None,
        nobody=try_nobody(selections, empty, recipe) if len(selections) > 1 and empty else [],
    )


def _drawn_selections(
    found: FlashEpochs, evidence: FloatArray, recipe: ParadigmRecipe, n_draws: int = N_DRAWS
) -> tuple[list[Selection], npt.NDArray[np.intp]]:
    """Selections, and the block of the recording that each begins in: cued ones, or emulated from each repetition on.

    An emulated selection is of consecutive repetitions, as many as the recipe has at most, or as one block of the
    recording has where that is fewer; none of its flashes is used twice in it (see `rtbci.flashes.emulate`).
    """
    if found.flashes[0].cue:
        cued = selections_of(found, evidence)
        n = min(len(one.groups) for one in cued)
        cut = [Selection(one.item, one.groups[:n], one.evidence[:n]) for one in cued]
        return cut, np.arange(len(cut))
    try:
        repetitions = find_repetitions(found.is_target, recipe)
    except FileFormatError:
        return [], np.empty(0, dtype=np.intp)
    n = min(flashes_of(recipe).max_repetitions, len(repetitions) // 2)
    rng, selections, blocks = np.random.default_rng(SEED), list[Selection](), list[int]()
    for start in range(len(repetitions) - n + 1):
        some = repetitions[start : start + n]
        rows = [k for one in some for k in one.flashes]
        for _ in range(n_draws):
            item = str(rng.choice(recipe.classes))
            names = assign_groups(some, item, recipe, rng)
            selections.append(Selection(item, tuple(names), tuple(evidence[rows].tolist())))
            blocks.append(found.flashes[rows[0]].i_selection)
    return selections, np.array(blocks, dtype=np.intp)


def fit_any(found: FlashEpochs, recipe: ParadigmRecipe) -> FlashFit:
    """`fit_flashes`, its temperature on cued selections, or on emulated ones where there are no cues."""
    return fit_flashes(found, recipe, lambda evidence: _drawn_selections(found, evidence, recipe, 4)[0])


def _streamed_by(
    found: FlashEpochs,
    used: npt.NDArray[np.bool_],
    judged: npt.NDArray[np.bool_],
    runs: Sequence[Recording],
    recipe: ParadigmRecipe,
) -> FloatArray:
    """Evidence of some flashes by the running decoder, with a profile that is fitted on others."""
    rows = np.flatnonzero(used)
    part = replace(found, epochs=found.epochs[rows], flashes=tuple(found.flashes[i] for i in rows))
    try:
        fit = fit_any(part, recipe)
    except CalibrationError:  # one selection alone cannot be judged
        return np.full(int(judged.sum()), np.nan)
    profile = fit.profile(recipe, found.rate_hz, "fold")
    return _streamed(profile, runs, recipe, [found.flashes[i] for i in np.flatnonzero(judged)])


def _streamed(
    profile: Profile, runs: Sequence[Recording], recipe: ParadigmRecipe, flashes: Sequence[Flash]
) -> FloatArray:
    """Evidence of flashes, shape (n_flashes,); each run from a fresh start, and only these flashes marked."""
    wanted = {(one.i_selection, one.t_s) for one in flashes}
    text = {True: flashes_of(recipe).target[0], False: flashes_of(recipe).nontarget[0]}
    said: dict[tuple[int, float], float] = {}
    i_selection = 0
    with Decoder(recipe, profile=profile) as decoder:
        for run in runs:
            labelled = find_flashes(run.markers, recipe, i_selection)
            i_selection = max((one.i_selection + 1 for one in labelled), default=i_selection)
            numbers = {one.t_s: one.i_selection for one in labelled if (one.i_selection, one.t_s) in wanted}
            markers = tuple(Marker(one.t_s, text[one.is_target]) for one in labelled if one.t_s in numbers)
            for verdict in decoder.decode(replace(run, markers=markers)) if markers else ():
                evidence, marker = evidence_of(verdict.estimate), verdict.estimate.marker
                if evidence is not None and marker is not None:
                    said[numbers[marker.t_lsl], marker.t_lsl] = evidence
    return np.array([said.get((one.i_selection, one.t_s), np.nan) for one in flashes])


def _area(scores: FloatArray, is_target: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    found = area_under_curve(scores, is_target)
    return found.value, found.low, found.high
