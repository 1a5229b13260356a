"""Stamps of another clock than this computer's, taken back to its own: those of a whole session, or of a part of it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from rtbci.publish.messages import Event, Prediction
from rtbci.stages.stage import FloatArray

__all__ = ["Segment", "clocks_of", "furthest", "offset_of", "offset_of_stamp", "segments_of"]


class Segment(NamedTuple):
    """Samples one after another, without a gap, whose stamps are of one clock.

    Parameters
    ----------
    start, stop : int
        Indices of the samples, `stop` not among them.
    first, last : float
        Their first and last stamp, as they are.
    offset_s : float
        By how much the stamps are ahead of the local clock; 0: they are of it.
    """

    start: int
    stop: int
    first: float
    last: float
    offset_s: float


def clocks_of(events: Iterable[Event]) -> tuple[float, ...]:
    """By how much the clocks that a session's stamps were of are ahead of the local one, in seconds; 0, the local one, is the first."""
    told = (float(one.data.get("offset_s") or 0.0) for one in events if one.kind == "foreign_clock")
    return tuple(dict.fromkeys((0.0, *told)))


def furthest(clocks: Sequence[float]) -> float:
    """That of the clock furthest from the local one; 0 where there is no other."""
    return max(clocks, key=abs)


def offset_of(one: Prediction, clocks: Sequence[float]) -> float:
    """By how much the stamps of a prediction's window were ahead: what leaves the least time until it was sent."""
    lag_s = one.t_sent - one.t_window[1]
    return min(clocks, key=lambda offset_s: abs(lag_s + offset_s))


def segments_of(
    t_s: FloatArray, gaps: Iterable[tuple[int, float]], clocks: Sequence[float], first_s: float
) -> list[Segment]:
    """Cut a stream at its gaps, and say of which clock each segment is.

    The clock changes at a gap where it is nearer to the step between two clocks than to none: behind a step of an hour, and some
    samples that are missing, there is another clock.

    Parameters
    ----------
    t_s : ndarray of float64, shape (n_samples,)
        Stamps as they are; one or more.
    gaps : iterable of (int, float)
        Index of the first sample behind each, and by how many seconds the stamps jump there.
    clocks : sequence of float
        See `clocks_of`.
    first_s : float
        That of the first sample, one of `clocks`.
    """
    found, start, offset_s = [], 0, first_s
    for stop, gap_s in [*gaps, (len(t_s), 0.0)]:
        found.append(Segment(start, stop, float(t_s[start]), float(t_s[stop - 1]), offset_s))
        before_s, start = offset_s, stop
        offset_s = min(clocks, key=lambda other_s: abs(gap_s - (other_s - before_s)))
    return found


def offset_of_stamp(t: float, segments: Sequence[Segment]) -> float:
    """That of the segment whose stamps a time is among, or is nearest to."""
    if not segments:
        return 0.0
    away = [max(one.first - t, t - one.last, 0.0) for one in segments]
    return segments[int(np.argmin(away))].offset_s
