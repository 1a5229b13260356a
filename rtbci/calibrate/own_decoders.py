"""Decoders that know nothing of the population but the signal: fitted on the user's trials alone.

They are run as profiles of one branch that the runtime has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import numpy as np

from rtbci.calibrate.competing import Evidence, rows_of_trials
from rtbci.calibrate.features import TrialFeatures, window_moments
from rtbci.probe.band_branches import Delays
from rtbci.probe.head_change import HeadChange, Labels, fit_change
from rtbci.probe.power import POWER_FLOOR, PowerProbe
from rtbci.probe.profile import BranchEntry, Profile, Weights
from rtbci.probe.refit import feature_scale
from rtbci.probe.tangent import TangentProbe, shrink, tangent_vectors
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray

__all__ = ["OWN_PRECISION", "SURE_GAIN", "AugmentedCovariance", "CspLda", "TangentUser", "without_branches"]

CSP_FILTERS = 6
EMBEDDING_S = (0.0625, 0.125)
"""Delays of the augmented covariance, as in docs/baselines.md."""
OWN_SHRINKAGE = 0.3
OWN_PRECISION = 300.0
"""Inverse variance of the prior at zero on each standardised weight of a head that starts from nothing."""
SURE_GAIN = Evidence(n_errors=2.0, least_gain=0.1, least_trials=10)
"""For decoders from nothing, beside the population's alone. Chosen by one standard error alone they cost up to 1 point on average and 36 for some
(docs/calibration.md)."""


@dataclass(frozen=True)
class TangentUser:
    """Tangent space of the population's bands and references, its classifier fitted on the user's trials alone."""

    population: Profile
    name: str = "tangent space"
    evidence: Evidence = SURE_GAIN

    def fit(self, trials: Sequence[TrialFeatures]) -> "OwnHead":
        """See `Candidate.fit`."""
        entry = next(one for one in self.population.branches if one.kind == "tangent")
        probe = TangentProbe.from_tensors(self.population.tensors(entry.name))
        head = _own_head([trial.heads[entry.name] for trial in trials], trials, probe.n_classes)
        fitted = TangentProbe(probe.reference, head.weight, -head.weight @ head.centre, probe.shrinkage)
        own = msgspec.structs.replace(entry, weight=1.0)
        return OwnHead(self.population, own, fitted, head.bias, lambda trial: trial.heads[entry.name])


@dataclass(frozen=True)
class AugmentedCovariance:
    """Tangent space of the delay-embedded signal, fitted on the user's trials alone (Carrara, Papadopoulo 2024)."""

    population: Profile
    name: str = "augmented covariance"
    evidence: Evidence = SURE_GAIN
    _known: dict[int, FloatArray] = field(default_factory=dict, repr=False, compare=False)

    def fit(self, trials: Sequence[TrialFeatures]) -> "OwnHead":
        """See `Candidate.fit`."""
        from pyriemann.geometry.mean import mean_logeuclid

        moments = [self._moments(trial) for trial in trials]
        reference = mean_logeuclid(
            np.stack([one[-1] for one in moments])
        )  # near the Riemannian one, at a tenth of its time

        def features(trial: TrialFeatures) -> FloatArray:
            return tangent_vectors(self._moments(trial), reference)

        head = _own_head([tangent_vectors(one, reference) for one in moments], trials, self._n_classes)
        low_hz, high_hz = _band(self.population)
        entry = BranchEntry(
            name="augmented",
            kind="tangent",
            bands_hz=[(low_hz, high_hz)],
            order=2,
            delays_samples=list(self._delays),
        )
        intercept = -head.weight @ head.centre
        probe = TangentProbe(reference[np.newaxis], head.weight, intercept, OWN_SHRINKAGE)
        return OwnHead(self.population, entry, probe, head.bias, features)

    @property
    def _n_classes(self) -> int:
        return len(self.population.classes)

    @property
    def _delays(self) -> tuple[int, ...]:
        return tuple(round(delay_s * self.population.rate_hz) for delay_s in EMBEDDING_S)

    def _moments(self, trial: TrialFeatures) -> FloatArray:
        """Shrunk second moments of the trial's windows; kept, for every fold needs them again."""
        if trial.i_trial not in self._known:
            self._known[trial.i_trial] = self._moments_of(trial)
        return self._known[trial.i_trial]

    def _moments_of(self, trial: TrialFeatures) -> FloatArray:
        rate_hz, (low_hz, high_hz) = self.population.rate_hz, _band(self.population)
        embedded = Delays(trial.signal.shape[1], self._delays).push(trial.signal)
        band = SosFilter.bandpass(low_hz, high_hz, rate_hz, embedded.shape[1], 2).push(embedded)
        return shrink(window_moments(band, trial.i_ends, self.population.window_samples), OWN_SHRINKAGE)


