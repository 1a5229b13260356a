"""Markers that a recipe does not know, named by the user: ``TEXT=CLASS``."""

from collections.abc import Mapping, Sequence

from rtbci.errors import ConfigError
from rtbci.recipes.paradigm import ParadigmRecipe

__all__ = ["named_markers", "with_markers"]


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
    named = named_markers(maps, recipe.classes, f"paradigm '{recipe.name}' has")
    if not named:
        return recipe
    taken = {text for texts in named.values() for text in texts}
    known: Mapping[str, Sequence[str]] = {**dict.fromkeys(named, ()), **recipe.markers}
    markers = {
        name: (*(text for text in texts if text not in taken), *named.get(name, ()))
        for name, texts in known.items()
    }
    return recipe.model_copy(update={"markers": markers})


def named_markers(maps: Sequence[str], classes: Sequence[str], whose: str) -> dict[str, tuple[str, ...]]:
    """The texts of each class that was named.

    Parameters
    ----------
    maps : sequence of str
        Each ``"TEXT=CLASS"``.
    classes : sequence of str
        Those there are.
    whose : str
        Whose they are, in the words of an error: ``"paradigm 'ssvep' has"``.

    Raises
    ------
    ConfigError
        See `with_markers`.
    """
    given: dict[str, str] = {}
    wrong: list[str] = []
    for one in maps:
        text, equals, name = (part.strip() for part in one.rpartition("="))
        if not (equals and text and name):
            wrong.append(f"--map: got '{one}', need TEXT=CLASS; as arrow_L={classes[0]}")
        elif name not in classes:
            wrong.append(
                f"--map: '{one}' names class '{name}', {whose} {', '.join(classes)}; name one of these"
            )
        elif given.setdefault(text, name) != name:
            wrong.append(f"--map: '{text}' is given to {given[text]} and to {name}, need one of them")
    if wrong:
        raise ConfigError("\n".join(wrong))
    return {
        name: tuple(text for text in given if given[text] == name) for name in dict.fromkeys(given.values())
    }
