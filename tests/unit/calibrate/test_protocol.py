from pathlib import Path
from typing import Any

import pytest

from rtbci.calibrate.protocol import ProtocolSettings, read_protocol
from rtbci.errors import ConfigError
from rtbci.recipes import list_recipes, read_paradigm
from rtbci.settings import check_settings
from tests.calibration_steps import CLASSES, protocol, values

CALIBRATED = [
    name
    for name in list_recipes("paradigms")
    if read_paradigm(name).value is None
    and not {branch.kind for branch in read_paradigm(name).branches} & {"cca", "erp", "epochs"}
]

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_a_paradigm_without_a_protocol_is_told_so() -> None:
    with pytest.raises(
        ConfigError, match=r"paradigm 'sleep': has no protocol.toml in .*--protocol FILE, or use the"
    ):
        read_protocol(read_paradigm("sleep"))
    with pytest.raises(ConfigError, match=r"rest: rtbci feedback baseline --paradigm workload"):
        read_protocol(read_paradigm("workload"))


@pytest.mark.parametrize("name", list_recipes("paradigms"))
def test_what_is_told_at_chance_is_of_what_the_user_does(name: str) -> None:
    """Who imagines is not told to look at a flicker, nor the other way round; whatever the recipe is called."""
    recipe = read_paradigm(name)
    if not (recipe.folder / "protocol.toml").is_file():
        return
    protocol = read_protocol(recipe)
    assert protocol.at_chance
    assert ("imagine" in protocol.at_chance.lower()) == ("imagine" in protocol.instruction.lower())
    assert ("framed" in protocol.at_chance) == recipe.flickers
    assert bool(protocol.rhythms) != recipe.flickers


def test_a_paradigm_without_a_population_needs_none() -> None:
    """It cannot be used without calibration; classes are shown by their names."""
    recipe = read_paradigm(str(EXAMPLES / "hands_rest"))
    plain = read_protocol(recipe)
    assert [(cue.text, cue.symbol) for cue in plain.cues_of(recipe.classes)] == [
        ("hands", "up"),
        ("rest", "circle"),
    ]
    for classes, symbols in (
        (("left_hand", "right_hand"), ["left", "right"]),
        (("feet", "right_hand", "rest", "left_hand"), ["up", "right", "circle", "left"]),
        (("left_hand", "feet"), ["up", "circle"]),
    ):
        cues = read_protocol(recipe.model_copy(update={"classes": classes})).cues_of(classes)
        assert [cue.symbol for cue in cues] == symbols
    assert plain.timing.imagery_s == 4.0
    long = recipe.model_copy(update={"window": recipe.window.model_copy(update={"length_s": 5.0})})
    assert read_protocol(long).timing.imagery_s == 6.0
    seven = recipe.model_copy(update={"classes": tuple("abcdefg")})
    with pytest.raises(ConfigError, match=r"has no protocol.toml"):
        read_protocol(seven)


@pytest.mark.parametrize("name", CALIBRATED)
def test_shipped_protocols_are_graz_with_a_cue_for_each_class(name: str) -> None:
    recipe = read_paradigm(name)
    shipped = read_protocol(recipe)
    assert len(shipped.cues_of(recipe.classes)) == len(recipe.classes)
    timing = shipped.timing
    assert (timing.arrow_s, timing.shown_s, timing.imagery_s, timing.pause_s) == (2.0, 1.25, 4.0, (1.5, 2.5))
    assert shipped.trials.per_class % shipped.trials.per_class_in_block == 0
    assert shipped.instruction
    assert timing.trial_s == 8.0


def test_the_protocol_of_flicker_holds_the_longest_window() -> None:
    recipe = read_paradigm("ssvep")
    shipped = read_protocol(recipe)
    assert len(shipped.cues_of(recipe.classes)) == len(recipe.classes)
    assert shipped.timing.imagery_s >= recipe.window.length_s + 0.5  # no window begins within a reaction


def test_defaults_are_the_shipped_protocol() -> None:
    shipped = read_protocol(read_paradigm("motor_imagery"))
    for table in ("timing", "trials", "breaks", "stopping"):
        assert getattr(shipped, table) == getattr(protocol(), table)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"timing": {"arrow": 2}}, r"test: timing\.arrow: unknown key; did you mean 'arrow_s'\?"),
        ({"timing": {"shown_s": 4.0}}, r"timing: shown_s is 4, must be below imagery_s = 4"),
        ({"timing": {"pause_s": [3.0, 2.0]}}, r"pause_s is 3 to 2, need the shorter one first"),
        ({"timing": {"arrow_s": float("inf")}}, r"timing\.arrow_s: got inf"),
        ({"timing": {"imagery_s": 0}}, r"timing\.imagery_s: got 0, input should be greater than 0"),
        (
            {"trials": {"per_class": 5}},
            r"stopping\.min_per_class is 10, must not exceed trials\.per_class = 5",
        ),
        ({"trials": {"max_in_a_row": 0}}, r"trials\.max_in_a_row: got 0"),
        ({"breaks": {"rest_s": -1}}, r"breaks\.rest_s: got -1"),
        ({"stopping": {"target_accuracy": 101}}, r"stopping\.target_accuracy: got 101"),
        ({"cues": {"a": {"symbol": "left", "text": "a"}}}, r"cues"),
        ({"cues": {n: {"symbol": "left", "text": n} for n in "ab"}}, r"need another one for each class"),
        ({"cues": {n: {"symbol": "star", "text": n} for n in "ab"}}, r"cues\.a\.symbol: got 'star'"),
        ({"schema": 2}, r"schema: got 2"),
        ({"seed": -1}, r"seed: got -1"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_settings(ProtocolSettings, values(**tables), "test")


def test_the_table_of_rejection_is_handed_on_as_it_is() -> None:
    assert protocol(reject={"peak_uv": 150.0, "nested": {"a": 1}}).reject == {
        "peak_uv": 150.0,
        "nested": {"a": 1},
    }


def test_cues_come_in_the_order_of_the_classes_and_must_be_there() -> None:
    assert [cue.symbol for cue in protocol().cues_of(CLASSES[::-1])] == ["right", "left"]
    with pytest.raises(ConfigError, match=r"need one for \['feet'\] too; add \[cues\.feet\]"):
        protocol().cues_of(("left_hand", "feet"))


def test_cues_must_be_those_of_the_paradigm(tmp_path: Path) -> None:
    recipe = read_paradigm("motor_imagery")
    other = read_paradigm("motor_imagery_idle").folder / "protocol.toml"
    with pytest.raises(ConfigError, match=r"need one for each class of the paradigm 'motor_imagery'"):
        read_protocol(recipe, other)
    with pytest.raises(ConfigError, match="no such file"):
        read_protocol(recipe, tmp_path / "protocol.toml")
