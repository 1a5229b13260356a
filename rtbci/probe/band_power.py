"""Band power with weights that a recipe says: a decoder without training."""

from collections.abc import Sequence

import numpy as np

from rtbci.errors import ConfigError
from rtbci.probe.from_recipe import recipe_fields
from rtbci.probe.power import PowerProbe
from rtbci.probe.profile_record import BranchEntry, Profile, join_tensors
from rtbci.recipes import ParadigmRecipe, ResampleSettings
from rtbci.recipes.branches import BranchSettings
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label

__all__ = ["band_filter", "profile_of_recipe"]

FILTER_S = 1.0
"""Length of a band's filter: its edges are about 3 Hz wide."""
PATCH_S = 1.0
"""The log of the power is taken of pieces so long and then averaged, so that one cough does not make the window."""


def profile_of_recipe(recipe: ParadigmRecipe) -> Profile | None:
    """Make the decoder of a recipe that says all weights itself.

    Returns
    -------
    Profile or None
        None where a branch has no weights in the recipe.

    Raises
    ------
    ConfigError
        When the recipe's rate is not known, or a branch names an electrode that is not read.
    """
    if not all(branch.weights for branch in recipe.branches):
        return None
    where = f"paradigm '{recipe.name}'"
    rates = [one.rate_hz for one in recipe.stages if isinstance(one, ResampleSettings)]
    if not rates:
        raise ConfigError(
            f"{where}: weights in [[branches]] need the decoder's rate; add a stage of kind resample"
        )
    if recipe.value is None:
        raise ConfigError(
            f"{where}: weights in [[branches]] are for the class of [value] of; add that section"
        )
    i_class = recipe.classes.index(recipe.value.of)
    probes = {one.name: _band_probe(one, recipe, i_class, rates[-1]) for one in recipe.branches}
    return Profile(
        **recipe_fields(recipe, rates[-1]),
        user="population",
        branches=[
            BranchEntry(name=one.name, kind="power", bands_hz=list(one.bands_hz)) for one in recipe.branches
        ],
        bias=[0.0] * len(recipe.classes),
        weights=join_tensors(probes),
    )


def _band_probe(branch: BranchSettings, recipe: ParadigmRecipe, i_class: int, rate_hz: float) -> PowerProbe:
    """Filters and weights of a branch.

    The logit of class `i_class` is the sum over the bands of the weight times the mean, over electrodes and pieces of
    1 s, of the log power in µV²; those of the other classes are 0.

    Raises
    ------
    ConfigError
        When it names an electrode that is not read, or a band that the rate does not have.
    """
    where = f"paradigm '{recipe.name}', branch '{branch.name}'"
    layout = [canonical_label(label) for label in recipe.input.channels]
    named = [canonical_label(label) for label in branch.electrodes]
    if unknown := [label for label in named if label not in layout]:
        raise ConfigError(
            f"{where}: reads {', '.join(unknown)}, need electrodes of [input] channels; add them there"
        )
    if (highest := max(high for _, high in branch.bands_hz)) >= rate_hz / 2:
        raise ConfigError(
            f"{where}: has a band up to {highest:g} Hz at {rate_hz:g} Hz, need less than half of that"
        )
    n_bands, n_filters = len(branch.bands_hz), len(named)
    spatial = np.eye(len(layout))[[layout.index(label) for label in named]]
    coef = np.zeros((len(recipe.classes), n_bands * n_filters))
    coef[i_class] = np.repeat(np.array(branch.weights) / n_filters, n_filters)
    n_patches = _n_patches(recipe)
    return PowerProbe(
        np.repeat(spatial[np.newaxis], n_bands, axis=0),
        np.stack([band_filter(band, rate_hz) for band in branch.bands_hz]),
        np.full((n_bands * n_filters, n_patches), 1.0 / n_patches),
        coef,
        np.zeros(len(recipe.classes)),
    )


def band_filter(band_hz: Sequence[float], rate_hz: float) -> FloatArray:
    """Impulse response of a linear-phase band-pass, 1 s long: a windowed sinc with gain 1 in the band's middle.

    Hamming's window (Harris 1978, doi:10.1109/PROC.1978.10837); half a second of group delay.
    """
    low_hz, high_hz = band_hz
    n = 2 * round(FILTER_S * rate_hz / 2) + 1
    t_s = (np.arange(n) - n // 2) / rate_hz
    taps = (2 * high_hz * np.sinc(2 * high_hz * t_s) - 2 * low_hz * np.sinc(2 * low_hz * t_s)) * np.hamming(n)
    middle = np.exp(-2j * np.pi * (low_hz + high_hz) / 2 * t_s)
    return np.asarray(taps / abs(float(np.abs(taps @ middle))))


def _n_patches(recipe: ParadigmRecipe) -> int:
    """As many pieces of about a second as the window's hops can be shared out to."""
    n_hops = round(recipe.window.length_s / recipe.window.hop_s)
    most = max(1, int(recipe.window.length_s / PATCH_S + 1e-9))
    return next(n for n in range(most, 0, -1) if n_hops % n == 0)
