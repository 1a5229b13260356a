"""Data that comes late: what is usual for a stream, which windows are skipped, which gaps are our own doing.

A window that is late is skipped before it is decoded, where the decoder can do without (docs/adr/0040); which ones were is
kept for the journal, so that they are skipped again when the session is verified.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from rtbci.clock import Clock
from rtbci.runtime.intake import Break
from rtbci.runtime.verdict import Verdict

__all__ = ["OVERFLOW_S", "Backlog", "KnownSkips", "LateSkips", "Skips", "WaitsBehind", "is_skipped"]

OVERFLOW_S = 30.0
"""A gap behind which samples are this much older than usual was made here: liblsl keeps 60 s for us."""

MAX_DRIFT = 0.02
"""Stamps of another clock come later and later where it runs slow; by less than this it is no backlog.

Not of a crystal only: a device that counts its samples at a rate it does not have is off by a hundredth, and nothing but its
own stamps could tell that from a network that falls behind as slowly. Of that the newest windows are just as late.
"""


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
        self._is_behind = False

    def skips(self, t_end: float, t_now: float, t_last: float, is_last: bool) -> bool:
        """Whether a window is to be skipped: it, or one in front of it, is late, and there is a newer one.

        Parameters
        ----------
        t_end : float
            Stamp of its newest sample.
        t_now : float
            The time now, when it would be decoded.
        t_last : float
            End of the newest window that can be decoded now, all in seconds.
        is_last : bool
            Whether that is this one.
        """
        self._learn(t_now - t_last, t_now)
        self._is_behind = self._is_behind or t_now - t_end - self._lag_s > self._max_s
        is_skipped = self._is_behind and not is_last
        self._is_behind = self._is_behind and not is_last
        return is_skipped

    def keep(self, verdicts: list[Verdict], t_taken: float, is_newest: bool) -> list[Verdict]:
        """Keep only the newest of several windows when they come later than this stream's data usually do.

        Of windows in front of a break that came with them (not `is_newest`) there is no newest.
        """
        first_lag_s = t_taken - verdicts[0].estimate.t_window[1]
        self._learn(t_taken - verdicts[-1].estimate.t_window[1], t_taken)
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

    def _learn(self, lag_s: float, t_now: float) -> None:
        """Take how late the newest window is."""
        allowed_s = MAX_DRIFT * max(0.0, t_now - self._t_kept)
        self._lag_s, self._t_kept = min(self._lag_s + allowed_s, lag_s), t_now


class WaitsBehind(Protocol):
    """Knows what waits for the decoder, as `rtbci.stream.acquire.Acquisition` does."""

    @property
    def t_waiting(self) -> float | None:
        """Stamp of the newest sample that waits, in seconds; None: none does."""
        ...


class Skips(Protocol):
    """Says of each window, before it is decoded, whether it is skipped."""

    def begin(self, t_newest: float, is_newest: bool, behind: WaitsBehind | None = None) -> None:
        """Samples are about to be decoded.

        Parameters
        ----------
        t_newest : float
            Stamp of the newest of them.
        is_newest : bool
            Whether no break of the stream came with them.
        behind : WaitsBehind, optional
            Knows what waits behind them; asked for each window, since more may come while one is decoded.
        """
        ...

    def __call__(self, t_end: float) -> bool:
        """Whether the window that ends with this stamp is skipped; asked once for each, in order."""
        ...

    def take(self) -> tuple[int, ...]:
        """Which ones were since the last call; see `rtbci.runtime.journal.Taken.skipped`."""
        ...


class LateSkips:
    """Skips windows that are late by the clock; a `Skips`.

    Parameters
    ----------
    backlog : Backlog
        Of the open stream.
    hop_s : float
        From one window to the next, in seconds.
    clock : Clock
    """

    def __init__(self, backlog: Backlog, hop_s: float, clock: Clock) -> None:
        self._backlog, self._hop_s, self._clock = backlog, hop_s, clock
        self._t_newest, self._is_newest = -math.inf, True
        self._behind: WaitsBehind | None = None
        self._turns: list[int] = []
        self._n_decoded = 0  # in front of the first that is skipped, and behind the last

    def begin(self, t_newest: float, is_newest: bool, behind: WaitsBehind | None = None) -> None:
        """See `Skips.begin`."""
        self._t_newest, self._is_newest, self._behind = t_newest, is_newest, behind

    def __call__(self, t_end: float) -> bool:
        """See `Skips.__call__`."""
        t_waiting = self._behind.t_waiting if self._behind is not None and self._is_newest else None
        t_newest = self._t_newest if t_waiting is None else max(self._t_newest, t_waiting)
        # Stamps jitter: a window that is a sample short of complete may count as there, and is decoded a chunk later.
        n_newer = max(0, math.floor((t_newest - t_end) / self._hop_s + 1e-6))
        t_last, is_last = t_end + n_newer * self._hop_s, self._is_newest and not n_newer
        is_skipped = self._backlog.skips(t_end, self._clock(), t_last, is_last)
        self._count(is_skipped)
        return is_skipped

    def take(self) -> tuple[int, ...]:
        """See `Skips.take`."""
        turns, self._turns, self._n_decoded = self._turns, [], 0
        return tuple(turns)

    def _count(self, is_skipped: bool) -> None:
        if not is_skipped:
            self._n_decoded += 1
        elif self._n_decoded or not self._turns:
            self._turns += [self._n_decoded, 1]
            self._n_decoded = 0
        else:
            self._turns[-1] += 1


class KnownSkips:
    """Skips the windows that were skipped when the session was recorded; a `Skips`."""

    def __init__(self) -> None:
        self._turns: Sequence[int] = ()
        self._i = 0

    def expect(self, turns: Sequence[int]) -> None:
        """Take what was skipped of the samples that are decoded next."""
        self._turns, self._i = turns, 0

    def begin(self, t_newest: float, is_newest: bool, behind: WaitsBehind | None = None) -> None:
        """Nothing hangs on it."""

    def __call__(self, t_end: float) -> bool:  # noqa: ARG002
        """See `Skips.__call__`."""
        self._i += 1
        return is_skipped(self._turns, self._i - 1)

    def take(self) -> tuple[int, ...]:
        """See `Skips.take`."""
        return tuple(self._turns)


def is_skipped(turns: Sequence[int], i_window: int) -> bool:
    """Whether a window is skipped by `turns`: so many are decoded, so many then skipped, and so on in turn; the rest is decoded."""
    n = 0
    for i, n_turn in enumerate(turns):
        n += n_turn
        if i_window < n:
            return i % 2 == 1
    return False
