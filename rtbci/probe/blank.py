"""A profile that knows nothing: where the calibration of a paradigm without a population decoder begins.

Its heads are zero, so every class is as probable as the others. Calibration fits what stands before a head, where that can be
fitted (CSP, covariances), and the heads.
"""

from collections.abc import Mapping

import numpy as np

from rtbci.backends.session import Session
from rtbci.errors import ConfigError
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.from_recipe import recipe_fields
from rtbci.probe.head_features import HEAD_TENSORS
from rtbci.probe.profile import BranchEntry, Profile, Weights
from rtbci.probe.tangent import TangentProbe
from rtbci.recipes import BranchSettings, EngineRecipe, ParadigmRecipe, ResampleSettings

__all__ = ["BLANK", "blank_profile", "is_blank", "start_of"]

BLANK = "blank"
"""Names such a profile where a user's or ``population`` could be named."""
SHRINKAGE = 0.3
"""Of covariances, as in the shipped decoders' tangent branches."""


def blank_profile(
    recipe: ParadigmRecipe, engines: Mapping[str, EngineRecipe], sessions: Mapping[str, Session]
) -> Profile:
    """Make one.

    Parameters
    ----------
    recipe : ParadigmRecipe
        Branches of kind tangent, encoder, or window with an engine that gives features.
    engines, sessions : mapping
        By branch, of those with an engine.

    Raises
    ------
    ConfigError
        When a branch has nothing to begin with, or nothing says at which rate the stages end.
    """
    rate_hz = _rate_hz(recipe, engines)
    window = round(recipe.window.length_s * rate_hz)
    entries, weights = [], Weights()
    for branch in recipe.branches:
        session, engine = sessions.get(branch.name), engines.get(branch.name)
        tensors = _tensors(recipe, branch, session, engine, window)
        weights |= {f"{branch.name}.{name}": x for name, x in tensors.items()}
        entries.append(
            BranchEntry(
                name=branch.name,
                kind=branch.kind,
                weight=1.0 / len(recipe.branches),
                engine="" if engine is None else engine.name,
                engine_id="" if session is None else session.network_id,
                bands_hz=list(branch.bands_hz),
                order=branch.order,
            )
        )
    return Profile(
        **recipe_fields(recipe, rate_hz),
        user="population",
        branches=entries,
        bias=[0.0] * len(recipe.classes),
        weights=weights,
    )


def start_of(recipe: ParadigmRecipe) -> str | None:
    """What a calibration starts from where nobody named a profile: the population's (None), or a blank one where there is none."""
    kinds = {branch.kind for branch in recipe.branches}
    return BLANK if recipe.population is None and kinds <= {"tangent", "encoder", "window"} else None


def is_blank(profile: Profile) -> bool:
    """Whether all heads of a profile are zero."""
    heads = [(entry.name, HEAD_TENSORS.get(entry.kind)) for entry in profile.branches]
    coefs = [None if head is None else profile.weights.get(f"{name}.{head.coef}") for name, head in heads]
    return all(coef is not None and not coef.any() for coef in coefs)


def _tensors(
    recipe: ParadigmRecipe,
    branch: BranchSettings,
    session: Session | None,
    engine: EngineRecipe | None,
    window: int,
) -> Weights:
    n_classes, n_channels = len(recipe.classes), len(recipe.input.channels)
    if branch.kind == "tangent":
        n_features = len(branch.bands_hz) * n_channels * (n_channels + 1) // 2
        reference = np.tile(np.eye(n_channels), (len(branch.bands_hz), 1, 1))
        head = np.zeros((n_classes, n_features))
        return dict(TangentProbe(reference, head, np.zeros(n_classes), SHRINKAGE).tensors())
    if session is not None and engine is not None and engine.output.meaning == "features":
        n_features = int(np.prod(session.output_shape[1:]))
        if branch.kind == "window":
            return {"weight": np.zeros((n_classes, n_features)), "bias": np.zeros(n_classes)}
        n_patches = window // session.input_shape[2]
        head = np.zeros((n_classes, n_patches * n_features))
        return dict(ConvProbe(np.eye(n_features), np.zeros(n_features), head, np.zeros(n_classes)).tensors())
    what = (
        f"kind {branch.kind}"
        if engine is None
        else f"kind {branch.kind}, whose engine gives {engine.output.meaning},"
    )
    raise ConfigError(
        f"calibration of '{recipe.name}': branch '{branch.name}' of {what} has nothing to begin with, need a population "
        "profile; name one in the recipe (population), or give --profile PATH"
    )


def _rate_hz(recipe: ParadigmRecipe, engines: Mapping[str, EngineRecipe]) -> float:
    rates = [engine.input.rate_hz for engine in engines.values()]
    rates += [stage.rate_hz for stage in recipe.stages if isinstance(stage, ResampleSettings)][-1:]
    if not rates:
        raise ConfigError(
            f"calibration of '{recipe.name}': nothing says at which rate its stages end, need that for a first decoder; add a "
            "stage of kind resample"
        )
    return rates[0]
