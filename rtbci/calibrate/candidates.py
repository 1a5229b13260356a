"""The decoders that compete for a user: each is fitted on trials and can be written as a profile.

All of them run live: a fitted decoder is a `Profile` of branches that the runtime has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rtbci.calibrate.competing import ANY_GAIN, FROM_PEOPLE, Candidate, Evidence, rows_of_trials
from rtbci.calibrate.features import TrialFeatures
from rtbci.calibrate.flicker_user import flicker_candidates
from rtbci.calibrate.mdm_user import MdmUser
from rtbci.calibrate.own_decoders import OWN_PRECISION, SURE_GAIN, AugmentedCovariance, CspLda, TangentUser
from rtbci.errors import MissingPackageError
from rtbci.installing import pip_extra
from rtbci.probe.blank import BLANK, is_blank
from rtbci.probe.moved_heads import MovedHeads, Windows, learned_scales, move_heads
from rtbci.probe.profile import BranchEntry, Profile
from rtbci.probe.refit import SCALE_NAME, feature_scale
from rtbci.stages.stage import FloatArray

__all__ = ["ConvProbeUser", "Population", "standard_candidates"]


POPULATION = "population"


@dataclass(frozen=True)
class Population:
    """The population's decoder as it is, or the blank start where there is none: nothing is fitted."""

    population: Profile
    name: str = POPULATION
    evidence: Evidence = ANY_GAIN

    def fit(self, trials: Sequence[TrialFeatures]) -> "Population":  # noqa: ARG002  the protocol's signature
        """Return itself."""
        return self

    def logits(self, trial: TrialFeatures) -> FloatArray:
        """What the running decoder said; see `Fitted.logits`."""
        return trial.logits

    def profile(self) -> Profile:
        """See `Fitted.profile`."""
        return self.population


@dataclass(frozen=True)
class ConvProbeUser:
    """The population's heads, moved by the user's trials: one logistic MAP over the branches of which it knows how far people differ, or else over all.

    Parameters
    ----------
    population : Profile
    precision : mapping of str to float
        By kind of branch: inverse variance of the prior on the change of each standardised weight.
    bias_precision : float
        Inverse variance of the prior on the change of each class's bias.

    Notes
    -----
    Where branches of the profile know how far people differ (`rtbci.probe.moved_heads.learned_scales`), this is the prior, and the others keep their
    heads; a trial then counts as itself and as its mirror image, half each, where the profile has a `mirror`. Precisions are of
    the difference between two classes' logits, after the temperature. How they were chosen: docs/calibration.md.
    """

    population: Profile
    precision: Mapping[str, float]
    bias_precision: float = 10.0
    name: str = "conv-probe"
    evidence: Evidence = ANY_GAIN

    def fit(self, trials: Sequence[TrialFeatures]) -> "MovedUser":
        """Fit the change of the heads; see `Candidate.fit`."""
        learned = learned_scales(self.population)
        scales = learned or {
            entry.name: _scale(self.population, entry, trials) * np.sqrt(2.0 * self.precision[entry.kind])
            for entry in self.population.branches
            if entry.weight != 0.0
        }
        logits, labels, weights = rows_of_trials([trial.logits for trial in trials], trials)
        heads = {name: np.concatenate([trial.heads[name] for trial in trials]) for name in scales}
        mirrored = learned if self.population.mirror else ()
        images = {name: np.concatenate([trial.mirrored[name] for trial in trials]) for name in mirrored}
        windows = Windows(heads, logits, labels, weights, images)
        return MovedUser(move_heads(self.population, windows, scales, 2.0 * self.bias_precision))


@dataclass(frozen=True)
class MovedUser:
    """What `ConvProbeUser` fits."""

    moved: MovedHeads

    def logits(self, trial: TrialFeatures) -> FloatArray:
        """See `Fitted.logits`; recentred as the population's are."""
        return np.asarray(trial.logits + self.moved.added(trial.heads))

    def profile(self) -> Profile:
        """See `Fitted.profile`."""
        return self.moved.profile()


FROM_BLANK = Evidence(n_errors=2.0, least_trials=5)
"""Against a decoder that knows nothing: better than chance, beyond doubt, is enough."""
BESIDE_A_LEARNED_PRIOR = Evidence(n_errors=3.0, least_gain=0.1, least_trials=10)
"""Of own decoders where one that is near the population's has learnt already; with two errors those that came in lost."""
PRECISIONS = {"encoder": 3000.0, "tangent": 10_000.0, "power": 10_000.0, "window": 3000.0}


def standard_candidates(population: Profile) -> list[Candidate]:
    """Every decoder that can compete, the population's first.

    Raises
    ------
    MissingPackageError
        When scikit-learn or pyRiemann is not installed.
    """
    try:
        import pyriemann  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"calibrate: {error.name} is not installed, need it for the decoders that compete; "
            f"{pip_extra('calibrate')}"
        ) from error
    if population.branches[0].kind == "cca":
        return [Population(population), *flicker_candidates(population)]
    starts_blank = is_blank(population)
    knows_people = bool(learned_scales(population))
    needed = FROM_BLANK if starts_blank else BESIDE_A_LEARNED_PRIOR if knows_people else SURE_GAIN
    # Heads that begin at zero have no population to stay near.
    precisions = dict.fromkeys(PRECISIONS, OWN_PRECISION) if starts_blank else PRECISIONS
    start = Population(population, BLANK if starts_blank else POPULATION)
    near = FROM_PEOPLE if knows_people else ANY_GAIN
    found: list[Candidate] = [start, ConvProbeUser(population, precisions, evidence=near)]
    if any(entry.kind == "tangent" for entry in population.branches):
        found += [TangentUser(population, evidence=needed), MdmUser(population, evidence=needed)]
    return [
        *found,
        CspLda(population, evidence=needed),
        AugmentedCovariance(population, evidence=needed),
    ]


def _scale(profile: Profile, entry: BranchEntry, trials: Sequence[TrialFeatures]) -> FloatArray:
    known = profile.weights.get(f"{entry.name}.{SCALE_NAME}")
    if known is not None:
        return np.asarray(known, dtype=np.float64)
    return feature_scale(np.concatenate([trial.heads[entry.name] for trial in trials]))
