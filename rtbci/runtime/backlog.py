"""Data that comes late: what is usual for a stream, which windows are skipped, which gaps are our own doing."""

import math

from rtbci.runtime.intake import Break
from rtbci.runtime.verdict import Verdict

__all__ = ["OVERFLOW_S", "Backlog"]

OVERFLOW_S = 30.0
"""A gap behind which samples are this much older than usual was made here: liblsl keeps 60 s for us."""

MAX_DRIFT = 5e-4
"""Stamps of another clock come later and later where it runs slow; by less than this, as of any crystal, it is no backlog."""


class Backlog:
    """Learns how late the data of one stream usually comes, and finds what comes later than that.

    Parameters
    ----------
    max_backlog_s : float
        How much later than usual windows may come before they are skipped.
    """

    def __init__(self, max_backlog_s: float) -> None:
        self._max_s = max_backlog_s
        self._lag_s = math.inf  # the shortest time from the end of a window to its samples being here
        self._t_kept = math.inf

    def keep(self, verdicts: list[Verdict], t_taken: float, is_newest: bool) -> list[Verdict]:
        """Keep only the newest of several windows when they come later than this stream's data usually do.

        Of windows in front of a break that came with them (not `is_newest`) there is no newest.
        """
        lag_s = t_taken - verdicts[-1].estimate.t_window[1]
        first_lag_s = t_taken - verdicts[0].estimate.t_window[1]
        allowed_s = MAX_DRIFT * max(0.0, t_taken - self._t_kept)
        self._lag_s, self._t_kept = min(self._lag_s + allowed_s, lag_s), t_taken
        n_keep = 1 if is_newest else 0
        if len(verdicts) == n_keep or first_lag_s - self._lag_s <= self._max_s:
            return verdicts
        return verdicts[-1:] if is_newest else []

    def lost(self, gap: Break, t_taken: float) -> bool:
        """Take note of a gap; whether its samples were lost here because we were late, not by the stream."""
        if gap.gap_s < 0:
            self._lag_s = math.inf  # another clock: how old its data usually is has to be learnt anew
            return False
        return t_taken - gap.t_lsl - self._lag_s > OVERFLOW_S
