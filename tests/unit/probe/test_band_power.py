from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import ConfigError
from rtbci.probe.band_power import band_filter, profile_of_recipe
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.stream.source import StreamInfo
from tests.tiny import stream_info
from tests.value_samples import RATE_HZ, write_value_paradigm


@pytest.fixture
def recipe(tmp_path: Path) -> ParadigmRecipe:
    return read_paradigm(str(write_value_paradigm(tmp_path / "calm", baseline="")))


def info() -> StreamInfo:
    return stream_info(rate_hz=RATE_HZ)


def gain(taps: np.ndarray[tuple[int], np.dtype[np.float64]], hz: float) -> float:
    return float(abs(taps @ np.exp(-2j * np.pi * hz / RATE_HZ * np.arange(len(taps)))))


def test_a_band_passes_its_middle_and_stops_what_is_far() -> None:
    taps = band_filter((8.0, 13.0), RATE_HZ)
    assert len(taps) == 129
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-15)
    assert gain(taps, 10.5) == pytest.approx(1.0)
    assert gain(taps, 9.0) > 0.7
    for hz in (0.0, 4.0, 17.0, 50.0):
        assert gain(taps, hz) < 0.01


def test_the_logit_is_the_log_power(recipe: ParadigmRecipe) -> None:
    """A sine of amplitude a has the power a^2 / 2 at each electrode."""
    profile = profile_of_recipe(recipe)
    assert profile is not None
    t_s = np.arange(round(4 * RATE_HZ)) / RATE_HZ
    amplitudes = np.array([2.0, 20.0, 200.0])
    with Decoder(recipe) as decoder:  # no profile: the recipe says all
        decoder.open(info())
        verdicts = decoder.push(np.sin(2 * np.pi * 10.5 * t_s)[:, None] * amplitudes, t_s)
    logits = verdicts[-1].estimate.logits
    assert logits is not None
    assert logits[0] == 0.0
    assert logits[1] == pytest.approx(np.log(amplitudes**2 / 2).mean(), abs=0.02)


def test_a_value_without_a_baseline_is_the_smoothed_probability(recipe: ParadigmRecipe) -> None:
    assert recipe.value is not None
    value = recipe.value.model_copy(update={"smoothing_s": 0.0})
    with Decoder(recipe.model_copy(update={"value": value})) as decoder:
        decoder.open(info())
        n = round(3 * RATE_HZ)
        verdicts = decoder.push(np.random.default_rng(0).standard_normal((n, 3)), np.arange(n) / RATE_HZ)
    for one in verdicts:
        probs = one.estimate.probs
        assert one.value == (None if probs is None else pytest.approx(probs[1]))
    assert verdicts[-1].value is not None


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"electrodes": ("PZ",)}, "reads PZ, need electrodes of .input. channels"),
        ({"bands_hz": ((8.0, 70.0),)}, "has a band up to 70 Hz at 128 Hz"),
    ],
)
def test_what_the_stream_cannot_give_is_refused(
    recipe: ParadigmRecipe, change: dict[str, object], match: str
) -> None:
    branch = recipe.branches[0].model_copy(update=change)
    with pytest.raises(ConfigError, match=match):
        profile_of_recipe(recipe.model_copy(update={"branches": (branch,)}))


def test_rate_and_class_must_be_known(recipe: ParadigmRecipe) -> None:
    with pytest.raises(ConfigError, match="add a stage of kind resample"):
        profile_of_recipe(recipe.model_copy(update={"stages": ()}))
    with pytest.raises(ConfigError, match=r"weights in \[\[branches\]\] are for the class of \[value\] of"):
        profile_of_recipe(recipe.model_copy(update={"value": None}))
    branch = recipe.branches[0].model_copy(update={"weights": ()})
    assert profile_of_recipe(recipe.model_copy(update={"branches": (branch,)})) is None
