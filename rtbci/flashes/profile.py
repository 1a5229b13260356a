"""A fitted decoder of flashes as a profile: nothing in it belongs to an item, so any grid may use it."""

from collections.abc import Sequence

import numpy as np

from rtbci.clock import utc_now
from rtbci.errors import ConfigError
from rtbci.probe.erp import ErpProbe
from rtbci.probe.from_recipe import recipe_fields
from rtbci.probe.profile import Accuracy, BranchEntry, Profile, join_tensors
from rtbci.recipes import ParadigmRecipe
from rtbci.stages.stage import FloatArray

__all__ = ["electrode_covariance", "erp_branch_name", "flash_profile"]


def erp_branch_name(recipe: ParadigmRecipe) -> str:
    """Name of the recipe's branch that reads evoked responses.

    Raises
    ------
    ConfigError
        When it has none.
    """
    for branch in recipe.branches:
        if branch.kind == "erp":
            return branch.name
    raise ConfigError(f"paradigm '{recipe.name}': has no branch of kind erp, need one to fit; add it")


def electrode_covariance(epochs: FloatArray, recipe: ParadigmRecipe) -> FloatArray | None:
    """What a run has to know of the electrodes that a decoder is fitted with: their second moments.

    Parameters
    ----------
    epochs : ndarray of float64, shape (n, n_samples, n_channels)
    recipe : ParadigmRecipe

    Returns
    -------
    ndarray of float64, shape (n_channels, n_channels), or None
        Square microvolts. None where a reference or an alignment mixes electrodes before the epochs are cut.
    """
    if any(stage.kind in ("reference", "align") for stage in recipe.stages):
        return None
    flat = epochs.reshape(-1, epochs.shape[2])
    return np.asarray(flat.T @ flat / len(flat))


def flash_profile(
    recipe: ParadigmRecipe,
    probes: Sequence[tuple[str, ErpProbe, float]],
    offset: float,
    rate_hz: float,
    user: str,
    *,
    temperature: float = 1.0,
    n_trials: int = 0,
    trained_on: Sequence[str] = (),
    montage: Sequence[str] = (),
    accuracy: Accuracy | None = None,
    covariance: FloatArray | None = None,
) -> Profile:
    """Make a profile.

    Parameters
    ----------
    recipe : ParadigmRecipe
    probes : sequence of (str, ErpProbe, float)
        Name of each branch, and what its score is worth.
    offset : float
        Added to the sum, so that it is a log-likelihood ratio; see `rtbci.flashes.fit.Evidence`.
    rate_hz : float
        Of the epochs.
    user : str
    temperature : float
        What the evidence is divided by; above 1 where flashes say less together than each alone.
    n_trials : int
        Selections that it was fitted on.
    trained_on, montage : sequence of str
    accuracy : Accuracy, optional
    covariance : ndarray of float64, shape (n_channels, n_channels), optional
        Of the electrodes that it was fitted with; see `electrode_covariance`.
    """
    known = {} if covariance is None else {"electrodes.covariance": covariance}
    return Profile(
        **recipe_fields(recipe, rate_hz),
        user=user,
        branches=[BranchEntry(name=name, kind="erp", weight=weight) for name, _, weight in probes],
        bias=[0.0, offset],
        temperature=temperature,
        n_trials=n_trials,
        trained_on=list(trained_on),
        montage=list(montage),
        accuracy=accuracy,
        created=utc_now().isoformat(timespec="seconds"),
        weights=join_tensors({name: probe for name, probe, _ in probes}) | known,
    )
