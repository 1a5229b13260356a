"""Every shipped paradigm, engine and configuration: it parses, names what exists, and does what it says."""

import tomllib
from itertools import combinations

import numpy as np
import pytest

from rtbci.backends.golden import golden_difference
from rtbci.calibrate.protocol import read_protocol
from rtbci.config import read_config
from rtbci.errors import ChannelError
from rtbci.probe.blank import start_of
from rtbci.probe.profile import chain_hash, read_profile
from rtbci.recipes import list_recipes, read_engine, read_paradigm, recipes_root
from rtbci.runtime.decoder import Decoder
from rtbci.stream.labels import canonical_label
from rtbci.stream.montage import has_position
from rtbci.stream.source import Marker
from tests.tiny import eeg, stream_info

PARADIGMS, ENGINES, CONFIGS = (list_recipes(kind) for kind in ("paradigms", "engines", "configs"))

each_paradigm = pytest.mark.parametrize("name", PARADIGMS)
each_engine = pytest.mark.parametrize("name", ENGINES)


def test_something_is_shipped() -> None:
    assert "motor_imagery" in PARADIGMS
    assert ENGINES
    assert {"demo", "lab"} <= set(CONFIGS)


# -- paradigms ---------------------------------------------------------------------------------------


@each_paradigm
def test_a_paradigm_has_the_name_of_its_folder_and_a_title(name: str) -> None:
    recipe = read_paradigm(name)
    assert recipe.name == name == recipe.folder.name
    assert recipe.title


@each_paradigm
def test_channels_are_canonical_known_and_different(name: str) -> None:
    layout = read_paradigm(name).input
    channels = layout.channels
    assert [canonical_label(label) for label in channels] == list(channels)
    # one that is not on the scalp (an eye's) is never interpolated, and says what may stand for it
    assert all(
        has_position(label) or (label in layout.required and layout.takes[label]) for label in channels
    )
    assert len(set(channels)) == len(channels)


@each_paradigm
def test_every_class_has_markers_and_no_marker_two_classes(name: str) -> None:
    recipe = read_paradigm(name)
    if recipe.flashes is not None:
        assert all(recipe.class_of(f"cue/{one}") == one for one in recipe.classes)
        return
    asked = [one for i, one in enumerate(recipe.classes) if i != recipe.idle]  # nobody asks for rest
    assert set(recipe.markers) == set(asked)
    assert all(recipe.class_of(text) == one for one, texts in recipe.markers.items() for text in texts)
    assert all(name in recipe.markers[name] for name in asked)
    for one, other in combinations(recipe.markers.values(), 2):
        assert not set(one) & set(other)


@each_paradigm
def test_engines_that_it_names_are_shipped(name: str) -> None:
    for branch in read_paradigm(name).branches:
        if branch.engine:
            engine = read_engine(branch.engine)
            assert engine.kind == ("patch" if branch.kind == "encoder" else "window")
            assert not engine.input.channels or engine.input.channels == read_paradigm(name).input.channels


@each_paradigm
def test_the_population_profile_is_of_this_recipe(name: str) -> None:
    recipe = read_paradigm(name)
    if recipe.population is None:
        pytest.skip(f"{name} is calibrated from nothing")
    profile = read_profile(recipe.folder / recipe.population)
    assert profile.generation == 0
    assert profile.chain_hash == chain_hash([stage.model_dump() for stage in recipe.stages])
    assert profile.chain_hash == chain_hash(profile.chain)
    if profile.accuracy is None:  # nothing was measured on people, and the card has to say so
        assert "Never judged on a night of a person" in (recipe.folder / "CARD.md").read_text()
        return
    # Honest: the whole interval is above chance, on people it has not seen; or the card says that nobody can tell.
    is_above = profile.accuracy.low > 100.0 / len(recipe.classes)
    assert is_above or "cannot tell whether it is above chance" in (recipe.folder / "CARD.md").read_text()
    assert profile.accuracy.what


@each_paradigm
def test_without_a_population_it_can_be_calibrated_from_nothing(name: str) -> None:
    recipe = read_paradigm(name)
    if recipe.population is not None:
        pytest.skip(f"{name} has a population decoder")
    with decoder_of(name) as decoder:
        assert decoder.profile is not None
        assert decoder.profile.classes == list(recipe.classes)
    assert read_protocol(recipe).cues_of(recipe.classes)
    assert "--paradigm" in (recipe.folder / "README.md").read_text()


def decoder_of(name: str) -> Decoder:
    """The population's, or that of a calibration from nothing before its first trial."""
    return Decoder(name, profile=start_of(read_paradigm(name)))


