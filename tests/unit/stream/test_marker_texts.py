import pytest

from rtbci.recipes import read_paradigm
from rtbci.stream.marker_texts import class_of_marker, marker_texts

MARKERS = {"left_hand": ("left", "T1", "1"), "right_hand": ("right", "T2", "2")}


@pytest.mark.parametrize(
    ("marker", "texts"),
    [
        (" T1 ", ["T1"]),
        ("769", ["769"]),
        ("-3.00", ["-3.00", "-3"]),
        ("7.5", ["7.5"]),
        ("1.0e3", ["1.0e3"]),
        ('"left"', ['"left"', "left"]),
        (
            '{"event": "left_hand", "t": 3}',
            ['{"event": "left_hand", "t": 3}', "left_hand", "event=left_hand", "t=3"],
        ),
        ('{"side": "left", "seen": true}', ['{"side": "left", "seen": true}', "side=left"]),
        (
            '{"code": 769.0, "class": " x "}',
            ['{"code": 769.0, "class": " x "}', "x", "769.0", "769", "code=769.0", "class= x "],
        ),
        ('{"event": true}', ['{"event": true}']),
        ('{"event": {"a": 1}}', ['{"event": {"a": 1}}']),
        ("{left", ["{left"]),
        ("Stimulus/S 12", ["Stimulus/S 12", "S 12", "S12"]),
        ("R  3", ["R  3", "R 3", "R3"]),
        ("Comment/left", ["Comment/left", "left"]),
        ("cue/left", ["cue/left"]),
        ("", [""]),
    ],
)
def test_texts(marker: str, texts: list[str]) -> None:
    assert list(marker_texts(marker)) == texts


def test_long_and_deep_markers_are_not_parsed() -> None:
    for marker in ('{"event":"left"' + " " * 5000 + "}", '{"a":' * 2000):
        assert list(marker_texts(marker)) == [marker]


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ("T1", "left_hand"),
        ("1.0", "left_hand"),
        ('{"label": 2}', "right_hand"),
        ("770", "right_hand"),
        ('{"type": "769"}', "left_hand"),
        ("771.0", "feet"),
        ("772", None),
        ("768", None),
        ("left_hand", "left_hand"),
        ("", None),
    ],
)
def test_classes(marker: str, name: str | None) -> None:
    assert class_of_marker(marker, MARKERS, ["left_hand", "right_hand", "feet"]) == name


def test_a_recipe_may_use_a_code_for_something_else() -> None:
    assert class_of_marker("769", {"right_hand": ("769",)}, ["left_hand", "right_hand"]) == "right_hand"


def test_shipped_recipes_read_them() -> None:
    recipe = read_paradigm("motor_imagery")
    assert [recipe.class_of(text) for text in ("769.0", '{"event":"right_hand"}', "783", "rest")] == [
        "left_hand",
        "right_hand",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("paradigm", "markers"),
    [
        (
            "motor_imagery_rest",
            {"rest": "rest", "hand": "hand", "left_hand": "hand", '{"event": "rest"}': "rest"},
        ),
        ("ssvep", {"idle": "idle", "13hz": "13hz", "what": None}),
        ("p300", {"A": None, "cue/A": "A"}),  # an item's letter may be any program's marker
    ],
)
def test_a_class_is_known_by_its_own_name(paradigm: str, markers: dict[str, str | None]) -> None:
    recipe = read_paradigm(paradigm)
    assert {text: recipe.class_of(text) for text in markers} == markers
