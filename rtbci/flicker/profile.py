"""The population's profile for a recipe's own targets: what was fitted holds for any frequency."""

import msgspec

from rtbci.errors import ConfigError, ProfileError
from rtbci.probe.from_recipe import recipe_fields
from rtbci.probe.profile import BranchEntry, Profile
from rtbci.recipes import BranchSettings, ParadigmRecipe

__all__ = ["cca_branch", "profile_for", "targets_of"]


def cca_branch(recipe: ParadigmRecipe) -> BranchSettings:
    """The branch of a recipe that reads flicker.

    Raises
    ------
    ConfigError
        When it has none.
    """
    found = next((branch for branch in recipe.branches if branch.kind == "cca"), None)
    if found is None:
        raise ConfigError(
            f"paradigm '{recipe.name}': has no branch of kind cca, need one with frequencies; name another with --paradigm"
        )
    return found


def targets_of(recipe: ParadigmRecipe) -> dict[str, float]:
    """Classes that flicker, with their frequencies in Hz.

    Raises
    ------
    ConfigError
        When no branch of the recipe reads flicker.
    """
    pairs = zip(recipe.classes, cca_branch(recipe).frequencies_hz, strict=True)
    return {name: hz for name, hz in pairs if hz}


def profile_for(recipe: ParadigmRecipe, fitted: Profile, rate_hz: float) -> Profile:
    """Take weights that were fitted on some targets over to a recipe's.

    Parameters
    ----------
    recipe : ParadigmRecipe
        Its lengths and bands must be as many as those of `fitted`.
    fitted : Profile
        With a branch of kind cca.
    rate_hz : float
        At which the recipe's stages end.

    Raises
    ------
    ProfileError
        When the weights do not fit the recipe.

    Notes
    -----
    The accuracy that `fitted` states was measured on its own targets and is left out.
    """
    settings = cca_branch(recipe)
    old = next((entry for entry in fitted.branches if entry.kind == "cca"), None)
    shape = (len(settings.lengths_s), len(settings.bands_hz))
    weight = None if old is None else fitted.weights.get(f"{old.name}.weight")
    if old is None or weight is None or weight.shape != shape:
        raise ProfileError(
            f"profile of '{fitted.user}': has weights of shape {None if weight is None else weight.shape}, need {shape}: "
            "lengths and bands of the recipe; keep those of the paradigm that the profile is from"
        )
    idle = max((b for f, b in zip(old.frequencies_hz, fitted.bias, strict=True) if not f), default=0.0)
    entry = BranchEntry(
        name=settings.name,
        kind="cca",
        weight=old.weight,
        bands_hz=list(settings.bands_hz),
        order=settings.order,
        frequencies_hz=list(settings.frequencies_hz),
        n_harmonics=settings.n_harmonics,
        lengths_samples=[round(length * rate_hz) for length in settings.lengths_s],
    )
    return msgspec.structs.replace(
        fitted,
        **recipe_fields(recipe, rate_hz),
        branches=[entry],
        bias=[0.0 if f else idle for f in settings.frequencies_hz],
        accuracy=None,
        weights={f"{settings.name}.weight": weight},
    )
