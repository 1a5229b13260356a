"""What a run made of the faults of a soak: hops missed and late outside of them, how soon it decoded again."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rtbci.chaos.flow import Injected
from rtbci.loopback.hops import HopLog, Span, complement, count_due
from rtbci.record.signal import main_stream
from rtbci.record.xdf_read import StreamData, XdfFile
from rtbci.stream.synthetic import INDEX_LABEL

__all__ = ["Recorded", "Seen", "judge_hops", "judge_recorded"]

INTERRUPTING = ("dropout", "nan", "inf", "vanish", "clock_jump")
"""Behind them a window has to fill again; at both ends of a jump."""
CHUNK_S = 0.05
RECONNECTED_S = 2.5
"""What liblsl, or the run when it looks for the stream anew, takes to find one that is back."""
IN_FLIGHT_S = 0.05
"""What was sent just before its outlet was destroyed never arrives: a packet of the amplifier, which comes every 8 ms, or a few."""
BACKLOG_S = 0.5
DRIFTED_S = 0.005
"""What a drift gains until its opposite comes is 3 ms."""


class Seen(NamedTuple):
    """What was seen of a soak.

    Parameters
    ----------
    n_came, n_missed : int
        Predictions while a full window was due every hop: outside of what interrupts, and of filling a window after.
    n_in_peace, n_late : int
        Predictions outside of all faults, and of these those older than one hop.
    due_s : float
        How long predictions were due, in seconds.
    recovery_s : dict of str to float
        For each kind that interrupts the longest time from the first good sample to the next full window.
    """

    n_came: int
    n_missed: int
    n_in_peace: int
    n_late: int
    due_s: float
    recovery_s: dict[str, float]


def judge_hops(log: HopLog, records: Sequence[Injected], whole: Span, window_s: float, hop_s: float) -> Seen:
    """Count what was missed and late outside of the faults, between the first window and the end.

    Parameters
    ----------
    log : HopLog
    records : sequence of Injected
        What was done to the stream.
    whole : Span
        When predictions would be due without faults.
    window_s, hop_s : float
    """
    fill_s = window_s + hop_s + CHUNK_S
    off: list[Span] = []
    recovery_s: dict[str, float] = {}
    for record in records:
        t_end = record.t_lsl + (record.length_s or 0.0)
        after_s = fill_s + (RECONNECTED_S if record.kind == "vanish" else 0.0)
        if record.kind == "clock_jump":
            off += [Span(record.t_lsl, record.t_lsl + after_s), Span(t_end, t_end + after_s)]
        elif record.kind == "burst":
            off.append(Span(record.t_lsl - hop_s, t_end + BACKLOG_S))
        elif record.kind in INTERRUPTING:
            off.append(Span(record.t_lsl - hop_s, t_end + after_s))
        if record.kind in INTERRUPTING and t_end + after_s < whole.t_to:
            later = log.t_sent[log.t_sent > t_end + 2 * hop_s + CHUNK_S]
            took_s = float(later[0]) - t_end if len(later) else np.inf
            recovery_s[record.kind] = max(recovery_s.get(record.kind, 0.0), took_s)
    due = complement(off, whole)
    faults = [Span(one.t_lsl - hop_s, one.t_lsl + (one.length_s or 0.0) + BACKLOG_S) for one in records]
    came, missed, _ = count_due(log, due, hop_s)
    in_peace, _, late = count_due(log, complement(off + faults, whole), hop_s)
    return Seen(came, missed, in_peace, late, sum(one.t_to - one.t_from for one in due), recovery_s)


class Recorded(NamedTuple):
    """What is in the session's file.

    Parameters
    ----------
    n_samples, n_streams, n_damages : int
    n_missing : int
        Samples that were sent and are not in the file, outside of the faults that take samples away.
    n_wrong_stamps : int
        Samples whose stamp is not that of their number, outside of faults of the clock.
    """

    n_samples: int
    n_streams: int
    n_damages: int
    n_missing: int
    n_wrong_stamps: int


def judge_recorded(file: XdfFile, records: Sequence[Injected], rate_hz: float) -> Recorded:
    """Compare the file with what was sent, by the numbers of the samples."""
    main = main_stream(file, "session.xdf")
    streams = [one for one in file.streams if one.stream.type == main.stream.type and len(one.t_s)]
    index, t_s = _numbers(streams)
    order = np.argsort(index, kind="stable")
    index, t_s = index[order], t_s[order]
    t0 = float(np.median(t_s - index / rate_hz))
    gone = []
    for one in records:
        before_s, after_s = (IN_FLIGHT_S, RECONNECTED_S) if one.kind == "vanish" else (0.0, 0.0)
        if one.kind in ("dropout", "vanish"):
            gone.append((one.t_lsl - before_s, one.t_lsl + (one.length_s or 0.0) + after_s))
    n_missing = 0
    for i in np.flatnonzero(np.diff(index) > 1):
        missing = t0 + np.arange(index[i] + 1, index[i + 1]) / rate_hz
        taken = np.zeros(len(missing), bool)
        for t_from, t_to in gone:
            # Faults have the true time; a sample's is known but for what a drift has gained.
            taken |= (missing >= t_from - 1.5 / rate_hz - DRIFTED_S) & (missing <= t_to + DRIFTED_S)
        n_missing += int((~taken).sum())
    of_clocks = np.zeros(len(t_s), bool)
    off_s = t_s - t0 - index / rate_hz
    for one in records:
        if one.kind == "clock_jump":
            t_true = t0 + index / rate_hz
            of_clocks |= (t_true >= one.t_lsl - 1.5 / rate_hz) & (
                t_true <= one.t_lsl + (one.length_s or 0.0) + 1.5 / rate_hz
            )
    wrong = (np.abs(off_s) > DRIFTED_S) & ~of_clocks
    n_samples = sum(len(one.t_s) for one in streams)
    return Recorded(n_samples, len(file.streams), len(file.damages), n_missing, int(wrong.sum()))


def _numbers(streams: Sequence[StreamData]) -> tuple["np.ndarray[tuple[int], np.dtype[np.float64]]", ...]:
    index, t_s = [], []
    for one in streams:
        labels = [channel.label for channel in one.channels]
        index.append(one.values[:, labels.index(INDEX_LABEL)].astype(np.float64))
        t_s.append(one.t_s)
    return np.concatenate(index), np.concatenate(t_s)
