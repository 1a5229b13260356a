"""Markers from LSL, as they come and from streams that appear at any time, without ever waiting."""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as NotYetError

from rtbci.clock import Clock, now
from rtbci.stream.lsl_resolve import quoted
from rtbci.stream.marker_choice import (
    DECISIONS_ID,
    MarkerStream,
    SeenMarkers,
    how_to_take,
    why_left,
    why_other_taken,
)
from rtbci.stream.source import Marker, StreamInfo

__all__ = ["MarkerInlet"]

POLL_S = 0.02
"""Markers are looked for this often: later than a window's end they never matter, and each look costs."""
RESOLVE_S = 0.5
"""New marker streams are looked for this often. liblsl's own resolver costs 0.13 % of a core beside it."""
BUFFER = 36
"""In hundreds of markers, as liblsl counts for streams without a rate."""
MAX_MARKERS = 64


class _Open(NamedTuple):
    """One marker stream: its inlet, whether its stamps are of the EEG stream's clock, and which it is."""

    inlet: Any
    same_clock: bool
    stream: MarkerStream


class MarkerInlet:
    """All marker streams that belong to a stream of EEG.

    Without a `name` these are those with the EEG stream's source id in front of their own, and those from its computer or
    from this one; see `rtbci.stream.marker_choice.why_left`. With a `name` these are the streams whose name or source id that
    is, from anywhere; but while there is one on the EEG stream's computer or this one, those from elsewhere are left out.

    Parameters
    ----------
    of : StreamInfo
        The stream of EEG.
    name : str, optional
        Name or source id of the marker stream.
    clock : Clock
        For the pace of looking.
    tell : callable, optional
        Is told, in the thread that pulls, of each stream that is taken, left out or has ended.
    here : str, optional
        Name of this computer, as LSL streams give it.

    Notes
    -----
    One thread at a time. Stamps of streams from the EEG stream's computer are corrected by the EEG stream's
    own offset; for other computers markers are kept back until their clock has been measured.
    LSL delivers from the moment of connection: what a new stream sends in its first half second is lost.
    """

    def __init__(
        self,
        of: StreamInfo,
        name: str = "",
        clock: Clock = now,
        tell: Callable[[SeenMarkers], None] | None = None,
        here: str = "",
    ) -> None:
        self._of = of
        self._name = name
        self._clock = clock
        self._tell = tell or (lambda _seen: None)
        self._here = here or socket.gethostname()
        self._streams: dict[str, _Open] = {}
        self._ended: set[str] = set()
        self._left: set[MarkerStream] = set()  # told already
        self._resolver: Any = None
        self._t_poll = self._t_resolve = -float("inf")

    def open(self) -> None:
        """Begin to look for marker streams; returns at once."""
        wanted = "type='Markers' or type='markers'"
        if self._name:
            wanted = f"name={quoted(self._name)} or source_id={quoted(self._name)}"
        self._resolver = pylsl.ContinuousResolver(pred=f"({wanted})")

    def close(self) -> None:
        """Disconnect from all; may be called more than once."""
        self._streams.clear()
        self._resolver = None

    def pull(self, offset_s: float) -> list[Marker]:
        """Return the markers that came since the last call, oldest first; never waits.

        Parameters
        ----------
        offset_s : float
            Seconds from the clock of the EEG stream's computer to the local LSL clock.
        """
        t = self._clock()
        if t - self._t_poll < POLL_S or self._resolver is None:
            return []
        self._t_poll = t
        look_for_new = t - self._t_resolve >= RESOLVE_S
        if look_for_new:
            self._t_resolve = t
            self._connect_new()
        markers: list[Marker] = []
        for uid, stream in list(self._streams.items()):
            # Only a pull tells that a stream has ended; now and then is enough for that.
            if look_for_new or stream.inlet.samples_available():
                try:
                    markers += _collect(stream, offset_s)
                except LostError:
                    del self._streams[uid]
                    self._ended.add(uid)  # its program, started again, has another uid
                    self._tell(SeenMarkers("markers_lost", stream.stream, len(self._streams)))
        return sorted(markers) if len(markers) > 1 else markers

    def _connect_new(self) -> None:
        found = {info.uid(): (info, _stream_of(info)) for info in self._resolver.results()}
        known = [stream for uid, (_, stream) in found.items() if uid not in self._ended]
        for uid, (info, stream) in found.items():
            if uid in self._ended:
                continue
            reason = (
                why_other_taken(self._of, self._here, stream, known)
                if self._name
                else why_left(self._of, self._here, stream)
            )
            if reason:
                self._leave(uid, stream, reason, known)
            elif uid not in self._streams:
                self._connect(uid, info, stream, known)

    def _connect(self, uid: str, info: Any, stream: MarkerStream, known: list[MarkerStream]) -> None:
        try:
            inlet = pylsl.StreamInlet(info, max_buflen=BUFFER, recover=False)
        except RuntimeError as error:  # of pylsl; it is tried again, and no reason to end a run
            self._leave_out(
                stream, f"liblsl cannot connect to it ({error}); tried again every {RESOLVE_S:g} s"
            )
            return
        with suppress(NotYetError):
            inlet.open_stream(0.0)  # begins to connect, in the background
        self._streams[uid] = _Open(inlet, stream.hostname == self._of.hostname, stream)
        reason, n = "", len(self._streams)
        if n > 1:
            names = ", ".join(one.stream.name for one in self._streams.values())
            reason = (
                f"{n} marker streams are read now: {names}; {how_to_take(stream, known)} reads this one alone"
            )
        self._tell(SeenMarkers("markers_found", stream, n, reason))

    def _leave(self, uid: str, stream: MarkerStream, reason: str, known: list[MarkerStream]) -> None:
        was_read = self._streams.pop(uid, None) is not None
        if stream.source_id == DECISIONS_ID:
            return  # this run's own, mostly: nothing to choose
        if was_read:
            self._left.discard(stream)
        self._leave_out(stream, f"{reason}; {how_to_take(stream, known)} reads it")

    def _leave_out(self, stream: MarkerStream, reason: str) -> None:
        """Tell, once, that it is not read."""
        if stream not in self._left:
            self._left.add(stream)
            self._tell(SeenMarkers("markers_left", stream, len(self._streams), reason))


def _stream_of(info: Any) -> MarkerStream:
    return MarkerStream(info.name(), info.source_id(), info.hostname())


def _collect(stream: _Open, offset_s: float) -> list[Marker]:
    if not stream.same_clock:
        try:
            offset_s = stream.inlet.time_correction(0.0)
        except NotYetError:  # what has come stays in the inlet until the clock is measured
            return []
    samples, stamps = stream.inlet.pull_chunk(0.0, MAX_MARKERS)
    return [Marker(t + offset_s, _text(sample[0])) for sample, t in zip(samples, stamps, strict=True)]


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"
