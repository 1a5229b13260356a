"""One spelling for electrode names, and which channels carry EEG at all."""

import re
from collections.abc import Sequence
from dataclasses import replace

from rtbci.errors import ChannelError
from rtbci.stream.source import Channel, StreamInfo

__all__ = ["EAR_REFERENCES", "canonical_label", "is_eeg", "mirror_columns", "with_labels"]

ALIASES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
"""Names of the 10-20 system of 1958 and what the 10-10 system calls them (Seeck et al. 2017,
doi:10.1016/j.clinph.2017.06.254)."""

EAR_REFERENCES = frozenset({"A1", "A2", "M1", "M2", "A1A2", "M1M2", "LM", "RM"})
"""Earlobes and mastoids: often the reference itself, so nothing is interpolated from them."""

_PREFIX = re.compile(r"^(?:EEG|POL)[\s:_-]+")
_REFERENCE = re.compile(r"\s*[-_/\s]\s*(?:REF(?:-\d+)?|LE|RE|AVG?|AVE|AR|A1A2|M1M2|A1|A2|M1|M2|LM|RM)$")
_SIDE = re.compile(r"([A-Z]+)([0-9]+)")
_NOT_EEG = re.compile(
    r"ECG|EKG|EOG|EMG|EXG|AUX|STATUS|TRIG|STI|MARKER|EVENT|COUNTER|PACKET|TIME|BATTERY"
    r"|ACC|GYR|GSR|EDA|PPG|PLETH|RESP|TEMP"
)


def canonical_label(label: str) -> str:
    """Spell an electrode's name the one way rtbci does.

    Upper case, without dots, spaces, the prefix ``EEG`` and the name of a common reference behind it;
    T3 T4 T5 T6 become T7 T8 P7 P8. A bipolar derivation (``C3-P3``) keeps both names, since it is not
    the signal of its first electrode.

    Examples
    --------
    >>> [canonical_label(label) for label in ("Fc5.", "EEG Fp1-REF", "EEG F3-A2", "t3", "C3-P3")]
    ['FC5', 'FP1', 'F3', 'T7', 'C3-P3']
    """
    name = _PREFIX.sub("", label.strip().upper())
    name = _REFERENCE.sub("", name)
    name = re.sub(r"[.\s]", "", name)
    return ALIASES.get(name, name)


def is_eeg(channel: Channel) -> bool:
    """Whether a channel is declared as EEG (or as nothing) and its label does not say otherwise.

    Examples
    --------
    >>> is_eeg(Channel("C3")), is_eeg(Channel("C3", type="EMG")), is_eeg(Channel("Status"))
    (True, False, False)
    """
    return channel.type.upper() in ("", "EEG") and not _NOT_EEG.search(channel.label.upper())


def with_labels(info: StreamInfo, labels: Sequence[str], what: str = "stream") -> StreamInfo:
    """The description of a stream with other names for its channels; as it is where none are given.

    Parameters
    ----------
    info : StreamInfo
    labels : sequence of str
        One for each channel, in its order.
    what : str
        What it is of, in the words of an error.

    Raises
    ------
    ChannelError
        When there are not as many labels as channels.
    """
    if not labels:
        return info
    if len(labels) != info.n_channels:
        given, stated = ", ".join(labels), ", ".join(label or "no label" for label in info.labels)
        raise ChannelError(
            f"labels: got {len(labels)} ({given}), {what} '{info.name}' has {info.n_channels} channels ({stated}), "
            f"need a name for each, in the {what}'s order; name those that are no electrode AUX1, AUX2, ..."
        )
    channels = tuple(replace(one, label=label) for one, label in zip(info.channels, labels, strict=True))
    return replace(info, channels=channels)


def mirror_columns(labels: Sequence[str]) -> list[int]:
    """Column of the electrode at the same place on the other side of the head, for each electrode.

    Odd numbers are left, even ones right, and the next number up is the partner; one without a number (``CZ``) lies
    on the midline and is its own.

    Parameters
    ----------
    labels : sequence of str
        In any spelling that `canonical_label` knows.

    Raises
    ------
    ChannelError
        When an electrode's partner is not among them.

    Examples
    --------
    >>> mirror_columns(["C3", "Cz", "C4", "FT10", "FT9"])
    [2, 1, 0, 4, 3]
    """
    names = [canonical_label(label) for label in labels]
    partners = [_partner(name) for name in names]
    if alone := [f"{a} (need {b})" for a, b in zip(names, partners, strict=True) if b not in names]:
        raise ChannelError(
            f"mirror_columns: {', '.join(alone)} of {len(names)} electrodes have no partner on the other side; "
            "add it, or leave them out"
        )
    return [names.index(partner) for partner in partners]


def _partner(name: str) -> str:
    found = _SIDE.fullmatch(name)
    if found is None:
        return name
    number = int(found[2])
    return f"{found[1]}{number + 1 if number % 2 else number - 1}"
