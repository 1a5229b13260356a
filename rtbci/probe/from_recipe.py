"""What a recipe says of a profile that is made for it."""

from typing import Any

from rtbci.probe.profile_record import chain_hash
from rtbci.recipes import ParadigmRecipe

__all__ = ["recipe_fields"]


def recipe_fields(recipe: ParadigmRecipe, rate_hz: float) -> dict[str, Any]:
    """Fields of a `Profile` that follow from the recipe alone; branches, weights and whose it is are missing.

    Parameters
    ----------
    recipe : ParadigmRecipe
    rate_hz : float
        At which its stages end.
    """
    chain = [stage.model_dump() for stage in recipe.stages]
    return {
        "paradigm": recipe.name,
        "classes": list(recipe.window_classes),
        "channels": list(recipe.input.channels),
        "rate_hz": rate_hz,
        "window_samples": round(recipe.window.length_s * rate_hz),
        "hop_samples": round(recipe.window.hop_s * rate_hz),
        "chain": chain,
        "chain_hash": chain_hash(chain),
    }
