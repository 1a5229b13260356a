"""What an LSL stream says about itself, in rtbci's terms."""

from typing import Any

import pylsl

from rtbci.stream.source import Channel, StreamInfo

__all__ = ["is_regular", "stream_info"]


def is_regular(info: Any) -> bool:
    """Whether a stream has numbers at a steady rate, so that it can be a signal."""
    return bool(info.channel_format() != pylsl.cf_string and info.nominal_srate() > 0)


def stream_info(info: Any) -> StreamInfo:
    """Read a stream's complete description.

    Parameters
    ----------
    info : pylsl.StreamInfo
        From ``inlet.info()``; what the resolver returns has no description, so no labels.

    Returns
    -------
    StreamInfo
        Channels that are not described have an empty label and unit, and the stream's type.
    """
    desc = info.desc()
    described = _channels(desc, info.type())
    n_channels = info.channel_count()
    bare = Channel("", "", info.type())
    return StreamInfo(
        name=info.name(),
        source_id=info.source_id(),
        rate_hz=info.nominal_srate(),
        channels=tuple((described + [bare] * n_channels)[:n_channels]),
        type=info.type(),
        manufacturer=desc.child_value("manufacturer")
        or desc.child("acquisition").child_value("manufacturer"),
        reference=_reference(desc),
        hostname=info.hostname(),
    )


def _channels(desc: Any, stream_type: str) -> list[Channel]:
    channels = []
    element = desc.child("channels").child("channel")
    while not element.empty():
        channels.append(
            Channel(
                element.child_value("label"),
                element.child_value("unit"),
                element.child_value("type") or stream_type,
            )
        )
        element = element.next_sibling("channel")
    return channels


def _reference(desc: Any) -> str:
    # XDF's recommendation is <reference><label>; some programs put the text straight into <reference>.
    labels = []
    element = desc.child("reference").child("label")
    while not element.empty():
        labels.append(element.child_value())
        element = element.next_sibling("label")
    return ", ".join(label for label in labels if label) or desc.child_value("reference")
