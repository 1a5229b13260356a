"""Which of a stream's channels a decoder reads, in which order, and what becomes of missing ones."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rtbci.errors import ChannelError
from rtbci.listing import first_of
from rtbci.stream.labels import EAR_REFERENCES, canonical_label, is_eeg
from rtbci.stream.montage import angles_deg, has_position, positions, spline_weights
from rtbci.stream.source import FloatArray, StreamInfo

__all__ = ["MAX_ANGLE_DEG", "ChannelMap", "electrode_columns", "electrodes_of"]
__all__ += ["match_channels", "positions"]

MAX_ANGLE_DEG = 35.0
"""A missing electrode needs one that is there within this angle, about one step of the 10-20 system.

Left out on purpose and interpolated in EEGMMIDB (S001, S007; 8-30 Hz; 10 to 60 electrodes drawn at random,
300 draws), an electrode correlates with its recording by 0.94 (median) where the nearest is within 22
degrees, 0.76 at 30-34 degrees, 0.68 at 40-50 and 0.26 beyond."""

_BIOSEMI_ABC = re.compile(r"(?:A(?:[3-9]|[12]\d|3[0-2])|[BD]\d{1,2})")
_N_BIOSEMI_ABC = 8
N_NAMED = 4
"""So many electrodes that are lacking are named in a few words; more are counted."""

Missing = Literal["interpolate", "infer"]


@dataclass(frozen=True, slots=True, eq=False)
class ChannelMap:
    """How a stream's channels become a decoder's.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n_wanted, n_channels_in) or (n_found, n_channels_in)
        ``chunk @ matrix.T`` has the wanted channels in the wanted order. A row holds a single 1 for a
        channel that is there, and spline weights that sum to 1 for one that is interpolated. One that is
        inferred has no row.
    wanted : tuple of str
        Canonical labels, in order.
    found : tuple of (str, str)
        Wanted label and what the stream calls it.
    interpolated : tuple of str
        Wanted labels that the stream does not have and that are made up from its other electrodes.
    unused : tuple of str
        Labels in the stream that no row reads.
    inferred : tuple of str
        Wanted labels that the stream does not have and that are left to the stage behind the alignment.
    ignored : tuple of str
        Labels in the stream that were not to be used, although it has them.
    """

    matrix: FloatArray
    wanted: tuple[str, ...]
    found: tuple[tuple[str, str], ...]
    interpolated: tuple[str, ...]
    unused: tuple[str, ...]
    inferred: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def found_labels(self) -> tuple[str, ...]:
        """Wanted labels that the stream has, in order."""
        return tuple(wanted for wanted, _ in self.found)

    @property
    def picks(self) -> tuple[int, ...] | None:
        """Columns of the chunk, one for each row in order, when nothing is interpolated, else None."""
        return None if self.interpolated else tuple(int(i) for i in self.matrix.argmax(axis=1))


def match_channels(
    info: StreamInfo,
    wanted: Sequence[str],
    max_interpolated: float = 0.25,
    *,
    missing: Missing = "interpolate",
    required: Sequence[str] = (),
    min_found: int = 1,
    ignore: Sequence[str] = (),
) -> ChannelMap:
    """Match a stream's channels by name to those that a decoder needs.

    Parameters
    ----------
    info : StreamInfo
        Labels are read in any of the spellings of `canonical_label`; channels that are not EEG are left out.
    wanted : sequence of str
        Labels in the order that the decoder reads them.
    max_interpolated : float, default 0.25
        Largest share of `wanted` that may be interpolated from the stream's other electrodes.
    missing : {'interpolate', 'infer'}, default 'interpolate'
        What becomes of electrodes that the stream lacks. With ``'infer'`` they have no row in the matrix,
        only electrodes of `wanted` are read, and `max_interpolated` is not used.
    required : sequence of str
        Labels of `wanted` that the stream must have.
    min_found : int, default 1
        Number of `wanted` that it must have.
    ignore : sequence of str
        Electrodes of the stream that are treated as if it had not got them: neither read nor interpolated from.

    Returns
    -------
    ChannelMap

    Raises
    ------
    ChannelError
        When the stream has no labels, names an electrode twice, lacks a required one or too many, or has none
        near enough to one that is to be interpolated (see `MAX_ANGLE_DEG`), or when `ignore` names an electrode
        that it does not have. The message holds a table of what was found.
    """
    where = f"match_channels: stream '{info.name}'"
    needed = tuple(canonical_label(label) for label in wanted)
    required = tuple(canonical_label(label) for label in required)
    columns = _columns(info, where)
    ignored = _take_out(info, columns, ignore, where)
    where += f" (without {', '.join(ignored)}, to be ignored)" if ignored else ""
    _refuse_duplicates(info, columns, set(needed), where)
    found = tuple((label, info.labels[columns[label][0]]) for label in needed if label in columns)
    lacking = tuple(label for label in needed if label not in columns)
    if found:
        _refuse_biosemi_abc(columns, where)
    _refuse_required(info, columns, needed, required, where)
    if missing == "interpolate":
        _refuse_too_many(info, columns, needed, int(max_interpolated * len(needed)), where)
    _refuse_too_few(info, columns, needed, required, min_found, where)
    matrix = np.zeros((len(needed), info.n_channels))
    for row, label in enumerate(needed):
        if label in columns:
            matrix[row, columns[label][0]] = 1.0
    if lacking:
        rows = [needed.index(label) for label in lacking]
        if missing == "infer":
            matrix = np.delete(matrix, rows, axis=0)
        else:
            matrix[rows] = _interpolation(info, columns, needed, lacking, where)
    unused = tuple(
        label for i, label in enumerate(info.labels) if not matrix[:, i].any() and label not in ignored
    )
    made_up, inferred = ((), lacking) if missing == "infer" else (lacking, ())
    return ChannelMap(matrix, needed, found, made_up, unused, inferred, ignored)


def electrodes_of(info: StreamInfo) -> tuple[str, ...]:
    """Canonical labels of a stream's EEG channels, in its order."""
    return tuple(canonical_label(one.label) for one in info.channels if one.label and is_eeg(one))


