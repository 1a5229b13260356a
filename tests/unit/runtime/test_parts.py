from pathlib import Path

import numpy as np
import pytest

from rtbci.clock import now
from rtbci.errors import ConfigError, EngineError, ProfileError, RateError
from rtbci.probe.adapt import Adaptation
from rtbci.probe.recentre import Recentre
from rtbci.recipes import AdaptSettings, ParadigmRecipe, read_paradigm
from rtbci.runtime.parts import Parts
from rtbci.stages.resample import Resample
from tests.tiny import HOP_S, WINDOW_S, stream_info, write_engine, write_paradigm, write_tiny_profile


@pytest.fixture
def recipe(tmp_path: Path) -> ParadigmRecipe:
    return read_paradigm(str(write_paradigm(tmp_path / "tiny")))


def parts(recipe: ParadigmRecipe, profile: Path | str | None = None, engine: str = "") -> Parts:
    return Parts(recipe, profile, "onnxruntime", engine, 1)


def with_text(recipe: ParadigmRecipe, folder: str, old: str, new: str) -> ParadigmRecipe:
    path = recipe.folder.parent / folder / "recipe.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return read_paradigm(str(recipe.folder))


def test_without_a_profile_the_engine_decides(recipe: ParadigmRecipe) -> None:
    one = parts(recipe)
    assert one.profile is None
    assert [branch.name for branch in one.branches] == ["window"]
    assert one.fusion.weights.tolist() == [1.0]
    one.close()


def test_with_a_profile(recipe: ParadigmRecipe, tmp_path: Path) -> None:
    profile = write_tiny_profile(tmp_path / "ada", recipe.folder)
    one = parts(recipe, profile)
    assert one.profile is not None
    assert one.fusion.weights.tolist() == [-1.0]
    one.close()


def test_the_population_profile_is_beside_the_recipe(recipe: ParadigmRecipe) -> None:
    write_tiny_profile(recipe.folder / "everybody", recipe.folder, user="population")
    named = with_text(recipe, "paradigm", 'name = "tiny"\n', 'name = "tiny"\npopulation = "everybody"\n')
    for name in (None, "population"):
        one = parts(named, name)
        assert one.profile is not None
        assert one.profile.user == "population"
        one.close()


def test_recentring_is_made_as_the_recipe_says(recipe: ParadigmRecipe) -> None:
    one = parts(recipe)
    stages = [Resample(250.0, 128.0, 3)]
    assert one.pipeline(stages, stream_info(), now)._recentre is None
    one.close()
    section = "[recentre]\nprior_s = 60.0\ntime_constant_s = 300.0\n[decision]"
    centred = with_text(recipe, "paradigm", "[decision]", section)
    marked = with_text(recipe, "paradigm", '"sliding"', '"marker"')
    for named, hop_s in ((centred, HOP_S), (marked, WINDOW_S)):
        one = parts(named)
        recentre = one.pipeline(stages, stream_info(), now)._recentre
        assert recentre is not None
        wanted = Recentre(2, hop_s, 60.0, 300.0)
        for logits in np.random.default_rng(0).standard_normal((20, 2)):
            np.testing.assert_array_equal(recentre.push(logits), wanted.push(logits))
        one.close()


def test_adaptation_takes_the_place_of_recentring(recipe: ParadigmRecipe) -> None:
    section = "[recentre]\nprior_s = 60.0\n[decision]"
    centred = with_text(recipe, "paradigm", "[decision]", section)
    stages = [Resample(250.0, 128.0, 3)]
    settings = AdaptSettings(learn_s=1.0, width=0.7)
    one = Parts(centred, None, "onnxruntime", "", 1, settings)
    pipeline = one.pipeline(stages, stream_info(), now)
    assert pipeline.adaptation is not None
    wanted = Adaptation(2, HOP_S, learn_s=1.0, width=0.7)
    for logits in np.random.default_rng(0).standard_normal((40, 2)):
        np.testing.assert_array_equal(pipeline.adaptation.push(logits), wanted.push(logits))
    one.close()
    off = Parts(centred, None, "onnxruntime", "", 1, AdaptSettings(enabled=False))
    assert off.pipeline(stages, stream_info(), now).adaptation is None
    off.close()


