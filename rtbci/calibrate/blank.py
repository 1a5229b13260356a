"""Where a calibration starts for which there is no population: a decoder that knows nothing."""

import numpy as np

from rtbci.clock import utc_now
from rtbci.errors import ConfigError
from rtbci.probe.profile import BranchEntry, Profile, chain_hash, join_tensors
from rtbci.probe.tangent import TangentProbe
from rtbci.recipes import ParadigmRecipe, ResampleSettings

__all__ = ["BLANK", "blank_profile", "starting_profile"]

BLANK = "blank"
"""Its user's name."""
SHRINKAGE = 0.3
"""Of covariances, as in the shipped decoders' tangent branches."""


def blank_profile(recipe: ParadigmRecipe) -> Profile:
    """A profile that gives every class the same probability, whatever it reads.

    Its tangent branches have the identity as their reference, which is where the alignment takes everybody, and heads of
    zeros: a user's trials move them from there, and only as far as the trials speak for it.

    Raises
    ------
    ConfigError
        When the recipe has branches that cannot start from nothing, or does not say the decoder's rate.
    """
    unfit = [branch.name for branch in recipe.branches if branch.kind != "tangent" or not branch.bands_hz]
    rates_hz = [stage.rate_hz for stage in recipe.stages if isinstance(stage, ResampleSettings)]
    if unfit or not rates_hz:
        what = (
            f"branches {', '.join(unfit)} cannot" if unfit else "no resample stage says at which rate it can"
        )
        raise ConfigError(
            f"paradigm '{recipe.name}': has no population profile and {what} start from nothing, need tangent branches "
            "with bands_hz alone and a resample stage; name another paradigm, or --profile PATH"
        )
    n, n_classes = len(recipe.input.channels), len(recipe.classes)
    probes = {
        branch.name: TangentProbe(
            np.tile(np.eye(n), (len(branch.bands_hz), 1, 1)),
            np.zeros((n_classes, len(branch.bands_hz) * n * (n + 1) // 2)),
            np.zeros(n_classes),
            SHRINKAGE,
        )
        for branch in recipe.branches
    }
    chain = [stage.model_dump() for stage in recipe.stages]
    return Profile(
        user=BLANK,
        paradigm=recipe.name,
        classes=list(recipe.classes),
        channels=list(recipe.input.channels),
        rate_hz=rates_hz[-1],
        window_samples=round(recipe.window.length_s * rates_hz[-1]),
        hop_samples=round(recipe.window.hop_s * rates_hz[-1]),
        chain=chain,
        chain_hash=chain_hash(chain),
        branches=[
            BranchEntry(
                name=one.name,
                kind="tangent",
                weight=1.0 / len(recipe.branches),
                bands_hz=list(one.bands_hz),
                order=one.order,
            )
            for one in recipe.branches
        ],
        bias=[0.0] * n_classes,
        created=utc_now().isoformat(timespec="seconds"),
        weights=join_tensors(probes),
    )


def starting_profile(recipe: ParadigmRecipe) -> Profile | None:
    """What a calibration starts from that names no profile: None for the population's, `blank_profile` where there is none.

    A paradigm whose engines give probabilities themselves needs neither.
    """
    if recipe.population is not None or all(branch.kind == "window" for branch in recipe.branches):
        return None
    return blank_profile(recipe)
