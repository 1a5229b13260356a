"""Recipes of one window length, for accuracy against length: plain CCA, filter bank, and with recentring."""

from pathlib import Path

import msgspec
import numpy as np

from rtbci.flicker.profile import cca_branch, profile_for
from rtbci.probe.cca import band_weights
from rtbci.probe.profile import BranchEntry, Profile, write_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm

__all__ = ["METHODS", "write_variant"]

PLAIN_BANDS = "[[4.0, 70.0]]"
METHODS = {
    "cca": ("plain CCA, 2 harmonics", False, False),
    "cca_recentred": ("plain CCA, recentred", False, True),
    "fbcca": ("filter bank CCA", True, False),
    "fbcca_recentred": ("filter bank CCA, recentred", True, True),
}
"""Name, then whether there is a filter bank, and whether it is recentred."""


def write_variant(work: Path, shipped: ParadigmRecipe, method: str, length_s: float) -> Path:
    """Write a recipe with its profile; nothing in it is fitted.

    Returns
    -------
    Path
        Its folder.
    """
    _, is_bank, is_recentred = METHODS[method]
    folder = work / f"{method}_{length_s:g}"
    folder.mkdir(parents=True, exist_ok=True)
    text = (shipped.folder / "recipe.toml").read_text(encoding="utf-8")
    settings = cca_branch(shipped)
    bands = "[" + ", ".join(f"[{low}, {high}]" for low, high in settings.bands_hz) + "]"
    changes = {
        'name = "ssvep"': f'name = "{folder.name}"',
        f"length_s = {shipped.window.length_s}": f"length_s = {length_s}",
        f"lengths_s = {list(settings.lengths_s)}": f"lengths_s = [{length_s}]",
    }
    if not is_bank:
        changes[f"bands_hz = {bands}"] = f"bands_hz = {PLAIN_BANDS}"
        changes[f"n_harmonics = {settings.n_harmonics}"] = "n_harmonics = 2"
    for old, new in changes.items():
        if text.count(old) != 1:
            raise SystemExit(
                f"{shipped.folder}/recipe.toml: has {text.count(old)} times '{old}', need it once"
            )
        text = text.replace(old, new)
    if not is_recentred:
        start, end = text.index("[recentre]"), text.index("[decision]")
        text = text[:start] + text[end:]
    (folder / "recipe.toml").write_text(text, encoding="utf-8")
    recipe = read_paradigm(str(folder))
    n_bands = len(cca_branch(recipe).bands_hz)
    weight = np.ones((1, 1)) if n_bands == 1 else band_weights(n_bands)[np.newaxis]
    write_profile(folder / "population", profile_for(recipe, _weights(weight), 256.0), replace=True)
    return folder


def _weights(weight: np.ndarray) -> Profile:
    entry = BranchEntry(name="cca", kind="cca", frequencies_hz=[1.0, 0.0])
    nothing = Profile(
        user="population",
        paradigm="",
        classes=["x", "idle"],
        channels=["OZ"],
        rate_hz=1.0,
        window_samples=1,
        hop_samples=1,
        branches=[entry],
        bias=[0.0, 0.0],
    )
    return msgspec.structs.replace(nothing, weights={"cca.weight": weight})
