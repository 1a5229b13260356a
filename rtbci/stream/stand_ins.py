"""Channels that may stand for one of a decoder's layout: where any of several derivations will do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import StreamInfo

__all__ = ["as_in_layout", "as_in_stream"]


def as_in_layout(
    info: StreamInfo, takes: Mapping[str, Sequence[str]], ignore: Sequence[str] = ()
) -> StreamInfo:
    """Give channels the labels of the layout that they stand for.

    Parameters
    ----------
    info : StreamInfo
    takes : mapping of str to sequence of str
        By label of the layout, what may stand for it, the best first; the label itself comes before all. The first that the
        stream has is taken, whatever its type says.
    ignore : sequence of str
        Electrodes that stand for nothing.

    Returns
    -------
    StreamInfo
        `info` itself where nothing stands for anything. A channel that stands for one is taken for no other.
    """
    if not takes:
        return info
    labels = [canonical_label(one.label) for one in info.channels]
    left_out = {canonical_label(one) for one in ignore}
    taken: dict[int, str] = {}
    for wanted, others in takes.items():
        candidates = [canonical_label(one) for one in (wanted, *others)]
        found = next((labels.index(one) for one in candidates if one in labels and one not in left_out), None)
        if found is not None and found not in taken:
            taken[found] = wanted
    channels = tuple(
        replace(one, label=taken[i], type="EEG") if i in taken else one for i, one in enumerate(info.channels)
    )
    # Another channel of that name (a second reference, say) would be one too many.
    channels = tuple(
        replace(one, label=f"other {one.label}")
        if i not in taken
        and taken
        and canonical_label(one.label) in {canonical_label(x) for x in taken.values()}
        else one
        for i, one in enumerate(channels)
    )
    return replace(info, channels=channels)


def as_in_stream(channel_map: ChannelMap, info: StreamInfo) -> ChannelMap:
    """Say again what the stream calls the channels that were found: `info` as it came."""
    rows = dict(zip(channel_map.wanted, channel_map.matrix, strict=True)) if not channel_map.inferred else {}
    found = tuple(
        (label, info.labels[int(rows[label].argmax())] if label in rows else name)
        for label, name in channel_map.found
    )
    unused = tuple(
        label
        for i, label in enumerate(info.labels)
        if not channel_map.matrix[:, i].any() and label not in channel_map.ignored
    )
    return replace(channel_map, found=found, unused=unused)
