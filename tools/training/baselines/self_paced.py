"""Baselines judged as they would be used: every window of a recording, rest included, by `rtbci eval`'s own code."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.evaluate.online import Span, thresholds
from rtbci.evaluate.record import OperatingPoint, SubjectScore
from rtbci.evaluate.scoring import Rules, active_log_probs, score_condition, span_probs
from rtbci.evaluate.statistics import paired, summarize
from rtbci.evaluate.summary import operating_point
from rtbci.evaluate.trials import TRACKS, nearest_window
from rtbci.probe.recentre import Recentre
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.stages.stage import FloatArray
from tools.training.baselines.streamed import (
    FUSED_IDLE,
    IDLE_PARADIGM,
    OURS,
    PARADIGM,
    StreamedRun,
    read_streamed,
)
from tools.training.fusing import fit_fusion
from tools.training.signals import RATE_HZ
from tools.training.trials import ENDS_SLIDING

__all__ = ["LIMITS_PER_MIN", "METRICS", "judge_streamed", "recentred", "score_subject", "streamed_path"]

LIMITS_PER_MIN = (2.0, 10.0)
"""False activations a minute that an operating point may have."""

METRICS = (
    "online_nmcc",
    "true_activation",
    "wrong_first_activation",
    "false_per_min",
    "balanced_accuracy",
    "imagery_windows_balanced_accuracy",
)
FIT_S = (ENDS_SLIDING[0] / RATE_HZ, ENDS_SLIDING[-1] / RATE_HZ)
"""Temperatures are fitted on windows that end this long after a cue, as that of our own fusion is."""

ByFold = list[list[StreamedRun]]


@dataclass(frozen=True, slots=True)
class _Judged:
    """One decoder.

    Parameters
    ----------
    grid : ndarray of float64, shape (n_thresholds,)
    swept : dict of ndarray of float64, shape (n_subjects, n_thresholds)
        By metric.
    at_recipe : dict of ndarray of float64, shape (n_subjects,)
        By metric, at the recipe's threshold.
    temperatures : list of float
        Of each fold.
    """

    grid: FloatArray
    swept: dict[str, FloatArray]
    at_recipe: dict[str, FloatArray]
    temperatures: list[float]


def streamed_path(folder: Path, i_fold: int) -> Path:
    """Where `stream_fold`'s output of a fold lies."""
    return folder / f"fold{i_fold}_B_streamed.npz"


def judge_streamed(folder: Path, n_folds: int, every: int) -> dict[str, Any]:
    """Scores and paired tests of all decoders over the recordings of the folds that are there, as plain data.

    Parameters
    ----------
    folder : Path
        See `streamed_path`.
    n_folds : int
    every : int
        Hops from one window to the next, as given to `stream_fold`.

    Raises
    ------
    ConfigError
        When fewer than two folds are there: a fold's temperature is fitted on the others.
    """
    done = [i for i in range(n_folds) if streamed_path(folder, i).is_file()]
    if len(done) < 2:
        raise ConfigError(
            f"compare: {folder} holds streamed recordings of {len(done)} folds, need two or more; run --self-paced without "
            "--only"
        )
    folds = [read_streamed(streamed_path(folder, i), every) for i in done]
    names = list(folds[0][0].logits)
    judged = {name: _judge(name, folds, every) for name in names}
    i_fold = np.repeat(np.arange(len(folds)), [len(_subjects(runs)) for runs in folds])
    return {
        "folds": done,
        "n_subjects": len(i_fold),
        "hop_s": every * read_paradigm(PARADIGM).window.hop_s,
        "threshold": read_paradigm(PARADIGM).decision.threshold,
        "decoders": [_summary(name, one, i_fold) for name, one in judged.items()],
        "tests": _tests(judged, i_fold),
    }


