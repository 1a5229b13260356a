"""Markers that a recipe does not know, named on the command line."""

from collections.abc import Sequence

from rtbci.errors import ConfigError
from rtbci.recipes import ParadigmRecipe

__all__ = ["read_maps", "with_markers"]


def with_markers(recipe: ParadigmRecipe, maps: Sequence[str]) -> ParadigmRecipe:
    """The recipe with more markers, known wherever it is asked for the class of one.

    Parameters
    ----------
    recipe : ParadigmRecipe
    maps : sequence of str
        Each ``"TEXT=CLASS"``, as ``"arrow_L=left_hand"``; the last ``=`` counts. A text that the recipe gives to
        another class is taken from it.

    Raises
    ------
    ConfigError
        When one is not of that form, names no class of the recipe, or two give one text to different classes.
    """
    given = read_maps(recipe, maps)
    kept = {name: [t for t in texts if t not in given] for name, texts in recipe.markers.items()}
    for text, name in given.items():
        kept.setdefault(name, []).append(text)
    return recipe.model_copy(update={"markers": {name: tuple(texts) for name, texts in kept.items()}})


def read_maps(recipe: ParadigmRecipe, maps: Sequence[str]) -> dict[str, str]:
    """The class of each text that was given as ``TEXT=CLASS``.

    Parameters
    ----------
    recipe : ParadigmRecipe
    maps : sequence of str

    Raises
    ------
    ConfigError
        See `with_markers`.
    """
    given: dict[str, str] = {}
    for one in maps:
        text, equals, name = (part.strip() for part in one.rpartition("="))
        if not (equals and text and name):
            raise ConfigError(f"--map: got '{one}', need TEXT=CLASS; as arrow_L={recipe.classes[0]}")
        if name not in recipe.classes:
            raise ConfigError(
                f"--map: '{one}' names class '{name}', paradigm '{recipe.name}' has {', '.join(recipe.classes)}; "
                "name one of these"
            )
        if given.setdefault(text, name) != name:
            raise ConfigError(f"--map: '{text}' is given to {given[text]} and to {name}, need one of them")
    return given
