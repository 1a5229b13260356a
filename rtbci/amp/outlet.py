"""Offer any source as LSL streams: the synthetic amplifier, or a BrainFlow board."""

import math
import threading
from collections.abc import Callable
from dataclasses import replace

from rtbci.replay.outlet import Outlet
from rtbci.stream.source import Source, StreamInfo

__all__ = ["AmpOutlet"]

POLL_S = 0.1


class AmpOutlet:
    """Sends what a source gives, as it comes, with the source's own stamps.

    Parameters
    ----------
    source : Source
        Opened by `run` and closed at its end.
    source_id : str
        Of the stream, in place of the source's own; empty: that.
    duration_s : float, optional
        Seconds of signal, then it ends.
    marks : bool
        Whether the source's markers are sent; not where they say again what somebody else's markers told it.

    Notes
    -----
    `run` works in the calling thread; another thread may only set its event.
    """

    def __init__(
        self, source: Source, source_id: str = "", duration_s: float | None = None, *, marks: bool = True
    ) -> None:
        self._source, self._source_id, self._duration_s, self._marks = source, source_id, duration_s, marks

    @property
    def stream(self) -> StreamInfo:
        """Metadata of the stream of samples; valid once the source is open."""
        info = self._source.info
        return replace(info, source_id=self._source_id) if self._source_id else info

    def run(self, stop: threading.Event, progress: Callable[[int], None] | None = None) -> None:
        """Send until `stop` is set or the source ends.

        Parameters
        ----------
        stop : threading.Event
            Ends the stream within a tenth of a second.
        progress : callable, optional
            Called with the number of samples sent so far.

        Raises
        ------
        StreamError
            When the source cannot be opened, or is lost.
        """
        with self._source as source, Outlet(self.stream, marks=self._marks) as outlet:
            n_sent = 0
            n_all = math.inf if self._duration_s is None else self._duration_s * source.info.rate_hz
            while not stop.is_set() and n_sent < n_all:
                try:
                    chunk = source.pull(POLL_S)
                except EOFError:
                    return
                outlet.push_markers(source.pull_markers())
                outlet.push(chunk.data, chunk.t_lsl)
                n_sent += len(chunk.t_lsl)
                if progress is not None and len(chunk.t_lsl):
                    progress(n_sent)
