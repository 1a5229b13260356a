"""The switch as it runs: whole recordings through the live decoder, each person by a decoder that was not trained on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from rtbci.evaluate.decode import decode_run
from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.evaluate.online import Span
from rtbci.evaluate.trials import find_trials
from rtbci.probe.profile import Profile
from rtbci.recipes import DecisionSettings, ParadigmRecipe
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray
from tools.rest_switch.policies import Counted, choose_policy, count_policies, policies_of

__all__ = ["LIMITS_PER_MIN", "judge_online", "online_rows", "spans_of"]

LIMITS_PER_MIN = (1.0, 2.0, 4.0, 8.0)
"""False activations in a minute of rest that a policy may have."""


def spans_of(profile: Profile, recipe: ParadigmRecipe, path: Path) -> list[Span]:
    """What the decoder says in a person's recordings, window by window."""
    runs = read_npz_runs(path)
    trials = find_trials(runs, recipe, path.stem)
    spans = []
    with Decoder(recipe, profile=replace(profile, decision=None)) as decoder:
        for i, run in enumerate(runs):
            windows = decode_run(decoder, run)
            mine = [one for one in trials if one.i_run == i]
            spans.append(Span.of(windows, windows.probs, mine, recipe.idle, -1.0))
    return spans


def judge_online(
    people: Sequence[Sequence[Span]], folds: npt.NDArray[np.intp], recipe: ParadigmRecipe
) -> tuple[list[dict[str, Any]], dict[float, DecisionSettings]]:
    """For each rate of false activations: how a policy that was chosen on the other folds' people does, and that of all.

    Parameters
    ----------
    people : sequence
        Spans of each person.
    folds : ndarray of int, shape (n_people,)
    recipe : ParadigmRecipe
    """
    policies = policies_of(recipe.decision)
    counted = count_policies(people, recipe, policies)
    rows, chosen = [], {}
    everyone = np.ones(len(folds), bool)
    for limit in LIMITS_PER_MIN:
        met, false, first_s = (np.zeros(len(folds)) for _ in range(3))
        for fold in np.unique(folds):
            mine = folds == fold
            i = choose_policy(counted, ~mine, limit)
            met[mine], false[mine] = counted.rates(i, mine)
            first_s[mine] = _first_s(counted, i, mine)
        best = choose_policy(counted, everyone, limit)
        chosen[limit] = policies[best]
        rows.append(
            {
                "limit_per_min": limit,
                "met": _summary(100.0 * met),
                "false_per_min": _summary(false),
                "first_s": float(np.nanmean(first_s)),
                "people_with_half": float((met >= 0.5).mean()),
                "policy": policies[best].model_dump(),
            }
        )
    return rows, chosen


def _first_s(counted: Counted, i: int, people: npt.NDArray[np.bool_]) -> FloatArray:
    met = counted.met[i, people]
    return np.asarray(np.where(met > 0, counted.first_s[i, people] / np.maximum(met, 1), np.nan))


def _summary(values: FloatArray) -> dict[str, float]:
    half = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    mean = float(values.mean())
    return {"mean": mean, "low": mean - half, "high": mean + half}


def online_rows(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Rows of a table."""
    return [
        [
            f"{one['limit_per_min']:g}",
            f"{one['met']['mean']:.1f} ({one['met']['low']:.1f} to {one['met']['high']:.1f})",
            f"{one['false_per_min']['mean']:.1f} ({one['false_per_min']['low']:.1f} to {one['false_per_min']['high']:.1f})",
            f"{one['first_s']:.1f}",
            f"{100 * one['people_with_half']:.0f}",
            ", ".join(f"{key} {value:g}" for key, value in one["policy"].items() if key != "refractory_s"),
        ]
        for one in rows
    ]
