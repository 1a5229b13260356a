"""Heads that stage: trees against a walk from node to node, and what they refuse."""

from typing import Any

import numpy as np
import pytest

from rtbci.errors import ShapeError
from rtbci.probe.epoch_context import NightContext
from rtbci.probe.epoch_features import FEATURES
from rtbci.probe.epoch_heads import LinearHead, TreesHead, head_from_tensors, scaled_features

N = len(FEATURES)


def stump_forest() -> dict[str, Any]:
    """Tree 0 (class 0): x0 <= 1 ? (x1 <= 0.1 ? leaf 0 : leaf 1) : leaf 2; tree 1 (class 1) is one leaf."""
    return {
        "feature": [0, 1],
        "threshold": [1.0, 0.1],
        "left": [1, -1],
        "right": [-3, -2],
        "leaf": [10.0, 20.0, 30.0, 5.0],
        "root": [0, -4],
        "tree_class": [0, 1],
    }


@pytest.mark.parametrize(
    ("x", "wanted"), [((0.5, 0.0), 10.0), ((0.5, 0.2), 20.0), ((1.5, 0.0), 30.0), ((1.0, 0.1), 20.0)]
)
def test_trees_add_a_leaf_each(x: tuple[float, float], wanted: float) -> None:
    # 0.1 as float32 is larger than 0.1: trees compare what they were trained on
    np.testing.assert_array_equal(TreesHead(**stump_forest()).logits(np.array(x)), (wanted, 5.0))


@pytest.mark.parametrize(
    "change",
    [
        {"left": [0, -1]},  # back to itself: no end
        {"right": [-9, -2]},  # no such leaf
        {"left": [7, -1]},
        {"threshold": [1.0]},
        {"feature": [-1, 1]},
        {"root": [], "tree_class": []},
        {"tree_class": [0]},
    ],
)
def test_what_are_no_trees_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ShapeError, match="TreesHead"):
        TreesHead(**(stump_forest() | change))


def test_a_head_comes_back_from_its_tensors() -> None:
    rng = np.random.default_rng(0)
    linear = LinearHead(rng.random(N), np.ones(N), rng.random((5, N)), rng.random(5))
    x = np.abs(rng.standard_normal(N))
    for head in (linear, TreesHead(**stump_forest())):
        again = head_from_tensors(head.tensors())
        assert type(again) is type(head)
        np.testing.assert_array_equal(again.logits(x), head.logits(x))


def test_an_absurd_signal_counts_only_so_much() -> None:
    head = LinearHead(np.zeros(N), np.ones(N), np.ones((2, N)), np.zeros(2))
    assert np.abs(head.logits(np.full(N, 1e30))).max() <= 6.0 * N


@pytest.mark.parametrize("scale", [np.zeros(N), np.ones(N - 1)])
def test_a_linear_head_needs_scales(scale: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ShapeError, match="LinearHead"):
        LinearHead(np.zeros(N), scale, np.zeros((2, N)), np.zeros(2))


def test_scaling_does_not_touch_what_it_is_given() -> None:
    x = np.abs(np.random.default_rng(0).standard_normal((3, 2 * N)))
    before = x.copy()
    assert scaled_features(x).shape == x.shape
    np.testing.assert_array_equal(x, before)


def test_the_past_is_smoothed_and_scaled_by_the_night_so_far() -> None:
    values = np.random.default_rng(1).standard_normal((40, 2))
    context = NightContext(2, 30.0)
    found = np.array([context.push(one) for one in values])
    weights = np.arange(1.0, 9.0)
    long = np.array(
        [
            weights[-min(i + 1, 8) :] @ values[max(0, i - 7) : i + 1] / weights[-min(i + 1, 8) :].sum()
            for i in range(40)
        ]
    )
    low, middle, high = np.quantile(long, (0.05, 0.5, 0.95), axis=0)
    np.testing.assert_allclose(found[-1, 2:4], (long[-1] - middle) / (high - low))
    short = np.array([values[max(0, i - 3) : i + 1].mean(axis=0) for i in range(40)])
    low, middle, high = np.quantile(short, (0.05, 0.5, 0.95), axis=0)
    np.testing.assert_allclose(found[-1, 4:6], (short[-1] - middle) / (high - low))
    np.testing.assert_array_equal(found[:, :2], values)
    assert found[-1, 6:].tolist() == pytest.approx([39 * 30 / 3600, 39 * 30 / 3600 / 8])
    np.testing.assert_array_equal(found[0, 2:], np.zeros(6))  # one epoch: nothing to compare with
