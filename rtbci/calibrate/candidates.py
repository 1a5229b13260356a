"""The decoders that compete for a user: each is fitted on trials and can be written as a profile.

All of them run live: a fitted decoder is a `Profile` of branches that the runtime has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import numpy as np

from rtbci.calibrate.features import TrialFeatures, window_moments
from rtbci.calibrate.heads import HeadChange, Labels, fit_change
from rtbci.errors import MissingPackageError
from rtbci.probe.band_branches import Delays
from rtbci.probe.head_features import HEAD_TENSORS
from rtbci.probe.power import POWER_FLOOR, PowerProbe
from rtbci.probe.profile import BranchEntry, Profile, Weights
from rtbci.probe.refit import SCALE_NAME, feature_scale, trial_weights
from rtbci.probe.tangent import TangentProbe, shrink, tangent_vectors
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray

__all__ = [
    "AugmentedCovariance",
    "Candidate",
    "ConvProbeUser",
    "CspLda",
    "Fitted",
    "Population",
    "TangentUser",
    "standard_candidates",
]

CSP_FILTERS = 6
EMBEDDING = (16, 32)
"""Delays of the augmented covariance, in samples at 256 Hz: 62.5 and 125 ms, as in docs/baselines.md."""
OWN_SHRINKAGE = 0.3
OWN_PRECISION = 300.0
"""Inverse variance of the prior at zero on each standardised weight of a head that starts from nothing."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for a decoder, against the population's.

    Parameters
    ----------
    n_errors : float
        The mean gain must exceed so many of its standard errors over the trials.
    least_gain : float
        And so many nats a trial.
    least_trials : int
        Of each class.
    """

    n_errors: float = 0.0
    least_gain: float = 0.0
    least_trials: int = 2


ANY_GAIN = Evidence()
"""For a decoder that a strong prior holds near the population's."""
SURE_GAIN = Evidence(n_errors=2.0, least_gain=0.1, least_trials=10)
"""For decoders from nothing. Chosen by one standard error alone they cost up to 1 point on average and 36 for some
(docs/calibration.md)."""


class Fitted(Protocol):
    """A decoder fitted to a user."""

    def logits(self, trial: TrialFeatures) -> FloatArray:
        """Logits of a trial's windows, shape (n_windows, n_classes), before the temperature."""
        ...

    def profile(self) -> Profile:
        """The decoder as it runs: classes, layout and stages of the population's profile, other weights."""
        ...


class Candidate(Protocol):
    """A way to fit a decoder.

    Attributes
    ----------
    name : str
        For people.
    evidence : Evidence
        What its gain over the population must be, for it to be chosen.
    """

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def evidence(self) -> "Evidence":
        """When it is chosen."""
        ...

    def fit(self, trials: Sequence[TrialFeatures]) -> Fitted:
        """Fit to trials of two classes or more."""
        ...


@dataclass(frozen=True)
class Population:
    """The population's decoder as it is: nothing is fitted."""

    population: Profile
    name: str = "population"
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
    """The population's heads, moved by the user's trials: one logistic MAP over all branches of the fusion.

    Parameters
    ----------
    population : Profile
    precision : mapping of str to float
        By kind of branch: inverse variance of the prior on the change of each standardised weight.
    bias_precision : float
        Inverse variance of the prior on the change of each class's bias.

    Notes
    -----
    Precisions are of the difference between two classes' logits, after the temperature. How they were chosen:
    docs/calibration.md.
    """

    population: Profile
    precision: Mapping[str, float]
    bias_precision: float = 10.0
    name: str = "conv-probe"
    evidence: Evidence = ANY_GAIN

    def fit(self, trials: Sequence[TrialFeatures]) -> "MovedHeads":
        """Fit the change of the heads; see `Candidate.fit`."""
        branches = [entry for entry in self.population.branches if entry.weight != 0.0]
        scales = {
            entry.name: _scale(self.population, entry, trials) * np.sqrt(2.0 * self.precision[entry.kind])
            for entry in branches
        }
        x, labels, weights = _rows([_side_by_side(trial, scales) for trial in trials], trials)
        start = np.concatenate([trial.logits for trial in trials]) / self.population.temperature
        change = fit_change(x, start, labels, weights, 2.0 * self.bias_precision)
        return MovedHeads(self.population, scales, change)