@each_paradigm
def test_windows_are_whole_numbers_of_hops(name: str) -> None:
    recipe = read_paradigm(name)
    with decoder_of(name) as decoder:
        decoder.open(stream_info(recipe.input.channels))
        for seconds in (recipe.window.length_s, recipe.window.hop_s):
            assert seconds * decoder.rate_hz == pytest.approx(round(seconds * decoder.rate_hz), abs=1e-9)
    assert recipe.window.length_s / recipe.window.hop_s == pytest.approx(
        round(recipe.window.length_s / recipe.window.hop_s)
    )


@each_paradigm
@pytest.mark.parametrize("rate_hz", [160.0, 250.0, 512.0])
def test_it_decodes_any_rate_streamed_as_at_once(name: str, rate_hz: float) -> None:
    recipe = read_paradigm(name)
    usual = None if recipe.value is None else recipe.value.baseline
    n = round((recipe.window.length_s + 1.0 + (usual.length_s if usual else 0.0)) * rate_hz)
    data, t_s = eeg(n, len(recipe.input.channels), rate_hz), np.arange(n) / rate_hz
    groups = None if recipe.flashes is None else recipe.flashes.named_groups(recipe.classes)
    marker = Marker(0.3, f"flash/{next(iter(groups))}" if groups else recipe.markers[recipe.classes[0]][0])
    with decoder_of(name) as decoder:
        decoder.open(stream_info(recipe.input.channels, rate_hz))
        decoder.mark(marker)
        at_once = decoder.push(data, t_s)
        decoder.open(stream_info(recipe.input.channels, rate_hz))
        decoder.mark(marker)
        streamed = [
            one
            for i, j in zip([0, *range(3, n, 17)], [*range(3, n, 17), n], strict=True)
            for one in decoder.push(data[i:j], t_s[i:j])
        ]
    assert [one.estimate.t_window for one in streamed] == [one.estimate.t_window for one in at_once]
    full = [one for one in at_once if one.estimate.probs is not None]
    assert full
    for one, other in zip(streamed, at_once, strict=True):
        if one.estimate.probs is None or other.estimate.probs is None:
            assert one.estimate.probs is other.estimate.probs
            continue
        assert one.estimate.probs.shape == (len(recipe.window_classes),)
        assert abs(one.estimate.probs.sum() - 1.0) < 1e-9
        np.testing.assert_allclose(one.estimate.probs, other.estimate.probs, atol=1e-5)


@each_paradigm
def test_a_stream_without_some_electrodes_is_made_up_for(name: str) -> None:
    layout = read_paradigm(name).input
    n_missing = min(int(layout.max_interpolated * len(layout.channels)), 2)
    spare = [label for label in layout.channels if label not in layout.required]
    lacking = tuple(spare[len(spare) - n_missing :])
    labels = [label for label in layout.channels if label not in lacking]
    with decoder_of(name) as decoder:
        channel_map = decoder.open(stream_info(labels))
        assert lacking == (channel_map.inferred if layout.missing == "infer" else channel_map.interpolated)
        decoder.push(eeg(300, len(labels)), np.arange(300) / 250.0)


@each_paradigm
def test_as_few_electrodes_as_it_says_are_enough_and_fewer_are_not(name: str) -> None:
    layout = read_paradigm(name).input
    if layout.missing != "infer":
        pytest.skip("what can be interpolated depends on where the others are")
    spare = [label for label in layout.channels if label not in layout.required]
    n_least = max(len(layout.required), layout.min_found)
    labels = [*layout.required, *spare][:n_least]
    with decoder_of(name) as decoder:
        assert len(decoder.open(stream_info(labels)).inferred) == len(layout.channels) - n_least
        with pytest.raises(ChannelError, match=r"need (at least|.* whatever else is missing)"):
            decoder.open(stream_info([*labels[:-1], "FZ"]))


# -- engines -----------------------------------------------------------------------------------------


@each_engine
def test_an_engine_has_the_name_of_its_folder_and_hashes(name: str) -> None:
    engine = read_engine(name)
    assert engine.name == name == engine.folder.name
    assert engine.onnx_path.is_file()
    assert engine.onnx_sha256


@each_engine
def test_an_engine_gives_its_golden_numbers(name: str) -> None:
    difference, tolerance, _ = golden_difference(read_engine(name))
    assert difference <= tolerance <= 1e-3


@each_engine
def test_an_engine_is_what_its_contract_says(name: str) -> None:
    from rtbci.backends.registry import open_session

    engine = read_engine(name)
    session = open_session(engine.onnx_path)
    n_channels = len(engine.input.channels) or engine.input.n_channels
    assert session.engine_id == engine.onnx_sha256
    assert session.input_shape == (1, n_channels, engine.input.n_samples)
    assert session.output_shape == (1, *engine.output.shape)
    session.close()


# -- configurations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_names_a_paradigm_that_is_shipped(name: str) -> None:
    assert read_config(name, {}).paradigm in PARADIGMS


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_says_what_it_is_for(name: str) -> None:
    path = recipes_root() / "configs" / f"{name}.toml"
    assert path.read_text().startswith("# ")
    assert tomllib.loads(path.read_text())
