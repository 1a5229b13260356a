"""The XML inside XDF files: made for our own streams, checked where it comes from somebody else."""

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from xml.etree import ElementTree as ET

from rtbci.errors import FileFormatError
from rtbci.record.xdf_format import FORMATS, XdfStream
from rtbci.stream.source import Channel, StreamInfo

__all__ = [
    "Footer",
    "file_header",
    "footer_xml",
    "header_of",
    "info_of",
    "labels_of",
    "lsl_header",
    "parse_xml",
    "stream_header",
    "stream_of",
]

MAX_CHANNELS = 65_536
MAX_DEPTH = 50
"""Deeper elements than this are no description of a stream; readers go through them recursively."""
LAYOUT = ("channel_count", "channel_format", "nominal_srate")
"""What the layout of a stream's samples hangs on."""
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DECLARATION = '<?xml version="1.0"?>'


class Footer(NamedTuple):
    """What a stream's footer says: stamps of its first and last sample (None: it has none), and how many."""

    t_first: float | None
    t_last: float | None
    n_samples: int


def parse_xml(content: bytes | str, where: str) -> ET.Element:
    """Parse XML from a file or the network.

    Raises
    ------
    FileFormatError
        When it is no XML, is nested absurdly deep, or declares a document type: with one, a few bytes can
        stand for gigabytes, or for other files.
    """
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    if "<!DOCTYPE" in text:
        raise FileFormatError(
            f"{where}: its XML declares a document type, need plain elements; it is refused"
        )
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise FileFormatError(f"{where}: is no XML ({error}); it is damaged") from None
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise FileFormatError(f"{where}: its XML is nested deeper than {MAX_DEPTH}; it is refused")
        level = [child for element in level for child in element]
    return root


def stream_of(stream_id: int, root: ET.Element, where: str) -> XdfStream:
    """Read from a stream's header what the layout of its samples hangs on.

    Raises
    ------
    FileFormatError
        When channels, rate or format are missing or impossible.
    """
    try:
        n_channels = int(_text(root, "channel_count"))
        rate_hz = float(_text(root, "nominal_srate") or 0.0)
    except ValueError:
        n_channels, rate_hz = 0, 0.0
    format = _text(root, "channel_format")
    if root.tag != "info" or not 0 < n_channels <= MAX_CHANNELS or format not in (*FORMATS, "string"):
        raise FileFormatError(
            f"{where}: header says {n_channels} channels of format {format!r}, need 1 to {MAX_CHANNELS} of "
            f"{', '.join(FORMATS)} or string; it is damaged"
        )
    if not 0.0 <= rate_hz < float("inf"):
        raise FileFormatError(f"{where}: nominal rate is {rate_hz} Hz, need a finite one; it is damaged")
    return XdfStream(stream_id, _text(root, "name"), _text(root, "type"), n_channels, rate_hz, format)


def labels_of(root: ET.Element, n_channels: int, stream_type: str) -> tuple[Channel, ...]:
    """Channels as a header describes them; ``CH1``, ``CH2``, ... where it does not describe each one."""
    listed = root.findall("desc/channels/channel")
    if len(listed) != n_channels:
        return tuple(Channel(f"CH{i + 1}", "", stream_type) for i in range(n_channels))
    return tuple(
        Channel(
            _text(one, "label") or _text(one, "name") or f"CH{i + 1}",
            _text(one, "unit"),
            _text(one, "type") or stream_type,
        )
        for i, one in enumerate(listed)
    )


def info_of(root: ET.Element, stream: XdfStream) -> StreamInfo:
    """Metadata that a stream's header describes; name, type and rate as `stream` has them."""

    def text(*paths: str) -> str:
        return next((found for path in paths if (found := _text(root, path))), "")

    return StreamInfo(
        name=stream.name,
        source_id=text("source_id"),
        rate_hz=stream.rate_hz,
        channels=labels_of(root, stream.n_channels, stream.type),
        type=stream.type,
        manufacturer=text("desc/manufacturer", "desc/acquisition/manufacturer"),
        reference=text("desc/reference/label", "desc/reference"),
        hostname=text("hostname"),
    )


def header_of(info: StreamInfo, format: str = "double64") -> str:
    """Header of a stream that is known by its metadata only."""
    desc: dict[str, object] = {"manufacturer": info.manufacturer, "reference": {"label": info.reference}}
    return stream_header(
        info.name,
        info.type,
        info.rate_hz,
        format,
        channels=info.channels,
        source_id=info.source_id,
        hostname=info.hostname,
        desc={key: value for key, value in desc.items() if value not in ("", {"label": ""})},
    )


