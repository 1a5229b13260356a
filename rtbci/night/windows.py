"""A decoder of stages on recordings: hypnograms, and the features that its head reads."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from rtbci.errors import ConfigError
from rtbci.night.hypnogram import EPOCH_S, STAGES, Hypnogram, from_windows
from rtbci.probe.epoch_branch import EpochBranch
from rtbci.probe.epoch_features import FEATURES
from rtbci.probe.epoch_heads import LinearHead
from rtbci.probe.from_recipe import recipe_fields
from rtbci.probe.profile import BranchEntry, Profile, read_profile
from rtbci.recipes import BranchSettings, ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.fitting import check_paradigm
from rtbci.stages.stage import FloatArray

__all__ = ["EpochFeatures", "check_stager", "decode_night", "features_of", "is_stager", "stager_profile"]

RATE_HZ = 100.0


class EpochFeatures(NamedTuple):
    """Features of the epochs of a recording.

    Parameters
    ----------
    values : ndarray of float64, shape (n_epochs, n_features)
        As `rtbci.probe.epoch_features.describe` gives for each channel in turn; NaN where a gap is.
    """

    values: FloatArray


def is_stager(recipe: ParadigmRecipe) -> bool:
    """Whether a recipe is about the stages of sleep: a branch of kind epochs, and classes of the AASM."""
    return any(one.kind == "epochs" for one in recipe.branches) and set(recipe.classes) == set(STAGES)


def check_stager(recipe: ParadigmRecipe) -> BranchSettings:
    """The branch of a recipe that stages.

    Raises
    ------
    ConfigError
        When it has none, or other classes than the stages.
    """
    if not is_stager(recipe):
        raise ConfigError(
            f"paradigm '{recipe.name}': has the classes {list(recipe.classes)}, need {', '.join(STAGES)} and a branch of kind "
            "epochs; name another with --paradigm"
        )
    return next(one for one in recipe.branches if one.kind == "epochs")


def decode_night(
    recipe: ParadigmRecipe,
    profile: Profile | str | Path | None,
    recording: Recording,
    *,
    every_hop: bool = False,
) -> Hypnogram:
    """Decode a recording as a live stream would be, and keep for each epoch what was said at its end.

    Parameters
    ----------
    recipe : ParadigmRecipe
    profile : Profile, str, Path or None
        None: the population decoder.
    recording : Recording
        Its first sample begins the first epoch.
    every_hop : bool
        Decode what no epoch ends with, too; the hypnogram is the same (windows end to end know only of each other), and takes
        as many times longer as hops are in a window.
    """
    check_stager(recipe)
    used = recipe if every_hop else _without_overlap(recipe)
    with Decoder(used, profile=_of_recipe(used, recipe, profile)) as decoder:
        estimates = [one.estimate for one in decoder.decode(recording)]
    nothing = np.full(len(recipe.classes), np.nan)
    probs = np.array([nothing if one.probs is None else one.probs for one in estimates])
    return from_windows(
        [one.t_window[1] for one in estimates],
        probs.reshape(-1, len(recipe.classes)),
        recipe.classes,
        0.0,
        int(recording.duration_s / EPOCH_S + 1e-6),
        recipe.window.hop_s,
    )


def features_of(recipe: ParadigmRecipe, recording: Recording) -> EpochFeatures:
    """What the recipe's branch sees of each epoch of a recording.

    Raises
    ------
    ChannelError, RateError, UnitError
        What the decoder says of a stream that it cannot use.
    """
    check_stager(recipe)
    slow = _without_overlap(recipe)
    found: list[tuple[float, FloatArray]] = []
    n_features = len(recipe.input.channels) * len(FEATURES)
    with Decoder(slow, profile=stager_profile(slow, _nothing(n_features))) as decoder:
        decoder.open(recording.info)
        (branch,) = decoder.pipeline.branches
        assert isinstance(branch, EpochBranch)
        t_s = recording.sample_times()
        step = round(recipe.window.hop_s * recording.info.rate_hz)
        for i in range(0, len(t_s), step):
            said = decoder.push(recording.data[i : i + step], t_s[i : i + step])
            if said and branch.newest is not None:  # less than a window was pushed: at most one
                found.append((said[-1].estimate.t_window[1], branch.newest))
    n_epochs = int(recording.duration_s / EPOCH_S + 1e-6)
    values = np.full((n_epochs, n_features), np.nan)
    for t_newest, features in found:
        i_epoch = round(t_newest / EPOCH_S) - 1
        if 0 <= i_epoch < n_epochs and abs(t_newest - EPOCH_S * (i_epoch + 1)) < 1.0:  # filters look ahead
            values[i_epoch] = features
    return EpochFeatures(values)


def stager_profile(recipe: ParadigmRecipe, weights: dict[str, FloatArray], **facts: Any) -> Profile:
    """A profile for a recipe's branch of kind epochs.

    Parameters
    ----------
    recipe : ParadigmRecipe
    weights : dict of ndarray
        Of the branch, without its name.
    **facts
        Other fields of `Profile`, as ``user`` and ``trained_on``.
    """
    settings = check_stager(recipe)
    fields = recipe_fields(recipe, RATE_HZ) | {
        "user": "population",
        "branches": [BranchEntry(name=settings.name, kind="epochs")],
        "bias": [0.0] * len(recipe.classes),
        "weights": {f"{settings.name}.{name}": value for name, value in weights.items()},
    }
    return Profile(**(fields | facts))


def _without_overlap(recipe: ParadigmRecipe) -> ParadigmRecipe:
    """The recipe with one window after the other."""
    window = recipe.window.model_copy(update={"hop_s": recipe.window.length_s})
    return recipe.model_copy(update={"window": window})


def _of_recipe(
    used: ParadigmRecipe, recipe: ParadigmRecipe, profile: Profile | str | Path | None
) -> Profile | str | Path | None:
    """The profile with the hop of the recipe that is used in place of another."""
    if used is recipe:
        return profile
    if profile is None or profile == "population":
        profile = recipe.population_folder
    if profile is None:
        return None
    found = profile if isinstance(profile, Profile) else read_profile(profile)
    check_paradigm(found, recipe)
    return msgspec.structs.replace(found, hop_samples=round(used.window.hop_s * found.rate_hz))


def _nothing(n_features: int) -> dict[str, FloatArray]:
    n = len(STAGES)
    return LinearHead(
        np.zeros(n_features), np.ones(n_features), np.zeros((n, n_features)), np.zeros(n)
    ).tensors()
