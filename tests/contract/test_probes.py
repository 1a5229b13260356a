"""Promises that every branch keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import ShapeError
from rtbci.probe.branches import Branch
from rtbci.stages.stage import FloatArray
from tests.probe_samples import BRANCHES, HOP, N_CHANNELS, WINDOW, make_branch

N_HOPS_WINDOW = WINDOW // HOP

every_branch = pytest.mark.parametrize("name", BRANCHES)


def signal(n_hops: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((n_hops * HOP, N_CHANNELS))


def push(branch: Branch, data: FloatArray) -> list[FloatArray | None]:
    outputs = []
    for i in range(0, len(data), HOP):
        branch.push(data[i : i + HOP])
        outputs.append(branch.logits())
    return outputs


@every_branch
@settings(max_examples=20, deadline=None)
@given(n_hops=st.integers(N_HOPS_WINDOW, 4 * N_HOPS_WINDOW), seed=st.integers(0, 99))
def test_streamed_equals_one_shot_on_the_whole_signal(name: str, n_hops: int, seed: int) -> None:
    data = signal(n_hops, seed)
    streamed = push(make_branch(name), data)[-1]
    assert streamed is not None
    np.testing.assert_allclose(streamed, make_branch(name).logits_of(data), rtol=0, atol=1e-9)


@every_branch
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 3 * N_HOPS_WINDOW), max_size=6))
def test_when_logits_are_asked_for_changes_nothing(name: str, cuts: list[int]) -> None:
    data = signal(3 * N_HOPS_WINDOW + 1)
    often, seldom = make_branch(name), make_branch(name)
    every = push(often, data)
    for k in range(3 * N_HOPS_WINDOW + 1):
        seldom.push(data[k * HOP : (k + 1) * HOP])
        if k in cuts:
            got, want = seldom.logits(), every[k]
            assert (got is None) == (want is None)
            if got is not None and want is not None:
                np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(seldom.logits(), every[-1])


@every_branch
def test_rehearsing_changes_nothing(name: str) -> None:
    data = signal(3 * N_HOPS_WINDOW)
    plain, rehearsed = make_branch(name), make_branch(name)
    rehearsed.rehearse()  # with nothing there yet
    for k in range(3 * N_HOPS_WINDOW):
        hop = data[k * HOP : (k + 1) * HOP]
        plain.push(hop)
        rehearsed.push(hop)
        rehearsed.rehearse()
        got, want = rehearsed.logits(), plain.logits()
        assert (got is None) == (want is None)
        if got is not None and want is not None:
            np.testing.assert_array_equal(got, want)


@every_branch
def test_no_logits_until_the_window_is_full(name: str) -> None:
    outputs = push(make_branch(name), signal(N_HOPS_WINDOW + 2))
    assert [one is None for one in outputs] == [True] * (N_HOPS_WINDOW - 1) + [False] * 3


@every_branch
def test_reset_equals_new(name: str) -> None:
    branch = make_branch(name)
    push(branch, signal(2 * N_HOPS_WINDOW + 3, seed=1))
    branch.reset()
    assert branch.logits() is None
    data = signal(N_HOPS_WINDOW + 1)
    again, new = push(branch, data)[-1], push(make_branch(name), data)[-1]
    assert again is not None
    np.testing.assert_array_equal(again, new)


@every_branch
def test_input_is_unchanged_and_output_is_fresh(name: str) -> None:
    data = signal(2 * N_HOPS_WINDOW)
    before = data.copy()
    branch = make_branch(name)
    push(branch, data[: N_HOPS_WINDOW * HOP])
    first = branch.logits()
    assert first is not None
    kept = first.copy()
    branch.logits_of(data)
    np.testing.assert_array_equal(branch.logits(), kept)  # one-shot use leaves the stream alone
    push(branch, data[N_HOPS_WINDOW * HOP :])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(data, before)


@every_branch
def test_window_alone_decides_once_filters_have_run_out(name: str) -> None:
    a, b = signal(12 * N_HOPS_WINDOW, seed=1), signal(12 * N_HOPS_WINDOW, seed=2)
    b[4 * WINDOW :] = a[4 * WINDOW :]
    got, want = push(make_branch(name), a)[-1], push(make_branch(name), b)[-1]
    assert got is not None
    assert want is not None
    np.testing.assert_allclose(got, want, atol=1e-4)


@every_branch
def test_wrong_channels_and_short_signal_are_refused(name: str) -> None:
    branch = make_branch(name)
    with pytest.raises(ShapeError, match=f"{N_CHANNELS}"):
        branch.push(np.zeros((HOP, N_CHANNELS + 1)))
    with pytest.raises(ShapeError, match=r"need \(24 or more"):
        branch.logits_of(np.zeros((WINDOW - HOP, N_CHANNELS)))
