"""Minimum distance to mean, fitted on the user's trials alone; runs as a profile of one branch of kind mdm."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from rtbci.calibrate.competing import Evidence
from rtbci.calibrate.features import TrialFeatures, window_moments
from rtbci.calibrate.own_decoders import OWN_SHRINKAGE, SURE_GAIN, without_branches
from rtbci.probe.head_change import Labels
from rtbci.probe.mdm import MdmProbe
from rtbci.probe.profile import BranchEntry, Profile
from rtbci.probe.tangent import shrink
from rtbci.stages.filter import SosFilter
from rtbci.stages.spd import exponential, logarithm
from rtbci.stages.stage import FloatArray

__all__ = ["MdmUser"]

NEVER = -10.0
"""Bias of a class without a trial: its mean is that of all trials, and it is never the most probable."""
SCALE = 0.05
"""Where the distances' scale starts, and what it is held near: inverse of twice the variance of a distance."""
SCALE_PRECISION = 1.0
"""Inverse variance of the prior on its logarithm."""
N_FOLDS = 2


@dataclass(frozen=True)
class MdmUser:
    """Distances to the means of the user's own classes, in the bands of the population's tangent branch.

    Parameters
    ----------
    population : Profile
        With a tangent branch.

    Notes
    -----
    Means are log-Euclidean (near the Riemannian ones, at a tenth of the time). How much a squared distance counts for is
    fitted on halves of the trials by means of the other half: to its own mean a trial is always near.
    """

    population: Profile
    name: str = "MDM"
    evidence: Evidence = SURE_GAIN
    _known: dict[int, tuple[FloatArray, FloatArray]] = field(default_factory=dict, repr=False, compare=False)

    def fit(self, trials: Sequence[TrialFeatures]) -> "FittedMdm":
        """See `Candidate.fit`."""
        labels = np.array([trial.i_class for trial in trials], dtype=np.intp)
        found = [self._read(trial) for trial in trials]
        logs, moments = np.stack([one[1] for one in found]), np.stack([one[0][-1] for one in found])
        squared = np.zeros((len(trials), self._n_classes, logs.shape[1]))
        halves = _halves(labels)
        for half in range(N_FOLDS):
            inside = halves == half
            others = inside if inside.all() else ~inside  # one trial of each class has no other half
            probe = self._probe(logs[others], labels[others], np.ones(logs.shape[1]))
            squared[inside] = probe.squared_distances(moments[inside])
        scale = _fit_scale(squared, labels)
        return FittedMdm(self, self._probe(logs, labels, np.full(logs.shape[1], scale)))

    def moments(self, trial: TrialFeatures) -> FloatArray:
        """Second moments of the trial's windows, shape (n_windows, n_bands, n_channels, n_channels), not shrunk."""
        return self._read(trial)[0]

    @property
    def entry(self) -> BranchEntry:
        """The branch that it runs as."""
        tangent = next(one for one in self.population.branches if one.kind == "tangent")
        return msgspec.structs.replace(tangent, name="mdm", kind="mdm", weight=1.0)

    @property
    def _n_classes(self) -> int:
        return len(self.population.classes)

    def _read(self, trial: TrialFeatures) -> tuple[FloatArray, FloatArray]:
        """Moments of all windows, and the logarithm of the last one's; kept, for every fold needs them again."""
        if trial.i_trial not in self._known:
            profile, entry = self.population, self.entry
            bands = [
                SosFilter.bandpass(low, high, profile.rate_hz, trial.signal.shape[1], entry.order).push(
                    trial.signal
                )
                for low, high in entry.bands_hz
            ]
            moments = np.stack(
                [window_moments(band, trial.i_ends, profile.window_samples) for band in bands], axis=1
            )
            self._known[trial.i_trial] = moments, logarithm(shrink(moments[-1], OWN_SHRINKAGE))
        return self._known[trial.i_trial]

    def _probe(self, logs: FloatArray, labels: Labels, scale: FloatArray) -> MdmProbe:
        known = [bool((labels == one).any()) for one in range(self._n_classes)]
        means = [
            logs[labels == one if is_known else slice(None)].mean(axis=0)
            for one, is_known in enumerate(known)
        ]
        return MdmProbe(exponential(np.stack(means)), scale, np.where(known, 0.0, NEVER), OWN_SHRINKAGE)


@dataclass(frozen=True)
class FittedMdm:
    """What `MdmUser` fits."""

    candidate: MdmUser
    probe: MdmProbe

    def logits(self, trial: TrialFeatures) -> FloatArray:
        """See `Fitted.logits`; not recentred."""
        return self.probe.logits(self.candidate.moments(trial))

    def profile(self) -> Profile:
        """See `Fitted.profile`; tensors of the stages are the population's."""
        population, entry = self.candidate.population, self.candidate.entry
        own = {f"{entry.name}.{name}": x for name, x in self.probe.tensors().items()}
        return msgspec.structs.replace(
            population,
            branches=[entry],
            weights=without_branches(population) | own,
            bias=[0.0] * len(population.classes),
            temperature=1.0,
        )


def _halves(labels: Labels) -> Labels:
    """The trials of each class in turn."""
    found = np.zeros(len(labels), dtype=np.intp)
    for one in np.unique(labels):
        rows = np.flatnonzero(labels == one)
        found[rows] = np.arange(len(rows)) % N_FOLDS
    return found


def _fit_scale(squared: FloatArray, labels: Labels) -> float:
    """Scale of the summed squared distances, (n_trials, n_classes, n_bands), of least cross-entropy and near `SCALE`."""
    used, columns = np.unique(labels, return_inverse=True)
    far = squared[:, used].sum(axis=2)
    rows = np.arange(len(labels))

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        scale = SCALE * float(np.exp(x[0]))
        value = -float(log_softmax(-scale * far, axis=1)[rows, columns].sum())
        slope = float((far[rows, columns] - (softmax(-scale * far, axis=1) * far).sum(axis=1)).sum())
        return value + 0.5 * SCALE_PRECISION * float(x[0]) ** 2, np.array(
            [slope * scale + SCALE_PRECISION * x[0]]
        )

    found = minimize(loss, np.zeros(1), jac=True, method="L-BFGS-B", bounds=[(-6.0, 6.0)])
    return SCALE * float(np.exp(found.x[0]))
