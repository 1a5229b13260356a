"""Decoders of flicker that compete for a user: the population's evidence weighed anew, own filters, own templates."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from rtbci.calibrate.competing import ANY_GAIN, Candidate, Evidence, folds_of, rows_of_trials
from rtbci.calibrate.features import TrialFeatures
from rtbci.calibrate.flicker_learning import Answer, Learnt, learn, read_answer, unpacked
from rtbci.calibrate.own_decoders import SURE_GAIN, without_branches
from rtbci.probe.cca import CcaProbe
from rtbci.probe.head_change import Labels
from rtbci.probe.open_branches import cca_branch_of
from rtbci.probe.profile import BranchEntry, Profile
from rtbci.probe.reference_products import WindowProducts
from rtbci.probe.trca import CCA, N_KINDS, OWN, TEMPLATE, TrcaProbe, own_evidence, template_evidence, turned
from rtbci.stages.stage import FloatArray

__all__ = ["FittedFlicker", "FlickerUser", "flicker_candidates"]

SCALE_PRECISION = 1.0
"""Inverse variance of the prior on each scale, around the population's."""
LEAN_PRECISION = 4.0
"""Inverse variance of the prior on what is added to a target's logit."""
SHIFT_PRECISION = 0.1
"""And on what is added to all of them: how far above the idle class, where that was asked for."""


def flicker_candidates(population: Profile) -> list[Candidate]:
    """What competes with a population decoder of one branch that reads flicker.

    What keeps the population's correlations is held near them by a prior, and chosen at any gain; templates alone need what every
    decoder of the user's own needs (docs/results_ssvep.md has what other rules would have chosen).
    """
    return [
        FlickerUser(population, (CCA, OWN), "CCA + own filters"),
        FlickerUser(population, (TEMPLATE,), "TRCA", SURE_GAIN),
        FlickerUser(population, (CCA, TEMPLATE), "TRCA + CCA"),
    ]


