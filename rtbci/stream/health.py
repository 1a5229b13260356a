"""What the stamps of a stream tell: gaps, clock resets, the true rate."""

from collections import deque

import numpy as np

from rtbci.errors import RateError
from rtbci.stream.source import FloatArray

__all__ = ["GapDetector", "RateMeter", "unbroken"]


class GapDetector:
    """Finds where samples are missing, from the stamps alone and at once.

    Parameters
    ----------
    rate_hz : float
        Nominal rate, above 0.

    Attributes
    ----------
    n_gaps : int
        Gaps found since construction or `reset`.
    n_clock_resets : int
        Jumps backwards.
    lost_s : float
        Time missing in all gaps, seconds.

    Notes
    -----
    The lateness of a sample is its stamp minus where the stamps before it lead at the stream's own sample
    period: the mean of all steps so far, of which the nominal one counts for 64, later a running mean over 5 s. The rules:

    1. A sample is behind a gap when it is later than every recent one by more than half a period plus the
       recent range of the lateness. "Recent" are the largest and the smallest lateness, each decaying to the
       mean with a time constant of 2 s. Stamps that come in clumps (a radio packet at a time) are late by the
       same amount again and again, which is no gap; regular stamps have no range, so that one missing
       sample, late by a whole period, is found.
    2. A sample is behind a clock reset when it is earlier than every recent one by as much, *and* earlier
       than the sample before it.
    3. After either, lateness is counted from the new level. Stamps that go back to the level before a recent gap are no
       reset: those between were late.

    4. Four gaps of the same length at four samples in a row are the stream's true period.

    So in a stream with jittered stamps a gap must be longer than the jitter to be seen; the first clump of a
    stream is taken for a gap, and so is a single stamp that is late among regular ones. A decision rests
    only on the stamps before it, so that chunks do not change it. 0.4 µs a sample, in chunks of 8.
    """

    PERIOD_MEMORY_S = 5.0
    LATENESS_MEMORY_S = 2.0
    N_ALIKE = 4
    N_NOMINAL = 64

    def __init__(self, rate_hz: float) -> None:
        if not rate_hz > 0:
            raise RateError(f"GapDetector: rate_hz is {rate_hz}, need more than 0")
        self.rate_hz = rate_hz
        self._period_gain = 1.0 / (self.PERIOD_MEMORY_S * rate_hz)
        # Then the running mean forgets faster than the mean of all steps would learn.
        self._n_settled = int(self.PERIOD_MEMORY_S * rate_hz) - self.N_NOMINAL
        self._lateness_gain = min(1.0, 1.0 / (self.LATENESS_MEMORY_S * rate_hz))
        self.reset()

    def reset(self) -> None:
        """Forget the past; afterwards the detector is as new."""
        self.n_gaps = 0
        self.n_clock_resets = 0
        self.lost_s = 0.0
        self._t_last: float | None = None
        self._period_s = 1.0 / self.rate_hz
        self._late_s = self._mean_s = self._latest_s = self._earliest_s = self._before_s = 0.0
        self._n_alike, self._gap_s = 0, 0.0  # gaps one right behind the other, all of about this length
        self._n_regular = 0  # steps that the period has been measured from, up to `_n_settled`

    def push(self, t_lsl: FloatArray) -> list[tuple[int, float]]:
        """Look at the stamps of the next chunk.

        Parameters
        ----------
        t_lsl : ndarray of float64, shape (n_samples,)
            Seconds. May be empty.

        Returns
        -------
        list of (int, float)
            For each break in the stream, the index in this chunk of the first sample behind it and the time
            that is missing, seconds; negative for a clock reset. No window may span it.
        """
        breaks: list[tuple[int, float]] = []
        # One loop over locals: this stands between a sample and the decision on it.
        gain, period_gain = self._lateness_gain, self._period_gain
        t_last, period_s, late_s, mean_s = self._t_last, self._period_s, self._late_s, self._mean_s
        latest_s, earliest_s, before_s = self._latest_s, self._earliest_s, self._before_s
        n_alike, gap_s, n_regular = self._n_alike, self._gap_s, self._n_regular
        n_settled = self._n_settled
        for i, t in enumerate(t_lsl.tolist()):
            if t_last is None:
                t_last = t
                continue
            excess_s = t - t_last - period_s
            now_late_s = late_s + excess_s
            tolerance_s = 0.5 * period_s + latest_s - earliest_s
            if now_late_s > latest_s + tolerance_s:
                self.n_gaps += 1
                n_alike = n_alike + 1 if abs(excess_s - gap_s) <= 0.5 * period_s else 1
                gap_s = excess_s
                if n_alike >= self.N_ALIKE:  # every step is that long: so it is the stream's period
                    period_s += excess_s
                    n_alike = 0
                self.lost_s += excess_s
                # Where the stamps were before: going back there shows late stamps, not a clock reset. It widens no
                # range: another gap of the same length must not hide behind this one.
                before_s = min(before_s, earliest_s) - excess_s
                breaks.append((i, excess_s))
            elif t < t_last and now_late_s < min(before_s, earliest_s) - tolerance_s:
                self.n_clock_resets += 1
                breaks.append((i, excess_s))
            else:
                n_alike = 0
                late_s = now_late_s
                mean_s += gain * (late_s - mean_s)
                latest_s += gain * (mean_s - latest_s)
                earliest_s += gain * (mean_s - earliest_s)
                before_s += gain * (mean_s - before_s)
                if late_s > latest_s:
                    latest_s = late_s
                if late_s < earliest_s:
                    earliest_s = late_s
                if n_regular < n_settled:
                    n_regular += 1
                    period_s += excess_s / (n_regular + self.N_NOMINAL)
                else:
                    period_s += period_gain * excess_s
            t_last = t
        self._t_last, self._period_s, self._late_s, self._mean_s = t_last, period_s, late_s, mean_s
        self._latest_s, self._earliest_s, self._before_s = latest_s, earliest_s, before_s
        self._n_alike, self._gap_s, self._n_regular = n_alike, gap_s, n_regular
        return breaks


