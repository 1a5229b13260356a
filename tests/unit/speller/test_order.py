from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rtbci.speller.order import FlashOrder, families

GRID = [[f"{row}{column}" for column in range(6)] for row in range(6)]
GROUPS = {f"r{i}": tuple(row) for i, row in enumerate(GRID, 1)} | {
    f"c{i}": tuple(column) for i, column in enumerate(zip(*GRID, strict=True), 1)
}


@given(seed=st.integers(0, 2**32), n=st.integers(1, 12))
def test_every_group_once_in_a_repetition_and_none_twice_in_succession(seed: int, n: int) -> None:
    order = FlashOrder(GROUPS, np.random.default_rng(seed)).repetitions(n)
    for i in range(n):
        assert Counter(order[12 * i : 12 * i + 12]) == dict.fromkeys(GROUPS, 1)
    assert all(one != other for one, other in pairwise(order))
    assert all(one != other for one, other in zip(order, order[2:], strict=False))
    twice = [set(GROUPS[one]) & set(GROUPS[other]) for one, other in pairwise(order)]
    assert sum(len(items) for items in twice) == n  # where rows and columns meet in a repetition
    assert all(not twice[12 * i + 11] for i in range(n - 1))


def test_the_seed_decides_and_repetitions_differ() -> None:
    one, same, other = (FlashOrder(GROUPS, np.random.default_rng(seed)).repetitions(4) for seed in (1, 1, 2))
    assert one == same != other
    assert len({tuple(one[12 * i : 12 * i + 12]) for i in range(4)}) == 4


@given(n_items=st.integers(1, 5), seed=st.integers(0, 2**32))
def test_items_that_flash_alone(n_items: int, seed: int) -> None:
    groups = {str(i): (str(i),) for i in range(n_items)}
    order = FlashOrder(groups, np.random.default_rng(seed)).repetitions(5)
    assert Counter(order) == dict.fromkeys(groups, 5)
    assert n_items == 1 or all(one != other for one, other in pairwise(order))


def test_groups_that_share_items_are_of_different_families() -> None:
    assert families(GROUPS) == [[f"r{i}" for i in range(1, 7)], [f"c{i}" for i in range(1, 7)]]
    assert families({"a": "xy", "b": "yz", "c": "z"}) == [["a", "c"], ["b"]]
