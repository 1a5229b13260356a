"""Colours. Sides differ in shape, place and words too; blue and orange can be told apart with any colour vision.

Blue, orange, green and vermilion are of Okabe and Ito's palette (2008, Color Universal Design).
"""

__all__ = [
    "BAD",
    "GOOD",
    "INK",
    "LEFT",
    "MUTED",
    "NIGHT",
    "PANEL",
    "RIGHT",
    "SAIL",
    "Colour",
    "mixed",
    "side_colour",
]

Colour = tuple[int, int, int]

NIGHT: Colour = (7, 11, 26)
INK: Colour = (236, 240, 248)
MUTED: Colour = (142, 156, 184)
PANEL: Colour = (12, 18, 38)
LEFT: Colour = (86, 180, 233)
RIGHT: Colour = (244, 168, 40)
GOOD: Colour = (70, 200, 160)
BAD: Colour = (226, 108, 60)
SAIL: Colour = (240, 232, 214)


def mixed(a: Colour, b: Colour, share: float) -> Colour:
    """`a` with a share (0 to 1) of `b`."""
    s = max(0.0, min(1.0, share))
    return (
        round(a[0] + s * (b[0] - a[0])),
        round(a[1] + s * (b[1] - a[1])),
        round(a[2] + s * (b[2] - a[2])),
    )


def side_colour(side: str | None) -> Colour:
    """Colour of a side; grey for none."""
    return {"left": LEFT, "right": RIGHT}.get(side or "", MUTED)
