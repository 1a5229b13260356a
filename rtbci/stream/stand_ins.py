"""Channels that may stand for one of a decoder's layout: where any of several derivations will do."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import StreamInfo

__all__ = ["as_in_layout", "as_in_stream"]

ASIDE = "beside "
"""In front of the label of a channel that another one stands for."""


def as_in_layout(
    info: StreamInfo, takes: Mapping[str, Sequence[str]], ignore: Sequence[str] = ()
) -> tuple[StreamInfo, tuple[str, ...]]:
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
    info : StreamInfo
        As given where nothing stands for anything. A channel stands for one electrode only.
    ignore : tuple of str
        The electrodes to ignore, as they are called there.
    """
    labels = [canonical_label(one.label) for one in info.channels]
    left_out = {canonical_label(one) for one in ignore}
    taken: dict[int, str] = {}
    for wanted, others in takes.items():
        candidates = [canonical_label(one) for one in (wanted, *others)]
        found = next(
            (i for one in candidates if one not in left_out for i in _at(labels, one) if i not in taken), None
        )
        if found is not None:
            taken[found] = wanted
    stood_for = {canonical_label(one) for one in taken.values()}
    channels = tuple(
        replace(one, label=taken[i], type="EEG")
        if i in taken
        else replace(one, label=ASIDE + one.label)
        if label in stood_for
        else one
        for i, (one, label) in enumerate(zip(info.channels, labels, strict=True))
    )
    renamed = tuple(ASIDE + one if canonical_label(one) in stood_for else one for one in ignore)
    return (replace(info, channels=channels) if taken else info), renamed


def as_in_stream(channel_map: ChannelMap, renamed: StreamInfo, info: StreamInfo) -> ChannelMap:
    """Say again what the stream calls its channels, which were `renamed` for the match: `info` as it came."""
    original = dict(zip(renamed.labels, info.labels, strict=True))
    return replace(
        channel_map,
        found=tuple((wanted, original[name]) for wanted, name in channel_map.found),
        unused=tuple(original[name] for name in channel_map.unused),
        ignored=tuple(original[name] for name in channel_map.ignored),
    )


def _at(labels: Sequence[str], label: str) -> list[int]:
    """Where a label is; the first channel of that name."""
    return [labels.index(label)] if label in labels else []