def stream_header(
    name: str,
    type: str,
    rate_hz: float,
    format: str,
    *,
    channels: Sequence[Channel],
    source_id: str = "",
    hostname: str = "",
    desc: Mapping[str, object] | None = None,
) -> str:
    """Make the XML of a stream's header, elements named as LSL names them.

    Parameters
    ----------
    name, type, source_id, hostname : str
        As in LSL.
    rate_hz : float
        Nominal rate; 0: irregular.
    format : str
        One of `FORMATS` or ``string``.
    channels : sequence of Channel
        Label, unit and type of each.
    desc : mapping, optional
        Further descriptions, texts or mappings of texts.
    """
    root = ET.Element("info")
    fields = {"name": name, "type": type, "channel_count": len(channels), "channel_format": format}
    fields |= {"nominal_srate": repr(float(rate_hz)), "source_id": source_id, "hostname": hostname}
    _fill(root, fields)
    about = ET.SubElement(root, "desc")
    _fill(about, desc or {})
    listed = ET.SubElement(about, "channels")
    for channel in channels:
        described = {"label": channel.label, "unit": channel.unit, "type": channel.type}
        _fill(ET.SubElement(listed, "channel"), described)
    return DECLARATION + ET.tostring(root, encoding="unicode")


def salvaged_header(content: bytes) -> str | None:
    """Make a stream's header of what can be read of one that is no XML any more, for one bit of it takes all samples with it.

    Returns
    -------
    str or None
        XML with layout and rate, and labels where each channel still has one. None where the layout of samples is lost, or
        it is XML, or was refused for another reason.
    """
    text = content.decode("utf-8", "replace")
    try:
        ET.fromstring(text)
        return None
    except (ET.ParseError, ValueError):
        pass
    top = text.partition("<desc>")[0]
    found = {key: _between(top, key) for key in (*LAYOUT, "name", "type", "source_id", "hostname")}
    try:
        n_channels, rate_hz = int(found["channel_count"]), float(found["nominal_srate"])
    except ValueError:
        return None
    is_layout = 0 < n_channels <= MAX_CHANNELS and 0.0 <= rate_hz < float("inf")
    if not is_layout or found["channel_format"] not in (*FORMATS, "string") or "<!DOCTYPE" in text:
        return None
    listed = text.partition("<channels>")[2]
    parts = (listed.split("<channel>")[1:], listed.split("</channel>")[:-1])
    described = next((some for some in parts if len(some) == n_channels), [""] * n_channels)
    channels = [Channel(*(_between(one, key) for key in ("label", "unit", "type"))) for one in described]
    return stream_header(
        found["name"],
        found["type"],
        rate_hz,
        found["channel_format"],
        channels=channels,
        source_id=found["source_id"],
        hostname=found["hostname"],
    )


def _between(text: str, key: str) -> str:
    """Text of the first element of that name, one of whose two tags may be damaged; empty where there is none."""
    # The closing tag without its first letter comes first: what became of that one is no part of the text.
    found = re.search(f"<{key}>([^<>]*?).?/{key}>|<{key}>([^<>]*)<|>([^<>]*)</{key}>", text)
    return html.unescape(found[1] or found[2] or found[3] or "").strip() if found else ""


def lsl_header(xml: str, info: StreamInfo) -> str | None:
    """Return the XML that an LSL stream describes itself by, where readers can take it; else None.

    Parameters
    ----------
    xml : str
        As liblsl gives it; made by the stream's program, on any computer of the network.
    info : StreamInfo
        What is decoded: channels and rate must agree.
    """
    try:
        root = parse_xml(xml, f"stream '{info.name}'")
        stream = stream_of(0, root, f"stream '{info.name}'")
    except FileFormatError:
        return None
    agrees = stream.n_channels == info.n_channels and stream.rate_hz == info.rate_hz
    return xml if agrees and stream.format != "string" else None


def file_header(start: datetime) -> str:
    """XML of the file's header; `start` is calendar time."""
    root = ET.Element("info")
    _fill(root, {"version": "1.0", "datetime": start.isoformat(), "writer": "rtbci"})
    return DECLARATION + ET.tostring(root, encoding="unicode")


def footer_xml(footer: Footer) -> str:
    """XML of a stream's footer."""
    root = ET.Element("info")
    stamps = {"first_timestamp": footer.t_first, "last_timestamp": footer.t_last}
    _fill(root, {key: repr(t) for key, t in stamps.items() if t is not None})
    _fill(root, {"sample_count": footer.n_samples})
    return DECLARATION + ET.tostring(root, encoding="unicode")


def _fill(parent: ET.Element, fields: Mapping[str, object]) -> None:
    for key, value in fields.items():
        child = ET.SubElement(parent, key)
        if isinstance(value, Mapping):
            _fill(child, value)
        else:
            child.text = NOT_XML.sub("?", str(value))


def _text(element: ET.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()
