"""Where things on the water are on the screen."""

from typing import NamedTuple, Self

__all__ = ["View3"]

FAR = 7.0


class View3(NamedTuple):
    """A window's size, and how the fjord is seen in it; all in pixels.

    Parameters
    ----------
    width, height : int
    horizon : int
        Row of the horizon.
    waterline : int
        Row in which the boat floats: distance 1.
    unit : int
        What sizes are given in: the smaller of height and 9/16 of the width.
    far : float
        Distance at which things come into sight; the boat is at 1.
    """

    width: int
    height: int
    horizon: int
    waterline: int
    unit: int
    far: float = FAR

    @classmethod
    def of(cls, width: int, height: int) -> Self:
        """The view in a window of this size."""
        unit = min(height, round(width * 9 / 16))
        return cls(width, height, round(height * 0.42), round(height * 0.745), unit)

    def at(self, across: float, distance: float) -> tuple[float, float, float]:
        """Place on the screen, and the scale, of a point on the water; `across` is -1 to 1 from bank to bank."""
        scale = 1.0 / distance
        return (
            self.width / 2 + across * self.unit * 0.66 * scale,
            self.horizon + (self.waterline - self.horizon) * scale,
            scale,
        )
