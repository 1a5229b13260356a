"""The branch that stages: filters over windows end to end, gaps, and what its head reads."""

import numpy as np
import pytest

from rtbci.errors import ShapeError, SignalError
from rtbci.probe.branches import begin_again
from rtbci.probe.epoch_branch import EpochBranch, context_names
from rtbci.probe.epoch_features import FEATURES
from rtbci.probe.epoch_heads import LinearHead, TreesHead, log_softmax
from rtbci.stages.stage import FloatArray

N, RATE_HZ, WINDOW, HOP, N_CLASSES = len(FEATURES), 100.0, 600, 100, 3
TRANSITION = np.array([[0.8, 0.2, 0.0], [0.1, 0.7, 0.2], [0.0, 0.3, 0.7]])
PRIOR = np.full(3, 1 / 3)


def head(seed: int = 0) -> LinearHead:
    rng = np.random.default_rng(seed)
    return LinearHead(np.zeros(N), np.full(N, 3.0), rng.standard_normal((N_CLASSES, N)), np.zeros(N_CLASSES))


def branch(hop: int = HOP) -> EpochBranch:
    return EpochBranch(head(), 1, WINDOW, hop, RATE_HZ, transition=TRANSITION, prior=PRIOR)


def signal(n_windows: int, seed: int = 0) -> FloatArray:
    x = np.random.default_rng(seed).standard_normal((n_windows * WINDOW, 1))
    return 20.0 * x * (1.0 + np.sin(np.arange(len(x)) / 700.0))[:, None]


def pushed(one: EpochBranch, data: FloatArray, hop: int = HOP) -> list[FloatArray | None]:
    said = []
    for i in range(0, len(data), hop):
        one.push(data[i : i + hop])
        said.append(one.logits())
    return said


