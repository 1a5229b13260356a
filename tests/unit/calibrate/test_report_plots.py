import re

import msgspec

from rtbci.calibrate.report_plots import (
    bake_off_svg,
    coverage_svg,
    curve_svg,
    outcome,
    reliability_svg,
    timeline_svg,
)
from tests.calibration_samples import make_record
from tests.report_samples import make_trials, record_of


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_drawings_name_what_they_show() -> None:
    record = record_of(make_trials(20))
    assert record.confidence is not None
    assert {"accuracy", "95 % interval", "chance, 50 %", "trials used"} <= set(
        texts(curve_svg(record.curve, 50.0))
    )
    assert not any("." in text for text in texts(curve_svg(record.curve, 50.0)))  # trials are whole
    assert "as sure as right" in texts(reliability_svg(record.confidence))
    assert "answers taken, surest first, %" in texts(coverage_svg(record.confidence, 50.0))
    assert {"left_hand", "right_hand", "right", "wrong"} <= set(texts(timeline_svg(record)))


def test_the_bake_off_shows_those_that_were_measured() -> None:
    found = texts(bake_off_svg(make_record().candidates, 50.0))
    assert "conv-probe" in found
    assert "CSP + LDA" not in found


def test_what_became_of_a_trial() -> None:
    record = make_record()
    assert [outcome(record, i) for i in (0, 1)] == ["right", "rejected"]
    first = record.trials[0]
    wrong = msgspec.structs.replace(first, cue="right_hand")
    bare = msgspec.structs.replace(first, log_probs=[])
    assert outcome(msgspec.structs.replace(record, trials=[wrong]), 0) == "wrong"
    assert outcome(msgspec.structs.replace(record, trials=[bare]), 0) == "kept"
