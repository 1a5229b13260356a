import numpy as np
import pytest

from rtbci.amp.head import GRID, Dipole, dipole_at, scalp_gains

SIDES = ["C3", "C4", "CZ", "O1", "FP1", "F7", "F8"]


def test_a_radial_dipole_is_largest_right_above_it() -> None:
    gains = scalp_gains(GRID, [dipole_at("C3"), dipole_at("O2")], reference=())
    assert GRID[int(gains[:, 0].argmax())] == "C3"
    assert GRID[int(gains[:, 1].argmax())] == "O2"
    np.testing.assert_allclose(np.abs(gains).max(axis=0), 1.0)


def test_left_and_right_mirror_each_other() -> None:
    gains = scalp_gains(["C3", "C4"], [dipole_at("C3"), dipole_at("C4")], reference=())
    assert gains[0, 0] == pytest.approx(gains[1, 1], rel=0.05)
    assert gains[0, 1] == pytest.approx(gains[1, 0], abs=0.02)


def test_a_tangential_dipole_has_two_poles() -> None:
    gains = scalp_gains(SIDES, [Dipole(np.array([0.0, 0.7, 0.0]), np.array([1.0, 0.0, 0.0]))], reference=())
    assert gains[SIDES.index("F8"), 0] > 0.2
    assert gains[SIDES.index("F7"), 0] < -0.2


def test_the_reference_is_subtracted_and_scale_does_not_depend_on_the_cap() -> None:
    dipoles = [dipole_at("C3"), dipole_at("PZ", 0.6)]
    plain = scalp_gains(["C3", "A1", "A2"], dipoles, reference=())
    linked = scalp_gains(["C3"], dipoles)
    np.testing.assert_allclose(linked[0], plain[0] - plain[1:].mean(0))
    np.testing.assert_allclose(scalp_gains(SIDES, dipoles)[0], linked[0])


def test_labels_may_be_spelt_in_any_way() -> None:
    np.testing.assert_array_equal(
        scalp_gains(["Fc5.", "T3"], [dipole_at("C3")]), scalp_gains(["FC5", "T7"], [dipole_at("C3")])
    )
