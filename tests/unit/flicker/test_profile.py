import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rtbci.commands import flicker_verbs as verbs
from rtbci.errors import ConfigError, ProfileError
from rtbci.flicker.profile import profile_for
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from tests.tiny import eeg, stream_info

OTHER = {
    'name = "ssvep"': 'name = "mine"',
    'classes = ["13hz", "17hz", "21hz", "idle"]': 'classes = ["up", "down", "left", "right", "idle"]',
    "frequencies_hz = [13.0, 17.0, 21.0, 0.0]": "frequencies_hz = [10.0, 12.0, 15.0, 20.0, 0.0]",
    '13hz = ["13hz", "2"]': 'up = ["up"]',
    '17hz = ["17hz", "4"]': 'down = ["down"]',
    '21hz = ["21hz", "3"]': 'left = ["left"]\nright = ["right"]',
}


def console() -> Console:
    return Console(record=True, width=200)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A copy of the shipped recipe with four targets of its own."""
    folder = tmp_path / "mine"
    shutil.copytree(read_paradigm("ssvep").folder, folder)
    recipe = folder / "recipe.toml"
    text = recipe.read_text()
    for old, new in OTHER.items():
        assert old in text
        text = text.replace(old, new)
    recipe.write_text(text)
    return folder


def test_what_was_fitted_decodes_other_targets(mine: Path) -> None:
    with pytest.raises(ProfileError, match=r"is for paradigm 'ssvep'"):
        Decoder(str(mine))
    with pytest.raises(ProfileError, match="is already there"):
        verbs.write(mine, "ssvep", force=False, console=console())
    verbs.write(mine, "ssvep", force=True, console=console())
    made = read_profile(mine / "population")
    shipped = read_profile(read_paradigm("ssvep").folder / "population")
    np.testing.assert_array_equal(made.weights["cca.weight"], shipped.weights["cca.weight"])
    assert made.bias == [0.0] * 4 + [shipped.bias[-1]]
    assert made.accuracy is None
    recipe = read_paradigm(str(mine))
    n = 8 * 256
    t_s = np.arange(n) / 256.0
    data = eeg(n, len(recipe.input.channels), 256.0)
    data += 20.0 * np.sin(2 * np.pi * 15.0 * t_s)[:, np.newaxis] * np.linspace(0.2, 1.0, data.shape[1])
    with Decoder(str(mine)) as decoder:
        decoder.open(stream_info(recipe.input.channels, 256.0))
        verdicts = decoder.push(data, t_s)
    assert verdicts[-1].label == "left"


def test_frequencies_that_are_not_the_recipes_are_refused(mine: Path) -> None:
    verbs.write(mine, "ssvep", force=True, console=console())
    recipe = mine / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[10.0, 12.0,", "[10.0, 13.0,"))
    with pytest.raises(
        ProfileError,
        match=r"branch 'cca' has the frequencies \[10.0, 12.0, 15.0, 20.0, 0.0\] Hz, need \[10.0, 13.0, .*rtbci flicker profile",
    ):
        Decoder(str(mine))


def test_lengths_and_bands_must_be_as_many(mine: Path) -> None:
    recipe = mine / "recipe.toml"
    recipe.write_text(
        recipe.read_text().replace("lengths_s = [1.0, 2.0, 3.0, 4.0]", "lengths_s = [2.0, 4.0]")
    )
    shipped = read_profile(read_paradigm("ssvep").folder / "population")
    with pytest.raises(ProfileError, match=r"has weights of shape \(4, 3\), need \(2, 3\)"):
        profile_for(read_paradigm(str(mine)), shipped, 256.0)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("[13.0, 17.0, 21.0, 0.0]", "[13.0, 17.0, 21.0]", "need one for each, in that order, and 0 for idle"),
        (
            "[13.0, 17.0, 21.0, 0.0]",
            "[0.0, 17.0, 21.0, 13.0]",
            "need one for each, in that order, and 0 for idle",
        ),
        ("[13.0, 17.0, 21.0, 0.0]", "[13.0, 17.0, 13.0, 0.0]", "need two or more different ones"),
        ("lengths_s = [1.0, 2.0,", "lengths_s = [2.0, 1.0,", "need ascending ones"),
        ("bands_hz = [[11.0, 70.0], [20.0, 70.0], [32.0, 70.0]]", "", "has no bands_hz; add them"),
        ('kind = "cca"', 'kind = "tangent"', "of kind tangent has frequencies or lengths; leave them out"),
    ],
)
def test_recipes_that_contradict_themselves(tmp_path: Path, old: str, new: str, what: str) -> None:
    shutil.copytree(read_paradigm("ssvep").folder, tmp_path / "mine")
    recipe = tmp_path / "mine" / "recipe.toml"
    text = recipe.read_text()
    assert text.count(old) == 1
    recipe.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=what):
        read_paradigm(str(tmp_path / "mine"))


def test_the_check_shows_every_display_and_fails_where_it_must() -> None:
    shown = console()
    verbs.check("ssvep", None, shown)
    text = shown.export_text()
    assert "all targets are exact as sine on a display of 60 Hz" in text
    assert "no: 12 Hz" in text
    with pytest.raises(ConfigError, match="paradigm 'ssvep': cannot be shown as sine on a display of 30 Hz"):
        verbs.check("ssvep", 30.0, console())
    with pytest.raises(ConfigError, match="paradigm 'motor_imagery': has no branch of kind cca"):
        verbs.check("motor_imagery", None, console())
