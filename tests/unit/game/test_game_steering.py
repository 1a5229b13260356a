from collections.abc import Sequence

import pytest
from msgspec import structs

from examples.game.brain import Brain, hello_content
from examples.game.steering import find_hands, wind_of
from rtbci.errors import ConfigError
from rtbci.publish.messages import Hello, Prediction, Quality, Why
from rtbci.publish.outbox import Decoded, Outbox
from tests.unit.game.simulated import HANDS, Overheard


def hello(classes: Sequence[str]) -> Hello:
    content = structs.replace(hello_content(), classes=tuple(classes))
    return Outbox(content, [], session="s", clock=lambda: 5.0).announce(content)


def prediction(
    probs: Sequence[float] | None, decision: str | None = None, why: Why | None = "below_threshold"
) -> Prediction:
    sink = Overheard()
    with Outbox(hello_content(), [sink], session="s", clock=lambda: 5.0) as outbox:
        why = None if decision is not None else why
        quality = Quality(score=0.4, bad_channels=("C3", "C4", "CZ", "FC1", "FC2"))
        outbox.prediction(Decoded(probs, decision, why, (2.0, 5.0), quality, 0.0, 0.0, 0.0, 0.0, 5.0))
    return sink.predictions[0]


def test_wind_grows_with_the_probability() -> None:
    thrusts = [wind_of(prediction((1 - p, p)), HANDS, 0.7).thrust for p in (0.5, 0.54, 0.58, 0.64, 0.7, 0.99)]
    assert thrusts[:2] == [0.0, 0.0]
    assert 0.0 < thrusts[2] < thrusts[3] < thrusts[4] == thrusts[5] == 1.0
    assert wind_of(prediction((0.9, 0.1)), HANDS, 0.7).thrust == -1.0


def test_decision_is_a_gust() -> None:
    wind = wind_of(prediction((0.2, 0.8), "right_hand"), HANDS, 0.7)
    assert (wind.thrust, wind.gust, wind.air) == (1.0, 1, "wind")
    assert wind_of(prediction((0.2, 0.8)), HANDS, 0.7).gust == 0


@pytest.mark.parametrize(
    ("why", "probs", "words"),
    [
        ("below_threshold", (0.5, 0.5), "Not sure"),
        ("idle", (0.1, 0.9), "rest"),
        ("warming_up", None, "filling"),
        ("gap", None, "missing"),
        ("poor_signal", (0.1, 0.9), "Poor signal at C3, C4, CZ, FC1 ..."),
        ("poor_signal", None, "Poor signal"),
        ("stream_lost", None, "lost"),
    ],
)
def test_abstention_glides_and_says_why(why: Why, probs: tuple[float, float] | None, words: str) -> None:
    wind = wind_of(prediction(probs, why=why), HANDS, 0.7)
    assert (wind.thrust, wind.gust) == (0.0, 0)
    assert words in wind.words
    assert wind.words.endswith("the boat glides")
    assert (wind.p_left is None) == (probs is None)


def test_hands_are_found_by_name() -> None:
    assert find_hands(hello(["idle", "right_hand", "left_hand"])) == HANDS
    assert find_hands(hello(["T1", "T2", "T3"]), "T2", "T1") == ("T2", "T1")


@pytest.mark.parametrize(
    ("classes", "left", "right"),
    [(["feet", "tongue"], "", ""), (["left", "right"], "up", ""), (["left", "right"], "left", "left")],
)
def test_hands_that_are_not_there(classes: list[str], left: str, right: str) -> None:
    with pytest.raises(ConfigError, match="--left CLASS --right CLASS"):
        find_hands(hello(classes), left, right)


@pytest.mark.parametrize(("accuracy", "noise_s"), [(0.4, 1.0), (1.0, 1.0), (0.8, -1.0), (float("nan"), 1.0)])
def test_impossible_brains(accuracy: float, noise_s: float) -> None:
    with pytest.raises(ConfigError, match="--accuracy"):
        Brain(accuracy, noise_s)


def test_brain_is_as_accurate_as_told_and_calibrated() -> None:
    brain = Brain(0.75, noise_s=0.2, seed=0)
    brain.intent = "left"
    right_of, n_sure, right_of_sure = [], 0, 0
    for i in range(20_000):
        decoded = brain.window(i / 16)
        assert decoded is not None
        if i > 50 and decoded.probs is not None:
            p_left = decoded.probs[0]
            right_of.append(p_left > 0.5)
            if 0.75 < max(p_left, 1 - p_left) < 0.85:
                n_sure, right_of_sure = n_sure + 1, right_of_sure + (p_left > 0.5)
    assert sum(right_of) / len(right_of) == pytest.approx(0.75, abs=0.02)
    assert right_of_sure / n_sure == pytest.approx(0.8, abs=0.03)


def test_brain_goes_through_a_loss() -> None:
    brain = Brain(0.9, seed=0)
    states: list[str] = []
    for i in range(200):
        brain.mishap = "lost" if 60 <= i < 120 else "none"
        decoded = brain.window(i / 16)
        assert (decoded is None) == (60 <= i < 120)
        if not states or states[-1] != brain.watch.state:
            states.append(brain.watch.state)
    assert states == ["warming_up", "running", "stale", "lost", "recovering", "running"]
