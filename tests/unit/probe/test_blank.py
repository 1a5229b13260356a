"""Profiles that know nothing: which paradigms can begin with one, and that it says nothing."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.errors import ConfigError
from rtbci.probe.blank import BLANK, is_blank, start_of
from rtbci.probe.profile import read_profile, write_profile
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from tests.plugin_samples import LOUDER, install, write_plugin_engine
from tests.tiny import eeg, stream_info, write_paradigm

EXAMPLE = Path(__file__).parents[3] / "examples" / "hands_rest"


def test_every_class_is_as_probable_as_the_others(tmp_path: Path) -> None:
    with Decoder(str(EXAMPLE), profile=BLANK) as decoder:
        profile = decoder.profile
        assert profile is not None
        decoder.open(stream_info(decoder.recipe.input.channels))
        verdicts = decoder.push(eeg(1000, 9), np.arange(1000) / 250.0)
    said = [one.estimate.probs for one in verdicts if one.estimate.probs is not None]
    assert len(said) > 10
    np.testing.assert_array_equal(said, np.full((len(said), 2), 0.5))
    assert is_blank(profile)
    write_profile(tmp_path / "profile", profile)
    assert is_blank(read_profile(tmp_path / "profile"))
    moved = profile.weights | {"tangent.coef": profile.weights["tangent.coef"] + 1.0}
    assert not is_blank(msgspec.structs.replace(profile, weights=moved))


def test_where_a_calibration_starts(tmp_path: Path) -> None:
    assert start_of(read_paradigm(str(EXAMPLE))) == BLANK
    assert start_of(read_paradigm("motor_imagery")) is None
    assert start_of(read_paradigm("ssvep")) is None


@pytest.mark.parametrize("meaning", ["logits", "features"])
def test_a_whole_window_engine_begins_only_with_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meaning: str
) -> None:
    install(
        tmp_path / "site",
        monkeypatch,
        "blank_pkg",
        LOUDER,
        {"rtbci.encoders": {"louder": "blank_pkg:Louder"}},
    )
    paradigm = write_paradigm(tmp_path / "tiny")
    recipe = write_plugin_engine(tmp_path / "tiny" / "engine", "louder") / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('meaning = "logits"', f'meaning = "{meaning}"'))
    if meaning == "logits":
        with pytest.raises(ConfigError, match="whose engine gives logits, has nothing to begin with"):
            Decoder(str(paradigm), profile=BLANK)
        return
    with Decoder(str(paradigm), profile=BLANK) as decoder:
        assert decoder.profile is not None
        assert decoder.profile.weights["window.weight"].shape == (2, 2)


def test_what_has_nothing_to_begin_with_is_told(tmp_path: Path) -> None:
    text = (EXAMPLE / "recipe.toml").read_text()
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text.replace('    { kind = "resample", rate_hz = 128.0 },\n', ""))
    with pytest.raises(
        ConfigError, match=r"nothing says at which rate its stages end.*add a stage of kind resample"
    ):
        Decoder(str(tmp_path), profile=BLANK)
    recipe.write_text(text.replace('kind = "tangent"\n', 'kind = "power"\n'))
    with pytest.raises(ConfigError, match="branch 'tangent' of kind power has nothing to begin with"):
        Decoder(str(tmp_path), profile=BLANK)
