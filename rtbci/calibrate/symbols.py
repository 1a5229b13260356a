"""Shapes of cues: each is centred on the fixation point, by its outline and by its area.

An arrow whose middle lies beside the fixation point draws the eyes to one side, and gaze shows in the EEG.
"""

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError

__all__ = ["SYMBOLS", "bitmap", "outline"]

Polygon = tuple[tuple[float, float], ...]

HEAD, BASE = 0.8, 0.65
"""Length of an arrow's head, and half of its width at the base; the whole arrow is from -1 to 1."""
SHAFT = BASE * (1 - 2 * HEAD / 3) / (2 - HEAD)
"""Half of the shaft's width: with it the area's centre is that of the outline (moments of a box and a triangle)."""
CROSS, ARM = 0.45, 0.055
"""Half of the fixation cross's length and of its width."""
N_CORNERS = 48

_RIGHT: Polygon = (
    (-1.0, -SHAFT),
    (1 - HEAD, -SHAFT),
    (1 - HEAD, -BASE),
    (1.0, 0.0),
    (1 - HEAD, BASE),
    (1 - HEAD, SHAFT),
    (-1.0, SHAFT),
)
_CORNER: Polygon = ((-CROSS, -ARM), (-ARM, -ARM), (-ARM, -CROSS))
_CROSS: Polygon = tuple(
    (x * turn_x, y * turn_y)
    # every second quarter is walked the other way round, so that the outline goes round once
    for turn_x, turn_y, corner in (
        (1, 1, _CORNER),
        (-1, 1, _CORNER[::-1]),
        (-1, -1, _CORNER),
        (1, -1, _CORNER[::-1]),
    )
    for x, y in corner
)
_ANGLES = 2 * np.pi * np.arange(N_CORNERS) / N_CORNERS

SYMBOLS: dict[str, Polygon] = {
    "cross": _CROSS,
    "right": _RIGHT,
    "left": tuple((-x, y) for x, y in _RIGHT),
    "down": tuple((y, x) for x, y in _RIGHT),
    "up": tuple((y, -x) for x, y in _RIGHT),
    "circle": tuple((0.75 * float(np.cos(a)), 0.75 * float(np.sin(a))) for a in _ANGLES),
    "square": ((-0.7, -0.7), (0.7, -0.7), (0.7, 0.7), (-0.7, 0.7)),
}
"""Corners (x to the right, y down) in a box from -1 to 1."""


def outline(symbol: str) -> Polygon:
    """Corners of a symbol.

    Raises
    ------
    ConfigError
        When there is no such symbol.
    """
    if symbol not in SYMBOLS:
        raise ConfigError(f"symbols: no '{symbol}', have {', '.join(sorted(SYMBOLS))}; use one of these")
    return SYMBOLS[symbol]


def bitmap(symbol: str, n_pixels: int) -> npt.NDArray[np.bool_]:
    """Draw a symbol.

    Parameters
    ----------
    symbol : str
    n_pixels : int
        Width and height of the whole box.

    Returns
    -------
    ndarray of bool, shape (n_pixels, n_pixels)
        Rows from the top.
    """
    grid = (np.arange(n_pixels) + 0.5) * 2 / n_pixels - 1
    x, y = np.meshgrid(grid, grid)
    inside = np.zeros(x.shape, dtype=bool)
    corners = outline(symbol)
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if y0 != y1:  # even-odd rule: count the edges to the right of each pixel
            crosses = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
            inside ^= crosses
    return inside
