import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.decide.policy import DecisionPolicy
from rtbci.errors import ConfigError, ShapeError

CLASSES = ("left", "right", "feet")
HOP_S = 0.0625


def run(policy: DecisionPolicy, probs: list[tuple[float, ...]], t_start: float = 0.0) -> list[str | None]:
    return [policy.push(p, t_start + i * HOP_S).decision for i, p in enumerate(probs)]


@st.composite
def prob_rows(draw: st.DrawFn) -> list[tuple[float, ...]]:
    rows = draw(st.lists(st.tuples(*[st.floats(0.01, 1.0)] * len(CLASSES)), min_size=1, max_size=60))
    return [tuple(value / sum(row) for value in row) for row in rows]


settings_of = st.fixed_dictionaries(
    {
        "threshold": st.floats(0.2, 1.0),
        "dwell_s": st.sampled_from([0.0, HOP_S, 0.25, 1.0]),
        "refractory_s": st.sampled_from([0.0, 0.25, 1.0]),
        "smoothing_s": st.sampled_from([0.0, 0.1, 1.0]),
    }
)


def test_threshold_alone_decides_at_every_hop() -> None:
    policy = DecisionPolicy(("left", "right"), threshold=0.7)
    assert run(policy, [(0.6, 0.4), (0.7, 0.3), (0.8, 0.2), (0.3, 0.7)]) == [None, "left", "left", "right"]


def test_dwell_needs_the_same_class_all_the_time() -> None:
    policy = DecisionPolicy(("left", "right"), threshold=0.7, dwell_s=2 * HOP_S)
    left, right, unsure = (0.9, 0.1), (0.1, 0.9), (0.5, 0.5)
    assert run(policy, [left, left, unsure, left, left, right, left, left, left]) == [None] * 8 + ["left"]


def test_refractory_time_makes_a_decision_a_pulse_and_the_dwell_starts_anew() -> None:
    policy = DecisionPolicy(("left", "right"), threshold=0.7, dwell_s=HOP_S, refractory_s=4 * HOP_S)
    decisions = run(policy, [(0.9, 0.1)] * 12)
    assert [i for i, decision in enumerate(decisions) if decision] == [1, 6, 11]


def test_windows_of_the_pause_say_so_however_sure_or_idle_they_are() -> None:
    policy = DecisionPolicy(("left", "right", "rest"), idle=2, threshold=0.7, refractory_s=4 * HOP_S)
    pushed = [(0.9, 0.1, 0.0), (0.9, 0.1, 0.0), (0.4, 0.3, 0.3), (0.0, 0.1, 0.9), (0.4, 0.3, 0.3)]
    said = [policy.push(probs, i * HOP_S) for i, probs in enumerate(pushed)]
    assert [one.refractory for one in said] == [False, True, True, True, False]
    assert [one.why for one in said] == [
        None,
        "below_threshold",
        "below_threshold",
        "idle",
        "below_threshold",
    ]


@pytest.mark.parametrize("jitter_s", [-4e-4, 4e-4])
def test_jitter_of_stamps_does_not_cost_a_hop(jitter_s: float) -> None:
    policy = DecisionPolicy(("left", "right"), threshold=0.7, dwell_s=0.25)
    decisions = [policy.push((0.9, 0.1), i * HOP_S + jitter_s * (i % 2)).decision for i in range(5)]
    assert decisions == [None] * 4 + ["left"]


def test_a_successor_keeps_the_pause_and_forgets_the_rest() -> None:
    held = DecisionPolicy(("left", "right"), threshold=0.7, dwell_s=2 * HOP_S, refractory_s=4 * HOP_S)
    assert run(held, [(0.9, 0.1)] * 4) == [None, None, "left", None]
    new = DecisionPolicy(("left", "right"), threshold=0.7, refractory_s=6 * HOP_S)
    new.succeed(held)
    decided = run(new, [(0.1, 0.9)] * 6, 4 * HOP_S)
    assert [i for i, one in enumerate(decided) if one] == [4]  # 6 hops after the decision at hop 2
    eager = DecisionPolicy(("left", "right"), threshold=0.7)
    eager.succeed(held)
    assert run(eager, [(0.1, 0.9)], 4 * HOP_S) == ["right"]
    later = DecisionPolicy(("left", "right"), threshold=0.7, refractory_s=6 * HOP_S)
    later.succeed(held)
    assert run(later, [(0.1, 0.9)], 0.0) == ["right"]  # the stream's clock has been set back


