"""Recipes that installed packages bring: folders named by entry points, found without running the packages' code."""

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

__all__ = ["packaged_recipes"]

FILE_NAME = "recipe.toml"


def packaged_recipes(kind: str) -> dict[str, Path]:
    """Folders by the names that packages gave them; one whose folder has no recipe is left out.

    Parameters
    ----------
    kind : str
        ``"engines"`` or ``"paradigms"``. The entry points' group is ``rtbci.engines`` or ``rtbci.paradigms``, the name of
        one is the recipe's, its value the folder as a package: ``own_encoder.engine``.
    """
    found = {}
    for point in sorted(entry_points(group=f"rtbci.{kind}"), key=lambda one: one.name):
        folder = _folder(point.value)
        if folder is not None and (folder / FILE_NAME).is_file():
            found[point.name] = folder
    return found


def _folder(value: str) -> Path | None:
    """The folder that ``package.sub`` means. Only the outermost package is looked for, so none is imported."""
    top, *inner = value.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    places = () if spec is None else spec.submodule_search_locations or ()
    folders = [Path(place).joinpath(*inner) for place in places]
    return next((folder for folder in folders if folder.is_dir()), None)