def _judge(name: str, folds: ByFold, every: int) -> _Judged:
    recipe = read_paradigm(IDLE_PARADIGM if name == FUSED_IDLE else PARADIGM)
    logits = [[recentred(run.logits[name], recipe, every) for run in runs] for runs in folds]
    temperatures = [
        1.0 if recipe.idle is not None else _temperature(folds, logits, i) for i in range(len(folds))
    ]
    grid = thresholds(len(recipe.classes))
    found: list[FloatArray] = []
    for runs, of_fold, temperature in zip(folds, logits, temperatures, strict=True):
        for subject in _subjects(runs):
            mine = [(run, one) for run, one in zip(runs, of_fold, strict=True) if run.subject == subject]
            found.append(score_subject(mine, temperature, recipe, every, [*grid, recipe.decision.threshold]))
    table = np.array(found)  # (n_subjects, n_thresholds + 1, n_metrics)
    return _Judged(
        grid,
        {name: table[:, :-1, i] for i, name in enumerate(METRICS)},
        {name: table[:, -1, i] for i, name in enumerate(METRICS)},
        temperatures,
    )


def _subjects(runs: Sequence[StreamedRun]) -> list[str]:
    return list(dict.fromkeys(run.subject for run in runs))


def recentred(logits: FloatArray, recipe: ParadigmRecipe, every: int) -> FloatArray:
    """Recentre as the live decoder does, from window to window of the grid.

    Parameters
    ----------
    logits : ndarray of float64, shape (n_windows, n_classes)
        Of one run; NaN where no window was full.
    recipe : ParadigmRecipe
    every : int
        Hops from one window to the next.

    Returns
    -------
    ndarray of float64, shape (n_windows, n_classes)
        A copy.
    """
    logits = logits.copy()
    if recipe.recentre is not None:
        hop_s, settings = every * recipe.window.hop_s, recipe.recentre
        recentre = Recentre(logits.shape[1], hop_s, settings.prior_s, settings.time_constant_s, recipe.idle)
        for i in np.flatnonzero(np.isfinite(logits).all(axis=1)):
            logits[i] = recentre.push(logits[i])
    return logits


def _temperature(folds: ByFold, logits: Sequence[Sequence[FloatArray]], i_fold: int) -> float:
    """Fitted on the other folds' subjects, on whom this fold's decoder was trained, by decoders that were not."""
    margins: list[FloatArray] = []
    classes: list[npt.NDArray[np.int64]] = []
    for i, (runs, many) in enumerate(zip(folds, logits, strict=True)):
        for run, one in zip(runs, many, strict=True) if i != i_fold else ():
            for trial in run.trials:
                after_s = run.t_newest - trial.t_cue
                chosen = one[(after_s >= FIT_S[0]) & (after_s <= FIT_S[1])]
                chosen = chosen[np.isfinite(chosen).all(axis=1)]
                margins.append(chosen[:, 1] - chosen[:, 0])
                classes.append(np.full(len(chosen), trial.i_class, np.int64))
    return fit_fusion([np.concatenate(margins)[:, np.newaxis]], np.concatenate(classes))[1]


def score_subject(
    runs: Sequence[tuple[StreamedRun, FloatArray]],
    temperature: float,
    recipe: ParadigmRecipe,
    every: int,
    tried: Sequence[float],
) -> FloatArray:
    """Metrics of one subject as `rtbci eval` scores them.

    Parameters
    ----------
    runs : sequence of (StreamedRun, ndarray of float64, shape (n_windows, n_classes))
        Recordings, and what the decoder says in them, recentred.
    temperature : float
    recipe : ParadigmRecipe
    every : int
        Hops from one window to the next.
    tried : sequence of float
        Thresholds.

    Returns
    -------
    ndarray of float64, shape (n_thresholds, n_metrics)
        `METRICS`; NaN where undefined.
    """
    rules = Rules.of(recipe, TRACKS["B"])
    rules = replace(rules, hop_s=every * rules.hop_s)
    spans, logits, classes = [], [], []
    for run, of_run in runs:
        spans.append(Span(run.t_newest, span_probs(of_run, temperature), run.trials, rules.idle))
        for trial in run.trials:
            i = nearest_window(run.t_first, run.t_newest, trial.t_cue, rules.track, rules.hop_s)
            if i is not None and np.isfinite(of_run[i]).all():
                logits.append(of_run[i])
                classes.append(trial.i_class)
    log_probs = active_log_probs(np.array(logits), temperature, rules)
    found = []
    for threshold in tried:
        decision = rules.decision.model_copy(update={"threshold": float(threshold)})
        scored = score_condition(
            log_probs, np.array(classes, np.intp), spans, replace(rules, decision=decision), sweep=False
        )
        found.append([np.nan if (x := scored.metrics[name]) is None else x for name in METRICS])
    return np.array(found)


