"""From a user's trials to that user's profile, and what is known about how good it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from scipy.special import log_softmax

from rtbci.calibrate.bakeoff import BakeOff, Outcome, can_judge, losses, run_bakeoff
from rtbci.calibrate.candidates import standard_candidates
from rtbci.calibrate.competing import Candidate
from rtbci.calibrate.confidence import calibration_error, crossed_temperatures, fit_policy, fit_temperature
from rtbci.calibrate.enough import Judgement, judge, sign_test, worse_alone
from rtbci.calibrate.features import TrialFeatures
from rtbci.clock import utc_now
from rtbci.evaluate.metrics import coverage_accuracy, reliability
from rtbci.evaluate.online import Span
from rtbci.listing import counted
from rtbci.probe.calibration_record import CandidateScore, Confidence
from rtbci.probe.profile import Accuracy, Profile
from rtbci.probe.profile_record import DecisionEntry
from rtbci.recipes import DecisionSettings
from rtbci.stages.stage import FloatArray

__all__ = ["UserFit", "fit_user", "with_policy"]


@dataclass(frozen=True)
class UserFit:
    """A user's decoder and how it was judged.

    Parameters
    ----------
    profile : Profile
        Not written yet; generation 0.
    judgement : Judgement or None
        Of the whole procedure, choice included, on trials left out; None when there are too few.
    candidates : list of CandidateScore
    confidence : Confidence or None
        Without a decision policy of its own until `with_policy`.
    log_probs_population, log_probs : ndarray of float64, shape (n_trials, n_classes)
        Of the population's decoder, and of the user's with each trial left out, after its temperature.
    """

    profile: Profile
    judgement: Judgement | None
    candidates: list[CandidateScore]
    confidence: Confidence | None
    log_probs_population: FloatArray
    log_probs: FloatArray


def fit_user(
    population: Profile,
    trials: Sequence[TrialFeatures],
    user: str,
    decision: DecisionSettings,
    *,
    montage: Sequence[str] = (),
    candidates: Sequence[Candidate] | None = None,
) -> UserFit:
    """Fit all decoders, keep the best, say how good it is.

    Parameters
    ----------
    population : Profile
        Where the fit starts, and what it falls back to.
    trials : sequence of TrialFeatures
        Accepted ones, in the order of their cues.
    user : str
    decision : DecisionSettings
        The recipe's policy.
    montage : sequence of str
        Electrodes of the layout that the stream had.
    candidates : sequence of Candidate, optional
        `standard_candidates` by default; the population's first.

    Raises
    ------
    MissingPackageError
        When a package that the candidates need is not installed.
    """
    profile = msgspec.structs.replace(
        population,
        user=user,
        montage=list(montage),
        generation=0,
        n_trials=len(trials),
        accuracy=None,
        created=utc_now().isoformat(timespec="seconds"),
    )
    if not can_judge([trial.i_class for trial in trials]):
        z = np.array([trial.logits[-1] for trial in trials]).reshape(-1, len(population.classes))
        said = log_softmax(z / population.temperature, axis=1)
        return UserFit(profile, None, [], None, said, said)
    found = run_bakeoff(candidates or standard_candidates(population), trials)
    chosen = found.outcomes[found.i_chosen]
    weights = chosen.candidate.fit(trials).profile()
    judgement = judge(found.nested, found.labels)
    scores = _scores(found)
    alone = worse_alone(scores[found.i_chosen], judgement.accuracy)
    what = f"of {counted(len(trials), 'trial')} of {user}, each left out of its fit; {chosen.candidate.name}{alone and ', '}{alone}"
    profile = msgspec.structs.replace(
        profile,
        branches=weights.branches,
        weights=weights.weights,
        bias=weights.bias,
        temperature=weights.temperature * fit_temperature(chosen.logits, found.labels),
        accuracy=Accuracy(
            mean=judgement.accuracy, low=judgement.low, high=judgement.high, n=len(trials), what=what
        ),
    )
    crossed = found.nested / crossed_temperatures(found.nested, found.labels)[:, np.newaxis]
    before, after = log_softmax(found.outcomes[0].logits, axis=1), log_softmax(crossed, axis=1)
    return UserFit(
        profile,
        judgement,
        scores,
        _confidence(found, after, profile.temperature, decision),
        before,
        after,
    )


def with_policy(
    fit: UserFit,
    spans: Sequence[Span],
    start: DecisionSettings,
    false_per_min: float,
    hop_s: float,
) -> UserFit:
    """The same fit with a decision policy for a wished rate of false activations; see `fit_policy`.

    `spans` are the calibration's own stream as the fitted decoder sees it, so hits are slightly optimistic.
    """
    if fit.confidence is None or not spans:
        return fit
    settings, hits, false = fit_policy(spans, fit.profile.classes, start, false_per_min, hop_s)
    confidence = msgspec.structs.replace(
        fit.confidence,
        **settings.model_dump(),
        hits=_finite(hits),
        false_per_minute=_finite(false),
        wished_per_minute=false_per_min,
    )
    profile = msgspec.structs.replace(fit.profile, decision=DecisionEntry(**settings.model_dump()))
    return replace(fit, profile=profile, confidence=confidence)


def _confidence(
    found: BakeOff, log_probs: FloatArray, temperature: float, decision: DecisionSettings
) -> Confidence:
    used, labels = np.unique(found.labels, return_inverse=True)
    before = log_softmax(found.nested[:, used], axis=1)
    after = log_softmax(log_probs[:, used], axis=1)
    probs = np.exp(after)
    sure, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    rows = reliability(sure, right)
    rows = rows[rows[:, 0] > 0]
    return Confidence(
        temperature=temperature,
        ece_before=calibration_error(before, labels),
        ece_after=calibration_error(after, labels),
        coverage=[(float(share), float(accuracy)) for share, accuracy, _ in coverage_accuracy(sure, right)],
        reliability=[(float(total / n), float(hits / n), float(n)) for n, total, hits in rows],
        **decision.model_dump(),
    )


def _scores(found: BakeOff) -> list[CandidateScore]:
    population = found.outcomes[0]
    right_before = _right(population, found)
    accuracy_before = judge(population.logits, found.labels).accuracy
    scores = []
    for i, outcome in enumerate(found.outcomes):
        name, seconds = outcome.candidate.name, round(outcome.seconds, 2)
        if outcome.note:
            scores.append(
                CandidateScore(
                    name=name,
                    accuracy=None,
                    low=None,
                    high=None,
                    loss=None,
                    seconds=seconds,
                    note=outcome.note,
                )
            )
            continue
        judged = judge(outcome.logits, found.labels)
        scores.append(
            CandidateScore(
                name=name,
                accuracy=judged.accuracy,
                low=judged.low,
                high=judged.high,
                loss=float(losses(outcome.logits, found.labels).mean()),
                difference=judged.accuracy - accuracy_before if i else None,
                p=sign_test(_right(outcome, found), right_before) if i else None,
                seconds=seconds,
                chosen=i == found.i_chosen,
                note=_why(i, found),
            )
        )
    return scores


def _why(i: int, found: BakeOff) -> str:
    """Why a decoder is used, or the one that would stand in the population's place is not; empty where its loss says it."""
    needed = found.outcomes[i].candidate.evidence
    if i == found.i_chosen and needed.n_errors > 0:
        return "clearly better than what would be used else"
    if needed.n_errors >= 0:
        return ""
    if i == found.i_chosen:
        return "moved as people differ, so used unless clearly worse than the population's"
    return "clearly worse than the population's" if found.i_chosen == 0 else ""


def _right(outcome: Outcome, found: BakeOff) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    used, labels = np.unique(found.labels, return_inverse=True)
    return np.asarray(outcome.logits[:, used].argmax(axis=1) == labels)


def _finite(x: float) -> float | None:
    return x if np.isfinite(x) else None
