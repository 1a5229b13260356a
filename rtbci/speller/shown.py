"""What a page tells of its flashes."""

from typing import NamedTuple

__all__ = ["Shown"]


class Shown(NamedTuple):
    """A flash that the page has shown.

    Parameters
    ----------
    i_flash : int
        Index in the sequence that was asked for.
    t_lsl : float
        When it was shown, in seconds of the local LSL clock; NaN when that is not certain.
    """

    i_flash: int
    t_lsl: float
