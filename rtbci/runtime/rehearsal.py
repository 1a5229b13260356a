"""Being awake before the samples come that complete a window, so that the decision on them finds nothing cold.

A thread that has slept for a hop finds its code and weights out of the processor's caches: the same decision takes
twice as long as in a tight loop (docs/adr/0009-rehearse-before-a-window.md). Samples that come regularly can be
expected; a rehearsal just before them costs one decision's time and changes nothing.
"""

import math
from collections.abc import Callable

from rtbci.clock import Clock

__all__ = ["Rehearsal"]

MARGIN_S = 0.8e-3
"""From the end of the rehearsal to the expected samples."""
MAX_SPREAD_S = 4e-3
"""Where samples come less regularly than this (80 % against 20 % quantile of their lateness), no moment is right."""
MAX_LEAD = 0.5
"""A rehearsal that takes longer than this share of a hop would cost more than it gives."""
STEP_S = 50e-6
N_FIRST = 50
"""Bursts that come before there is a rehearsal; the quantiles begin as theirs, since the very first ones may be late."""
TOGETHER = 0.25
"""What comes within this share of the time that its samples last belongs to the burst before it."""
FIRST_GUESS_S = 1e-3


class Rehearsal:
    """Learns how samples come, and rehearses a decision shortly before one is due; an `Ahead`.

    Parameters
    ----------
    act : callable
        The rehearsal itself; called in the thread that pulls.
    clock : Clock
        Time in seconds of the local LSL clock.

    Notes
    -----
    Samples that were sent together may be pulled one by one, where the puller is as fast as liblsl's own thread: all that comes
    together is a burst. The lateness of a burst is the time from the stamp of its newest sample to the arrival of its first. Its 20 %
    and 80 % quantiles are those of the first 50 bursts, then tracked by steps of 50 microseconds (0.2 and 0.8 of it up and
    down). One owner.
    """

    def __init__(self, act: Callable[[], None], clock: Clock) -> None:
        self._act, self._clock = act, clock
        self._rate_hz = self._hop_s = 0.0
        self._spent_s = FIRST_GUESS_S
        self.close()

    def open(self, rate_hz: float, hop_s: float) -> None:
        """Begin for a stream of this rate, decided on every `hop_s` seconds."""
        self.close()
        self._rate_hz, self._hop_s = rate_hz, hop_s

    def close(self) -> None:
        """Forget how samples come; nothing is due until `open`."""
        self._rate_hz = 0.0
        self._first_s: list[float] = []
        self._early_s = self._late_s = math.nan
        self._t_expected: float | None = None
        self._n_burst = self._n_before = 0  # samples of this burst so far, and of the one before it
        self._t_first = self._t_taken = (
            self._t_newest
        ) = -math.inf  # of this burst: first and newest arrival, newest stamp

    def push(self, t_newest: float, t_taken: float, n_samples: int, n_needed: int) -> None:
        """Take note of a chunk that has been decoded, the whole of a burst or a part of it.

        Parameters
        ----------
        t_newest : float
            Stamp of its newest sample.
        t_taken : float
            When it came, both in seconds of the local LSL clock.
        n_samples : int
            Samples in it, at least 1.
        n_needed : int
            Samples from here to the end of the next window.
        """
        if not self._rate_hz:
            return
        if t_taken - self._t_taken < TOGETHER * n_samples / self._rate_hz:
            self._n_burst += n_samples
        else:
            if self._n_burst:
                self._learn(self._t_first - self._t_newest)
            self._n_burst, self._n_before, self._t_first = n_samples, self._n_burst, t_taken
        self._t_taken, self._t_newest = t_taken, t_newest
        self._expect(n_needed)

    def _learn(self, lag_s: float) -> None:
        if len(self._first_s) < N_FIRST:
            self._first_s.append(lag_s)
            in_order = sorted(self._first_s)
            self._early_s, self._late_s = in_order[len(in_order) // 5], in_order[-1 - len(in_order) // 5]
        self._early_s += STEP_S * (0.2 if lag_s > self._early_s else -0.8)
        self._late_s += STEP_S * (0.8 if lag_s > self._late_s else -0.2)

    def _expect(self, n_needed: int) -> None:
        size = max(self._n_burst, self._n_before)
        n_rest = size - self._n_burst  # come at once
        n_to_come = n_rest + max(0, -(-(n_needed - n_rest) // size)) * size  # whole bursts
        self._t_expected = (
            self._t_newest + n_to_come / self._rate_hz + self._early_s if n_to_come > n_rest else None
        )

    @property
    def t_due(self) -> float | None:
        """When to rehearse; see `Ahead.t_due`."""
        lead_s = self._spent_s + MARGIN_S
        is_regular = len(self._first_s) == N_FIRST and self._late_s - self._early_s <= MAX_SPREAD_S
        if self._t_expected is None or not is_regular or lead_s > MAX_LEAD * self._hop_s:
            return None
        return self._t_expected - lead_s

    def rehearse(self) -> None:
        """Rehearse; nothing is due then until another chunk has come."""
        t_start = self._clock()
        self._act()
        self._spent_s += 0.2 * (self._clock() - t_start - self._spent_s)
        self._t_expected = None