def _summary(name: str, judged: _Judged, i_fold: npt.NDArray[np.intp]) -> dict[str, Any]:
    return {
        "name": name,
        "temperatures": judged.temperatures,
        "at_recipe": {metric: _plain(summarize(x)) for metric, x in judged.at_recipe.items()},
        "best_nmcc": _plain(summarize(_best_nmcc(judged, i_fold))),
        "met_at": [
            _plain(summarize(met_at(judged.swept["true_activation"], judged.swept["false_per_min"], limit)))
            for limit in LIMITS_PER_MIN
        ],
        "operating_points": [_plain(_point(judged, limit)) for limit in LIMITS_PER_MIN],
        "thresholds": judged.grid.tolist(),
        "sweep": {metric: np.nanmean(x, axis=0).tolist() for metric, x in judged.swept.items()},
    }


def _best_nmcc(judged: _Judged, i_fold: npt.NDArray[np.intp]) -> FloatArray:
    """Each subject's nMCC at the threshold that is best for the subjects of the other folds, shape (n_subjects,)."""
    nmcc = judged.swept["online_nmcc"]
    best = [int(np.nanmean(nmcc[i_fold != i], axis=0).argmax()) for i in range(int(i_fold.max()) + 1)]
    return np.asarray(nmcc[np.arange(len(nmcc)), np.array(best)[i_fold]])


def _point(judged: _Judged, limit_per_min: float) -> OperatingPoint:
    true, false = judged.swept["true_activation"], judged.swept["false_per_min"]
    scores = [
        SubjectScore(
            n_trials=0,
            metrics={},
            trial_bins=[],
            window_bins=[],
            sweep_true=mine_true.tolist(),
            sweep_false=mine_false.tolist(),
        )
        for mine_true, mine_false in zip(true, false, strict=True)
    ]
    return operating_point(scores, judged.grid.tolist(), limit_per_min)


def _tests(judged: dict[str, _Judged], i_fold: npt.NDArray[np.intp]) -> list[dict[str, Any]]:
    """Ours fused, without and with rest as a class, against everything else."""
    compared = {name: _compared(one, i_fold) for name, one in judged.items()}
    fused = [name for name in judged if name.startswith(f"{OURS}fused")]
    return [
        _plain(
            paired(metric, second, first, compared[second][metric].tolist(), compared[first][metric].tolist())
        )
        for first in fused
        for second in judged
        if second not in fused[: fused.index(first) + 1]
        for metric in compared[first]
    ]


def _compared(judged: _Judged, i_fold: npt.NDArray[np.intp]) -> dict[str, FloatArray]:
    """What is tested, shape (n_subjects,) each."""
    true, false = judged.swept["true_activation"], judged.swept["false_per_min"]
    found = {"nMCC": judged.at_recipe["online_nmcc"], "best nMCC": _best_nmcc(judged, i_fold)}
    return found | {
        f"met at {limit:g} false a minute": met_at(true, false, limit) for limit in LIMITS_PER_MIN
    }


def met_at(true: FloatArray, false: FloatArray, limit_per_min: float) -> FloatArray:
    """Share of trials met where the mean over subjects has exactly so many false activations a minute.

    Between two thresholds of the sweep: as if each were used for a part of the time. Thresholds are far apart, and so
    decoders would else be compared at different rates.

    Parameters
    ----------
    true, false : ndarray of float64, shape (n_subjects, n_thresholds)
        Thresholds ascending.
    limit_per_min : float

    Returns
    -------
    ndarray of float64, shape (n_subjects,)
        At the highest threshold where even that has more false activations; at the lowest where that has fewer.
    """
    means = false.mean(axis=0)
    above = np.flatnonzero(means > limit_per_min)
    if not above.size:
        return np.asarray(true[:, 0])
    i = int(above[-1])
    if i == true.shape[1] - 1:
        return np.asarray(true[:, i])
    share = (limit_per_min - means[i + 1]) / (means[i] - means[i + 1])
    return np.asarray(share * true[:, i] + (1.0 - share) * true[:, i + 1])


def _plain(found: Any) -> Any:
    return msgspec.to_builtins(found)
