from pathlib import Path

import pytest

from rtbci.amp.cues import STATES
from rtbci.commands.amp_users import Follower, user_of
from rtbci.errors import ConfigError
from rtbci.recipes import list_recipes

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("name", ["", *list_recipes("paradigms")])
def test_every_paradigm_has_a_user(name: str) -> None:
    amp = user_of(name, (), 250.0, 0, line_hz=50.0, name="user", cues=True)
    samples, _ = amp.generate(250)
    assert samples.shape == (250, amp.info.n_channels)
    if name == "" or (name.startswith("motor_imagery") and name != "motor_imagery_4"):
        assert tuple(amp.states) == STATES


def own_recipe(tmp_path: Path) -> str:
    text = (EXAMPLES / "hands_rest" / "recipe.toml").read_text(encoding="utf-8")
    text = text.replace('["hands", "rest"]', '["left", "right", "foot"]')
    text = text.replace('hands = ["11"]', 'left = ["cue/left"]').replace('rest = ["10"]', 'foot = ["30"]')
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "recipe.toml").write_text(text.replace('"hands_rest"', '"own"'), encoding="utf-8")
    return str(tmp_path / "own")


def test_a_user_follows_the_markers_of_an_experiment_of_ones_own(tmp_path: Path) -> None:
    paradigm = own_recipe(tmp_path)
    amp = user_of(paradigm, (), 250.0, 0, line_hz=50.0, name="user", cues=False)
    said: list[str] = []
    follower = Follower(amp.states, paradigm, said.append)
    asked = ("fixation", "cue/left", "blank", "right", "30", "hand", "769", "feet", "rest", "end", "over")
    assert [follower.state(one) for one in asked] == [
        "rest",
        "left_hand",
        "rest",
        "right_hand",
        "feet",
        "right_hand",
        "left_hand",
        "feet",
        "rest",
        "rest",
        "rest",
    ]
    assert not said


@pytest.mark.parametrize("paradigm", ["", "motor_imagery"])
def test_markers_that_are_named(paradigm: str) -> None:
    said: list[str] = []
    maps = ["side=left=left_hand", "cue/right=right_hand"]
    follower = Follower(STATES, paradigm, said.append, maps)
    asked = ('{"event": "cue", "side": "left"}', "cue/right", "end", "cue/left")
    assert [follower.state(one) for one in asked] == ["left_hand", "right_hand", "rest", "rest"]
    with pytest.raises(ConfigError, match=r"names class .tongue., .* left_hand, right_hand"):
        Follower(STATES, paradigm, said.append, ["x=tongue"])


def test_markers_that_ask_for_nothing_are_told_once() -> None:
    said: list[str] = []
    follower = Follower(STATES, "", said.append)
    assert {follower.state(one) for one in ("fixation", "cue/left", "fixation", "blank", "cue/right")} == {
        "rest"
    }
    assert len(said) == 1
    assert (
        "no marker so far ('fixation', 'cue/left', 'blank') asks for anything that this user does (rest, left"
        in said[0]
    )
    assert "--map TEXT=CLASS says what they mean" in said[0]


def test_hands_of_an_example_are_imagined() -> None:
    folder, said = str(EXAMPLES / "hands_rest"), list[str]()
    amp = user_of(folder, (), 250.0, 0, line_hz=50.0, name="user", cues=False)
    follower = Follower(amp.states, folder, said.append)
    assert [follower.state(one) for one in ("11", "10", "99", "hands")] == [
        "right_hand",
        "rest",
        "rest",
        "right_hand",
    ]
    assert not said


def test_what_nobody_can_do_is_told(tmp_path: Path) -> None:
    recipe = (EXAMPLES / "hands_rest" / "recipe.toml").read_text(encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(
        recipe.replace('"hands"', '"song"').replace("hands = ", "song = "), encoding="utf-8"
    )
    with pytest.raises(
        ConfigError, match=r"classes song, rest, which no synthetic user can do, need left_hand"
    ):
        user_of(str(tmp_path), (), 250.0, 0, line_hz=50.0, name="user", cues=True)