def electrode_columns(info: StreamInfo, labels: Sequence[str]) -> dict[str, int]:
    """Columns of those of some electrodes that a stream has.

    Parameters
    ----------
    info : StreamInfo
        Channels that are not EEG are left out.
    labels : sequence of str
        In any of the spellings of `canonical_label`.

    Returns
    -------
    dict of str to int
        By canonical label, in the order of `labels`.

    Raises
    ------
    ChannelError
        When the stream has no labels, names one of these electrodes twice, or uses BioSemi's own names.
    """
    where = f"electrode_columns: stream '{info.name}'"
    columns, needed = _columns(info, where), [canonical_label(label) for label in labels]
    _refuse_duplicates(info, columns, set(needed), where)
    if any(label in columns for label in needed):
        _refuse_biosemi_abc(columns, where)
    return {label: columns[label][0] for label in needed if label in columns}


def _columns(info: StreamInfo, where: str) -> dict[str, list[int]]:
    """Canonical label -> its columns, of EEG channels only."""
    if not any(info.labels):
        raise ChannelError(
            f"{where} has {info.n_channels} channels without labels, need the electrode names; "
            "switch on channel labels in the program that sends the stream, or name all channels in its order: --labels C3,C4,...",
            "has no channel labels",
        )
    columns: dict[str, list[int]] = {}
    for i, channel in enumerate(info.channels):
        if channel.label and is_eeg(channel):
            columns.setdefault(canonical_label(channel.label), []).append(i)
    return columns


def _take_out(
    info: StreamInfo, columns: dict[str, list[int]], ignore: Sequence[str], where: str
) -> tuple[str, ...]:
    """Take electrodes out of `columns`; returns what the stream calls them."""
    names = tuple(dict.fromkeys(canonical_label(label) for label in ignore))
    if unknown := [label for label in names if label not in columns]:
        raise ChannelError(
            f"{where} is to be read without {', '.join(unknown)}, need electrodes that it has "
            f"({_listed(list(columns))}); correct the list of electrodes to ignore"
        )
    return tuple(info.labels[i] for label in names for i in columns.pop(label))


def _refuse_duplicates(
    info: StreamInfo, columns: Mapping[str, Sequence[int]], labels: set[str], where: str
) -> None:
    for label in sorted(labels & columns.keys()):
        if len(columns[label]) > 1:
            named = " and ".join(f"'{info.labels[i]}' (channel {i + 1})" for i in columns[label])
            raise ChannelError(
                f"{where}: {named} all mean {label}, need one channel of that name; "
                "rename one where the stream is sent, or give it another type than EEG",
                f"has {label} twice",
            )


