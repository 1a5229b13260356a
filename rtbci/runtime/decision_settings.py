"""Which decision policy holds: the configuration's, the profile's or the recipe's."""

from typing import Literal

import msgspec

from rtbci.probe.profile import Profile
from rtbci.recipes import DecisionSettings, ParadigmRecipe

__all__ = ["DecisionSource", "decision_settings"]

DecisionSource = Literal["configuration", "profile", "recipe"]


def decision_settings(
    given: DecisionSettings | None, profile: Profile | None, recipe: ParadigmRecipe
) -> tuple[DecisionSettings, DecisionSource]:
    """Settings of the policy, and where they are from.

    Parameters
    ----------
    given : DecisionSettings or None
        The configuration's: come first.
    profile : Profile or None
        Its own come next, where it has any.
    recipe : ParadigmRecipe
        Always has some.
    """
    if given is not None:
        return given, "configuration"
    if profile is not None and profile.decision is not None:
        return DecisionSettings.model_validate(msgspec.structs.asdict(profile.decision)), "profile"
    return recipe.decision, "recipe"
