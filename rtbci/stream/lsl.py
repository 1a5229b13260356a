"""A stream of EEG from the Lab Streaming Layer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from rtbci.clock import Clock, now
from rtbci.errors import ChannelError, StreamError, StreamLostError, StreamNotFoundError
from rtbci.stream.labels import with_labels
from rtbci.stream.lsl_info import is_regular, stream_info
from rtbci.stream.lsl_markers import MarkerInlet
from rtbci.stream.lsl_resolve import StreamQuery, resolve_one
from rtbci.stream.marker_choice import SeenMarkers
from rtbci.stream.source import Chunk, Marker, Source, StreamInfo

__all__ = ["LslSource"]

BUFFER_S = 60
"""What liblsl keeps while nobody pulls; the acquisition thread pulls all the time."""
CORRECT_S = 5.0
"""liblsl measures the clock offset every two seconds in the background; this often it is read."""
NOISE_S = 0.01
"""What two measurements of one offset differ by at most, over a network with other work to do; more is a clock that was set."""
MOST_OF_PERIOD = 0.2
"""Of a sample's period: the most that the offset changes by between two chunks. Half a period is a missing sample (`GapDetector`)."""
CONNECT_S = 5.0
"""A stream that has answered to its name should answer to a connection within this."""


class LslSource(Source):
    """A stream of EEG from the Lab Streaming Layer; a `Source`.

    Parameters
    ----------
    name, type, source_id, predicate : str, optional
        Which stream, see `StreamQuery`; without any, the only stream of type EEG. One that is chosen by a predicate is found
        again by it, never by liblsl, which knows names alone and would take another stream of the same ones.
    timeout_s : float, default 10
        How long `open` looks for it, seconds.
    markers : str or None, default ""
        Name or source id of the marker stream; empty for all that belong to the EEG stream (see `MarkerInlet`), None
        for no markers.
    clock : Clock
        For the pace of looking for markers.
    known_host : str, optional
        Computer of a stream that was lost and is looked for again; see `resolve_one`.
    tell_markers : callable, optional
        Is told of each marker stream that is taken, left out or has ended, in the thread that pulls.
    tell_other : callable, optional
        Is told, by `open`, of each stream that has the name of one that was lost (`known_host`) and is not found, and another
        source id.
    labels : sequence of str, optional
        Names of the stream's channels in their order, instead of those that it states.

    Attributes
    ----------
    clock_offset_s : float
        Seconds that are added to the stream's stamps to have them in the local LSL clock; measured again every
        5 s of stream. A new measurement within `NOISE_S` is taken over the next chunks, so that it is no gap at high rates.
    xml : str
        The stream's own description, as it came; empty until open, and where `labels` are given.
    is_checking : bool
        Whether the stream is back and its description is being read again; see `rtbci.stream.source.is_checking`.

    Notes
    -----
    All calls from one thread. When a stream that has a `source_id` goes away, liblsl looks for it for ever
    and continues when it is back: meanwhile `pull` returns empty chunks. One without is lost for good. A stream that
    describes itself otherwise when it is back (labels, rate) is lost too, so that its description is read anew.
    `pull` of one sample (22 channels, float32) takes 5.9 µs; pylsl with ``min_samples=1`` takes 9 µs.
    """

    def __init__(
        self,
        name: str = "",
        type: str = "",
        source_id: str = "",
        predicate: str = "",
        *,
        timeout_s: float = 10.0,
        markers: str | None = "",
        clock: Clock = now,
        known_host: str = "",
        tell_markers: Callable[[SeenMarkers], None] | None = None,
        tell_other: Callable[[StreamInfo], None] | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        self._tell_other = tell_other
        self._labels = tuple(labels)
        self._known_host = known_host
        self._query = StreamQuery(name, type, source_id, predicate)
        self._timeout_s = timeout_s
        self._marker_name = markers
        self._tell_markers = tell_markers
        self._clock = clock
        self._inlet: Any = None
        self._info: StreamInfo | None = None
        self._markers: MarkerInlet | None = None
        self._t_corrected = 0.0
        self._measured_s = self.clock_offset_s = 0.0
        self.xml = ""
        self.is_checking = False

    @property
    def info(self) -> StreamInfo:
        """Metadata as the stream describes itself; valid once open, and still after `close`.

        Raises
        ------
        StreamError
            When the source has never been open.
        """
        if self._info is None:
            raise StreamError(f"LslSource: the stream of {self._query} is not open yet; call open first")
        return self._info

    def open(self) -> None:
        """Find the stream, connect, read its description and measure its clock; 1 to 2 s when it is there.

        Raises
        ------
        StreamNotFoundError
            When there is none, or more than one.
        ChannelError
            When there are not as many labels as channels.
        StreamError
            When it is no signal, or is seen but does not answer.
        """
        found = self._find()
        try:
            inlet: Any = pylsl.StreamInlet(
                found, max_buflen=BUFFER_S, max_chunklen=0, recover=not self._query.predicate
            )
        except RuntimeError as error:  # of pylsl, which has no class of its own for it, nor the reason
            raise StreamError(
                f"LslSource: liblsl cannot connect to stream '{found.name()}' on {found.hostname()} ({error}), need a stream of its "
                "version of LSL, and files and threads that are free; look at the limits of this program (ulimit -a)"
            ) from error
        try:
            inlet.open_stream(CONNECT_S)
            described = inlet.info(CONNECT_S)
            self._info = with_labels(stream_info(described), self._labels)
            self.xml = "" if self._labels else described.as_xml()
            self.clock_offset_s = self._measured_s = inlet.time_correction(CONNECT_S)
        except (LslTimeoutError, LostError) as error:
            raise StreamError(
                f"LslSource: stream '{found.name()}' on {found.hostname()} is announced but does not answer "
                f"({error}), need its data and its clock; open the UDP and TCP ports 16571 to 16604 in both "
                "firewalls, or start its program again"
            ) from error
        self._inlet = inlet
        self._dtype_is_float64 = inlet.np_dtype == np.float64
        self._t_corrected = 0.0
        self._nothing = Chunk(np.empty((0, self._info.n_channels)), np.empty(0))
        if self._marker_name is not None:
            self._markers = MarkerInlet(self._info, self._marker_name, self._clock, self._tell_markers)
            self._markers.open()

    def _find(self) -> Any:
        """Find the stream; where one that was lost is not found, tell what else has its name, which is looked for meanwhile."""
        name, tell = self._query.name, self._tell_other
        if tell is None or not (self._known_host and name and self._query.source_id):
            return resolve_one(self._query, self._timeout_s, self._clock, self._known_host)
        beside: Any = pylsl.ContinuousResolver(pred=StreamQuery(name).xpath)
        try:
            return resolve_one(self._query, self._timeout_s, self._clock, self._known_host)
        except StreamNotFoundError:
            for info in beside.results():
                if is_regular(info) and info.source_id() != self._query.source_id:
                    tell(stream_info(info))
            raise

    def close(self) -> None:
        """Disconnect; may be called more than once."""
        if self._markers is not None:
            self._markers.close()
        self._inlet = None  # liblsl disconnects when its last inlet is gone

    def pull(self, timeout_s: float) -> Chunk:
        """Return all samples that are there; wait for the first up to `timeout_s` seconds.

        Returns
        -------
        Chunk
            New arrays, in the stream's units, stamped in the local LSL clock. Empty when nothing came. Samples whose stamp is not
            a number are left out.

        Raises
        ------
        StreamLostError
            When a stream without a `source_id` has gone, or one came back with another description.
        StreamError
            When the source is not open.
        """
        inlet = self._inlet
        if inlet is None:
            raise StreamError(
                f"LslSource: pull from the stream of {self._query}, which is not open; call open first"
            )
        try:
            # One sample, then what else there is: 4 µs for one sample where min_samples=1 takes 9 µs.
            data, t_lsl = inlet.pull_chunk(timeout_s, 1, as_numpy=True)
            if not len(t_lsl):
                return self._nothing
            if n_more := inlet.samples_available():
                more, t_more = inlet.pull_chunk(0.0, n_more, as_numpy=True)
                data, t_lsl = np.concatenate((data, more)), np.concatenate((t_lsl, t_more))
        except LostError as error:
            how = f"is looked for again by {self._query}"
            if not self._query.predicate:
                how = "has no source id to find it again by; start its program again, then this one"
            raise StreamLostError(f"LslSource: stream '{self.info.name}' has gone and {how}") from error
        if inlet.was_clock_reset():  # liblsl says so when it has reconnected; 0.4 µs
            self.is_checking = True
            try:
                self._check_description()
            finally:
                self.is_checking = False
        if abs(t_lsl[-1] - self._t_corrected) > CORRECT_S:
            self._correct_clock(float(t_lsl[-1]))
        if self.clock_offset_s != self._measured_s:
            self._follow_clock()
        t_lsl += self.clock_offset_s
        if not math.isfinite(
            np.add.reduce(t_lsl)
        ):  # a sample without a time is missing: a gap, and none in a file
            has_time = np.isfinite(t_lsl)
            data, t_lsl = data[has_time], t_lsl[has_time]
        return Chunk(data if self._dtype_is_float64 else data.astype(np.float64), t_lsl)

    def pull_markers(self) -> list[Marker]:
        """Return the markers that came since the last call, oldest first; never waits."""
        return [] if self._markers is None else self._markers.pull(self.clock_offset_s)

    def _check_description(self) -> None:
        """See whether a stream that came back describes itself as before.

        liblsl reconnects to anything of the same name, type, source id and number of channels, and keeps the old
        description: samples of other electrodes would be taken for those that were there.
        """
        known = self.info
        query = StreamQuery(known.name, known.type, known.source_id)
        try:
            found = pylsl.resolve_bypred(query.xpath, 1, CONNECT_S)
            again = stream_info(pylsl.StreamInlet(found[0], recover=False).info(CONNECT_S)) if found else None
            again = None if again is None else with_labels(again, self._labels)
        except (ChannelError, LslTimeoutError, LostError, RuntimeError):
            again = None
        if again is None or replace(again, hostname=known.hostname) != known:
            raise StreamLostError(
                f"LslSource: stream '{known.name}' is back and describes itself otherwise, or not at all; open it again"
            )

    def _correct_clock(self, t_lsl: float) -> None:
        try:
            self._measured_s = self._inlet.time_correction(0.0)
        except LslTimeoutError:
            return  # not measured again since the stream came back: the old one holds, asked again next time
        self._t_corrected = t_lsl

    def _follow_clock(self) -> None:
        """Take the offset that was measured, where it is noise of the network in steps that cannot be taken for a missing sample."""
        change_s = self._measured_s - self.clock_offset_s
        step_s = MOST_OF_PERIOD / self.info.rate_hz
        if step_s < abs(change_s) <= NOISE_S:
            self.clock_offset_s += math.copysign(step_s, change_s)
        else:
            self.clock_offset_s = self._measured_s