def test_heads_without_a_profile(recipe: ParadigmRecipe) -> None:
    headed = with_text(recipe, "paradigm", 'kind = "window"\nengine = "../engine"', 'kind = "power"')
    with pytest.raises(
        ProfileError,
        match=r"names no population profile and none was given, need one for its heads; .* --follow rtbci-cues is a synthetic user",
    ):
        parts(headed)


def test_a_profile_says_everything_that_does_not_fit(recipe: ParadigmRecipe, tmp_path: Path) -> None:
    other = write_paradigm(tmp_path / "o", labels=("C3", "C4"), window_s=1.0, hop_s=0.125, stages="")
    profile = write_tiny_profile(tmp_path / "ada", other)
    with pytest.raises(ProfileError) as error:
        parts(recipe, profile)
    text = str(error.value)
    assert text.startswith(
        "profile of 'ada', generation 1: does not fit paradigm 'tiny': channels ('C3', 'C4'), need ('C3', 'CZ', 'C4')"
    )
    for what in ("stages (hash)", "window_s 1.0, need 0.5", "hop_s 0.125, need 0.0625", "; calibrate again"):
        assert what in text


def test_a_profile_of_another_engine(recipe: ParadigmRecipe, tmp_path: Path) -> None:
    import msgspec

    from rtbci.probe.profile import read_profile

    profile = read_profile(write_tiny_profile(tmp_path / "ada", recipe.folder))
    entry = msgspec.structs.replace(profile.branches[0], engine_id="0" * 64)
    with pytest.raises(
        ProfileError, match=r"engine 'tiny' has id \w{12}\.\.\., the profile was made with 000000000000"
    ):
        Parts(recipe, msgspec.structs.replace(profile, branches=[entry]), "onnxruntime", "", 1)


def test_an_engine_that_was_changed(recipe: ParadigmRecipe) -> None:
    pinned = with_text(
        recipe, "engine", 'onnx = "engine.onnx"', f'onnx = "engine.onnx"\nonnx_sha256 = "{"0" * 64}"'
    )
    with pytest.raises(
        EngineError, match=r"has sha256 \w{12}\.\.\., its recipe says 000000000000\.\.\.; install it again"
    ):
        parts(pinned)


def test_an_engine_for_other_channels(recipe: ParadigmRecipe) -> None:
    other = with_text(recipe, "engine", "n_channels = 3", 'channels = ["C4", "CZ", "C3"]')
    with pytest.raises(
        ConfigError, match=r"engine 'tiny': is compiled for .* need the same channels in the same order"
    ):
        parts(other)


def test_another_engine_in_its_place(recipe: ParadigmRecipe, tmp_path: Path) -> None:
    one, other = parts(recipe), parts(recipe, engine=str(write_engine(tmp_path / "e", gain=2.0)))
    assert one.engine_ref.id != other.engine_ref.id
    one.close()
    other.close()


def test_stages_must_end_at_the_engines_rate(recipe: ParadigmRecipe) -> None:
    one = parts(recipe)
    with pytest.raises(
        RateError,
        match="250 Hz becomes 256 Hz by the paradigm's stages, engine 'tiny' needs 128 Hz; add a resample",
    ):
        one.pipeline([Resample(250.0, 256.0, 3)], stream_info(), now)
    assert one.pipeline([Resample(250.0, 128.0, 3)], stream_info(), now).grid.length == 64
    one.close()


def test_a_failed_swap_changes_nothing(recipe: ParadigmRecipe, tmp_path: Path) -> None:
    one = parts(recipe)
    branches, fusion = one.branches, one.fusion
    with pytest.raises(ProfileError, match="cannot read"):
        one.prepare(tmp_path / "nothing")
    assert one.branches is branches
    assert one.fusion is fusion
    one.close()
