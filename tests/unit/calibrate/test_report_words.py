import math

import msgspec
import pytest

from rtbci.calibrate.report_words import (
    chance_percent,
    confusion_table,
    headline,
    share_interval,
    trial_counts,
    words_of,
)
from rtbci.probe.calibration_record import CandidateScore
from tests.calibration_samples import make_record


def test_wilson() -> None:
    # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I: 81 of 263.
    mean, low, high = share_interval(81, 263)
    assert (mean, low, high) == pytest.approx((30.80, 25.53, 36.62), abs=0.01)
    assert share_interval(10, 10)[2] == pytest.approx(100.0)
    assert all(math.isnan(x) for x in share_interval(0, 0))


def test_the_headline() -> None:
    # the chosen decoder alone has 70 %, of the best of those compared
    record = msgspec.structs.replace(make_record(), confusion=[[6.0, 4.0], [4.0, 6.0]])
    first, then = headline(record)
    assert first == "Your decoder: 60 % \u00b1 20, chance is 50 %"
    assert then.startswith("It is better than guessing. Measured on 1 trial of your own")
    assert "between 38 and 79 %" in then
    assert "nothing but guessing" in headline(msgspec.structs.replace(make_record(), usable=False))[1]


def test_the_headline_without_a_number() -> None:
    record = make_record()
    assert "could not be judged" in headline(msgspec.structs.replace(record, confusion=[]))[0]
    none_kept = msgspec.structs.replace(record, trials=record.trials[1:])
    assert headline(none_kept) == (
        "No decoder yet: no trial could be used",
        "The only trial was rejected; below is why.",
    )
    assert headline(msgspec.structs.replace(record, trials=[]))[1] == "No cue was shown."


def test_chance() -> None:
    assert chance_percent(make_record()) == 50.0
    assert chance_percent(msgspec.structs.replace(make_record(), classes=["a", "b", "c", "d"])) == 25.0


def test_confusion() -> None:
    record = msgspec.structs.replace(make_record(), confusion=[[8.0, 2.0], [0.0, 0.0]])
    first, second = confusion_table(record)
    assert [cell["n"] for cell in first["cells"]] == [8, 2]
    assert first["right"] == "80 % [49, 94]"
    assert second["right"] == "no trial"
    assert confusion_table(msgspec.structs.replace(record, confusion=[])) == []


def test_counts_of_trials() -> None:
    found = trial_counts(make_record())
    assert (found["n"], found["n_kept"], found["kept"]) == (2, 1, [("left_hand", 1)])
    assert found["rejected"] == [{"number": 2, "cue": "right_hand", "reason": "amplitude 300 uV"}]


@pytest.mark.parametrize(
    ("difference", "p", "words"),
    [
        (5.0, 0.01, "5.0 points better than the decoder that knows nothing of you."),
        (-5.0, 0.2, "5.0 points worse than the decoder that knows nothing of you, which may be chance."),
        (-0.0, 1.0, "as good as the decoder that knows nothing of you."),
        (None, None, ""),
    ],
)
def test_against_the_population(difference: float | None, p: float | None, words: str) -> None:
    chosen = CandidateScore(
        name="x", accuracy=70.0, low=60.0, high=80.0, loss=0.5, difference=difference, p=p, chosen=True
    )
    assert words_of(msgspec.structs.replace(make_record(), candidates=[chosen]), [])["against"] == words


def test_why_a_decoder_that_did_worse_is_used_is_said() -> None:
    note = "moved as people differ, so used unless clearly worse than the population's"
    chosen = CandidateScore(
        name="x", accuracy=70.0, low=60.0, high=80.0, loss=0.5, difference=-5.0, p=0.2, chosen=True, note=note
    )
    words = words_of(msgspec.structs.replace(make_record(), candidates=[chosen]), [])
    assert words["against"].endswith(f"which may be chance. It is {note}.")
    better = msgspec.structs.replace(chosen, difference=5.0)
    words = words_of(msgspec.structs.replace(make_record(), candidates=[better]), [])
    assert note not in words["against"]
    assert words["candidates"][0]["note"] == note


def test_units_of_what_was_measured() -> None:
    record = msgspec.structs.replace(
        make_record(), cues={"frame_ms": 16.67, "n_cues": 40.0, "offset_ms": 8.0}
    )
    assert words_of(record, [])["cues"] == [("frame", "16.67 ms"), ("n cues", "40"), ("offset", "8 ms")]


@pytest.mark.parametrize(
    ("hits", "false", "note"),
    [
        (0.9, 8.0, ""),
        (0.2, 8.0, "; more with more than 10 false ones a minute (--false-per-minute)"),
        (
            0.9,
            34.0,
            "; none that keeps to 10 false ones a minute decides in any trial, so it is the paradigm's own",
        ),
    ],
)
def test_a_policy_that_is_not_what_was_wished(hits: float, false: float, note: str) -> None:
    record = make_record()
    assert record.confidence is not None
    confidence = msgspec.structs.replace(
        record.confidence, hits=hits, false_per_minute=false, wished_per_minute=10.0
    )
    said = words_of(msgspec.structs.replace(record, confidence=confidence), [])["confidence"]
    assert said[-1] == f"{100 * hits:.0f} % of your trials led to a decision for the right class{note}."