class RateMeter:
    """Measures a stream's true rate by a straight line through the newest stamps.

    Parameters
    ----------
    rate_hz : float
        Nominal rate, above 0.
    memory_s : float, default 10
        Time that the line is fitted over, seconds.

    Notes
    -----
    Of the stamps, one in every hundredth of `memory_s` is kept. Samples that are missing make the rate
    lower: it is the rate at which samples come. A jump backwards starts the measurement again.
    """

    N_POINTS = 100

    def __init__(self, rate_hz: float, memory_s: float = 10.0) -> None:
        if not (rate_hz > 0 and memory_s > 0):
            raise RateError(
                f"RateMeter: rate_hz is {rate_hz} and memory_s {memory_s}, need more than 0 of both"
            )
        self._nominal_hz = rate_hz
        self._memory_s = memory_s
        self._every_s = memory_s / self.N_POINTS
        self._points: deque[tuple[float, int]] = deque()
        self._n_samples = 0

    def reset(self) -> None:
        """Forget the past."""
        self._points.clear()

    def push(self, t_lsl: FloatArray) -> None:
        """Take in the stamps of the next chunk, seconds, shape (n_samples,); may be empty."""
        if not len(t_lsl):
            return
        self._n_samples += len(t_lsl)
        t_last = float(t_lsl[-1])
        if self._points and t_last < self._points[-1][0]:
            self._points.clear()
        while self._points and t_last - self._points[0][0] > self._memory_s:
            self._points.popleft()
        if not self._points or t_last - self._points[-1][0] >= self._every_s:
            self._points.append((t_last, self._n_samples))

    @property
    def rate_hz(self) -> float | None:
        """Measured rate; None before three stamps have been kept."""
        if len(self._points) < 3:
            return None
        t, n = np.array(self._points).T
        t -= t.mean()
        return float(t @ (n - n.mean()) / (t @ t))

    @property
    def span_s(self) -> float:
        """Time between the first and the newest stamp that are kept, seconds."""
        return self._points[-1][0] - self._points[0][0] if self._points else 0.0

    @property
    def deviation_ppm(self) -> float | None:
        """Measured rate against the nominal one, parts per million; None as for `rate_hz`."""
        rate_hz = self.rate_hz
        return None if rate_hz is None else 1e6 * (rate_hz / self._nominal_hz - 1.0)


def unbroken(t_s: FloatArray, rate_hz: float) -> list[slice]:
    """Stretches of stamps without a break; see `GapDetector`.

    Parameters
    ----------
    t_s : ndarray of float64, shape (n_samples,)
        Seconds. May be empty.
    rate_hz : float
        Nominal rate.

    Returns
    -------
    list of slice
        At least one; together they are all samples, in order.

    Raises
    ------
    RateError
        When `rate_hz` is not above 0.
    """
    breaks = [i for i, _ in GapDetector(rate_hz).push(t_s)]
    return [slice(*ends) for ends in zip([0, *breaks], [*breaks, len(t_s)], strict=True)]
