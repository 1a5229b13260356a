"""The synthetic amplifier as a source in this process, paced like a real one; no LSL needed."""

import threading
from typing import Protocol

import numpy as np

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError, StreamLostError
from rtbci.replay.pace import Pace
from rtbci.stream.source import Chunk, FloatArray, Marker, Source, StreamInfo

__all__ = ["Amp", "AmpSource"]

LONGEST_PULL_S = 1.0


class Amp(Protocol):
    """What makes the signal of a user; see `rtbci.amp.synthetic.SyntheticAmp`.

    Attributes
    ----------
    info : StreamInfo
    states : tuple of str
        What its user can do.
    """

    info: StreamInfo
    states: tuple[str, ...]

    @property
    def n_given(self) -> int:
        """Samples handed out so far."""
        ...

    def set_state(self, state: str) -> None:
        """Say what the user does from now on."""
        ...

    def generate(self, n_samples: int) -> tuple[FloatArray, list[Marker]]:
        """Next samples in microvolts, and markers with times from the very first sample."""
        ...


class AmpSource(Source):
    """A synthetic amplifier whose samples become available at its rate (a `rtbci.stream.source.Source`).

    Parameters
    ----------
    amp : Amp
        Owned by this source from here on, except its `set_state`; goes on from the samples that it has given before.
    chunk : int
        Samples that become available together.
    clock : Clock
        Seconds of the local LSL clock; stamps are ``t_open + i / rate``, i from the first sample here.

    Raises
    ------
    ConfigError
        When `chunk` is below 1.
    """

    def __init__(self, amp: Amp, chunk: int = 8, clock: Clock = now) -> None:
        if chunk < 1:
            raise ConfigError(f"AmpSource: chunk is {chunk} samples, need at least 1; 8 is usual")
        self._amp, self._chunk, self._clock = amp, chunk, clock
        self._pace = Pace(1.0, clock)
        self._closed = threading.Event()
        self._closed.set()
        self._n_pulled = amp.n_given
        self._markers: list[Marker] = []

    @property
    def info(self) -> StreamInfo:
        """Metadata of the stream."""
        return self._amp.info

    def open(self) -> None:
        """Start the clock; the first samples come one chunk later."""
        if self._closed.is_set():
            self._closed.clear()
            self._pace.start()
            # opened again: time goes on from where the signal stopped
            self._pace.t0_lsl -= self._n_pulled / self.info.rate_hz

    def close(self) -> None:
        """Stop; wakes a `pull` of another thread."""
        self._closed.set()

    def pull(self, timeout_s: float) -> Chunk:
        """Return the chunks that are due, at most one second of samples; wait for the first.

        Raises
        ------
        StreamLostError
            When the source is not open.
        """
        rate_hz = self.info.rate_hz
        if self._closed.is_set():
            raise StreamLostError(f"AmpSource {self.info.name!r}: is closed; open it before pulling")
        t_first_s = (self._n_pulled + self._chunk - 1) / rate_hz
        if self._pace.due(t_first_s) > self._clock() + timeout_s:
            self._closed.wait(timeout_s)
            return self._generate(0)
        if not self._pace.wait(t_first_s, self._closed):
            return self._generate(0)
        n_due = int((self._clock() - self._pace.t0_lsl) * rate_hz) + 1 - self._n_pulled
        n_most = max(self._chunk, int(LONGEST_PULL_S * rate_hz))
        n_chunks = max(1, min(n_due, n_most) // self._chunk)
        return self._generate(n_chunks * self._chunk)

    def _generate(self, n_samples: int) -> Chunk:
        data, markers = self._amp.generate(n_samples)
        t0 = self._pace.t0_lsl
        t_lsl = t0 + np.arange(self._n_pulled, self._n_pulled + n_samples) / self.info.rate_hz
        self._n_pulled += n_samples
        self._markers += [Marker(t0 + t, value) for t, value in markers]
        return Chunk(data, t_lsl)

    def sample_at(self, t_lsl: float) -> int:
        """Index of the sample that is or will be stamped nearest to a time, in seconds of the local LSL clock."""
        return round((t_lsl - self._pace.t0_lsl) * self.info.rate_hz)

    def pull_markers(self) -> list[Marker]:
        """Return the cues that came since the last call."""
        markers, self._markers = self._markers, []
        return markers
