import numpy as np
import pytest

from rtbci.calibrate.symbols import SYMBOLS, Polygon, bitmap, outline
from rtbci.errors import ConfigError


def area_centre(polygon: Polygon) -> tuple[float, float]:
    """Centre of mass of a polygon's area."""
    x, y = np.array(polygon).T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    area = cross.sum() / 2
    centre = [((one + np.roll(one, -1)) * cross).sum() / (6 * area) for one in (x, y)]
    return float(centre[0]), float(centre[1])


@pytest.mark.parametrize("name", sorted(SYMBOLS))
def test_outline_and_area_are_centred_on_the_fixation_point(name: str) -> None:
    corners = np.array(outline(name))
    np.testing.assert_allclose((corners.min(axis=0) + corners.max(axis=0)) / 2, 0.0, atol=1e-12)
    np.testing.assert_allclose(area_centre(outline(name)), 0.0, atol=1e-12)
    assert np.abs(corners).max() <= 1.0


def test_left_and_right_are_mirror_images() -> None:
    left, right = bitmap("left", 40), bitmap("right", 40)
    np.testing.assert_array_equal(left, right[:, ::-1])
    assert not np.array_equal(left, right)
    np.testing.assert_array_equal(bitmap("down", 40), right.T)


def test_a_bitmap_has_the_area_of_its_outline() -> None:
    for name, corners in SYMBOLS.items():
        x, y = np.array(corners).T
        area = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
        assert bitmap(name, 200).mean() * 4 == pytest.approx(area, rel=0.03)


def test_unknown_symbols_name_the_known() -> None:
    with pytest.raises(ConfigError, match="symbols: no 'star', have circle, cross"):
        outline("star")
