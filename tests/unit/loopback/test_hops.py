"""What a subscriber misses, and what is late."""

import msgspec
import numpy as np
import pytest

from rtbci.loopback.hops import HopLog, Span, complement, count_due
from rtbci.publish.message_parts import TRACE_PARTS, Trace
from rtbci.report.latencies import latency_of
from tests.loopback_samples import hop, hops

HOP_S = 0.0625


def log_of(*numbers: int, late: tuple[int, ...] = ()) -> HopLog:
    log = HopLog()
    for seq, i in enumerate(numbers):
        log.push(hop(seq, 10.0 + HOP_S * i, age_ms=80.0 if i in late else 5.0))
    return log


def test_a_row_without_a_gap() -> None:
    log = log_of(*range(160))
    assert count_due(log, [Span(10.0, 19.94)], HOP_S) == (159, 0, 0)
    assert log.n_out_of_turn == 0
    assert log.age_ms == pytest.approx(5.0)
    assert log.parts_ms.shape == (160, 5)


def test_parts_of_the_age_are_those_of_a_prediction_in_its_order() -> None:
    log, one = HopLog(), hop(0, 10.0)
    spent = Trace(**{name: float(i) for i, name in enumerate(TRACE_PARTS)})
    log.push(msgspec.structs.replace(one, trace_ms=spent))
    assert log.parts_ms.tolist() == [[0.0, 1.0, 2.0, 3.0, 4.0]]
    assert latency_of([msgspec.structs.replace(one, trace_ms=spent)]).keys() == {"age", *TRACE_PARTS}


@pytest.mark.parametrize(
    ("gone", "n"), [((50,), 1), ((50, 51, 90), 3), (tuple(range(20)), 19), (tuple(range(150, 160)), 9)]
)
def test_each_hop_that_is_missing_counts(gone: tuple[int, ...], n: int) -> None:
    log = log_of(*(i for i in range(160) if i not in gone))
    assert count_due(log, [Span(10.0, 20.0)], HOP_S).n_missed == n  # at the ends one hop of slack


def test_nothing_at_all_is_all_missed() -> None:
    assert count_due(HopLog(), [Span(10.0, 20.0)], HOP_S).n_missed >= 158


def test_only_what_is_due_counts() -> None:
    log = log_of(*range(40), *range(80, 160))
    assert count_due(log, [Span(10.0, 12.4), Span(15.1, 20.0)], HOP_S).n_missed == 0


def test_what_is_older_than_a_hop_is_late() -> None:
    log = log_of(*range(160), late=(3, 9))
    assert count_due(log, [Span(10.0, 20.0)], HOP_S) == (160, 0, 2)


def test_predictions_without_a_window_are_none() -> None:
    log = HopLog()
    for one in hops(range(10), is_full=False):
        log.push(one)
    assert len(log) == 10
    assert not len(log.t_sent)


def test_a_number_that_is_left_out_is_noticed() -> None:
    log = HopLog()
    for seq in (0, 1, 3, 4, 0):
        log.push(hop(seq, 10.0 + seq))
    assert log.n_out_of_turn == 2


def test_the_rest_of_a_span() -> None:
    whole = Span(0.0, 10.0)
    assert complement([], whole) == [whole]
    assert complement([Span(4.0, 6.0), Span(2.0, 5.0)], whole) == [Span(0.0, 2.0), Span(6.0, 10.0)]
    assert complement([Span(-1.0, 3.0), Span(9.0, 20.0)], whole) == [Span(3.0, 9.0)]
    assert complement([Span(-1.0, 20.0)], whole) == []
    assert complement([Span(20.0, 30.0)], whole) == [whole]
    np.testing.assert_equal(complement([Span(9.0, 12.0)], Span(0.0, 10.0)), [(0.0, 9.0)])
