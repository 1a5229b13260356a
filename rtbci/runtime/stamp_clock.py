"""Whether the stamps of a stream are of this computer's LSL clock, or of another that nobody has corrected."""

import math

__all__ = ["AHEAD_S", "BEHIND_S", "SETTLED_S", "StampClock"]

AHEAD_S = 0.5
"""Nothing comes before it was measured; what a sender or a clock correction is wrong by is milliseconds."""
BEHIND_S = 5.0
"""No amplifier holds its data back for so long."""
SETTLED_S = 1.0
AGAIN_S = 10.0
"""It is looked at again so often: a sender that counts its samples runs off by seconds in a night, and stamps that stand still at once."""


class StampClock:
    """Compares the newest stamps with the time at which they come: for a second behind every start and gap, then by tens of seconds.

    Attributes
    ----------
    offset_s : float or None
        By how much the stamps are ahead of the local clock (negative: behind it), where that cannot be the way of the
        data; None when they are of the local clock, or it is not known yet.

    Notes
    -----
    Nothing that is decoded depends on it. The shortest way in that time counts, so that a backlog makes no foreign
    clock. One owner.
    """

    def __init__(self) -> None:
        self.offset_s: float | None = None
        self.reset()

    def reset(self) -> None:
        """Look again; what was found holds until then."""
        self._t_first: float | None = None
        self._lag_s = math.inf
        self._is_settled = False

    def push(self, t_newest: float, t_taken: float) -> None:
        """Take the stamp of the newest sample, and when it came, both in seconds."""
        if self._t_first is None:
            self._t_first = t_taken
        self._lag_s = min(self._lag_s, t_taken - t_newest)
        if t_taken - self._t_first >= (AGAIN_S if self._is_settled else SETTLED_S):
            self._is_settled = True
            self.offset_s = -self._lag_s if self._lag_s < -AHEAD_S or self._lag_s > BEHIND_S else None
            self._t_first, self._lag_s = None, math.inf

    @property
    def is_settled(self) -> bool:
        """Whether `offset_s` is of the stream as it is now."""
        return self._is_settled
