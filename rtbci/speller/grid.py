"""How items are arranged, and which are asked for."""

from collections.abc import Sequence

import numpy as np

from rtbci.recipes import ParadigmRecipe

__all__ = ["letters_for", "rows_of"]


def rows_of(recipe: ParadigmRecipe) -> tuple[tuple[str, ...], ...]:
    """Items of a recipe row by row; those without a grid are put into about a square."""
    if recipe.flashes is not None and recipe.flashes.grid:
        return recipe.flashes.grid
    n = int(np.ceil(np.sqrt(len(recipe.classes))))
    return tuple(recipe.classes[i : i + n] for i in range(0, len(recipe.classes), n))


def letters_for(items: Sequence[str], n: int, seed: int) -> list[str]:
    """Items to ask for at random, none twice before all have been."""
    rng = np.random.default_rng(seed)
    order = [str(item) for _ in range(-(-n // len(items))) for item in rng.permutation(list(items))]
    return order[:n]
