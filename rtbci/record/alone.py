"""A stream that is recorded and not decoded: drained, watched, found again when it was lost."""

import threading
from collections.abc import Callable
from datetime import datetime

from rtbci.clock import Clock, boot_id, now
from rtbci.config import RunConfig
from rtbci.errors import StreamError, StreamLostError
from rtbci.record.session_json import SessionRecord, versions_here
from rtbci.stream.acquire import Acquisition
from rtbci.stream.source import Source, StreamInfo, is_checking

__all__ = ["NAMED", "StreamKeeper", "describe_alone"]

NAMED = "recording"
"""In the place of a paradigm, in the name of the session's folder."""
POLL_S = 0.25
RETRY_S = 0.25
OPENING_STOP_S = 1.0

Tell = Callable[[str, StreamInfo | None], None]
"""Is given ``"stream_found"``, ``"stream_lost"`` or ``"stream_recovered"``, and the stream."""


def describe_alone(config: RunConfig, start: datetime, t_lsl: float) -> SessionRecord:
    """Say what a stream is about to be recorded with: no paradigm, no engine, no profile."""
    return SessionRecord(
        started_utc=start.isoformat(),
        t_start_lsl=t_lsl,
        paradigm="",
        recipe_sha256="",
        user=config.user,
        config=config.model_copy(update={"paradigm": ""}).model_dump(mode="json"),
        engines=(),
        profile=None,
        versions=versions_here(),
        boot_id=boot_id(),
    )


class StreamKeeper:
    """Drains one stream until it is told to stop; whoever records stands around its source.

    Parameters
    ----------
    config : RunConfig
        How long it may be silent (`watch`), whether it is waited for (`stream.wait`), when to end (`duration_s`).
    make_source : callable
        Called for the first connection with None, and with the metadata of the stream that was lost after that.
    tell : callable
        See `Tell`; called in the thread that calls `keep`.
    clock : Clock
        Seconds of the local LSL clock.
    """

    def __init__(
        self,
        config: RunConfig,
        make_source: Callable[[StreamInfo | None], Source],
        tell: Tell,
        clock: Clock = now,
    ) -> None:
        self._config, self._make_source, self._tell, self._clock = config, make_source, tell, clock
        self._info: StreamInfo | None = None
        self._is_there = False

    def keep(self, stop: threading.Event, look: Callable[[], None]) -> None:
        """Drain until `stop` is set, the time is over, or a recording has ended.

        Parameters
        ----------
        stop : threading.Event
        look : callable
            Called four times a second, for what else there is to tell.

        Raises
        ------
        StreamError
            When there is no stream at the start, unless the configuration says to wait.
        """
        duration_s = self._config.duration_s
        t_end = None if duration_s is None else self._clock() + duration_s

        def is_over() -> bool:
            return stop.is_set() or (t_end is not None and self._clock() >= t_end)

        while not is_over():
            source = self._make_source(self._info)
            acquisition = Acquisition(source, _leave, clock=self._clock)
            try:
                acquisition.start()
                self._watch_over(acquisition, source, is_over, look)
            except EOFError:
                return
            except StreamError as error:
                if self._is_there:
                    self._is_there = False
                    self._tell("stream_lost", self._info)
                    continue
                # At the start that is an answer; after a loss, or when told to wait, it is not yet.
                is_gone = isinstance(error, StreamLostError)
                if self._info is None and not is_gone and not self._config.stream.wait:
                    raise
                stop.wait(RETRY_S)
            finally:
                acquisition.stop(OPENING_STOP_S)

    def _watch_over(
        self, acquisition: Acquisition, source: Source, is_over: Callable[[], bool], look: Callable[[], None]
    ) -> None:
        lost_s, t_heard = self._config.watch.lost_s, self._clock()
        while not is_over():
            acquisition.wait(POLL_S)
            look()
            t_received = acquisition.t_last_received
            if t_received is None:  # it is still being looked for, which has a time of its own
                continue
            if not self._is_there:
                self._is_there = True
                self._tell("stream_found" if self._info is None else "stream_recovered", acquisition.info)
                self._info = acquisition.info
            t_heard = self._clock() if is_checking(source) else max(t_heard, t_received)
            if self._clock() - t_heard > lost_s and not is_over():
                raise StreamLostError(f"stream '{acquisition.info.name}': no data for {lost_s:g} s")


def _leave(_chunk: object, _markers: object) -> None:
    """What has passed the source is recorded; nothing else is done with it."""
