"""How old the predictions of a session were when they were sent, and where the time went."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.listing import counted
from rtbci.publish.message_parts import TRACE_PARTS
from rtbci.publish.messages import EngineRef, Event, Prediction
from rtbci.record.sessions import xdf_of
from rtbci.record.xdf_read import is_text, read_xdf_file
from rtbci.report.other_clock import clocks_of, furthest, offset_of
from rtbci.report.session_facts import messages_of

__all__ = [
    "BY_STAMPS",
    "Percentiles",
    "SessionLatency",
    "latency_of",
    "read_latency",
    "said_offset",
]

BY_STAMPS = ("age", "wait")
"""Reckoned from the stream's stamps: they mean nothing where these are of another clock."""


class Percentiles(NamedTuple):
    """Of many predictions, in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


class SessionLatency(NamedTuple):
    """What a session's messages say of its latency.

    Parameters
    ----------
    n_predictions : int
        Sent; also those of which nothing was decoded, whose ages say nothing of the decoder.
    engines : tuple of (EngineRef, int, dict of str to Percentiles)
        What computed, in the order in which it did, of how many decoded predictions, and by ``"age"`` and `TRACE_PARTS`
        how long they took.
    clock_offset_s : float
        By how much the stream's stamps were ahead of the local clock, at most. 0: they were of the local clock.
    n_left_out : int
        Decoded predictions that are left out, because their stamps were of another clock. 0 beside an offset: all were, and age
        and wait are off by it.
    """

    n_predictions: int
    engines: tuple[tuple[EngineRef, int, dict[str, Percentiles]], ...]
    clock_offset_s: float
    n_left_out: int = 0


def read_latency(session: Path) -> SessionLatency:
    """Read a session's folder, or an XDF file alone; of the signal no value is read.

    Raises
    ------
    FileFormatError
        When it is no XDF file, or holds no decoded prediction of rtbci.
    """
    path = xdf_of(session)
    file = read_xdf_file(path, keep=is_text)
    sent = [one for one in messages_of(file, Prediction.topic) if isinstance(one, Prediction)]
    clocks = clocks_of(one for one in messages_of(file, Event.topic) if isinstance(one, Event))
    decoded = [one for one in sent if one.probs is not None]
    told = [one for one in decoded if not offset_of(one, clocks)] or decoded
    by_engine: dict[EngineRef, list[Prediction]] = {}
    for one in told:
        by_engine.setdefault(one.engine, []).append(one)
    if not by_engine:
        raise FileFormatError(
            f"{path}: holds {len(sent)} predictions of rtbci, none of which was decoded, need one; "
            "`rtbci session info` says what it holds"
        )
    engines = tuple((engine, len(those), latency_of(those)) for engine, those in by_engine.items())
    return SessionLatency(len(sent), engines, furthest(clocks), len(decoded) - len(told))


def said_offset(clock_offset_s: float, n_left_out: int = 0) -> str:
    """What stamps of another clock make of `BY_STAMPS`, for people; of a part of the session, which is left out, or of all."""
    if n_left_out:
        return (
            f"{counted(n_left_out, 'prediction')} {'is' if n_left_out == 1 else 'are'} left out: there the stream's stamps were of "
            f"another clock than this computer's, off by up to {clock_offset_s:+.1f} s"
        )
    return f"{' and '.join(BY_STAMPS)} are off by {clock_offset_s:+.1f} s: the stream's stamps were of another clock than this computer's"


def latency_of(predictions: Sequence[Prediction]) -> dict[str, Percentiles]:
    """Percentiles of the age and of its parts, of one prediction or more."""
    columns = {"age": [one.age_ms for one in predictions]}
    columns |= {name: [getattr(one.trace_ms, name) for one in predictions] for name in TRACE_PARTS}
    return {
        name: Percentiles(*np.percentile(values, [50, 95, 99, 100]).tolist())
        for name, values in columns.items()
    }
