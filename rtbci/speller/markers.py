"""Texts of the markers of a speller."""

from rtbci.recipes.flashes import CUE, FLASH

__all__ = ["cue_of", "flash_of"]


def cue_of(text: str) -> str | None:
    """The item that a marker asks for; None when it is another one.

    Examples
    --------
    >>> cue_of("cue/G"), cue_of("flash/r1")
    ('G', None)
    """
    return text[len(CUE) :] if text.startswith(CUE) else None


def flash_of(text: str) -> str | None:
    """The group whose flash a marker tells; None when it is another one."""
    return text[len(FLASH) :] if text.startswith(FLASH) else None
