"""Whether a profile would run now."""

from rtbci.errors import RtbciError
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.parts import Parts

__all__ = ["reason_not_to_run"]


def reason_not_to_run(profile: Profile, recipe: ParadigmRecipe) -> str:
    """Why a profile does not run with a paradigm as it is now; empty when it does.

    The decoder's parts are opened as a run opens them, engines too, and closed again: about a second.
    """
    try:
        Parts(recipe, profile, "onnxruntime", "", 1).close()
    except RtbciError as error:
        return str(error)
    return ""