def _refuse_biosemi_abc(columns: Mapping[str, Sequence[int]], where: str) -> None:
    # On a 128-channel BioSemi cap C3 is beside the forehead: a match by name would be wrong in silence.
    abc = [label for label in columns if _BIOSEMI_ABC.fullmatch(label)]
    if len(abc) >= _N_BIOSEMI_ABC:
        raise ChannelError(
            f"{where} uses BioSemi's own names ({_listed(abc)}), where C3 is not the C3 of the 10-20 system; "
            "need 10-20 names; load the cap's 10-20 labels in the program that sends the stream, or name all channels in its order: "
            "--labels FP1,AF3,...",
            "has BioSemi's own names",
        )


def _refuse_too_many(
    info: StreamInfo, columns: Mapping[str, Sequence[int]], needed: Sequence[str], n_most: int, where: str
) -> None:
    lacking = [label for label in needed if label not in columns]
    n_missing = len(lacking)
    if n_missing > n_most:
        raise ChannelError(
            f"{where} lacks {n_missing} of the {len(needed)} channels needed, at most {n_most} can be "
            "interpolated; use a montage that has them, or a decoder for fewer channels "
            f"(labels in the stream: {_listed(info.labels)})\n{_table(info, columns, needed)}",
            f"lacks {', '.join(lacking) if n_missing <= N_NAMED else f'{n_missing} of {len(needed)}'}",
        )


def _refuse_required(
    info: StreamInfo,
    columns: Mapping[str, Sequence[int]],
    needed: Sequence[str],
    required: Sequence[str],
    where: str,
) -> None:
    if lacking := [label for label in required if label not in columns]:
        raise ChannelError(
            f"{where} lacks {', '.join(lacking)}, need {', '.join(required)} whatever else is missing; "
            f"use a montage that has them, or name the channels with --labels (labels in the stream: {_listed(info.labels)})\n"
            f"{_table(info, columns, needed)}",
            f"lacks {', '.join(lacking)}",
        )


def _refuse_too_few(
    info: StreamInfo,
    columns: Mapping[str, Sequence[int]],
    needed: Sequence[str],
    required: Sequence[str],
    min_found: int,
    where: str,
) -> None:
    n_found = sum(label in columns for label in needed)
    if n_found < min_found:
        these = f", {', '.join(required)} among them" if required else ""
        raise ChannelError(
            f"{where} has {n_found} of the {len(needed)} channels of the decoder, need at least {min_found}"
            f"{these}; use a montage with more of them (labels in the stream: {_listed(info.labels)})\n"
            f"{_table(info, columns, needed)}",
            f"has {n_found} of {len(needed)}, needs {min_found}",
        )


def _interpolation(
    info: StreamInfo,
    columns: Mapping[str, Sequence[int]],
    needed: Sequence[str],
    missing: Sequence[str],
    where: str,
) -> FloatArray:
    """Rows of the matrix for `missing`, shape (n_missing, n_channels)."""
    if unknown := [label for label in missing if not has_position(label)]:
        raise ChannelError(
            f"{where} lacks {', '.join(unknown)}, and the 10-05 system has no such place to interpolate at; "
            f"correct the decoder's channel list\n{_table(info, columns, needed)}"
        )
    near = [label for label in columns if has_position(label) and label not in EAR_REFERENCES]
    _refuse_duplicates(info, columns, set(near), where)
    distances = angles_deg(missing, near)
    for label, row in zip(missing, distances, strict=True):
        if not len(row) or row.min() > MAX_ANGLE_DEG:
            nearest = f"{near[row.argmin()]}, {row.min():.0f} degrees away" if len(row) else "none at all"
            raise ChannelError(
                f"{where} lacks {label} and its nearest electrode is {nearest}; interpolating needs one "
                f"within {MAX_ANGLE_DEG:g} degrees, beyond that it invents the signal; add electrodes there\n"
                f"{_table(info, columns, needed)}",
                f"lacks {label} and any near it",
            )
    rows = np.zeros((len(missing), info.n_channels))
    rows[:, [columns[label][0] for label in near]] = spline_weights(near, missing)
    return rows


def _table(info: StreamInfo, columns: Mapping[str, Sequence[int]], needed: Sequence[str]) -> str:
    lines = [("wanted", "in stream as", "state")]
    for label in needed:
        if label in columns:
            lines.append((label, info.labels[columns[label][0]], "found"))
        else:
            lines.append((label, "-", "missing"))
    widths = [max(len(line[i]) for line in lines) for i in range(2)]
    return "\n".join(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in lines)


def _listed(labels: Sequence[str], n_most: int = 12) -> str:
    return first_of([label or "(no label)" for label in labels], n_most)