@dataclass(frozen=True)
class MovedHeads:
    """What `ConvProbeUser` fits."""

    population: Profile
    scales: Mapping[str, FloatArray]
    change: HeadChange

    def logits(self, trial: TrialFeatures) -> FloatArray:
        """See `Fitted.logits`; recentred as the population's are."""
        x = _side_by_side(trial, self.scales)
        return np.asarray(trial.logits + self.population.temperature * self.change.of(x))

    def profile(self) -> Profile:
        """See `Fitted.profile`; the fusion's weights stay."""
        old, start = self.population, 0
        changed: Weights = {}
        for entry in old.branches:
            if entry.name not in self.scales:
                continue
            head, scale = HEAD_TENSORS[entry.kind], self.scales[entry.name]
            columns, factor = slice(start, start + scale.size), old.temperature / entry.weight
            part, centre = self.change.weight[:, columns] / scale, self.change.centre[columns]
            start += scale.size
            changed[f"{entry.name}.{head.coef}"] = old.weights[f"{entry.name}.{head.coef}"] + factor * part
            # Into the branch, not into the fusion's bias: what recentring sees must lean to no class by itself.
            intercept = old.weights[f"{entry.name}.{head.intercept}"] - factor * part @ (scale * centre)
            changed[f"{entry.name}.{head.intercept}"] = intercept
        bias = (np.array(old.bias) + old.temperature * self.change.bias).tolist()
        return msgspec.structs.replace(old, weights=old.weights | changed, bias=bias)


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
            delays_samples=list(EMBEDDING),
        )
        intercept = -head.weight @ head.centre
        probe = TangentProbe(reference[np.newaxis], head.weight, intercept, OWN_SHRINKAGE)
        return OwnHead(self.population, entry, probe, head.bias, features)

    @property
    def _n_classes(self) -> int:
        return len(self.population.classes)

    def _moments(self, trial: TrialFeatures) -> FloatArray:
        """Shrunk second moments of the trial's windows; kept, for every fold needs them again."""
        if trial.i_trial not in self._known:
            self._known[trial.i_trial] = self._moments_of(trial)
        return self._known[trial.i_trial]

    def _moments_of(self, trial: TrialFeatures) -> FloatArray:
        rate_hz, (low_hz, high_hz) = self.population.rate_hz, _band(self.population)
        embedded = Delays(trial.signal.shape[1], EMBEDDING).push(trial.signal)
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

        x, rows, _ = _rows([_log_powers(spatial, one) for one in moments], trials)
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
        names = {f"{one.name}." for one in self.population.branches}
        kept = {name: x for name, x in self.population.weights.items() if not name.startswith(tuple(names))}
        own = {f"{self.entry.name}.{name}": x for name, x in self.probe.tensors().items()}
        return msgspec.structs.replace(
            self.population,
            branches=[self.entry],
            weights=kept | own,
            bias=self.bias.tolist(),
            temperature=1.0,
        )


class Features(Protocol):
    """Reads what a head needs from a trial."""

    def __call__(self, trial: TrialFeatures) -> FloatArray:
        """Features of the trial's windows, shape (n_windows, n_features)."""
        ...


PRECISIONS = {"encoder": 3000.0, "tangent": 10_000.0, "power": 10_000.0}


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
            "pip install 'rtbci[calibrate]'"
        ) from error
    found: list[Candidate] = [Population(population), ConvProbeUser(population, PRECISIONS)]
    if any(entry.kind == "tangent" for entry in population.branches):
        found.append(TangentUser(population))
    return [*found, CspLda(population), AugmentedCovariance(population)]


def _scale(profile: Profile, entry: BranchEntry, trials: Sequence[TrialFeatures]) -> FloatArray:
    known = profile.weights.get(f"{entry.name}.{SCALE_NAME}")
    if known is not None:
        return np.asarray(known, dtype=np.float64)
    return feature_scale(np.concatenate([trial.heads[entry.name] for trial in trials]))


def _side_by_side(trial: TrialFeatures, scales: Mapping[str, FloatArray]) -> FloatArray:
    return np.concatenate([trial.heads[name] / scale for name, scale in scales.items()], axis=1)


def _rows(
    features: Sequence[FloatArray], trials: Sequence[TrialFeatures]
) -> tuple[FloatArray, Labels, FloatArray]:
    """Windows below each other, with labels, and weights such that each trial counts one."""
    counts = [len(one) for one in features]
    labels = np.repeat([trial.i_class for trial in trials], counts)
    return np.concatenate(features), labels, trial_weights(np.repeat(np.arange(len(trials)), counts))


def _own_head(features: Sequence[FloatArray], trials: Sequence[TrialFeatures], n_classes: int) -> HeadChange:
    """A head from nothing: logistic regression with a prior at zero."""
    x, labels, weights = _rows(features, trials)
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
