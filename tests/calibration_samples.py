"""Small records of calibrations, shared by tests."""

from rtbci.probe.calibration_record import (
    CalibrationRecord,
    CandidateScore,
    Confidence,
    CurvePoint,
    StreamRecord,
    TrialNote,
)

__all__ = ["make_record"]


def make_record(user: str = "ada", paradigm: str = "tiny", generation: int = 1) -> CalibrationRecord:
    """A record of two trials, one of them rejected."""
    return CalibrationRecord(
        created="2025-01-02T03:04:05+00:00",
        paradigm=paradigm,
        user=user,
        generation=generation,
        classes=["left_hand", "right_hand"],
        seed=0,
        stream=StreamRecord(
            name="amp", source_id="amp-1", rate_hz=250.0, labels=["C3", "CZ", "C4"], found=["C3", "CZ", "C4"]
        ),
        trials=[
            TrialNote(i_trial=0, cue="left_hand", t_cue=10.0, accepted=True, log_probs=[-0.2, -1.7]),
            TrialNote(i_trial=1, cue="right_hand", t_cue=20.0, accepted=False, reason="amplitude 300 uV"),
        ],
        candidates=[
            CandidateScore(name="population", accuracy=60.0, low=50.0, high=70.0, loss=0.66),
            CandidateScore(
                name="conv-probe",
                accuracy=70.0,
                low=60.0,
                high=80.0,
                loss=0.6,
                difference=10.0,
                p=0.03,
                chosen=True,
            ),
            CandidateScore(
                name="CSP + LDA", accuracy=None, low=None, high=None, loss=None, note="too few [trials]"
            ),
        ],
        curve=[CurvePoint(n_trials=10, accuracy=60.0, low=45.0, high=75.0)],
        confidence=Confidence(
            temperature=1.3,
            ece_before=0.2,
            ece_after=0.1,
            threshold=0.7,
            dwell_s=0.25,
            refractory_s=1.0,
            smoothing_s=0.5,
        ),
        confusion=[[1.0, 0.0], [0.0, 0.0]],
        usable=True,
        advice=["Go on."],
        versions={"rtbci": "0.1.0"},
    )
