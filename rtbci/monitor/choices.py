"""Which profiles a page offers to swap to."""

from rtbci.publish.addresses import is_local
from rtbci.runtime.profile_list import list_generations, users_of

__all__ = ["profile_choices"]

ALWAYS = ("population", "previous")
MAX_CHOICES = 200


def profile_choices(publish: str, paradigm: str) -> list[str]:
    """Names that `swap_profile` takes, most likely first.

    Parameters
    ----------
    publish : str
        Where the run publishes: of another computer the profiles are not known here.
    paradigm : str
        Name of the run's paradigm.
    """
    choices = list(ALWAYS)
    if not paradigm or not is_local(publish):
        return choices
    for user in users_of(paradigm):
        sound = [one for one in list_generations(paradigm, user) if one.profile is not None]
        choices += [user, *(f"{user}@{one.number}" for one in reversed(sound))]
    return choices[:MAX_CHOICES]
