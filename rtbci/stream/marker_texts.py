"""What a marker says: plain text, a number, or JSON, as the programs of this field write them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["GDF_CUES", "class_of_marker", "marker_texts"]

GDF_CUES: Mapping[str, tuple[str, ...]] = {
    "769": ("left_hand", "left"),
    "770": ("right_hand", "right"),
    "771": ("feet", "foot", "both_feet"),
    "772": ("tongue",),
}
"""Event codes of cues in GDF and the names that such a class has (Schlögl 2006, arXiv:cs/0608052, table of event
codes; 0x0301 to 0x0304)."""

_KEYS = ("event", "marker", "label", "class", "cue", "name", "value", "type", "code", "trial_type")
"""Where a JSON marker has its text."""
_BRAIN_VISION = re.compile(r"(?:(?:Stimulus|Response|Comment)/)?(.+)", re.DOTALL)
"""MNE and pybv write a BrainVision marker's type before its description."""
_CODE = re.compile(r"([SR]) *(\d+)")
"""Description of a stimulus or response in BrainVision: a letter and a number, padded to three places (``S  1``)."""
_LONGEST = 4096
"""A longer marker is no cue: it is not parsed."""


def marker_texts(marker: str) -> Iterator[str]:
    """All that a marker may be compared by, the most literal first.

    Parameters
    ----------
    marker : str
        Text of the marker as it came.

    Yields
    ------
    str
        The text without spaces around it; as an integer, where it is a number without a fraction (``769.0``); of a
        BrainVision marker its description without the type, and with one space or none in place of the padding
        (``Stimulus/S  1``: ``S  1``, ``S 1``, ``S1``); of a JSON object the values under its usual keys, of a JSON text or
        number itself, and these as integers; of a JSON object each of its values behind its key, too (``side=left``).

    Examples
    --------
    >>> list(marker_texts(" 769.0 "))
    ['769.0', '769']
    >>> list(marker_texts("Stimulus/S  1"))
    ['Stimulus/S  1', 'S  1', 'S 1', 'S1']
    >>> list(marker_texts('{"event": "left_hand"}'))[1:]
    ['left_hand', 'event=left_hand']
    """
    text = marker.strip()
    yield from _written(text)
    if text[:1] not in ("{", '"') or len(text) > _LONGEST:
        return
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return
    values: Sequence[Any] = [content]
    if isinstance(content, dict):
        values = [content[key] for key in _KEYS if key in content]
    for value in values:
        if _is_plain(value):
            yield from _written(str(value).strip())
    if isinstance(content, dict):
        yield from (f"{key}={value}" for key, value in content.items() if _is_plain(value))


def class_of_marker(
    marker: str, markers: Mapping[str, Sequence[str]], classes: Sequence[str] = ()
) -> str | None:
    """Class that a marker stands for.

    Parameters
    ----------
    marker : str
        Text of the marker as it came.
    markers : mapping of str to sequence of str
        Texts of each class.
    classes : sequence of str
        Known by their own names too, and those that GDF has codes for by the code, unless `markers` names it.

    Returns
    -------
    str or None
        None when it is no cue.

    Examples
    --------
    >>> class_of_marker("770.0", {"left": ["T1"]}, ["left", "right"])
    'right'
    """
    for text in marker_texts(marker):
        for name, texts in markers.items():
            if text in texts:
                return name
    for text in marker_texts(marker):
        if text in classes:
            return text
        if text in GDF_CUES:
            return next((name for name in classes if name.lower() in GDF_CUES[text]), None)
    return None


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _written(text: str) -> Iterator[str]:
    """A text, and the integer that it is another way to write."""
    yield text
    head, point, zeros = text.partition(".")
    if point and head.removeprefix("-").isdecimal() and not zeros.strip("0"):
        yield head
    described = _BRAIN_VISION.fullmatch(text) if len(text) <= _LONGEST else None
    if described is None:
        return
    if described[1] != text:
        yield described[1]
    if code := _CODE.fullmatch(described[1]):
        yield from (
            spelled for spelled in (f"{code[1]} {code[2]}", code[1] + code[2]) if spelled != described[1]
        )
