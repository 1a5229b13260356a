from pathlib import Path

import pytest

from rtbci.config import RunConfig
from rtbci.errors import ConfigError
from rtbci.recipes import read_paradigm
from rtbci.recipes.markers import with_markers
from rtbci.runtime.configured import recipe_of
from tests.tiny import write_paradigm


def test_named_texts_come_first(tmp_path: Path) -> None:
    recipe = read_paradigm(str(write_paradigm(tmp_path)))
    mapped = with_markers(
        recipe, ["arrow_L=left_hand", " a=b = right_hand", "T1=right_hand", "33=right_hand"]
    )
    texts = ("arrow_L", "a=b", "T1", "left", "T2", "33.0", "other")
    assert [mapped.class_of(text) for text in texts] == [
        "left_hand",
        "right_hand",
        "right_hand",
        "left_hand",
        "right_hand",
        "right_hand",
        None,
    ]
    assert recipe.class_of("T1") == "left_hand"
    assert with_markers(recipe, []).markers == recipe.markers


@pytest.mark.parametrize(
    ("maps", "told"),
    [
        (["arrow_L"], "got 'arrow_L', need TEXT=CLASS; as arrow_L=left_hand"),
        (["=left_hand"], "need TEXT=CLASS"),
        (["x=feet"], "names class 'feet', paradigm 'tiny' has left_hand, right_hand"),
        (["x=left_hand", "x=right_hand"], "'x' is given to left_hand and to right_hand"),
    ],
)
def test_maps_that_mean_nothing(tmp_path: Path, maps: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        with_markers(read_paradigm(str(write_paradigm(tmp_path))), maps)


def test_a_configuration_names_markers(tmp_path: Path) -> None:
    paradigm = str(write_paradigm(tmp_path))
    config = RunConfig.model_validate({"paradigm": paradigm, "stream": {"map": ["cue/left=left_hand"]}})
    assert recipe_of(config).class_of("cue/left") == "left_hand"
    assert recipe_of(RunConfig(paradigm=paradigm)) == read_paradigm(paradigm)
    with pytest.raises(ConfigError, match="names class 'feet', paradigm 'tiny' has left_hand"):
        recipe_of(RunConfig.model_validate({"paradigm": paradigm, "stream": {"map": ["x=feet"]}}))