@dataclass(frozen=True)
class FlickerUser:
    """A way to weigh the evidence for each target.

    Parameters
    ----------
    population : Profile
        Of one branch of kind cca.
    kinds : tuple of int
        Which kinds of evidence of `rtbci.probe.trca` are used; with templates the flicker's phase must be known in every trial.
    name, evidence
        See `Candidate`.

    Notes
    -----
    Scales and leans are fitted by a MAP around the population's, on evidence of each trial by filters and templates that did
    not see it: to its own template a trial is always near. Where the phase is not known at use, canonical correlation, own filters and leans
    fitted for that case decide.
    """

    population: Profile
    kinds: tuple[int, ...]
    name: str
    evidence: Evidence = ANY_GAIN
    _known: dict[int, tuple[list[WindowProducts], Answer]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def fit(self, trials: Sequence[TrialFeatures]) -> "FittedFlicker":
        """See `Candidate.fit`.

        Raises
        ------
        ValueError
            When no trial is of a target, or the phase is needed and not known.
        """
        learnt = self.learn(trials)
        crossed = self._crossed(trials)
        free, free_lean = self._weigh(trials, crossed, (CCA, OWN))
        scales, lean = self._weigh(trials, crossed, self.kinds) if self.needs_phase else (free, free_lean)
        probe = TrcaProbe(
            self.weight, learnt.filters, learnt.template, self.omega, scales, free, lean, free_lean
        )
        return FittedFlicker(self, probe)

    def learn(self, trials: Sequence[TrialFeatures]) -> Learnt:
        """Filters and templates of trials."""
        targets = list(self.targets)
        mine = [
            (targets.index(one.i_class), self.read(one)[1]) for one in trials if one.i_class in self.targets
        ]
        return learn(mine, with_phase=self.needs_phase)

    def read(self, trial: TrialFeatures) -> tuple[list[WindowProducts], Answer]:
        """Products of a trial's windows, and what they have in common; kept, for every fold needs them again."""
        if trial.i_trial not in self._known:
            n_channels, n_bands = len(self.population.channels), self.weight.shape[1]
            rows = trial.heads[self.entry.name]
            windows = [unpacked(row, n_bands, n_channels, self._roots) for row in rows]
            self._known[trial.i_trial] = windows, read_answer(windows, trial.flicker_s, self.omega)
        return self._known[trial.i_trial]

    @property
    def needs_phase(self) -> bool:
        """Whether it has templates."""
        return TEMPLATE in self.kinds

    @property
    def entry(self) -> BranchEntry:
        """The population's branch."""
        return self.population.branches[0]

    @property
    def cca(self) -> CcaProbe:
        """The population's."""
        return CcaProbe.from_tensors(self.population.tensors(self.entry.name))

    @property
    def weight(self) -> FloatArray:
        """Of squared correlations, shape (n_lengths, n_bands)."""
        return self.cca.weight

    @property
    def targets(self) -> Labels:
        """Classes that flicker."""
        return np.flatnonzero(self.entry.frequencies_hz)

    @property
    def omega(self) -> FloatArray:
        """Radians a second of each target's harmonics."""
        frequencies_hz = np.array(self.entry.frequencies_hz)[self.targets]
        return 2 * np.pi * np.outer(frequencies_hz, np.arange(1, self.entry.n_harmonics + 1))

    @property
    def _roots(self) -> FloatArray:
        return cca_branch_of(self.population, self.entry, self.cca).roots

    def _crossed(self, trials: Sequence[TrialFeatures]) -> list[FloatArray]:
        """Evidence in each trial's windows, (n_windows, n_kinds, n_targets), by what was learnt of the other folds.

        Of all where there is no other: one trial of each class.
        """
        folds = folds_of([one.i_class for one in trials])
        found: list[FloatArray] = [np.empty(0)] * len(trials)
        for fold in range(folds.max() + 1):
            others = [one for one, k in zip(trials, folds, strict=True) if k != fold]
            learnt = self.learn(others if self._has_trials(others) else trials)
            for i in np.flatnonzero(folds == fold).tolist():
                found[i] = np.stack(
                    [self._evidence(trials[i], j, learnt) for j in range(len(trials[i].i_ends))]
                )
        return found

    def _has_trials(self, trials: Sequence[TrialFeatures], least: int = 1) -> bool:
        """Whether there are so many trials of some target."""
        classes = [one.i_class for one in trials if one.i_class in self.targets]
        return max((classes.count(i) for i in classes), default=0) >= least

    def _evidence(self, trial: TrialFeatures, i_window: int, learnt: Learnt) -> FloatArray:
        """Of one window, weighted over lengths and bands, (n_kinds, n_targets)."""
        products, seconds = self.read(trial)[0][i_window], float(trial.flicker_s[i_window])
        found = np.zeros((N_KINDS, len(self.targets)))
        found[CCA] = self.cca.scores(products)
        found[OWN] = np.einsum("lb,lbf->f", self.weight, own_evidence(products, learnt.filters))
        if self.needs_phase and np.isfinite(seconds):
            template = turned(learnt.template, self.omega, seconds)
            agreed = template_evidence(products, learnt.filters, template)
            found[TEMPLATE] = np.einsum("lb,lbf->f", self.weight, agreed)
        return found

    def _weigh(
        self, trials: Sequence[TrialFeatures], crossed: Sequence[FloatArray], kinds: Sequence[int]
    ) -> tuple[FloatArray, FloatArray]:
        """Scale of each kind of evidence, and lean of each target."""
        evidence, labels, weights = rows_of_trials(crossed, trials)
        start = self.start(trials, evidence[:, CCA], uses_cca=CCA in kinds)
        # In the mean over everything targets stay as far below the idle class as correlations are.
        usual = evidence.mean(axis=(0, 2))
        start[:, self.targets] += usual[CCA]
        at_first = np.zeros(N_KINDS)
        at_first[CCA if CCA in kinds else TEMPLATE] = 1.0
        if not self._has_trials(trials, 2):  # evidence by templates of the trial itself says too much
            return at_first, np.full(len(self.targets), usual[CCA] - at_first @ usual)
        slopes = _slopes(evidence - usual[:, np.newaxis], start.shape[1], self.targets)
        temperature = self.population.temperature
        scales, lean = _fit_scales(
            slopes / temperature, start / temperature, labels, weights, kinds, at_first
        )
        return scales, lean + usual[CCA] - scales @ usual

    def start(self, trials: Sequence[TrialFeatures], cca: FloatArray, *, uses_cca: bool) -> FloatArray:
        """What the scaled evidence is added to, (n_rows, n_classes): recentring and the idle class's bias."""
        bias = np.tile(self.population.bias, (len(cca), 1))
        if uses_cca:
            bias = np.concatenate([one.logits for one in trials])
            bias[:, self.targets] -= cca
        return bias


@dataclass(frozen=True)
class FittedFlicker:
    """What `FlickerUser` fits."""

    candidate: FlickerUser
    probe: TrcaProbe

    def logits(self, trial: TrialFeatures) -> FloatArray:
        """See `Fitted.logits`; recentred as the population's are, where its correlations are used."""
        one = self.candidate
        windows, _ = one.read(trial)
        cca = np.stack([one.cca.scores(products) for products in windows])
        found = one.start([trial], cca, uses_cca=CCA in one.kinds)
        for row, products, seconds in zip(found, windows, trial.flicker_s, strict=True):
            row[one.targets] += self.probe.scores(products, float(seconds))
        return found

    def profile(self) -> Profile:
        """See `Fitted.profile`."""
        old, entry = self.candidate.population, self.candidate.entry
        own = {f"{entry.name}.{name}": x for name, x in self.probe.tensors().items()}
        branch = msgspec.structs.replace(entry, kind="trca", weight=1.0)
        return msgspec.structs.replace(old, branches=[branch], weights=without_branches(old) | own)


def _slopes(evidence: FloatArray, n_classes: int, targets: Labels) -> FloatArray:
    """Logits (n, n_classes) for one of each: scale of a kind of evidence, lean of a target, shift of all; last axis."""
    n, n_kinds, n_targets = evidence.shape
    slopes = np.zeros((n, n_classes, n_kinds + n_targets + 1))
    slopes[:, targets, :n_kinds] = evidence.transpose(0, 2, 1)
    slopes[:, targets, n_kinds + np.arange(n_targets)] = 1.0
    slopes[:, targets, -1] = 1.0
    return slopes


def _fit_scales(
    slopes: FloatArray,
    start: FloatArray,
    labels: Labels,
    weights: FloatArray,
    kinds: Sequence[int],
    at_first: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Scales (n_kinds,), at least 0, and leans (n_targets,) of least cross-entropy, held near where they are at first.

    Over the classes that were asked for; `slopes` as `_slopes` gives them, `start` (n, n_classes).
    """
    n_kinds, n_leans = len(at_first), slopes.shape[2] - len(at_first)
    used, columns = np.unique(labels, return_inverse=True)
    slopes, start, rows = slopes[:, used], start[:, used], np.arange(len(labels))
    centre = np.concatenate([at_first, np.zeros(n_leans)])
    precision = np.repeat([SCALE_PRECISION, LEAN_PRECISION, SHIFT_PRECISION], [n_kinds, n_leans - 1, 1])

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        said = log_softmax(start + slopes @ x, axis=1)
        missed = np.exp(said)
        missed[rows, columns] -= 1.0
        value = -float(weights @ said[rows, columns]) + 0.5 * float(precision @ (x - centre) ** 2)
        return value, np.einsum("n,nc,ncp->p", weights, missed, slopes) + precision * (x - centre)

    scales = [(0.0, np.inf) if i in kinds else (0.0, 0.0) for i in range(n_kinds)]
    bounds = scales + [(-np.inf, np.inf)] * n_leans
    found = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:n_kinds], found[n_kinds:-1] + found[-1]
