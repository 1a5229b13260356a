"""Where a recipe's guard against artefacts stands, and what it says of a window."""

from collections.abc import Sequence

from rtbci.recipes import AlignSettings, ParadigmRecipe
from rtbci.stages.guard import Group, Guard
from rtbci.stages.stage import Stage

__all__ = ["find_guard", "guard_place", "guard_stage"]

MIN_GROUP = 2
"""A potato with fewer electrodes on the head is left out."""


def guard_place(recipe: ParadigmRecipe) -> int | None:
    """Index of the stage that the guard stands in front of; None where the recipe has no guard.

    Of the alignment, behind which a change of level would be gone soon; without one it stands at the end.
    """
    if recipe.guard is None:
        return None
    aligns = (i for i, one in enumerate(recipe.stages) if isinstance(one, AlignSettings))
    return next(aligns, len(recipe.stages))


def guard_stage(recipe: ParadigmRecipe, labels: Sequence[str], rate_hz: float) -> Guard:
    """The guard for the electrodes that were found.

    Parameters
    ----------
    recipe : ParadigmRecipe
        With a guard.
    labels : sequence of str
        Electrodes in front of the alignment.
    rate_hz : float
    """
    assert recipe.guard is not None  # asked for by guard_place
    settings = recipe.guard.model_dump(exclude={"potatoes"})
    groups = []
    for potato in recipe.guard.potatoes:
        columns = [i for i, label in enumerate(labels) if not potato.channels or label in potato.channels]
        if len(columns) >= min(MIN_GROUP, len(labels)):
            groups.append(Group(columns, potato.band_hz))
    return Guard(len(labels), rate_hz, groups, **settings)


def find_guard(stages: Sequence[Stage]) -> Guard | None:
    """The guard among a chain's stages."""
    return next((one for one in stages if isinstance(one, Guard)), None)
