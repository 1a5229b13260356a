"""Synthetic users of a speller who attend to none of its items, in a grid of six."""

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("pyriemann", reason="pyRiemann is not installed: pip install '.[calibrate]'")

from rtbci.flashes.judge import Selection
from rtbci.recipes import ParadigmRecipe, read_paradigm
from tools.p300.unattended import judge

GRID = (("A", "B", "C"), ("D", "E", "F"))


@pytest.fixture
def recipe() -> ParadigmRecipe:
    shipped = read_paradigm("p300")
    assert shipped.flashes is not None
    flashes = shipped.flashes.model_copy(update={"grid": GRID, "max_repetitions": 6, "min_flashes": 5})
    return shipped.model_copy(
        update={"classes": tuple(item for row in GRID for item in row), "flashes": flashes}
    )


def difference(selections: Sequence[Selection], recipe: ParadigmRecipe) -> float:
    """Evidence of flashes that held the item that was asked for, less that of the others."""
    assert recipe.flashes is not None
    groups = recipe.flashes.named_groups(recipe.classes)
    said: dict[bool, list[float]] = {True: [], False: []}
    for one in selections:
        for name, evidence in zip(one.groups, one.evidence, strict=True):
            said[one.item in groups[name]].append(evidence)
    return float(np.mean(said[True]) - np.mean(said[False]))


@pytest.mark.slow
def test_who_attends_to_none_answers_to_none(recipe: ParadigmRecipe) -> None:
    user = judge(recipe, 3, 1)
    assert [len(one.groups) for one in (*user.attended, *user.empty)] == [30] * 6
    assert user.area > 0.7
    assert difference(user.attended, recipe) > 1.0
    assert abs(difference(user.empty, recipe)) < 0.5
