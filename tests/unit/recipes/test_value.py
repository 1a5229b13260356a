from pathlib import Path

import pytest

from rtbci.errors import ConfigError
from rtbci.recipes import read_paradigm
from tests.value_samples import BASELINE, write_value_paradigm


@pytest.mark.parametrize(
    ("baseline", "more", "match"),
    [
        ("[value.baseline]\nlength_s = 1.5", "", "length_s is 1.5, need at least 2 windows of 1 s"),
        (BASELINE, "[recentre]\nprior_s = 3.0", r"so do \[recentre\] and \[adapt\]"),
        ("[value.baseline]\nlenght_s = 9.0", "", "lenght_s.*length_s"),
    ],
)
def test_recipes_that_contradict_themselves(tmp_path: Path, baseline: str, more: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        read_paradigm(str(write_value_paradigm(tmp_path / "calm", baseline, more)))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('of = "calm"', 'of = "clam"', r"value.of is 'clam', need one of the classes \['tense', 'calm'\]"),
        ("weights = [1.0]", "weights = [1.0, 2.0]", "1 bands and 2 weights"),
        ("bands_hz = [[8.0, 13.0]]", "bands_hz = [[13.0, 8.0]]", "13-8, need the lower edge first"),
        ('kind = "power"', 'kind = "tangent"', "need kind power, electrodes, and a weight for each band"),
        ("length_s = 1.0", 'length_s = 1.0\npolicy = "marker"', "value needs windows one after the other"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, old: str, new: str, match: str) -> None:
    folder = write_value_paradigm(tmp_path / "calm")
    text = (folder / "recipe.toml").read_text()
    assert text.count(old) == 1
    (folder / "recipe.toml").write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=match):
        read_paradigm(str(folder))
