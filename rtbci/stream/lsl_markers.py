"""Markers from LSL, as they come and from streams that appear at any time, without ever waiting."""

from contextlib import suppress
from typing import Any, NamedTuple

import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as NotYetError

from rtbci.clock import Clock, now
from rtbci.stream.lsl_resolve import quoted
from rtbci.stream.source import Marker, StreamInfo

__all__ = ["MarkerInlet"]

POLL_S = 0.02
"""Markers are looked for this often: later than a window's end they never matter, and each look costs."""
RESOLVE_S = 0.5
"""New marker streams are looked for this often. liblsl's own resolver costs 0.13 % of a core beside it."""
PAIRED = "-markers"
BUFFER = 36
"""In hundreds of markers, as liblsl counts for streams without a rate."""
MAX_MARKERS = 64


class _Open(NamedTuple):
    """One marker stream: its inlet, and whether its stamps are of the EEG stream's clock."""

    inlet: Any
    same_clock: bool


class MarkerInlet:
    """All marker streams that belong to a stream of EEG.

    A marker stream belongs to it when its `source_id` begins with that of the EEG stream, or when it comes
    from the same computer; but one whose `source_id` is another stream's with ``-markers`` behind it belongs
    to that one. With a `name`, only streams of that name count, from anywhere.

    Parameters
    ----------
    of : StreamInfo
        The stream of EEG.
    name : str, optional
        Name of the marker stream.
    clock : Clock
        For the pace of looking.

    Notes
    -----
    One thread at a time. Stamps of streams from the EEG stream's computer are corrected by the EEG stream's
    own offset; for other computers markers are kept back until their clock has been measured.
    LSL delivers from the moment of connection: what a new stream sends in its first half second is lost.
    """

    def __init__(self, of: StreamInfo, name: str = "", clock: Clock = now) -> None:
        self._of = of
        self._name = name
        self._clock = clock
        self._streams: dict[str, _Open] = {}
        self._ended: set[str] = set()
        self._resolver: Any = None
        self._t_poll = self._t_resolve = -float("inf")

    def open(self) -> None:
        """Begin to look for marker streams; returns at once."""
        wanted = f"name={quoted(self._name)}" if self._name else "(type='Markers' or type='markers')"
        self._resolver = pylsl.ContinuousResolver(pred=wanted)

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
        return sorted(markers) if len(markers) > 1 else markers

    def _connect_new(self) -> None:
        for info in self._resolver.results():
            uid = info.uid()
            if uid in self._streams or uid in self._ended or not (self._name or self._belongs(info)):
                continue
            inlet = pylsl.StreamInlet(info, max_buflen=BUFFER, recover=False)
            with suppress(NotYetError):
                inlet.open_stream(0.0)  # begins to connect, in the background
            self._streams[uid] = _Open(inlet, info.hostname() == self._of.hostname)

    def _belongs(self, info: Any) -> bool:
        source_id, of = info.source_id(), self._of.source_id
        if source_id.endswith(PAIRED):
            return bool(source_id == of + PAIRED)
        return bool((of and source_id.startswith(of)) or info.hostname() == self._of.hostname)


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
