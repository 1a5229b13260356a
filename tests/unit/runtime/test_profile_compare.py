import math

import msgspec
import numpy as np
import pytest

from rtbci.probe.profile import Accuracy, Profile
from rtbci.probe.profile_record import DecisionEntry
from rtbci.runtime.profile_compare import compare_profiles, head_distances
from tests.probe_samples import make_profile


def changed(**change: object) -> Profile:
    return msgspec.structs.replace(make_profile(), **change)


def accuracy(mean: float, what: str = "trials") -> Accuracy:
    return Accuracy(mean=mean, low=mean - 5, high=mean + 5, n=20, what=what)


def rows(a: Profile, b: Profile) -> dict[str, tuple[str, str, str]]:
    return {row.what: (row.first, row.second, row.note) for row in compare_profiles(a, b)}


def test_a_profile_does_not_differ_from_itself() -> None:
    assert compare_profiles(make_profile(), make_profile()) == []
    assert set(head_distances(make_profile(), make_profile()).values()) == {0.0}


def test_numbers_that_differ() -> None:
    decision = DecisionEntry(threshold=0.8, dwell_s=0.25, refractory_s=1.0, smoothing_s=0.5)
    branches = [msgspec.structs.replace(entry, weight=0.25) for entry in make_profile().branches[:2]]
    found = rows(
        make_profile(),
        changed(
            temperature=1.25, bias=[0.5, -0.5], decision=decision, branches=branches, montage=["C3", "C4"]
        ),
    )
    assert found["temperature"] == ("1", "1.25", "")
    assert found["bias"][1] == "+0.5 -0.5"
    assert found["decision"][:2] == (
        "the paradigm's",
        "threshold 0.8, dwell 0.25 s, refractory 1 s, smoothing 0.5 s",
    )
    assert found["fusion weight of encoder"][:2] == ("1", "0.25")
    assert found["fusion weight of power"][:2] == ("2", "no branch")
    assert found["montage"] == ("any", "2 electrodes", "only the second: C3 C4")


@pytest.mark.parametrize(
    ("second", "note"),
    [
        (accuracy(68.0), "overlap: no clear difference"),
        (accuracy(80.0), "do not overlap"),
        (accuracy(80.0, "subjects"), "not the same measurement"),
        (None, ""),
    ],
)
def test_what_to_make_of_accuracies(second: Accuracy | None, note: str) -> None:
    found = rows(changed(accuracy=accuracy(60.0)), changed(accuracy=second))["accuracy"]
    assert found[0] == "60.0 % [55.0, 65.0]"
    assert note in found[2]


def test_other_electrodes_of_the_same_number() -> None:
    found = rows(changed(montage=["C3", "CZ"]), changed(montage=["C3", "C4"]))["montage"]
    assert found == ("2 electrodes", "2 electrodes, others", "only the first: CZ; only the second: C4")


def test_how_far_weights_are_apart() -> None:
    a = make_profile()
    b = msgspec.structs.replace(
        a, weights={name: 2 * x if name.startswith("power.") else x for name, x in a.weights.items()}
    )
    assert head_distances(a, b) == pytest.approx({"align": 0.0, "encoder": 0.0, "power": 0.5, "tangent": 0.0})
    assert rows(a, b)["weights of power"][1] == "50.0 % apart"
    c = msgspec.structs.replace(a, weights={**a.weights, "align.covariance": np.eye(2)})
    assert math.isinf(head_distances(a, c)["align"])
    assert rows(a, c)["weights of align"][1] == "not comparable"
