"""Recordings of one cap, some with a few channels more: what all have, where that is all that the decoder reads."""

from collections.abc import Sequence
from dataclasses import replace

from rtbci.errors import ChannelError
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import electrode_columns

__all__ = ["of_one_cap"]


def of_one_cap(
    recordings: Sequence[Recording], recipe: ParadigmRecipe
) -> tuple[list[Recording], tuple[str, ...]]:
    """Bring recordings to the electrodes that all of them have, in the first's order.

    Parameters
    ----------
    recordings : sequence of Recording
        Those with the same channels in the same order are given back as they are.
    recipe : ParadigmRecipe
        Its `input` says which electrodes the decoder reads.

    Returns
    -------
    list of Recording
        Copies with the first's labels, where channels differ.
    tuple of str
        Labels of the channels that were left out, each once.

    Raises
    ------
    ChannelError
        When they differ in rate, or one lacks an electrode that the decoder reads of another.
    """
    first = recordings[0]
    for one in recordings[1:]:
        if one.info.rate_hz != first.info.rate_hz:
            raise ChannelError(
                f"calibration from recordings: '{one.info.name}' has {one.info.rate_hz:g} Hz, '{first.info.name}' "
                f"{first.info.rate_hz:g} Hz, need the same rate in all; calibrate from those that are alike"
            )
    if all(one.info.labels == first.info.labels for one in recordings):
        return list(recordings), ()
    caps = [list(electrode_columns(one.info, one.info.labels)) for one in recordings]
    common = [label for label in caps[0] if all(label in cap for cap in caps)]
    _need_what_is_read(recordings, caps, set(common), recipe)
    left = {
        label: None
        for one in recordings
        for label in one.info.labels
        if canonical_label(label) not in set(common)
    }
    shown = [first.info.channels[i].label for i in electrode_columns(first.info, common).values()]
    return [_reduced(one, common, shown) for one in recordings], tuple(left)


def _need_what_is_read(
    recordings: Sequence[Recording], caps: Sequence[Sequence[str]], common: set[str], recipe: ParadigmRecipe
) -> None:
    takes = (label for labels in recipe.input.takes.values() for label in labels)
    read = {canonical_label(label) for label in (*recipe.input.channels, *takes)}
    for one, cap in zip(recordings, caps, strict=True):
        lost = [label for label in cap if label in read - common]
        if lost:
            other = next(
                each for each, its in zip(recordings, caps, strict=True) if not set(lost) <= set(its)
            )
            raise ChannelError(
                f"calibration from recordings: '{one.info.name}' has {', '.join(lost)}, which the decoder reads and "
                f"'{other.info.name}' lacks, need the same of these in all; calibrate from those that are alike"
            )


def _reduced(recording: Recording, labels: Sequence[str], shown: Sequence[str]) -> Recording:
    columns = list(electrode_columns(recording.info, labels).values())
    channels = [
        replace(recording.info.channels[i], label=name) for i, name in zip(columns, shown, strict=True)
    ]
    info = replace(recording.info, channels=tuple(channels))
    return replace(recording, info=info, data=recording.data.take(columns, axis=1))
