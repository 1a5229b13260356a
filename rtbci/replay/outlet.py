"""A stream and its markers as two LSL outlets; for recordings and amplifiers alike."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from rtbci.errors import StreamError
from rtbci.stream.source import Channel, FloatArray, Marker, StreamInfo

__all__ = ["Outlet"]

BUFFER_S = 360


def _marker_info(info: StreamInfo) -> StreamInfo:
    """Metadata of the string marker stream beside `info`; its rate of 0 says that it is irregular."""
    return replace(
        info,
        name=f"{info.name}-markers",
        type="Markers",
        source_id=f"{info.source_id}-markers",
        rate_hz=0.0,
        channels=(Channel("marker", "", "Markers"),),
        manufacturer="",
        reference="",
    )


class Outlet:
    """LSL outlets of one stream: float32 samples, and string markers where there are any.

    The outlets exist from construction to `close`. Not safe for use from several threads.

    Parameters
    ----------
    info : StreamInfo
        Put into the stream's description: labels, units, types, manufacturer, reference.
    chunk : int
        Samples that travel together.
    extra : mapping of str to str
        More about the stream, under ``desc/rtbci``.
    marks : bool
        Whether there is a stream of markers; without, those that are pushed go nowhere.

    Raises
    ------
    StreamError
        When liblsl refuses the metadata.
    """

    def __init__(
        self,
        info: StreamInfo,
        chunk: int = 0,
        extra: Mapping[str, str] | None = None,
        *,
        marks: bool = True,
    ) -> None:
        import pylsl

        self.info = info
        self.marker_info = _marker_info(info)
        try:
            described = pylsl.StreamInfo(
                info.name, info.type, info.n_channels, info.rate_hz, pylsl.cf_float32, info.source_id
            )
            _describe(described.desc(), info, extra or {})
            marked = pylsl.StreamInfo(
                self.marker_info.name,
                "Markers",
                1,
                pylsl.IRREGULAR_RATE,
                pylsl.cf_string,
                self.marker_info.source_id,
            )
            _describe(marked.desc(), self.marker_info, {"of": info.source_id})
            self._samples: Any = pylsl.StreamOutlet(described, chunk, BUFFER_S)
            self._markers: Any = pylsl.StreamOutlet(marked, 0, BUFFER_S) if marks else None
        except (RuntimeError, ValueError) as error:
            raise StreamError(
                f"Outlet {info.name!r}: liblsl refuses a stream of {info.n_channels} channels "
                f"at {info.rate_hz:g} Hz ({error}); check the rate and the network"
            ) from error

    def push(self, data: FloatArray, t_lsl: FloatArray) -> None:
        """Send samples, each with its own stamp.

        Parameters
        ----------
        data : ndarray, shape (n_samples, n_channels)
            In the units of the stream; sent as float32.
        t_lsl : ndarray, shape (n_samples,)
            Seconds of the local LSL clock.
        """
        if len(t_lsl):
            self._samples.push_chunk(data, [_stamp(t) for t in t_lsl.tolist()])

    def push_markers(self, markers: Sequence[Marker]) -> None:
        """Send markers, each with its own stamp; before the samples that they belong to."""
        if self._markers is None:
            return
        for marker in markers:
            self._markers.push_sample([marker.value], _stamp(marker.t_lsl))

    @property
    def has_consumers(self) -> tuple[bool, bool]:
        """Whether somebody receives the samples, and the markers."""
        marks = self._markers is not None and bool(self._markers.have_consumers())
        return bool(self._samples.have_consumers()), marks

    def close(self) -> None:
        """End both streams; what a receiver had not taken over the network yet is lost."""
        self._samples = self._markers = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _stamp(t_lsl: float) -> float:
    """The same time for liblsl, which takes 0 for "now"."""
    return t_lsl if t_lsl != 0.0 else math.ulp(0.0)


def _describe(desc: Any, info: StreamInfo, extra: Mapping[str, str]) -> None:
    channels = desc.append_child("channels")
    for channel in info.channels:
        node = channels.append_child("channel")
        node.append_child_value("label", channel.label)
        node.append_child_value("unit", channel.unit)
        node.append_child_value("type", channel.type)
    acquisition = desc.append_child("acquisition")
    acquisition.append_child_value("manufacturer", info.manufacturer)
    desc.append_child_value("manufacturer", info.manufacturer)
    desc.append_child("reference").append_child_value("label", info.reference)
    ours = desc.append_child("rtbci")
    for name, value in extra.items():
        ours.append_child_value(name, value)
