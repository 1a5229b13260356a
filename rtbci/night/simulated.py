"""A night in simulated time: hours of a sleeper's signal as fast as they can be decoded."""

import threading

import numpy as np

from rtbci.amp.sleeper import SleepingAmp
from rtbci.errors import StreamLostError
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo

__all__ = ["NightSource"]

CHUNK_S = 0.5


class NightSource(Source):
    """A sleeper's stream whose samples are there when the simulated clock says so (a `rtbci.stream.source.Source`).

    Parameters
    ----------
    amp : SleepingAmp
        Owned by this source.
    clock : SimulatedClock
        Goes on while somebody waits here.
    stop : Event, optional
        Once set no more samples come.
    """

    def __init__(self, amp: SleepingAmp, clock: SimulatedClock, stop: threading.Event | None = None) -> None:
        self._amp, self._clock, self._stop = amp, clock, stop
        self._n_chunk = round(CHUNK_S * amp.info.rate_hz)
        self._n_pulled, self._t0_lsl = 0, 0.0
        self._is_open = False
        self._markers: list[Marker] = []

    @property
    def info(self) -> StreamInfo:
        """Metadata of the stream."""
        return self._amp.info

    def open(self) -> None:
        """Begin; the first samples come one chunk later."""
        self._is_open = True
        self._t0_lsl = self._clock() - self._n_pulled / self.info.rate_hz

    def close(self) -> None:
        """Stop."""
        self._is_open = False

    def pull(self, timeout_s: float) -> Chunk:
        """Return the next chunk when it is due within the time given, else nothing.

        Raises
        ------
        StreamLostError
            When the source is not open.
        """
        if not self._is_open:
            raise StreamLostError(f"NightSource {self.info.name!r}: is closed; open it before pulling")
        rate_hz = self.info.rate_hz
        t_due = self._t0_lsl + (self._n_pulled + self._n_chunk - 1) / rate_hz
        t_end = self._clock() + timeout_s
        if t_due > t_end or (self._stop is not None and self._stop.is_set()):
            self._clock.sleep_until(t_end)
            return Chunk(np.empty((0, self.info.n_channels)), np.empty(0))
        self._clock.sleep_until(t_due)
        data, markers = self._amp.generate(self._n_chunk)
        t_lsl = self._t0_lsl + np.arange(self._n_pulled, self._n_pulled + self._n_chunk) / rate_hz
        self._n_pulled += self._n_chunk
        self._markers += [Marker(self._t0_lsl + one.t_lsl, one.value) for one in markers]
        return Chunk(data, t_lsl)

    def pull_markers(self) -> list[Marker]:
        """Return the stages that began since the last call."""
        markers, self._markers = self._markers, []
        return markers
