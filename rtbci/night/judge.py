"""How well a decoder stages nights that people have scored."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.evaluate.metrics import confusion, kappa
from rtbci.night.hypnogram import STAGES, Hypnogram
from rtbci.night.scored import NightFile, read_night
from rtbci.night.windows import decode_night
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.stages.stage import FloatArray

__all__ = ["Agreement", "NightScore", "agreement", "judge_nights", "night_rows", "pooled", "refuse_seen"]


class Agreement(NamedTuple):
    """How two hypnograms agree, over epochs that both score.

    Parameters
    ----------
    n_epochs, n_unscored : int
        Compared; and scored by people but not by the decoder.
    accuracy, kappa, macro_f1 : float
        Shares 0 to 1; Cohen's kappa; mean of F1 over stages that occur in either.
    f1 : dict of str to (float or None)
        Of each stage; None where neither has it.
    confusion : ndarray of float64, shape (n_stages, n_stages)
        Epochs: rows as people say, columns as the decoder does, in the order of `STAGES`.
    """

    n_epochs: int
    n_unscored: int
    accuracy: float
    kappa: float
    macro_f1: float
    f1: dict[str, float | None]
    confusion: FloatArray


class NightScore(NamedTuple):
    """One night, judged."""

    name: str
    scored: Hypnogram
    decoded: Hypnogram
    agreement: Agreement


def agreement(scored: Sequence[str | None], decoded: Sequence[str | None]) -> Agreement:
    """Compare what people and a decoder say of the same epochs."""
    pairs = [(a, b) for a, b in zip(scored, decoded, strict=True) if a is not None]
    both = [(STAGES.index(a), STAGES.index(b)) for a, b in pairs if b is not None]
    found: npt.NDArray[np.intp] = np.array(both, dtype=np.intp).reshape(-1, 2)
    return from_confusion(confusion(found[:, 0], found[:, 1], len(STAGES)), len(pairs) - len(both))


def from_confusion(counts: FloatArray, n_unscored: int) -> Agreement:
    """Agreement of epochs that are counted already."""
    n = int(counts.sum())
    either = counts.sum(axis=0) + counts.sum(axis=1)
    f1 = {name: float(2.0 * counts[i, i] / either[i]) if either[i] else None for i, name in enumerate(STAGES)}
    there = [one for one in f1.values() if one is not None]
    right = float(np.trace(counts)) / n if n else 0.0
    beyond_chance = kappa(counts)
    return Agreement(
        n,
        n_unscored,
        right,
        beyond_chance if math.isfinite(beyond_chance) else 0.0,
        float(np.mean(there)) if there else 0.0,
        f1,
        counts,
    )


def judge_nights(
    recipe: ParadigmRecipe,
    profile: Profile | str | Path | None,
    nights: Sequence[NightFile],
) -> list[NightScore]:
    """Decode each night from its begin, as live, and compare it with what people said."""
    found = []
    for file in nights:
        night = read_night(file, recipe)
        decoded = decode_night(recipe, profile, night.recording)
        scores = agreement(night.hypnogram.stages, decoded.stages)
        found.append(NightScore(file.name, night.hypnogram, decoded, scores))
    return found


def refuse_seen(profile: Profile | None, data: str, nights: Sequence[NightFile]) -> None:
    """Refuse to judge a decoder on nights that it was fitted on.

    Raises
    ------
    ConfigError
        Names some.
    """
    known = set() if profile is None else set(profile.trained_on)
    if seen := [one.name for one in nights if f"{data}/{one.name}" in known]:
        raise ConfigError(
            f"eval: the profile was trained on {len(seen)} of the {len(nights)} nights ({', '.join(seen[:4])}), need others to judge "
            "it; leave them out, or add --seen to judge on these all the same"
        )


def pooled(scores: Sequence[NightScore]) -> Agreement:
    """Agreement over the epochs of all nights."""
    counts = np.sum([one.agreement.confusion for one in scores], axis=0)
    return from_confusion(np.asarray(counts), sum(one.agreement.n_unscored for one in scores))


def night_rows(scores: Sequence[NightScore]) -> list[dict[str, Any]]:
    """What is written to JSON: numbers of each night, and of all epochs together."""
    named = [(one.name, one.agreement) for one in scores]
    return [
        {
            "night": name,
            **one._asdict(),
            "confusion": one.confusion.astype(int).tolist(),
        }
        for name, one in [*named, ("all epochs", pooled(scores))]
    ]
