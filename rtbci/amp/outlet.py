"""Offer any source as LSL streams: the synthetic amplifier, or a BrainFlow board."""

import threading
from collections.abc import Callable

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
    chunk : int
        Samples that travel together; 0: as the source gives them.

    Notes
    -----
    `run` works in the calling thread; another thread may only set its event.
    """

    def __init__(self, source: Source, chunk: int = 0) -> None:
        self._source, self._chunk = source, chunk

    @property
    def stream(self) -> StreamInfo:
        """Metadata of the stream of samples; valid once the source is open."""
        return self._source.info

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
        with self._source as source, Outlet(source.info, self._chunk) as outlet:
            n_sent = 0
            while not stop.is_set():
                try:
                    chunk = source.pull(POLL_S)
                except EOFError:
                    return
                outlet.push_markers(source.pull_markers())
                outlet.push(chunk.data, chunk.t_lsl)
                n_sent += len(chunk.t_lsl)
                if progress is not None and len(chunk.t_lsl):
                    progress(n_sent)
