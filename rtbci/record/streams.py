"""Which streams a session's file has, and what goes into each."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np

from rtbci.clock import Clock, now
from rtbci.publish.codec import encode
from rtbci.publish.messages import Hello, Message, Prediction
from rtbci.record.items import ClockOffset, Item, Left, Opened, UsedProfile
from rtbci.record.journal import JOURNAL_NAME, Begun, Lost, Row, StreamOpened
from rtbci.record.xdf_format import XdfStream
from rtbci.record.xdf_headers import Footer, header_of, lsl_header, parse_xml, stream_header, stream_of
from rtbci.record.xdf_scan import CHECKSUM_NAME
from rtbci.record.xdf_write import Samples, XdfWriter
from rtbci.runtime.journal import Taken
from rtbci.stream.source import Channel, Chunk, Marker, StreamInfo

__all__ = [
    "CLOCK_NAME",
    "MARKERS_NAME",
    "OWN_TYPE",
    "PROBS_NAME",
    "SessionStreams",
    "SoFar",
    "signal_key",
    "topic_stream",
]

OWN_TYPE = "rtbci"
"""Type of the streams that no other program has a use for: messages, clock, checksums."""
MARKERS_NAME = "rtbci-markers"
PROBS_NAME = "rtbci-probabilities"
CLOCK_NAME = "rtbci-clock-offset"
NO_DECISION = -1.0
IRREGULAR = 0.0


def topic_stream(topic: str) -> str:
    """Name of the stream that keeps the messages of a topic."""
    return f"rtbci-{topic}"


def signal_key(info: StreamInfo, format: str) -> str:
    """What two streams of samples are the same by: what changes at every start (LSL's uid, its creation) is not in it."""
    return header_of(info) + format


class SoFar(NamedTuple):
    """What a file holds that is gone on with; see `rtbci.record.resume`.

    Parameters
    ----------
    streams : tuple of (XdfStream, Footer)
        All of its streams, with what their footers would say now.
    signals : dict of str to int
        Numbers of those that samples go to, by their key.
    opened : tuple of str
        Their names.
    classes : tuple of str
        Of the newest stream of probabilities.
    n_bytes, n_vouched, crc : int
        Length of the file; up to where checksums vouch for it, and CRC-32 of what follows.
    n_chunks, n_samples : int
        Of the signal.
    session : str
        Id of the session.
    n_sent : tuple of int
        Numbers of the next prediction, event and status.
    """

    streams: tuple[tuple[XdfStream, Footer], ...]
    signals: Mapping[str, int]
    opened: tuple[str, ...]
    classes: tuple[str, ...]
    n_bytes: int
    n_vouched: int
    crc: int
    n_chunks: int
    n_samples: int
    session: str
    n_sent: tuple[int, int, int]


@dataclass
class _Batch:
    """What becomes a part of the file together."""

    parts: list[bytes]
    chunks: list[Samples] = field(default_factory=list)
    offsets: list[ClockOffset] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    texts: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def add_text(self, name: str, t_lsl: float, text: str) -> None:
        self.texts.setdefault(name, []).append((t_lsl, text))


class SessionStreams:
    """Turns what happens in a run into the bytes of an XDF file, to be appended one after the other.

    Parameters
    ----------
    start : datetime
        Calendar time, for the file's header.
    clock : Clock
        Stamps of the checksums, seconds of the local LSL clock.
    so_far : SoFar, optional
        The file that is gone on with.

    Attributes
    ----------
    session : str
        Id of the run, once a message has said it.
    opened : list of str
        Names of the streams of samples.
    n_samples : int
        Samples so far.

    Notes
    -----
    One thread. Whatever `encode` and `end` return has to be written: places and counts go on from there.
    """

    def __init__(self, start: datetime, clock: Clock = now, so_far: SoFar | None = None) -> None:
        self._clock = clock
        self._writer = XdfWriter()
        self._ids: list[int] = []
        self._own: dict[str, int] = {}
        self._signals: dict[str, int] = {}
        self._signal = 0  # the one that samples go to now
        self._n_chunks = 0
        self._classes: tuple[str, ...] = ()
        self._probs = 0
        self._n_bytes = self._n_vouched = self._crc = 0
        self.session = ""
        self.opened: list[str] = []
        self.n_samples = 0
        self._head = b"" if so_far else self._writer.begin(start)
        if so_far is not None:
            self._go_on(so_far)
        # The first row, of which process the others are, comes with the first batch.
        n_sent = so_far.n_sent if so_far else (0, 0, 0)
        self._begun: Begun | None = Begun(n_chunks=self._n_chunks, n_sent=n_sent, says_skipped=True)

    def encode(self, items: Iterable[Item]) -> bytes:
        """Return what a batch of items adds to the file, ended by a boundary and a checksum; may be empty."""
        batch = _Batch([self._head])
        self._head = b""
        if self._begun is not None:
            self._note(batch, self._begun)
            self._begun = None
        for item in items:
            self._add(batch, item)
        parts = [*batch.parts, self._flush(batch.chunks)]
        parts += [self._flush_offsets(batch.offsets), self._flush_probs(batch.messages)]
        for name, samples in batch.texts.items():
            parts += [self._text_stream(name), self._writer.texts(self._own[name], samples)]
        return self._seal(b"".join(parts))

    def _add(self, batch: "_Batch", item: Item) -> None:
        match item:
            case Chunk():
                batch.chunks.append((item.data, item.t_lsl))
                self._n_chunks += len(item.t_lsl) > 0
            case Marker():
                batch.add_text(MARKERS_NAME, *item)
            case ClockOffset():
                batch.offsets.append(item)
            case Opened():
                batch.parts += [self._flush(batch.chunks), self._open_signal(item)]
                batch.chunks = []
                self._note(batch, StreamOpened(n_chunks=self._n_chunks, stream_id=self._signal))
            case Taken():
                self._note(batch, item, item.t_lsl)
            case Left():
                self._note(batch, Lost(self._n_chunks, *item))
            case UsedProfile():
                pass  # a file of its own
            case _:
                batch.messages.append(item)
                batch.add_text(topic_stream(item.topic), item.t_sent, encode(item).decode())

    def _note(self, batch: "_Batch", row: Row, t_lsl: float | None = None) -> None:
        t_lsl = self._clock() if t_lsl is None else t_lsl
        batch.add_text(JOURNAL_NAME, t_lsl, msgspec.json.encode(row).decode())

    def _go_on(self, so_far: SoFar) -> None:
        for stream, footer in so_far.streams:
            self._writer.go_on(stream, footer)
            self._ids.append(stream.stream_id)
            if stream.name == PROBS_NAME:
                self._probs = stream.stream_id
            elif stream.type == OWN_TYPE or stream.name == MARKERS_NAME:
                self._own[stream.name] = stream.stream_id
        self._classes, self._signals = so_far.classes, dict(so_far.signals)
        self._n_bytes, self._n_vouched, self._crc = so_far.n_bytes, so_far.n_vouched, so_far.crc
        self._n_chunks, self.n_samples = so_far.n_chunks, so_far.n_samples
        self.session, self.opened = so_far.session, list(so_far.opened)

    def end(self) -> bytes:
        """Return the footers."""
        checksum = self._own.get(CHECKSUM_NAME)
        footers = b"".join(self._writer.close_stream(i) for i in self._ids if i != checksum)
        sealed = self._seal(footers)
        return sealed + (self._writer.close_stream(self._own[CHECKSUM_NAME]) if sealed else b"")

    # -- streams ---------------------------------------------------------------------------------------

    def _open_signal(self, opened: Opened) -> bytes:
        """Begin a stream of samples, or go on with the one that had the same header before it was lost."""
        info = opened.info
        xml = lsl_header(opened.xml, info) or header_of(info)
        key = signal_key(info, stream_of(0, parse_xml(xml, info.name), info.name).format)
        if key in self._signals:
            self._signal = self._signals[key]
            return b""
        self._signal, header = self._begin_stream(xml)
        self._signals[key] = self._signal
        self.opened.append(info.name)
        return header

    def _begin_stream(self, xml: str) -> tuple[int, bytes]:
        """Header, and the clock offset of every stream here: 0, stamps are of the recorder's clock already."""
        stream_id, header = self._writer.open_stream(xml)
        self._ids.append(stream_id)
        return stream_id, header + self._writer.clock_offset(stream_id, self._clock(), 0.0)

    def _own_stream(self, name: str, format: str, channel: Channel) -> bytes:
        """Begin a stream of one channel, the first time that it is needed."""
        if name in self._own:
            return b""
        xml = stream_header(name, channel.type, IRREGULAR, format, channels=[channel])
        self._own[name], header = self._begin_stream(xml)
        return header

    def _text_stream(self, name: str) -> bytes:
        type = "Markers" if name == MARKERS_NAME else OWN_TYPE
        return self._own_stream(name, "string", Channel(name.removeprefix("rtbci-"), "", type))

    # -- samples ---------------------------------------------------------------------------------------

    def _flush(self, chunks: Sequence[Samples]) -> bytes:
        self.n_samples += sum(len(t_lsl) for _, t_lsl in chunks)
        return self._numbers(self._signal, chunks)

    def _numbers(self, stream_id: int, chunks: Sequence[Samples]) -> bytes:
        return (
            self._writer.samples(stream_id, chunks) if chunks else b""
        )  # without any there may be no stream yet

    def _flush_offsets(self, offsets: Sequence[ClockOffset]) -> bytes:
        if not offsets:
            return b""
        header = self._own_stream(CLOCK_NAME, "double64", Channel("offset", "s", OWN_TYPE))
        values = np.array([[one.offset_s] for one in offsets])
        stamps = np.array([one.t_lsl for one in offsets])
        return header + self._writer.samples(self._own[CLOCK_NAME], [(values, stamps)])

    def _flush_probs(self, messages: Sequence[Message]) -> bytes:
        """Probabilities as numbers, stamped with the end of their window, so that EEG programs can draw them."""
        parts: list[bytes] = []
        probs: list[Samples] = []
        for message in messages:
            self.session = self.session or message.session
            if isinstance(message, Hello) and message.classes != self._classes:
                parts += [self._numbers(self._probs, probs), self._open_probs(message)]
                probs = []
            elif isinstance(message, Prediction) and message.probs is not None and self._probs:
                decided = message.decision
                index = NO_DECISION if decided is None else float(message.classes.index(decided))
                probs.append((np.array([[*message.probs, index]]), np.array([message.t_window[1]])))
        return b"".join([*parts, self._numbers(self._probs, probs)])

    def _open_probs(self, hello: Hello) -> bytes:
        self._classes = hello.classes
        channels = [Channel(label, "probability", "Predictions") for label in hello.classes]
        channels.append(Channel("decision", "index", "Predictions"))
        about = {key: getattr(hello, key) for key in ("paradigm", "window_s", "hop_s", "delay_s", "rtbci")}
        xml = stream_header(PROBS_NAME, "Predictions", IRREGULAR, "float32", channels=channels, desc=about)
        self._probs, header = self._begin_stream(xml)
        return header

    # -- checksums -------------------------------------------------------------------------------------

    def _seal(self, content: bytes) -> bytes:
        """Append a boundary and the checksum of everything since the last one."""
        if not content:
            return b""
        content += self._text_stream(CHECKSUM_NAME) + self._writer.boundary()
        stop = self._n_bytes + len(content)
        crc = zlib.crc32(content, self._crc)
        text = f"{self._n_vouched} {stop} {crc}"
        seal = self._writer.texts(self._own[CHECKSUM_NAME], [(self._clock(), text)])
        self._n_vouched, self._crc = stop, zlib.crc32(seal)
        self._n_bytes = stop + len(seal)
        return content + seal