def test_smoothing_has_the_time_constant_it_says() -> None:
    policy = DecisionPolicy(("left", "right"), threshold=0.5, smoothing_s=0.5)
    policy.push((0.0, 1.0), 0.0)
    decisions = [policy.push((1.0, 0.0), i * HOP_S) for i in range(1, 9)]
    assert decisions[-1].smoothed == pytest.approx((1 - math.exp(-1), math.exp(-1)))


def test_why_is_given_exactly_when_there_is_no_decision() -> None:
    policy = DecisionPolicy(("left", "right"), threshold=0.7)
    assert policy.push((0.5, 0.5), 0.0)[:2] == (None, "below_threshold")
    assert policy.push((0.9, 0.1), 1.0)[:2] == ("left", None)


def test_a_stamp_that_does_not_advance_starts_anew() -> None:
    policy = DecisionPolicy(("left", "right"), threshold=0.7, refractory_s=10.0)
    assert policy.push((0.9, 0.1), 5.0).decision == "left"
    assert policy.push((0.9, 0.1), 5.1).decision is None
    assert policy.push((0.9, 0.1), 1.0).decision == "left"


@given(settings=settings_of, rows=prob_rows(), before=prob_rows())
def test_reset_equals_new(
    settings: dict[str, Any], rows: list[tuple[float, ...]], before: list[tuple[float, ...]]
) -> None:
    used = DecisionPolicy(CLASSES, **settings)
    run(used, before)
    used.reset()
    new = DecisionPolicy(CLASSES, **settings)
    for i, row in enumerate(rows):
        assert used.push(row, 100.0 + i * HOP_S) == new.push(row, 100.0 + i * HOP_S)


@given(settings=settings_of, rows=prob_rows(), shift_s=st.integers(-1000, 1000))
def test_only_differences_of_time_count(
    settings: dict[str, Any], rows: list[tuple[float, ...]], shift_s: int
) -> None:
    policies = DecisionPolicy(CLASSES, **settings), DecisionPolicy(CLASSES, **settings)
    # Whole seconds and a hop of 1/16 s are exact in binary, so the decisions must be equal.
    assert run(policies[0], rows) == run(policies[1], rows, t_start=float(shift_s))


@given(settings=settings_of, rows=prob_rows())
def test_every_decision_keeps_threshold_dwell_and_pause(
    settings: dict[str, Any], rows: list[tuple[float, ...]]
) -> None:
    policy = DecisionPolicy(CLASSES, **settings)
    results = [policy.push(row, i * HOP_S) for i, row in enumerate(rows)]
    n_dwell = round(settings["dwell_s"] / HOP_S)
    t_last = -math.inf
    for i, result in enumerate(results):
        assert sum(result.smoothed) == pytest.approx(1.0)
        if result.decision is None:
            continue
        best = CLASSES.index(result.decision)
        assert i >= n_dwell
        for held in results[i - n_dwell : i + 1]:
            assert held.smoothed[best] == max(held.smoothed) >= settings["threshold"]
        assert i * HOP_S - t_last >= settings["refractory_s"]
        t_last = i * HOP_S


def test_wrong_number_of_probabilities_is_refused() -> None:
    with pytest.raises(ShapeError, match="got 2 probabilities, need 3"):
        DecisionPolicy(CLASSES, threshold=0.5).push((0.5, 0.5), 0.0)


