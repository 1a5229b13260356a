import pytest

from rtbci.errors import ConfigError
from rtbci.speller.text import items_of_text, shown_as, written

ITEMS = ("A", "B", "1", "_", "backspace")


def test_items_write_and_take_back() -> None:
    text = ""
    for item in ("A", "_", "B", "backspace", "1"):
        text = written(text, item)
    assert text == "A 1"
    assert written("", "backspace") == ""


def test_a_text_is_spelled_by_items_in_any_case() -> None:
    assert items_of_text("ab 1", ITEMS) == ["A", "B", "_", "1"]
    assert items_of_text("", ITEMS) == []
    with pytest.raises(
        ConfigError, match="text 'axb!': has '!', 'x', need characters of the grid: A B 1 ␣ ⌫"
    ):
        items_of_text("axb!", ITEMS)


def test_what_stands_on_the_grid() -> None:
    assert [shown_as(item) for item in ITEMS] == ["A", "B", "1", "␣", "⌫"]
