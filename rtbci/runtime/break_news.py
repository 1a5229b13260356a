"""Which breaks of a stream are told: each, while they are few; of many, one in a second, with how many there were."""

import math

from rtbci.runtime.intake import Break

__all__ = ["EVERY_S", "N_AT_ONCE", "BreakNews"]

EVERY_S = 1.0
N_AT_ONCE = 10
"""Gaps in one second that are told one by one. A radio that loses every other packet, or stamps that go back, make hundreds."""


class BreakNews:
    """Says which breaks are to be told.

    Notes
    -----
    One owner.
    """

    def __init__(self) -> None:
        self._t_second, self._n = -math.inf, 0
        self._t_not_finite = -math.inf

    def is_due(self, at: Break, t_taken: float) -> bool:
        """Whether this break is told; `t_taken` is when its chunk came, in seconds."""
        if at.kind == "not_finite":  # a loose electrode does it many times a second
            # Either way: the stream's clock may have been set back.
            if abs(at.t_lsl - self._t_not_finite) < EVERY_S:
                return False
            self._t_not_finite = at.t_lsl
            return True
        if t_taken - self._t_second >= EVERY_S:
            self._t_second, self._n = t_taken, 0
        self._n += 1
        return self._n <= N_AT_ONCE