def test_all_bad_settings_are_named_at_once() -> None:
    with pytest.raises(
        ConfigError, match=r"threshold is 1.5, need above 0 .*; dwell_s is -1.0, .*smoothing_s is nan"
    ):
        DecisionPolicy(CLASSES, threshold=1.5, dwell_s=-1.0, smoothing_s=math.nan)
    with pytest.raises(ConfigError, match=r"classes is .* need two or more, all different"):
        DecisionPolicy(("left", "left"), threshold=0.5)


# -- an idle class -----------------------------------------------------------------------------------

LEFT, RIGHT, REST, UNSURE = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8), (0.4, 0.3, 0.3)
WITH_REST = ("left", "right", "rest")


def said(policy: DecisionPolicy, probs: list[tuple[float, ...]]) -> list[str | None]:
    """Decisions, and why there is none."""
    found = [policy.push(p, i * HOP_S) for i, p in enumerate(probs)]
    return [one.decision or one.why for one in found]


def test_idle_is_never_decided_for_whatever_its_probability() -> None:
    policy = DecisionPolicy(WITH_REST, idle=2, threshold=0.7)
    faint = (0.3, 0.3, 0.4)
    assert said(policy, [REST, faint, LEFT, REST, UNSURE]) == [
        "idle",
        "idle",
        "left",
        "idle",
        "below_threshold",
    ]


def test_idle_starts_no_pause() -> None:
    policy = DecisionPolicy(WITH_REST, idle=2, threshold=0.7, refractory_s=4 * HOP_S)
    assert said(policy, [REST, REST, LEFT]) == ["idle", "idle", "left"]


def test_idle_ends_the_dwell_of_another_class() -> None:
    policy = DecisionPolicy(WITH_REST, idle=2, threshold=0.7, dwell_s=2 * HOP_S)
    decided = said(policy, [LEFT, LEFT, REST, LEFT, LEFT, LEFT])
    assert decided == [*["below_threshold"] * 2, "idle", *["below_threshold"] * 2, "left"]


def test_within_the_pause_idle_is_still_told() -> None:
    policy = DecisionPolicy(WITH_REST, idle=2, threshold=0.7, refractory_s=3 * HOP_S)
    assert said(policy, [LEFT, RIGHT, REST, RIGHT]) == ["left", "below_threshold", "idle", "right"]


def test_idle_is_judged_smoothed() -> None:
    policy = DecisionPolicy(WITH_REST, idle=2, threshold=0.9, smoothing_s=10.0)
    assert said(policy, [REST, LEFT]) == ["idle", "idle"]


def test_one_class_and_idle_is_a_switch() -> None:
    policy = DecisionPolicy(("rest", "feet"), idle=0, threshold=0.7)
    assert said(policy, [(0.9, 0.1), (0.4, 0.6), (0.1, 0.9)]) == ["idle", "below_threshold", "feet"]


@given(settings=settings_of, rows=prob_rows(), idle=st.integers(0, 2))
def test_an_idle_window_is_one_without_a_candidate(
    settings: dict[str, Any], rows: list[tuple[float, ...]], idle: int
) -> None:
    settings = {**settings, "smoothing_s": 0.0, "threshold": max(0.35, settings["threshold"])}
    found = said(DecisionPolicy(CLASSES, idle=idle, **settings), rows)
    is_idle = [row.index(max(row)) == idle for row in rows]
    assert [one == "idle" for one in found] == is_idle
    assert CLASSES[idle] not in found
    nothing = (1 / 3,) * 3
    others = [nothing if idle_now else row for row, idle_now in zip(rows, is_idle, strict=True)]
    wanted = said(DecisionPolicy(CLASSES, **settings), others)
    assert wanted == ["below_threshold" if one == "idle" else one for one in found]


@pytest.mark.parametrize("idle", [-1, 3])
def test_idle_must_be_one_of_the_classes(idle: int) -> None:
    with pytest.raises(ConfigError, match=f"idle is {idle}, need the index of one of the 3 classes, or None"):
        DecisionPolicy(CLASSES, idle=idle, threshold=0.5)
