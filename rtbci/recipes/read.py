"""Recipes, read by name or from a folder."""

from functools import partial
from pathlib import Path

from rtbci.recipes.engine import EngineRecipe
from rtbci.recipes.extends import joined, resolved
from rtbci.recipes.find import find_recipe
from rtbci.recipes.paradigm import ParadigmRecipe
from rtbci.settings import check_settings, read_toml

__all__ = ["read_engine", "read_paradigm"]

OWN_KEYS = ("schema", "name", "title", "population")
"""What a paradigm does not take over from the one that it extends."""


def read_paradigm(name: str) -> ParadigmRecipe:
    """Read a paradigm's recipe, with what it takes over from the one that it extends.

    Parameters
    ----------
    name : str
        Name of a paradigm, or the path of a folder with a `recipe.toml`; see `find_recipe`.

    Returns
    -------
    ParadigmRecipe
        Its `folder` and `files` are absolute paths.

    Raises
    ------
    ConfigError
        When there is no such recipe, its file has keys or values that it may not have (all of them are told at once), or what
        it extends is not there; see `rtbci.recipes.extends`.
    """
    folder = find_recipe("paradigms", name)
    find = partial(find_recipe, "paradigms")
    content, files = resolved(folder / "recipe.toml", find, OWN_KEYS, "recipe.toml")
    recipe = check_settings(ParadigmRecipe, content, joined(files))
    return recipe.model_copy(
        update={"folder": folder.resolve(), "files": tuple(path.resolve() for path in files)}
    )


def read_engine(name: str, base: Path | None = None) -> EngineRecipe:
    """Read an engine's recipe; the engine itself is not opened.

    Parameters
    ----------
    name : str
        Name of an engine, or the path of a folder with a `recipe.toml`; see `find_recipe`.
    base : Path, optional
        Folder that a relative path starts from, of the recipe that names this one.

    Returns
    -------
    EngineRecipe
        Its `folder` is an absolute path.

    Raises
    ------
    ConfigError
        When there is no such recipe, or its file has keys or values that it may not have.
    """
    folder = find_recipe("engines", name, base)
    path = folder / "recipe.toml"
    recipe = check_settings(EngineRecipe, read_toml(path), str(path))
    return recipe.model_copy(update={"folder": folder.resolve()})
