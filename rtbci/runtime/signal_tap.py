"""The signal as it passes, offered to whoever subscribes to it: a source around the source."""

import itertools
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from rtbci.clock import Clock, now
from rtbci.publish.messages import VERSION, Event, Message, Prediction, Status
from rtbci.publish.signal_bins import Bins, SignalBins, samples_per_bin
from rtbci.publish.signal_message import Signal, encode_signal
from rtbci.publish.sink import Sink
from rtbci.runtime.build import stream_gains_uv
from rtbci.stream.labels import canonical_label, is_eeg
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import Chunk, Source, SourceAround, StreamInfo

__all__ = ["SignalOffer", "TappedSource"]

FRAME_S = 0.03
"""A message comes this often, right after a decision where there is one."""
MAX_BYTES = 48_000
"""Of the arrays in one message."""
BREAKS = ("gap", "overflow")
"""Events that say that samples are missing in front of `t_lsl`."""


class SignalPublisher(Protocol):
    """What the messages go out by."""

    @property
    def signal_is_wanted(self) -> bool:
        """Whether anybody subscribes to the topic."""
        ...

    def send_signal(self, payload: bytes) -> None:
        """Send a message, or drop it; never waits."""
        ...


class SignalOffer(Sink):
    """Offers the signal of a run on the topic `signal`; a `Sink`, which hears of gaps and bad channels.

    Parameters
    ----------
    publisher : SignalPublisher
    unit : str
        Overrides the unit that the stream states.
    channel_map : callable
        Returns which channels of the open stream the decoder reads; None where that is not known yet.
    clock : callable
        Time in seconds of the local LSL clock.

    Notes
    -----
    All calls come from whoever decodes. While nobody subscribes a pull costs one comparison more. With 64 channels of
    1000 Hz a message takes the decoder's thread about 0.1 ms, between a decision and the next samples; see
    docs/monitor.md.
    """

    def __init__(
        self,
        publisher: SignalPublisher,
        unit: str = "",
        channel_map: Callable[[], ChannelMap | None] = lambda: None,
        clock: Clock = now,
    ) -> None:
        self.unit, self.channel_map = unit, channel_map
        self._publisher, self._clock = publisher, clock
        self._session = ""
        self._bad: Mapping[str, str] = {}
        self._named: tuple[str, ...] = ()
        self._gaps: list[float] = []
        self._seq = 0

    def tap(self, source: Source) -> "TappedSource":
        """A source that gives what `source` gives, and offers it."""
        return TappedSource(source, self)

    def factory(self, make: Callable[[StreamInfo | None], Source]) -> Callable[[StreamInfo | None], Source]:
        """Sources of a factory, each tapped."""
        return lambda lost: self.tap(make(lost))

    def send(self, message: Message) -> None:
        """Take from a message what belongs to the signal; see `Sink.send`."""
        self._session = message.session
        if isinstance(message, Status):
            self._bad = {canonical_label(label): why for label, why in message.bad_channels.items()}
        elif isinstance(message, Prediction):
            if (
                message.quality.bad_channels is not self._named
            ):  # the same tuple for as long as they are the same
                self._named = message.quality.bad_channels
                labels = map(canonical_label, self._named)
                self._bad = {label: self._bad.get(label, "") for label in labels}
        elif isinstance(message, Event) and message.kind in BREAKS and self.is_wanted:
            self._gaps.append(message.t_lsl)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody subscribes."""
        return self._publisher.signal_is_wanted

    def take_gaps(self) -> list[float]:
        """Stamps of the first samples behind gaps since the last call."""
        gaps, self._gaps = self._gaps, []
        return gaps

    def offer(self, bins: Bins, layout: "_Layout", n_per_bin: int, follows: bool) -> None:
        """Send bins as one or more messages."""
        n_most = max(1, MAX_BYTES // (12 * len(layout.labels)))
        n_bins, bin_s = len(bins.mean), n_per_bin / layout.rate_hz
        for i in range(0, n_bins, n_most):
            part = slice(i, min(n_bins, i + n_most))
            is_binned = n_per_bin > 1
            message = Signal(
                v=VERSION,
                session=self._session,
                seq=self._seq,
                t_sent=self._clock(),
                stream=layout.stream,
                labels=layout.labels,
                is_read=layout.is_read,
                bad=self._bad,
                rate_hz=layout.rate_hz,
                n_per_bin=n_per_bin,
                n_bins=part.stop - i,
                t_first=bins.t_first + i * bin_s,
                t_last=bins.t_last - (n_bins - part.stop) * bin_s,
                follows=follows or i > 0,
                mean=bins.mean[part].tobytes(),
                low=bins.low[part].tobytes() if is_binned else b"",
                high=bins.high[part].tobytes() if is_binned else b"",
            )
            self._publisher.send_signal(encode_signal(message))
            self._seq += 1


class _Layout:
    """Which channels of a stream are shown."""

    def __init__(self, info: StreamInfo, unit: str) -> None:
        kept = [i for i, channel in enumerate(info.channels) if is_eeg(channel)] or range(info.n_channels)
        self.columns = np.array(list(kept), np.intp)
        self._own_labels = [info.labels[i] for i in kept]
        self.labels = tuple(map(canonical_label, self._own_labels))
        self.is_read = tuple(False for _ in kept)
        self._map: ChannelMap | None = None
        self.gains_uv = stream_gains_uv(info, unit)[self.columns]
        self.rate_hz, self.stream = info.rate_hz, info.name

    def mark_read(self, channel_map: ChannelMap | None) -> None:
        """Note which channels the decoder reads."""
        if channel_map is not None and channel_map is not self._map:
            self._map = channel_map
            read = {own for _, own in channel_map.found}
            self.is_read = tuple(label in read for label in self._own_labels)


class TappedSource(SourceAround):
    """A `Source` that gives what another one gives; in between it sends what has passed.

    Notes
    -----
    A message is made at the begin of a pull that follows samples: the decision on them has been published by then, and the
    next samples are farthest.
    """

    def __init__(self, source: Source, offer: SignalOffer) -> None:
        super().__init__(source)
        self._offer = offer
        self._layout: _Layout | None = None
        self._chunks: list[Chunk] = []
        self._n_held, self._n_frame = 0, 1
        self._follows = False

    def open(self) -> None:
        """Open the source; see `Source.open`."""
        super().open()
        info = self._source.info
        self._layout = layout = _Layout(info, self._offer.unit)
        self._bins = SignalBins(layout.columns, layout.gains_uv, samples_per_bin(info.rate_hz))
        self._n_frame = max(1, int(FRAME_S * info.rate_hz))
        self._chunks, self._n_held, self._follows = [], 0, False

    def pull(self, timeout_s: float) -> Chunk:
        """Return what the source returns; see `Source.pull`."""
        if self._n_held >= self._n_frame:
            self._send()
        chunk = self._source.pull(timeout_s)
        if self._offer.is_wanted:
            if len(chunk.t_lsl):
                self._chunks.append(chunk)
                self._n_held += len(chunk.t_lsl)
        elif self._follows or self._chunks:
            self._stop()
        return chunk

    def _stop(self) -> None:
        self._chunks, self._n_held, self._follows = [], 0, False
        self._offer.take_gaps()
        self._bins.reset()

    def _send(self) -> None:
        data = np.concatenate([chunk.data for chunk in self._chunks])
        t_lsl = np.concatenate([chunk.t_lsl for chunk in self._chunks])
        self._chunks, self._n_held = [], 0
        if self._layout is not None:
            self._layout.mark_read(self._offer.channel_map())
        firsts = [i for t in self._offer.take_gaps() for i in np.flatnonzero(t_lsl == t)[:1].tolist()]
        edges = [0, *sorted(firsts), len(t_lsl)]
        for i, (start, stop) in enumerate(itertools.pairwise(edges)):
            if i:  # behind a gap
                self._bins.reset()
                self._follows = False
            if stop > start and self._layout is not None:
                bins = self._bins.push(data[start:stop], t_lsl[start:stop])
                if bins is not None:
                    self._offer.offer(bins, self._layout, self._bins.n_per_bin, self._follows)
                    self._follows = True
