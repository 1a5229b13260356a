"""Calibrations with a signal, for the tests of the report; numbers of the record are computed from the trials."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.calibrate.report_words import share_interval
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.evaluate.metrics import confusion, coverage_accuracy, reliability
from rtbci.probe.calibration_record import (
    CalibrationRecord,
    CandidateScore,
    Confidence,
    CurvePoint,
    StreamRecord,
    TrialNote,
)
from rtbci.recipes import (
    BranchSettings,
    DecisionSettings,
    InputSettings,
    ParadigmRecipe,
    WindowSettings,
)
from rtbci.stages.stage import FloatArray
from tests.calibration_samples import make_record

__all__ = ["CLASSES", "LABELS", "RATE_HZ", "make_recipe", "make_trials", "record_of"]

RATE_HZ = 128.0
LABELS = ("F3", "Fz", "F4", "T7", "C3", "Cz", "C4", "T8", "P3", "Pz", "P4")
CLASSES = ("left_hand", "right_hand")


def make_recipe(classes: Sequence[str] = CLASSES) -> ParadigmRecipe:
    """A paradigm that needs no files."""
    return ParadigmRecipe(
        schema=1,
        name="tiny",
        classes=tuple(classes),
        input=InputSettings(channels=("C3", "CZ", "C4")),
        window=WindowSettings(length_s=2.0),
        branches=(BranchSettings(name="power", kind="power"),),
        decision=DecisionSettings(),
    )


def make_trials(
    n: int, labels: Sequence[str] = LABELS, *, n_classes: int = 2, seed: int = 0
) -> list[CalibrationTrial]:
    """Trials whose 10 Hz at C4 halves for class 0 and at C3 for class 1, between 0.3 and 3 s after the cue."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(-1.0, 3.5, 1 / RATE_HZ)
    trials = []
    for i in range(n):
        i_class = i % n_classes
        alpha = 8.0 * np.sin(2 * np.pi * 10.0 * t_s + rng.uniform(0, 6.3, (len(labels), 1)))
        side = ("C4", "C3")[i_class % 2]
        if side in labels:
            alpha[list(labels).index(side), (t_s > 0.3) & (t_s < 3.0)] *= 0.5
        raw_uv = 30.0 + alpha + 2.0 * rng.standard_normal(alpha.shape)
        trials.append(
            CalibrationTrial(
                i_trial=i,
                i_class=i_class,
                t_cue=10.0 * i,
                signal=np.zeros((8, 3), np.float32),
                t_newest=np.zeros(1),
                branch_logits=np.zeros((1, 1, n_classes)),
                logits=rng.standard_normal((1, n_classes)) + 2.0 * np.eye(n_classes)[[i_class]],
                raw_uv=raw_uv.T.astype(np.float32),
                t_raw=t_s + 0.003 * rng.random(),
            )
        )
    return trials


def record_of(
    trials: Sequence[CalibrationTrial], labels: Sequence[str] = LABELS, classes: Sequence[str] = CLASSES
) -> CalibrationRecord:
    """A record with what these trials' logits give."""
    used = [one for one in trials if one.accepted]
    stream = StreamRecord(
        name="amp", source_id="amp-1", rate_hz=RATE_HZ, labels=list(labels), found=list(labels)
    )
    true = np.array([one.i_class for one in used], dtype=np.intp)
    log_probs = [one.logits[-1] - np.logaddexp.reduce(one.logits[-1]) for one in used]
    answers = np.array([int(np.argmax(x)) for x in log_probs], dtype=np.intp)
    sure = np.array([float(np.exp(x.max())) for x in log_probs])
    right = answers == true
    accuracy, low, high = share_interval(int(right.sum()), len(right))
    noted = iter(log_probs)
    notes = [
        TrialNote(
            i_trial=one.i_trial,
            cue=classes[one.i_class],
            t_cue=one.t_cue,
            accepted=one.accepted,
            reason=one.reason,
            log_probs=next(noted).tolist() if one.accepted else [],
        )
        for one in trials
    ]
    found = {
        "classes": list(classes),
        "stream": stream,
        "trials": notes,
        "candidates": [
            CandidateScore(name="conv-probe", accuracy=accuracy, low=low, high=high, loss=0.5, chosen=True)
        ]
        if used
        else [],
        "curve": [CurvePoint(n_trials=len(used), accuracy=accuracy, low=low, high=high)] if used else [],
        "confidence": _confidence(sure, right) if used else None,
        "confusion": confusion(true, answers, len(classes)).tolist(),
        "usable": bool(used) and low > 50.0,
    }
    return msgspec.structs.replace(make_record(), **found)


def _confidence(sure: FloatArray, right: npt.NDArray[np.bool_]) -> Confidence:
    bins = reliability(sure, right)
    bins = bins[bins[:, 0] > 0]
    return Confidence(
        temperature=1.2,
        ece_before=0.1,
        ece_after=0.05,
        threshold=0.7,
        dwell_s=0.25,
        refractory_s=1.0,
        smoothing_s=0.5,
        false_per_minute=1.5,
        hits=0.6,
        coverage=[(float(a), float(b)) for a, b, _ in coverage_accuracy(sure, right)],
        reliability=[(float(s / n), float(r / n), float(n)) for n, s, r in bins],
    )
