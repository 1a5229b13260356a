"""Which paradigms a stream can be decoded with, and what it lacks for the others: by opening it for each, as a run does."""

from collections.abc import Iterable
from typing import NamedTuple

from rtbci.errors import ChannelError, RateError, RtbciError, UnitError
from rtbci.probe.band_power import profile_of_recipe
from rtbci.probe.profile import Profile, read_profile
from rtbci.recipes import ParadigmRecipe, all_recipes, read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.opening import open_stream
from rtbci.runtime.telemetry import stand_ins
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import StreamInfo

__all__ = ["Fit", "lacks_in_words", "open_or_tell", "what_fits"]


LONG_S = 10.0
"""A headset on a busy radio may not come so far without losing a packet; windows of other paradigms are a few seconds."""


class Fit(NamedTuple):
    """What one paradigm makes of a stream.

    Parameters
    ----------
    paradigm : str
        Name of its recipe.
    lack : str
        What the stream has not got for it, in a few words; empty: it can be decoded.
    stand_ins : dict of str to str
        By electrode of the layout, the channel that stands for it.
    n_found, n_read : int
        Electrodes of the layout that the stream has, and all; what it has not is inferred, or interpolated.
    is_calibrated_first : bool
        It has no decoder before the user calibrates.
    unbroken_s : float
        Seconds of signal without a gap that it needs for anything, where those are many (`LONG_S`); else 0. No window spans a
        gap, and who loses a packet every few seconds has none so long.
    """

    paradigm: str
    lack: str
    stand_ins: dict[str, str]
    n_found: int
    n_read: int
    is_calibrated_first: bool
    unbroken_s: float = 0.0


def what_fits(info: StreamInfo) -> tuple[Fit, ...]:
    """Open a stream for each paradigm that is shipped or that a package brings, in alphabetical order.

    Parameters
    ----------
    info : StreamInfo
        As a run would have it: with the labels given to it.

    Notes
    -----
    Electrodes, rate and unit as a run checks them before its first sample, with the population's decoder. Reads the recipes
    and profiles, no engine: about 0.1 s.
    """
    return tuple(_fit(read_paradigm(name), info) for name in sorted(all_recipes("paradigms")))


def lacks_in_words(fits: Iterable[Fit]) -> tuple[str, ...]:
    """What is lacking, each with the paradigms that need it: ``"lacks C3, C4: motor_imagery, motor_imagery_rest"``."""
    by_lack: dict[str, list[str]] = {}
    for one in fits:
        if one.lack:
            by_lack.setdefault(one.lack, []).append(one.paradigm)
    return tuple(f"{lack}: {', '.join(names)}" for lack, names in by_lack.items())


def open_or_tell(decoder: Decoder, info: StreamInfo, unit: str) -> ChannelMap:
    """`Decoder.open`; where the stream lacks electrodes, the error also says which paradigms fit it.

    Raises
    ------
    ChannelError, RateError, UnitError, ProfileError
        See `Decoder.open`.
    """
    try:
        return decoder.open(info, unit)
    except ChannelError as error:
        if not any(info.labels):  # nobody knows where its electrodes are
            raise
        fitting = [one.paradigm for one in what_fits(info) if not one.lack]
        them = f"what fits this stream: {', '.join(fitting)}" if fitting else "no paradigm fits this stream"
        raise ChannelError(
            f"{error}\n{them} (`rtbci streams` says what it lacks for the others)", error.lack
        ) from error


def _fit(recipe: ParadigmRecipe, info: StreamInfo) -> Fit:
    is_first = recipe.population is None and not all(branch.weights for branch in recipe.branches)
    try:
        opened = open_stream(recipe, info, _population(recipe), "", ignore=(), mask=False)
    except (ChannelError, RateError, UnitError) as error:
        return Fit(recipe.name, _in_words(error), {}, 0, len(recipe.input.channels), is_first)
    found = opened.channel_map
    n_found, n_read = len(found.found), len(found.wanted)
    return Fit(recipe.name, "", stand_ins(found), n_found, n_read, is_first, _unbroken_s(recipe))


def _unbroken_s(recipe: ParadigmRecipe) -> float:
    window = recipe.window
    return window.length_s if window.policy == "sliding" and window.length_s >= LONG_S else 0.0


def _population(recipe: ParadigmRecipe) -> Profile | None:
    folder = recipe.population_folder
    return profile_of_recipe(recipe) if folder is None else read_profile(folder)


def _in_words(error: RtbciError) -> str:
    """What is lacking; of an error that does not say it in a few words, its first sentence."""
    lack = error.lack if isinstance(error, ChannelError) else ""
    return lack or str(error).split("; ")[0]
