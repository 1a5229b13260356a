"""A selection that was not seen to its end teaches nothing, and nothing is decided in it."""

from rtbci.decide.items import ItemPolicy
from rtbci.flashes.epochs import find_flashes
from rtbci.recipes import read_paradigm
from rtbci.stream.source import UNSEEN, Marker

GROUPS = {"r1": ("A", "B"), "r2": ("C", "D"), "c1": ("A", "C"), "c2": ("B", "D")}


def test_nothing_is_decided_in_it_and_the_next_is_a_new_one() -> None:
    policy = ItemPolicy(tuple("ABCD"), GROUPS, threshold=0.9, min_flashes=2, max_flashes=8)
    policy.begin(1.0)
    for t in (1.1, 1.3, 1.5):
        policy.expect(t)
    assert policy.push(9.0, "r1", 1.1, 2.1).decision is None
    policy.void(1.6)
    policy.end(1.6)
    for group, t in (("c1", 1.3), ("c2", 1.5)):
        assert policy.push(9.0, group, t, t + 1.0)[:2] == (None, "decided")
    policy.begin(5.0)
    assert policy.push(9.0, "r2", 5.1, 6.1).decision is None
    assert policy.push(9.0, "c2", 5.3, 6.3).decision == "D"


def test_nothing_is_fitted_on_it() -> None:
    recipe = read_paradigm("p300")
    texts = (
        "cue/A",
        "trial/begin",
        UNSEEN,
        "trial/end",
        "cue/B",
        "trial/begin",
        "flash/r1",
        "flash/c2",
        UNSEEN,
        "trial/end",
    )
    again = (
        "cue/B",
        "trial/begin",
        "flash/r1",
        "flash/c1",
        "trial/end",
        "cue/C",
        "trial/begin",
        "flash/r1",
        "trial/end",
    )
    markers = [Marker(float(i), text) for i, text in enumerate((*texts, *again))]
    found = find_flashes(markers, recipe)
    assert [(one.t_s, one.cue, one.is_target) for one in found] == [
        (12.0, "B", True),
        (13.0, "B", False),
        (17.0, "C", True),
    ]
    assert len({one.i_selection for one in found}) == 2
