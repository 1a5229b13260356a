"""What flashes, and what its markers mean."""

from pathlib import Path

import pytest

from rtbci.errors import ConfigError
from rtbci.recipes import read_paradigm
from rtbci.recipes.flashes import FlashSettings
from tests.flash_samples import ITEMS, flash_recipe, write_flash_paradigm

GRID = (("a", "b"), ("c", "d"))


def test_rows_and_columns_of_a_grid() -> None:
    found = FlashSettings(grid=GRID).named_groups(ITEMS)
    assert found == {"r1": ("a", "b"), "r2": ("c", "d"), "c1": ("a", "c"), "c2": ("b", "d")}


def test_items_alone_and_groups_by_name() -> None:
    assert FlashSettings().named_groups(ITEMS)["c"] == ("c",)
    assert FlashSettings(groups={"x": ("a", "b"), "y": ("a", "c")}).named_groups(ITEMS)["y"] == ("a", "c")


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("flash/r2", "flash", "r2"),
        (" cue/c ", "cue", "c"),
        ('{"event": "flash/c1"}', "flash", "c1"),
        ("trial/begin", "begin", ""),
        ("trial/end", "end", ""),
        ("target", "target", ""),
        ("nontarget", "nontarget", ""),
    ],
)
def test_what_markers_mean(text: str, kind: str, name: str) -> None:
    found = FlashSettings(grid=GRID).read(text, ITEMS)
    assert found is not None
    assert (found.kind, found.name) == (kind, name)


@pytest.mark.parametrize("text", ["flash/r9", "cue/z", "flash/", "begin", "", "unseen", "flash/r1/x"])
def test_other_markers_mean_nothing(text: str) -> None:
    assert FlashSettings(grid=GRID).read(text, ITEMS) is None


def test_a_cue_is_the_class_of_a_marker(tmp_path: Path) -> None:
    recipe = flash_recipe(tmp_path)
    assert recipe.class_of("cue/b") == "b"
    assert recipe.class_of("flash/r1") is None
    assert recipe.window_classes == ("nontarget", "target")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('["c", "d"]]', '["c", "a"]]', "more than once"),
        ('["c", "d"]]', '["c"]]', "different lengths"),
        ('["c", "d"]]', '["c", "e"]]', r"flashes name \['e'\]"),
        (
            'grid = [["a", "b"], ["c", "d"]]',
            'groups = {x = ["a", "b"], y = ["c", "d"]}',
            "always flash together",
        ),
        (
            'grid = [["a", "b"], ["c", "d"]]',
            'groups = {x = ["a", "b"], y = ["a", "c"]}',
            r"flashes lack \['d'\]",
        ),
        ("soa_s = 0.2", "soa_s = 0.05", "must be below soa_s"),
        ('policy = "marker"', 'policy = "sliding"', "flashes need 'marker'"),
        ("dwell_s = 0.0", "dwell_s = 0.5", "mean nothing for flashes"),
        ("[decision]", "[recentre]\nprior_s = 20.0\n[decision]", "not for flashes"),
        ("soa_s = 0.2", 'soa_s = 0.2\ntarget = ["1"]\nnontarget = ["1"]', "are target and nontarget"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, old: str, new: str, match: str) -> None:
    path = write_flash_paradigm(tmp_path) / "recipe.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=match):
        read_paradigm(str(tmp_path))
