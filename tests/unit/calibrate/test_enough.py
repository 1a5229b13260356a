import msgspec
import numpy as np
import pytest

from rtbci.calibrate.enough import (
    advice_for,
    describe,
    interval,
    is_enough,
    judge,
    projected_half_width,
    sign_test,
    worse_alone,
)
from rtbci.calibrate.protocol import StoppingSettings
from rtbci.probe.calibration_record import CandidateScore
from rtbci.stages.stage import FloatArray


def logits_of(n_right: int, n: int) -> tuple[FloatArray, "np.ndarray[tuple[int], np.dtype[np.intp]]"]:
    labels = np.arange(n) % 2
    said = np.where(np.arange(n) < n_right, labels, 1 - labels)
    return np.eye(2)[said], labels


@pytest.mark.parametrize(("p", "n"), [(0.5, 20), (0.7, 20), (0.7, 40), (0.9, 30)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(p: float, n: int) -> None:
    found = [interval(x / n, n) for x in np.random.default_rng(0).binomial(n, p, 2000)]
    assert np.mean([low <= p <= high for low, high in found]) == pytest.approx(0.95, abs=0.03)


def test_what_is_told() -> None:
    judged = judge(*logits_of(28, 40))
    assert judged.accuracy == pytest.approx(70.0)
    assert judged.chance == 50.0
    assert judged.counts.sum() == 40
    assert judged.usable
    assert projected_half_width(judged, 0) == pytest.approx(judged.half_width)
    assert projected_half_width(judged, 40) < 0.75 * judged.half_width
    assert describe(judged).startswith("70 % +- 14, 10 more trials would narrow it to +- 1")
    assert judged.point().n_trials == 40
    assert not judge(*logits_of(12, 20)).usable


def test_when_it_is_enough() -> None:
    stopping = StoppingSettings(min_per_class=10, target_accuracy=85.0, interval_width=25.0)
    assert is_enough(judge(*logits_of(38, 40)), 20, stopping)
    assert not is_enough(judge(*logits_of(38, 40)), 9, stopping)
    assert not is_enough(judge(*logits_of(30, 40)), 20, stopping)  # not good enough
    assert not is_enough(judge(*logits_of(9, 10)), 10, stopping)  # not sure enough


def test_advice() -> None:
    at_chance = advice_for(judge(*logits_of(11, 20)), 0, [], 85.0)
    assert "cannot be told from chance" in at_chance[0]
    assert "flicker" not in at_chance[0]
    assert "imagin" not in at_chance[0]  # that is for the protocol to say
    told = advice_for(judge(*logits_of(11, 20)), 0, [], 85.0, at_chance="Count the flashes.")
    assert told[0].endswith("(50 %). Count the flashes.")
    assert not any(
        "flashes" in one
        for one in advice_for(judge(*logits_of(38, 40)), 0, [], 85.0, at_chance="Count the flashes.")
    )
    assert "Good enough" in advice_for(judge(*logits_of(38, 40)), 0, [], 85.0)[0]
    few = advice_for(judge(*logits_of(6, 6)), 0, [], 85.0, width=25.0)
    assert few == ["Usable. 100 % +- 17, 10 more trials would narrow it to +- 7."]
    base = CandidateScore(name="population", accuracy=25.0, low=12.0, high=41.0, loss=1.5)
    exchanged = advice_for(judge(*logits_of(38, 40)), 0, [], 85.0, base=base)
    assert (
        "25 % of the trials [12, 41], less than by guessing: look whether cues, markers or electrodes"
        in exchanged[1]
    )
    near = msgspec.structs.replace(base, accuracy=45.0, high=55.0)
    assert len(advice_for(judge(*logits_of(38, 40)), 0, [], 85.0, base=near)) == 1
    known = advice_for(judge(*logits_of(40, 40)), 0, [], 85.0, start="ada", follows_eyes=True)
    assert "says nothing of other trials, if the profile of 'ada'" in known[0]
    gaze = advice_for(judge(*logits_of(38, 40)), 0, [], 85.0, follows_eyes=True)
    assert "may be gaze" in gaze[0]
    assert not any("Good enough" in one for one in gaze)
    many = advice_for(judge(*logits_of(16, 20)), 15, ["C5 (flat)"], 85.0)
    assert any("15 trials were rejected" in line for line in many)
    assert any("C5 (flat)" in line for line in many)
    assert "at least two accepted trials" in advice_for(None, 3, [], 85.0)[0]


def test_a_decoder_that_was_itself_worse_than_the_choice_is_not_called_good_enough() -> None:
    judged = judge(*logits_of(10, 10))
    used = CandidateScore(
        name="augmented covariance", accuracy=80.0, low=50.0, high=96.0, loss=0.6, chosen=True
    )
    told = advice_for(judged, 0, [], 85.0, used=used)[0]
    assert "Good enough" not in told
    assert "'augmented covariance', which is used, was itself right in 80 % [50, 96]." in told
    better = msgspec.structs.replace(used, accuracy=100.0)
    assert "Good enough" in advice_for(judged, 0, [], 85.0, used=better)[0]
    assert worse_alone(used, 84.9) == ""


def test_the_sign_test_is_exact() -> None:
    before = np.zeros(6, dtype=bool)
    assert sign_test(~before, before) == pytest.approx(2 / 64)
    assert sign_test(before, before) == 1.0


def test_few_trials_of_one_class_widen_the_interval() -> None:
    labels = np.array([0] * 40 + [1] * 6)
    uneven = judge(np.eye(2)[labels], labels)
    even = judge(*logits_of(46, 46))
    assert uneven.high - uneven.low > 1.5 * (even.high - even.low)
