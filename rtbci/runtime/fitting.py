"""Whether a profile fits the paradigm and the stream that it is to decode, and if not, why and what to do."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from rtbci.errors import ProfileError
from rtbci.probe.profile import Profile, chain_hash
from rtbci.recipes import ParadigmRecipe
from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import ChannelMap

__all__ = ["check_montage", "check_paradigm", "check_same_signal", "check_same_windows", "not_calibrated"]

ADAPTER = "adapter.matrix"


def check_paradigm(profile: Profile, recipe: ParadigmRecipe) -> None:
    """Refuse a profile that was made for something else.

    Its branches need not be the recipe's, but one that has an engine must be named as one of the recipe's that has
    one of this kind: that engine is open.

    Raises
    ------
    ProfileError
        Says everything that does not fit.
    """
    if profile.paradigm != recipe.name:
        raise ProfileError(
            f"{_where(profile)}: does not fit paradigm '{recipe.name}': is for paradigm '{profile.paradigm}'; run with "
            f"--paradigm {profile.paradigm}, or calibrate '{recipe.name}'"
        )
    window = recipe.window
    pairs = {
        "classes": (tuple(profile.classes), recipe.window_classes),
        "channels": (tuple(profile.channels), recipe.input.channels),
        "window_s": (round(profile.window_samples / profile.rate_hz, 6), round(window.length_s, 6)),
        "hop_s": (round(profile.hop_samples / profile.rate_hz, 6), round(window.hop_s, 6)),
    }
    wrong = [f"{what} {got!r}, need {need!r}" for what, (got, need) in pairs.items() if got != need]
    wrong += (
        _chain_faults(profile, recipe) + _engine_faults(profile, recipe) + _flicker_faults(profile, recipe)
    )
    if wrong:
        raise ProfileError(
            f"{_where(profile)}: does not fit paradigm '{recipe.name}': {'; '.join(wrong)}; calibrate again, or use "
            "another profile (--profile population)"
        )


def not_calibrated(profile: Profile | None, layout: Sequence[str], labels: Sequence[str]) -> tuple[str, ...]:
    """Electrodes of the layout that a stream has and its user's calibration had not (bad ones, say).

    They are treated as missing, as they were then.
    """
    if profile is None or not profile.montage:
        return ()
    there = {canonical_label(label) for label in labels}
    known = {canonical_label(label) for label in profile.montage}
    return tuple(label for label in layout if canonical_label(label) in there - known)


def check_montage(profile: Profile | None, channel_map: ChannelMap) -> None:
    """Refuse a profile that was calibrated on other electrodes of the layout than the stream has.

    Raises
    ------
    ProfileError
        Says which electrodes are missing and which are more.
    """
    if profile is None or not profile.montage:
        return
    needed = {canonical_label(label) for label in profile.montage}
    found = set(channel_map.found_labels)
    lacking = [label for label in channel_map.wanted if label in needed - found]
    more = [label for label in channel_map.wanted if label in found - needed]
    if lacking or more:
        differences = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"adds {', '.join(more)}"] * bool(
            more
        )
        raise ProfileError(
            f"{_where(profile)}: was calibrated with {len(needed)} electrodes of the layout, the stream has {len(found)}: "
            f"it {' and '.join(differences)}; need the same cap. Calibrate again with this one, or decode without "
            "calibration: --profile population"
        )


def check_same_signal(profile: Profile | None, opened: Profile | None) -> None:
    """Refuse to swap in a profile whose branches would need another signal than the stages give.

    Raises
    ------
    ProfileError
        When its adapter is not the one that the stream was opened with.
    """
    now, then = (None if one is None else one.weights.get(ADAPTER) for one in (profile, opened))
    if (now is None) != (then is None) or not np.array_equal(now, then):  # type: ignore[arg-type]
        user = "population" if profile is None else profile.user
        raise ProfileError(
            f"profile of '{user}': has another {ADAPTER} than the profile that the stream was opened with, need the same "
            "to swap while running; stop the run and start it with this profile"
        )


def check_same_windows(
    profile: Profile | None, lengths: Sequence[int], n_samples: int, rate_hz: float
) -> None:
    """Refuse to swap in a profile whose branches have windows of `lengths` where the decoder has `n_samples`.

    Raises
    ------
    ProfileError
        When one differs.
    """
    if any(length != n_samples for length in lengths):
        raise ProfileError(
            f"profile of '{'' if profile is None else profile.user}': has windows of {lengths[0]} samples, need "
            f"{n_samples} at the {rate_hz:g} Hz of the running decoder; calibrate again"
        )


def _where(profile: Profile) -> str:
    generation = f", generation {profile.generation}" if profile.generation else ""
    return f"profile of '{profile.user}'{generation}"


def _chain_faults(profile: Profile, recipe: ParadigmRecipe) -> list[str]:
    stages = [stage.model_dump() for stage in recipe.stages]
    needed = chain_hash(stages)
    if profile.chain_hash == needed:
        return []
    nothing: dict[str, Any] = {}
    differences = [
        _stage_difference(i, got, need)
        for i, (got, need) in enumerate(zip_longest(profile.chain, stages, fillvalue=nothing))
        if got != need
    ]
    # A profile may lack the settings and have only their hash; a hash alone cannot say what differs.
    shown = f": {', '.join(differences)}" if profile.chain and differences else ""
    return [f"stages (hash) {profile.chain_hash[:12]!r}, need {needed[:12]!r}{shown}"]


def _stage_difference(i: int, got: Mapping[str, Any], need: Mapping[str, Any]) -> str:
    kinds = f"{got.get('kind', 'none')}", f"{need.get('kind', 'none')}"
    if kinds[0] != kinds[1]:
        return f"stage {i} is {kinds[0]}, need {kinds[1]}"
    keys = [key for key in {**got, **need} if got.get(key) != need.get(key)]
    return f"stage {i} ({kinds[0]}) has " + ", ".join(
        f"{key} {got.get(key)!r}, need {need.get(key)!r}" for key in keys
    )


def _engine_faults(profile: Profile, recipe: ParadigmRecipe) -> list[str]:
    have = {branch.name: branch.kind for branch in recipe.branches if branch.engine}
    listed = ", ".join(f"'{name}' ({kind})" for name, kind in have.items()) or "none"
    return [
        f"branch '{entry.name}' ({entry.kind}) runs engine '{entry.engine}', the paradigm's branches with an engine "
        f"are {listed}, need one of these by name and kind"
        for entry in profile.branches
        if entry.engine and have.get(entry.name) != entry.kind
    ]


def _flicker_faults(profile: Profile, recipe: ParadigmRecipe) -> list[str]:
    """Frequencies are the recipe's; a profile that was made for others would name the wrong targets."""
    have = {branch.name: list(branch.frequencies_hz) for branch in recipe.branches if branch.kind == "cca"}
    return [
        f"branch '{entry.name}' has the frequencies {entry.frequencies_hz} Hz, need {have[entry.name]} Hz (rtbci flicker "
        "profile writes a population profile for the recipe's)"
        for entry in profile.branches
        if entry.kind in ("cca", "trca")
        and have.get(entry.name, entry.frequencies_hz) != entry.frequencies_hz
    ]
