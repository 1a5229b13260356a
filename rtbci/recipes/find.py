"""Where recipes are: those that come with rtbci, those that packages bring, and folders of one's own."""

import difflib
import shlex
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from typing import Literal

from rtbci.errors import ConfigError
from rtbci.recipes.packages import packaged_recipes

__all__ = ["all_recipes", "find_recipe", "list_recipes", "option_of", "recipes_root"]

Kind = Literal["engines", "paradigms", "configs"]


def recipes_root() -> Path:
    """Folder that holds `engines/`, `paradigms/` and `configs/`.

    Raises
    ------
    ConfigError
        When neither the installed package nor a checkout has them.
    """
    installed = Path(str(files("rtbci"))) / "_recipes"
    if installed.is_dir():
        return installed
    checkout = Path(str(files("rtbci"))).parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "paradigms").is_dir():
        return checkout
    raise ConfigError(
        f"recipes: found neither {installed} nor a checkout at {checkout}; install rtbci again, "
        "or give the path of a recipe's folder"
    )


def list_recipes(kind: Kind) -> list[str]:
    """Names of the recipes that come with rtbci."""
    folder = recipes_root() / kind
    if kind == "configs":
        return sorted(path.stem for path in folder.glob("*.toml"))
    return sorted(path.parent.name for path in folder.glob("*/recipe.toml"))


def all_recipes(kind: Kind) -> dict[str, Path]:
    """Folders of all recipes that are known by a name: those that come with rtbci, then those that installed packages bring.

    Of two with one name it is that of rtbci. Not for configurations, which are single files.
    """
    shipped = {name: recipes_root() / kind / name for name in list_recipes(kind)}
    return shipped | {name: folder for name, folder in packaged_recipes(kind).items() if name not in shipped}


def option_of(kind: Kind, name: str, folder: Path) -> str:
    """What an option takes for a recipe, quoted for a shell: its name where that is enough, else its folder."""
    known = [one for one, place in all_recipes(kind).items() if place.resolve() == folder]
    place = name if folder == Path() else str(folder)  # one that was not read from a file
    return shlex.quote(next(iter(known), place))


def find_recipe(kind: Kind, name: str, base: Path | None = None) -> Path:
    """Folder of a recipe, by name or by path.

    Parameters
    ----------
    kind : {'engines', 'paradigms', 'configs'}
        What is looked for.
    name : str
        A recipe's name, also one that an installed package brings, or the path of a folder with a `recipe.toml`
        (relative to `base` first).
    base : Path, optional
        Folder of the recipe that names this one.

    Raises
    ------
    ConfigError
        When there is none; names those that there are.
    """
    tried = [Path(name)] if base is None else [base / name, Path(name)]
    looks_like_path = "/" in name or "\\" in name or name in (".", "..")
    shipped = recipes_root() / kind / name
    for folder in [*tried, shipped] if looks_like_path else [shipped, *tried]:
        if (folder / "recipe.toml").is_file():
            return folder
    known = all_recipes(kind)
    if not looks_like_path and name in known:
        return known[name]
    raise ConfigError(_not_found(kind, name, known))


def _not_found(kind: Kind, name: str, known: Collection[str]) -> str:
    shipped = list_recipes(kind)
    packaged = [one for one in known if one not in shipped]
    more = f", and of other packages {', '.join(packaged)}" if packaged else ""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" ({near[0]}?)" if near else ""
    return (
        f"{kind}: no recipe '{name}', have {', '.join(shipped) or 'none'}{more}; "
        f"give one of these{hint}, or the path of a folder with a recipe.toml"
    )