@dataclass(frozen=True)
class CspLda:
    """Common spatial patterns and LDA, fitted on the user's trials alone; runs as a branch of kind power."""

    population: Profile
    name: str = "CSP + LDA"
    evidence: Evidence = SURE_GAIN

    def fit(self, trials: Sequence[TrialFeatures]) -> "OwnHead":
        """See `Candidate.fit`."""
        from pyriemann.spatialfilters import CSP
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        moments = [self._moments(trial) for trial in trials]
        labels = np.array([trial.i_class for trial in trials])
        csp = CSP(nfilter=min(CSP_FILTERS, moments[0].shape[-1]), log=True)
        csp.fit(shrink(np.stack([one[-1] for one in moments]), OWN_SHRINKAGE), labels)
        spatial = np.asarray(csp.filters_)

        def features(trial: TrialFeatures) -> FloatArray:
            return _log_powers(spatial, self._moments(trial))

        x, rows, _ = rows_of_trials([_log_powers(spatial, one) for one in moments], trials)
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, rows)
        coef, intercept = _all_classes(lda.coef_, lda.intercept_, lda.classes_, len(self.population.classes))
        n, lean = len(spatial), coef @ x.mean(axis=0)
        probe = PowerProbe(spatial[np.newaxis], np.ones((1, 1)), np.ones((n, 1)), coef, -lean)
        entry = BranchEntry(name="csp", kind="power")
        return OwnHead(self.population, entry, probe, intercept + lean, features)

    def _moments(self, trial: TrialFeatures) -> FloatArray:
        return window_moments(trial.signal, trial.i_ends, self.population.window_samples)


@dataclass(frozen=True)
class OwnHead:
    """A decoder of one branch that knows nothing of the population but the signal.

    Parameters
    ----------
    population : Profile
    entry : BranchEntry
    probe : TangentProbe or PowerProbe
        Its logits of the trials that it was fitted on are zero on average.
    bias : ndarray of float64, shape (n_classes,)
        Added by the fusion, so that recentring leaves it.
    features : Features
        What the probe's head reads.
    """

    population: Profile
    entry: BranchEntry
    probe: TangentProbe | PowerProbe
    bias: FloatArray
    features: "Features"

    def logits(self, trial: TrialFeatures) -> FloatArray:
        """See `Fitted.logits`; not recentred."""
        return np.asarray(self.features(trial) @ self.probe.coef.T + self.probe.intercept + self.bias)

    def profile(self) -> Profile:
        """See `Fitted.profile`; tensors of the stages are the population's."""
        own = {f"{self.entry.name}.{name}": x for name, x in self.probe.tensors().items()}
        return msgspec.structs.replace(
            self.population,
            branches=[self.entry],
            weights=without_branches(self.population) | own,
            bias=self.bias.tolist(),
            temperature=1.0,
        )


class Features(Protocol):
    """Reads what a head needs from a trial."""

    def __call__(self, trial: TrialFeatures) -> FloatArray:
        """Features of the trial's windows, shape (n_windows, n_features)."""
        ...


def without_branches(profile: Profile) -> Weights:
    """Tensors of a profile that belong to no branch: those of the stages."""
    names = tuple(f"{one.name}." for one in profile.branches)
    return {name: x for name, x in profile.weights.items() if not name.startswith(names)}


def _own_head(features: Sequence[FloatArray], trials: Sequence[TrialFeatures], n_classes: int) -> HeadChange:
    """A head from nothing: logistic regression with a prior at zero."""
    x, labels, weights = rows_of_trials(features, trials)
    scale = feature_scale(x) * np.sqrt(2.0 * OWN_PRECISION)
    head = fit_change(x / scale, np.zeros((len(x), n_classes)), labels, weights, 1.0)
    return HeadChange(head.weight / scale, head.bias, head.centre * scale)


def _all_classes(
    coef: FloatArray, intercept: FloatArray, known: Labels, n_classes: int
) -> tuple[FloatArray, FloatArray]:
    """Rows of scikit-learn's classifier for every class; those that it does not know stay at zero."""
    if len(known) == 2:
        coef, intercept = np.vstack([-coef / 2, coef / 2]), np.concatenate([-intercept / 2, intercept / 2])
    full, full_intercept = np.zeros((n_classes, coef.shape[1])), np.zeros(n_classes)
    full[known], full_intercept[known] = coef, intercept
    return full, full_intercept


def _log_powers(spatial: FloatArray, moments: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.einsum("fc,wcd,fd->wf", spatial, moments, spatial) + POWER_FLOOR))


def _band(profile: Profile) -> tuple[float, float]:
    """The band that the stages pass; the alignment's broad one where they state none."""
    for stage in profile.chain:
        if stage.get("kind") == "bandpass":
            return float(stage["low_hz"]), float(stage["high_hz"])
    return 4.0, min(40.0, 0.45 * profile.rate_hz)
