"""Evidence of flashes adds up to a posterior over the items, and to a decision as soon as it is sure."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.decide.items import ItemDecision, ItemPolicy
from rtbci.errors import ConfigError, SignalError

ITEMS = ("a", "b", "c", "d")
GROUPS = {"r1": "ab", "r2": "cd", "c1": "ac", "c2": "bd"}


def policy(threshold: float = 0.9, *, lowest: int = 1, most: int = 100, abstains: bool = False) -> ItemPolicy:
    return ItemPolicy(ITEMS, GROUPS, threshold, 2.0, lowest, most, abstains=abstains)


def push(one: ItemPolicy, group: str, evidence: float, t: float) -> ItemDecision:
    return one.push(evidence, group, t, t + 0.8)


@given(st.lists(st.tuples(st.sampled_from(list(GROUPS)), st.floats(-6.0, 6.0)), min_size=1, max_size=30))
def test_the_posterior_is_what_bayes_rule_gives(flashes: list[tuple[str, float]]) -> None:
    """By brute force: for each item the product of the likelihoods of all windows, normalised."""
    found = policy(1.0)
    said = [push(found, group, evidence, 0.2 * i) for i, (group, evidence) in enumerate(flashes)][-1]
    # A likelihood ratio fixes the likelihoods of target and nontarget up to a factor, here such that they sum to 1.
    likelihoods = []
    for item in ITEMS:
        product = 1.0
        for group, evidence in flashes:
            p_target = 1.0 / (1.0 + math.exp(-evidence))
            product *= p_target if item in GROUPS[group] else 1.0 - p_target
        likelihoods.append(product)
    expected = np.array(likelihoods) / sum(likelihoods)
    np.testing.assert_allclose(said.probs, expected, atol=1e-9)
    np.testing.assert_allclose(found.posterior, expected, atol=1e-9)


def test_posteriors_are_true_where_evidence_is() -> None:
    """With windows drawn from the model, decisions at 0.8 are right as often as they say."""
    rng, sure, right = np.random.default_rng(1), [], []
    for _ in range(3000):
        item, found = rng.choice(ITEMS), policy(0.8)
        found.begin(0.0)
        for i, group in enumerate(rng.permutation(list(GROUPS) * 5)):
            x = rng.normal(
                0.5 if item in GROUPS[group] else -0.5, 1.0
            )  # its log-likelihood ratio is x itself
            said = push(found, str(group), float(x), 0.2 * i)
            if said.decision is not None:
                sure.append(max(said.probs))
                right.append(said.decision == item)
                break
    assert len(right) > 2500
    assert np.mean(right) == pytest.approx(np.mean(sure), abs=0.02)


def test_it_decides_once_and_waits_for_the_next_selection() -> None:
    found = policy()
    found.begin(0.0)
    assert push(found, "r1", 2.0, 0.1).why == "below_threshold"
    assert push(found, "c2", 4.0, 0.3).decision is None
    assert push(found, "r1", 2.0, 0.5).decision == "b"
    late = push(found, "c1", 9.0, 0.7)
    assert (late.decision, late.why) == (None, "decided")
    assert push(found, "r2", 9.0, 60.0).why == "decided"  # no pause replaces the marker
    found.begin(70.0)
    first = push(found, "r2", 1.0, 70.2)
    assert (first.why, round(first.probs[0], 3)) == ("below_threshold", round(1 / (2 + 2 * math.e), 3))


def test_not_before_the_least_number_of_flashes() -> None:
    found = policy(lowest=3)
    assert push(found, "r1", 9.0, 0.0).decision is None
    assert push(found, "c1", 9.0, 0.2).decision is None
    assert push(found, "r2", -9.0, 0.4).decision == "a"
    assert found.n_flashes == 3


@pytest.mark.parametrize("abstains", [False, True])
def test_a_selection_that_is_over_is_decided_or_not_as_told(abstains: bool) -> None:
    found = policy(most=4, abstains=abstains)
    found.begin(0.0)
    said = [push(found, group, 0.1, 0.2 * i) for i, group in enumerate(("r1", "c1", "r2", "c1"))]
    assert [one.decision for one in said[:3]] == [None] * 3
    assert said[3].decision == (None if abstains else "a")
    assert push(found, "r1", 9.0, 1.0).why == "decided"


def test_the_end_of_a_selection_decides_when_no_flash_is_waited_for() -> None:
    found = policy()
    found.begin(0.0)
    for t in (0.1, 0.3, 0.5):
        found.expect(t)
    found.end(0.6)
    assert push(found, "r1", 0.5, 0.1).decision is None
    assert push(found, "c2", 0.5, 0.3).decision is None
    assert push(found, "r2", -0.5, 0.5).decision == "b"


def test_a_flash_whose_window_is_lost_is_not_waited_for() -> None:
    found = policy()
    found.begin(0.0)
    for t in (0.1, 0.3, 0.5):
        found.expect(t)
    found.end(0.6)
    assert push(found, "r1", 0.5, 0.1).decision is None
    found.drop(0.3)
    assert push(found, "c2", 0.5, 0.5).decision == "b"
    assert found.n_flashes == 2


def test_markers_may_come_in_any_order() -> None:
    """Whatever comes first, a flash belongs to the selection that its time is in."""
    told = [("begin", 0.0), ("end", 0.9), ("begin", 5.0), ("end", 5.9)]
    flashes = [("r1", 1.0, 0.1), ("c1", 1.0, 0.3), ("r2", 1.0, 5.1), ("c2", 1.0, 5.3)]
    for order in itertools.permutations(told):
        found = policy(0.999)
        for kind, t in order:
            found.begin(t) if kind == "begin" else found.end(t)
        for _, _, t in flashes:
            found.expect(t)
        said = [push(found, *one) for one in flashes]
        assert [one.decision for one in said] == [None, "a", None, "d"]


def test_a_flash_of_an_earlier_selection_says_nothing() -> None:
    found = policy()
    found.begin(0.0)
    found.begin(5.0)
    push(found, "r1", 1.0, 5.1)
    assert push(found, "r2", 9.0, 4.9).why == "decided"
    assert found.n_flashes == 1


def test_a_flash_between_selections_says_nothing() -> None:
    found = policy()
    found.begin(0.0)
    found.end(1.0)
    found.expect(0.5)
    assert push(found, "r1", 9.0, 1.5).why == "decided"


def test_without_markers_a_pause_begins_the_next_selection() -> None:
    found = policy(lowest=2)
    push(found, "r1", 9.0, 10.0)
    assert push(found, "c1", 9.0, 10.2).decision == "a"  # its window ends at 11.0
    assert push(found, "r2", 9.0, 12.9).why == "decided"
    assert push(found, "r2", 9.0, 13.0).why == "below_threshold"
    assert push(found, "c2", 9.0, 13.2).decision == "d"


def test_without_markers_a_long_break_begins_anew() -> None:
    found = policy()
    push(found, "r1", 1.0, 10.0)
    assert push(found, "r2", 1.0, 11.9).probs[0] == pytest.approx(0.25)
    assert push(found, "r2", 1.0, 14.0).probs[3] > 0.3


def test_a_flash_of_which_the_group_is_not_known_leaves_the_posterior() -> None:
    found = policy()
    assert found.push(9.0, None, 0.0, 0.8).probs == (0.25,) * 4
    assert found.n_flashes == 0


def test_a_gap_keeps_the_evidence_and_another_stream_does_not() -> None:
    found = policy()
    found.begin(0.0)
    before = push(found, "r1", 1.0, 0.1).probs
    found.restart()
    assert tuple(found.posterior) == before
    found.reset()
    assert tuple(found.posterior) == (0.25,) * 4


def test_another_profile_goes_on_in_the_middle_of_a_selection() -> None:
    earlier, later = policy(), policy()
    earlier.begin(0.0)
    push(earlier, "r1", 2.0, 0.1)
    later.succeed(earlier)
    assert push(later, "c1", 5.0, 0.3).probs == push(earlier, "c1", 5.0, 0.3).probs


def test_huge_evidence_overflows_nothing() -> None:
    found = policy(1.0)
    said = [push(found, "r1", 1e5, 0.2 * i) for i in range(50)][-1]
    assert said.probs == pytest.approx((0.5, 0.5, 0.0, 0.0))


def test_evidence_that_is_no_number_is_refused() -> None:
    with pytest.raises(SignalError, match=r"evidence of flash 'r1' at 1\.000 s is nan, need a finite number"):
        policy().push(math.nan, "r1", 1.0, 1.8)


def test_settings_out_of_range_are_refused_all_at_once() -> None:
    with pytest.raises(
        ConfigError, match=r"items is .*; threshold is 0.*; pause_s is -1.*; max_flashes is 0"
    ):
        ItemPolicy(("a",), {}, 0.0, -1.0, 1, 0)


@given(
    st.lists(st.tuples(st.sampled_from(list(GROUPS)), st.floats(-6.0, 6.0)), min_size=1, max_size=30),
    st.floats(0.01, 0.9),
)
def test_that_nobody_attends_is_one_hypothesis_more(
    flashes: list[tuple[str, float]], p_nobody: float
) -> None:
    """By brute force: where nobody attends every flash is a nontarget."""
    found = ItemPolicy(ITEMS, GROUPS, 1.0, max_flashes=1000, p_nobody=p_nobody)
    said = [push(found, group, evidence, 0.2 * i) for i, (group, evidence) in enumerate(flashes)][-1]
    weights = [p_nobody, *[(1.0 - p_nobody) / len(ITEMS)] * len(ITEMS)]
    for group, evidence in flashes:
        p_target = 1.0 / (1.0 + math.exp(-evidence))
        held = [False, *(item in GROUPS[group] for item in ITEMS)]
        weights = [w * (p_target if one else 1.0 - p_target) for w, one in zip(weights, held, strict=True)]
    expected = np.array(weights) / sum(weights)
    assert found.nobody == pytest.approx(expected[0], abs=1e-9)
    # what is published says which item, if one
    np.testing.assert_allclose(np.array(said.probs) * (1.0 - found.nobody), expected[1:], atol=1e-9)
    if abs(expected[0] - expected[1:].max()) > 1e-6:
        assert (said.why == "idle") == (expected[0] > expected[1:].max())


@pytest.mark.parametrize("p_nobody", [0.0, 0.1])
def test_a_selection_without_anyone_gets_no_item_where_that_is_reckoned_with(p_nobody: float) -> None:
    rng, written, right = np.random.default_rng(2), 0, 0
    for i in range(200):
        item = str(rng.choice(ITEMS)) if i % 2 else ""
        found = ItemPolicy(ITEMS, GROUPS, 0.95, max_flashes=40, p_nobody=p_nobody)
        found.begin(0.0)
        said = []
        for k, group in enumerate(rng.permutation(list(GROUPS) * 10)):
            x = rng.normal(0.7 if item and item in GROUPS[group] else -0.7, 1.0)
            said.append(push(found, str(group), 1.4 * float(x), 0.2 * k))
        decision = next((one.decision for one in said if one.decision is not None), None)
        written += not item and decision is not None
        right += bool(item) and decision == item
        assert decision is not None or said[-1].why == "idle"
    assert right >= 95
    assert written <= 5 if p_nobody else written == 100


def test_where_nothing_was_seen_nobody_is_not_said() -> None:
    found = ItemPolicy(ITEMS, GROUPS, p_nobody=0.5)
    assert found.push(-1.0, None, 0.1, 0.9).why == "below_threshold"
    found.drop(0.3)
    assert push(found, "r1", -1.0, 0.5).why == "idle"


def test_a_prior_of_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"p_nobody is 1\.0, need at least 0 and below 1"):
        ItemPolicy(ITEMS, GROUPS, p_nobody=1.0)
