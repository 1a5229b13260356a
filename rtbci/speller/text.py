"""What the items of a speller do to the text."""

from collections.abc import Sequence

from rtbci.errors import ConfigError

__all__ = ["items_of_text", "shown_as", "written"]

SPACES = ("space", "_", " ")
BACKSPACES = ("backspace", "delete", "del", "<")


def shown_as(item: str) -> str:
    """What stands on the grid for an item.

    Examples
    --------
    >>> shown_as("backspace"), shown_as("space"), shown_as("G")
    ('⌫', '␣', 'G')
    """
    if item.lower() in BACKSPACES:
        return "⌫"
    return "␣" if item.lower() in SPACES else item


def written(text: str, item: str) -> str:
    """The text once an item was chosen: with its character behind it, or without the last one.

    Examples
    --------
    >>> written("HU", "backspace"), written("H", "E"), written("HE", "space")
    ('H', 'HE', 'HE ')
    """
    if item.lower() in BACKSPACES:
        return text[:-1]
    return text + (" " if item.lower() in SPACES else item)


def items_of_text(text: str, items: Sequence[str]) -> list[str]:
    """Items that spell a text, in any case.

    Raises
    ------
    ConfigError
        Names the characters that no item stands for.

    Examples
    --------
    >>> items_of_text("a b", ["A", "B", "space"])
    ['A', 'space', 'B']
    """
    by_text = {written("", item).lower(): item for item in items if written("", item)}
    found = [by_text.get(one.lower()) for one in text]
    if missing := sorted({one for one, item in zip(text, found, strict=True) if item is None}):
        raise ConfigError(
            f"text {text!r}: has {', '.join(repr(one) for one in missing)}, need characters of the grid: "
            f"{' '.join(shown_as(item) for item in items)}"
        )
    return [item for item in found if item is not None]
