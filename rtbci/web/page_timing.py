"""What is measured of the display path: the page's clock, its frames, and how long an order takes."""

import math
import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

__all__ = ["ClockOffset", "PageTiming"]

N_EXCHANGES = 30
"""Pings come every second or faster: clocks that differ by 50 ppm drift apart by 1.5 ms at most within these."""
DEFAULT_FRAME_MS = 1000 / 60
N_FRAMES = 36_000
DROPPED = 1.5
"""A frame that took longer than this many usual ones stands for at least one that was dropped."""
N_ORDERS = 2000


class ClockOffset:
    """Offset between the page's clock and the local LSL clock, from ping exchanges.

    The page's time is taken to be read in the middle of the round trip; of the newest exchanges the one with the shortest
    round trip counts (Cristian 1989, doi:10.1007/BF01784024), so the error is at most half of that.
    """

    def __init__(self) -> None:
        self._exchanges: deque[tuple[float, float]] = deque(maxlen=N_EXCHANGES)

    def add(self, t_sent: float, page_ms: float, t_back: float) -> None:
        """Add an exchange: sent and answered at `t_sent` and `t_back` (LSL, seconds), read at `page_ms` (page)."""
        self._exchanges.append((t_back - t_sent, (t_sent + t_back) / 2 - page_ms / 1e3))

    @property
    def round_trip_s(self) -> float:
        """Shortest round trip, in seconds; NaN before the first."""
        return min(self._exchanges)[0] if self._exchanges else math.nan

    def t_lsl(self, page_ms: float) -> float:
        """Time of the page's clock as seconds of the local LSL clock; NaN before the first exchange."""
        return min(self._exchanges)[1] + page_ms / 1e3 if self._exchanges else math.nan


class PageTiming:
    """Everything measured, over all pages that were connected.

    Notes
    -----
    May be used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = ClockOffset()
        self._frames_ms: deque[float] = deque(maxlen=N_FRAMES)
        self._orders_ms: deque[float] = deque(maxlen=N_ORDERS)
        self._clicks_ms: list[float] = []
        self._n_frames = self._n_dropped = self._n_unseen = 0

    def new_page(self) -> None:
        """Another page, or the same one loaded again, has another clock."""
        with self._lock:
            self._clock = ClockOffset()

    def add_exchange(self, t_sent: float, page_ms: float, t_back: float) -> None:
        """See `ClockOffset.add`."""
        with self._lock:
            self._clock.add(t_sent, page_ms, t_back)

    def add_frames(self, dt_ms: Sequence[float]) -> None:
        """Add times between consecutive frames, in milliseconds."""
        with self._lock:
            usual = self._frame_ms()
            self._frames_ms.extend(dt_ms)
            self._n_frames += len(dt_ms)
            self._n_dropped += sum(max(round(dt / usual) - 1, 0) for dt in dt_ms if dt > DROPPED * usual)

    def add_clicks(self, ms: Sequence[float]) -> None:
        """Keep the newest click-along: presses less flashes, in milliseconds."""
        with self._lock:
            self._clicks_ms = list(ms)

    def add_unseen(self) -> None:
        """Count a step that was not shown."""
        with self._lock:
            self._n_unseen += 1

    def t_shown(self, frame_ms: float) -> float:
        """When what was drawn in a frame was shown, in seconds of the local LSL clock; see `onset`.

        Parameters
        ----------
        frame_ms : float
            When the frame began, by the page's clock.
        """
        with self._lock:
            return self._t_shown(frame_ms)

    def onset(self, t_ordered: float, frame_ms: float) -> float:
        """Turn the frame that drew a step into its onset.

        Parameters
        ----------
        t_ordered : float
            When the step was ordered, in seconds of the local LSL clock.
        frame_ms : float
            When the frame began, by the page's clock.

        Returns
        -------
        float
            Seconds of the local LSL clock, one usual frame after the frame began: what is drawn in a frame is shown
            with the next refresh at the earliest. NaN when the page's clock is not known.
        """
        with self._lock:
            t_onset = self._t_shown(frame_ms)
            if not math.isnan(t_onset):
                self._orders_ms.append(1e3 * (t_onset - t_ordered))
            return t_onset

    def measured(self) -> dict[str, float]:
        """Return all numbers; those that nothing is known of are left out.

        Returns
        -------
        dict of str to float
            ``frame_ms`` and ``frame_jitter_ms`` (median and standard deviation of frames that were not dropped),
            ``n_frames``, ``n_dropped``; ``order_ms`` and ``order_p95_ms`` (from the server's order to the onset);
            ``round_trip_ms`` and ``clock_error_ms`` (at most); ``n_unseen`` steps; ``click_ms``, ``click_spread_ms``
            (median, and median distance from it) and ``n_clicks``.
        """
        with self._lock:
            numbers = {"n_frames": float(self._n_frames), "n_dropped": float(self._n_dropped)}
            numbers["n_unseen"] = float(self._n_unseen)
            if self._frames_ms:
                frames = np.array(self._frames_ms)
                usual = float(np.median(frames))
                numbers["frame_ms"] = usual
                numbers["frame_jitter_ms"] = float(frames[frames <= DROPPED * usual].std())
            if self._orders_ms:
                numbers["order_ms"] = float(np.median(self._orders_ms))
                numbers["order_p95_ms"] = float(np.percentile(self._orders_ms, 95))
            if not math.isnan(trip_s := self._clock.round_trip_s):
                numbers |= {"round_trip_ms": 1e3 * trip_s, "clock_error_ms": 500 * trip_s}
            if self._clicks_ms:
                middle = float(np.median(self._clicks_ms))
                spread = float(np.median(np.abs(np.array(self._clicks_ms) - middle)))
                numbers |= {"click_ms": middle, "click_spread_ms": spread}
                numbers["n_clicks"] = float(len(self._clicks_ms))
            return numbers

    def _t_shown(self, frame_ms: float) -> float:
        return self._clock.t_lsl(frame_ms) + self._frame_ms() / 1e3

    def _frame_ms(self) -> float:
        return float(np.median(self._frames_ms)) if self._frames_ms else DEFAULT_FRAME_MS
