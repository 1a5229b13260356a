"""Predictions as a subscriber counted them: which were due and never came, and which came late."""

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec.structs import astuple

from rtbci.publish.message_parts import TRACE_PARTS
from rtbci.publish.messages import Prediction
from rtbci.stream.source import FloatArray

__all__ = ["Due", "HopLog", "Span", "complement", "count_due"]


class Span(NamedTuple):
    """Time in which predictions are due, in seconds of the local LSL clock."""

    t_from: float
    t_to: float


class Due(NamedTuple):
    """Predictions of full windows that were due in some spans: how many came, did not come, came late."""

    n_came: int
    n_missed: int
    n_late: int


class HopLog:
    """What is needed of every prediction for judging a run, 90 bytes for each.

    Attributes
    ----------
    n_out_of_turn : int
        Predictions whose number was not the next one: some were lost on the way, or the run began anew.
    """

    def __init__(self) -> None:
        self._t_sent, self._t_end, self._age_ms = array("d"), array("d"), array("d")
        self._parts_ms = array("d")
        self._is_full = array("b")
        self._next_seq: int | None = None
        self.n_out_of_turn = 0

    def push(self, message: Prediction) -> None:
        """Take the next prediction."""
        if self._next_seq is not None and message.seq != self._next_seq:
            self.n_out_of_turn += 1
        self._next_seq = message.seq + 1
        self._t_sent.append(message.t_sent)
        self._t_end.append(message.t_window[1])
        self._age_ms.append(message.age_ms)
        self._parts_ms.extend(astuple(message.trace_ms))
        self._is_full.append(message.probs is not None)

    def __len__(self) -> int:
        return len(self._t_sent)

    @property
    def t_sent(self) -> FloatArray:
        """When each prediction of a full window was sent, in seconds; a copy, as are all below."""
        return np.array(self._t_sent)[self._full]

    @property
    def t_end(self) -> FloatArray:
        """Stamp of the newest sample of each full window, in seconds."""
        return np.array(self._t_end)[self._full]

    @property
    def age_ms(self) -> FloatArray:
        """Age of each prediction of a full window when it was sent, in milliseconds."""
        return np.array(self._age_ms)[self._full]

    @property
    def parts_ms(self) -> FloatArray:
        """Parts of the age, shape (n_hops, 5), in the order of `TRACE_PARTS`, in milliseconds."""
        return np.array(self._parts_ms).reshape(-1, len(TRACE_PARTS))[self._full]

    @property
    def _full(self) -> npt.NDArray[np.bool_]:
        return np.array(self._is_full, bool)


def complement(spans: Iterable[Span], whole: Span) -> list[Span]:
    """What is left of a span without others, in order; empty pieces are left out."""
    left, t_from = [], whole.t_from
    for one in sorted(spans):
        if one.t_from > t_from:
            left.append(Span(t_from, min(one.t_from, whole.t_to)))
        t_from = max(t_from, one.t_to)
    left.append(Span(t_from, whole.t_to))
    return [one for one in left if one.t_to > one.t_from]


def count_due(log: HopLog, spans: Sequence[Span], hop_s: float) -> Due:
    """Compare the predictions of full windows with those that were due.

    Parameters
    ----------
    log : HopLog
    spans : sequence of Span
        In each of them a full window is due every hop.
    hop_s : float
        From one window to the next, in seconds.

    Notes
    -----
    Within a span the stamps of the windows say what is missing, exactly. At its two ends it is the time of sending:
    the first is due within one hop, and each may be as late as one hop more. Late is what was sent when the next
    window was complete already: older than one hop.
    """
    t_sent, t_end, age_ms = log.t_sent, log.t_end, log.age_ms
    n_came = n_missed = n_late = 0
    for span in spans:
        inside = (t_sent >= span.t_from) & (t_sent <= span.t_to)
        n_came += int(inside.sum())
        n_late += int((age_ms[inside] > 1e3 * hop_s).sum())
        n_missed += int((np.rint(np.diff(t_end[inside]) / hop_s) - 1.0).clip(0.0).sum())
        edges = t_sent[inside]
        first, last = (edges[0], edges[-1]) if len(edges) else (span.t_to, span.t_to)
        n_missed += max(0, int((first - span.t_from - hop_s) / hop_s))
        n_missed += max(0, int((span.t_to - last - hop_s) / hop_s))
    return Due(n_came, n_missed, n_late)