def test_windows_end_to_end_know_nothing_of_those_between() -> None:
    data = signal(5)
    often, seldom = pushed(branch(), data), pushed(branch(WINDOW), data, WINDOW)
    for k, wanted in enumerate(seldom):
        np.testing.assert_array_equal(often[(k + 1) * WINDOW // HOP - 1], wanted)


@pytest.mark.parametrize("start", [None, np.array([0.9, 0.08, 0.02])])
def test_the_filter_is_bayes_rule(start: FloatArray | None) -> None:
    data = signal(4)
    alone = EpochBranch(head(), 1, WINDOW, WINDOW, RATE_HZ)
    chained = EpochBranch(head(), 1, WINDOW, WINDOW, RATE_HZ, transition=TRANSITION, prior=PRIOR, start=start)
    first = belief = PRIOR if start is None else start
    for said, plain in zip(pushed(chained, data, WINDOW), pushed(alone, data, WINDOW), strict=True):
        assert said is not None
        assert plain is not None
        expected = belief if belief is first else belief @ TRANSITION
        belief = expected * np.exp(plain) / PRIOR
        belief /= belief.sum()
        np.testing.assert_allclose(np.exp(said), belief, atol=1e-9)


def test_a_gap_ends_the_window_and_not_the_night() -> None:
    one = branch()
    pushed(one, signal(3))
    before = one.n_epochs
    begin_again([one], is_gap=True)
    assert one.logits() is None
    said = pushed(one, signal(1, seed=5))
    assert [value is None for value in said] == [True] * 5 + [False]
    assert one.n_epochs == before + 1
    fresh = pushed(branch(), signal(1, seed=5))[-1]
    assert not np.allclose(said[-1], fresh)  # type: ignore[arg-type]
    begin_again([one], is_gap=False)
    np.testing.assert_array_equal(pushed(one, signal(1, seed=5))[-1], fresh)


@pytest.mark.parametrize("n_trees", [0, 1])
def test_another_head_goes_on_with_the_night(n_trees: int) -> None:
    """One that is alike says what the one before it would have said; without, it would begin the night anew."""
    i_hour = len(context_names(1)) - 2
    trees = TreesHead(
        [i_hour], [4.5 * WINDOW / RATE_HZ / 3600], [-1], [-2], [1.0, -1.0, 0.0], [0, -3], [0, 1]
    )

    def make() -> EpochBranch:
        return EpochBranch(trees, 1, WINDOW, HOP, RATE_HZ) if n_trees else branch()

    night, later = signal(6)[: -2 * HOP], signal(3, seed=5)
    one, unbroken, other, anew = make(), make(), make(), make()
    pushed(one, night)
    pushed(unbroken, night)
    for new in (other, anew):
        pushed(new, night[-WINDOW - HOP :])  # what a swap lets it see
    other.succeed(one)
    np.testing.assert_array_equal(other.logits(), one.logits())
    assert other.n_epochs == one.n_epochs
    wanted, fresh = pushed(unbroken, later), pushed(anew, later)
    for said, expected in zip(pushed(other, later), wanted, strict=True):
        np.testing.assert_array_equal(said, expected)
    assert not np.allclose(np.array(fresh), np.array(wanted))


def test_a_branch_of_another_kind_leaves_no_night() -> None:
    one, seldom = branch(), branch(WINDOW)
    pushed(seldom, signal(3), WINDOW)
    said = pushed(one, signal(1))[-1]
    one.succeed(seldom)
    np.testing.assert_array_equal(one.logits(), said)


def test_heads_must_fit_the_channels() -> None:
    with pytest.raises(ShapeError, match="2 channels give"):
        EpochBranch(head(), 2, WINDOW, HOP, RATE_HZ)
    with pytest.raises(ShapeError, match="whole number of hops"):
        EpochBranch(head(), 1, WINDOW, 70, RATE_HZ)
    with pytest.raises(ShapeError, match="rows of transition"):
        EpochBranch(head(), 1, WINDOW, HOP, RATE_HZ, transition=2 * TRANSITION, prior=PRIOR)
    with pytest.raises(ShapeError, match="have shapes"):
        EpochBranch(head(), 1, WINDOW, HOP, RATE_HZ, transition=np.eye(2), prior=PRIOR)
    with pytest.raises(ShapeError, match="transition, prior and start have shapes"):
        EpochBranch(head(), 1, WINDOW, HOP, RATE_HZ, transition=TRANSITION, prior=PRIOR, start=np.ones(2))


@pytest.mark.parametrize(("n_channels", "n_names"), [(1, 65), (2, 116)])
def test_names_are_those_of_yasa(n_channels: int, n_names: int) -> None:
    names = context_names(n_channels)
    assert len(set(names)) == len(names) == n_names  # as many as its classifiers read
    assert {"eeg_sdelta", "eeg_perm_p2min_norm", "eeg_at_c7min_norm", "time_hour", "time_norm"} <= set(names)
    assert ("eog_beta_c7min_norm" in names) == (n_channels == 2)
    assert "eog_at" not in names


def test_trees_read_the_night_so_far() -> None:
    # one tree: hours since the first epoch
    i_hour = len(context_names(1)) - 2
    trees = TreesHead(
        [i_hour], [4.5 * WINDOW / RATE_HZ / 3600], [-1], [-2], [1.0, -1.0, 0.0], [0, -3], [0, 1]
    )
    said = pushed(EpochBranch(trees, 1, WINDOW, WINDOW, RATE_HZ), signal(8), WINDOW)
    wanted = log_softmax(np.array([1.0, 0.0])), log_softmax(np.array([-1.0, 0.0]))
    for k, one in enumerate(said):
        np.testing.assert_allclose(one, wanted[k >= 5])  # type: ignore[arg-type]


@pytest.mark.parametrize("hop", [HOP, WINDOW])
def test_an_electrode_that_gives_nothing_is_not_staged(hop: int) -> None:
    """A window with a flat stretch is none, whatever the hop; the night before it stays known."""
    data = signal(6)
    lost = data.copy()
    lost[2 * WINDOW : 3 * WINDOW] = 0.0
    one = branch(hop)
    said = pushed(one, lost, hop)
    piece = round(2.0 * RATE_HZ)
    for i, logits in enumerate(said):
        starts = range((i + 1) * hop - WINDOW, (i + 1) * hop, piece)
        is_flat = any(start >= 2 * WINDOW and start + piece <= 3 * WINDOW for start in starts)
        assert (logits is None) == (is_flat or starts.start < 0)
    assert one.n_epochs == 5  # of six windows end to end
    with pytest.raises(SignalError, match=r"a channel is flat for 2 s of the window"):
        branch(hop).logits_of(lost[2 * WINDOW : 3 * WINDOW])
