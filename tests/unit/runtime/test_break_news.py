"""Which breaks are told."""

import pytest

from rtbci.runtime.break_news import N_AT_ONCE, BreakNews
from rtbci.runtime.intake import Break


def test_few_gaps_are_told_one_by_one_and_many_ten_a_second() -> None:
    news = BreakNews()
    told = [news.is_due(Break("gap", 0.004 * i, gap_s=0.004), 0.004 * i) for i in range(1000)]
    assert all(told[:N_AT_ONCE])
    assert sum(told) == 4 * N_AT_ONCE
    assert news.is_due(Break("gap", 9.0, gap_s=1.0), 9.0)


@pytest.mark.parametrize("t_next", [8.0, 12.0])
def test_what_is_not_finite_is_told_once_a_second_also_by_a_clock_that_was_set_back(t_next: float) -> None:
    news = BreakNews()
    assert news.is_due(Break("not_finite", 10.0, n_samples=1), 0.0)
    assert not news.is_due(Break("not_finite", 10.5, n_samples=1), 0.0)
    assert news.is_due(Break("not_finite", t_next, n_samples=1), 0.0)
