"""How much of one class there is: a number from 0 to 1, smoothed."""

import math

from rtbci.errors import ConfigError

__all__ = ["MAX_Z", "Level"]

MAX_Z = 6.0
"""A window counts as at most so many units from usual: what is farther is an artefact, and would be remembered for long."""


class Level:
    """Smooth how far windows are from what is usual, and squeeze it between 0 and 1.

    With z the window's distance in units of what is usual, clipped at 6, the value is ``1 / (1 + exp(-m))``, m the
    exponential mean of z by the windows' stamps. So 0.5 is as usual, 0.73 one unit above it, 0.95 three.
    The time constant is of the stamps too: behind a gap the mean goes on, and what was before weighs as little as it is
    old. A stream that loses a packet now and then does not make the value jump. Stamps that go back begin anew.

    Parameters
    ----------
    smoothing_s : float
        Time constant; 0 does not smooth.

    Raises
    ------
    ConfigError
        When `smoothing_s` is below 0.

    Examples
    --------
    >>> level = Level(smoothing_s=4.0)
    >>> [round(level.push(z, t), 3) for t, z in enumerate([0.0, 2.0, 2.0, 2.0])]
    [0.5, 0.609, 0.687, 0.742]
    """

    def __init__(self, smoothing_s: float) -> None:
        if not 0 <= smoothing_s < math.inf:
            raise ConfigError(f"Level: smoothing_s is {smoothing_s:g}, need at least 0")
        self._smoothing_s = smoothing_s
        self._mean = 0.0
        self._t_last = -math.inf

    def push(self, z: float, t_end: float) -> float:
        """Value after the next window.

        Parameters
        ----------
        z : float
            How far it is from usual, finite.
        t_end : float
            Stamp of its newest sample, in seconds.
        """
        z = min(max(z, -MAX_Z), MAX_Z)
        passed_s = t_end - self._t_last
        if 0 < passed_s < math.inf and self._smoothing_s > 0:
            keep = math.exp(-passed_s / self._smoothing_s)
            self._mean = keep * self._mean + (1.0 - keep) * z
        else:
            self._mean = z
        self._t_last = t_end
        return 1.0 / (1.0 + math.exp(-self._mean))
