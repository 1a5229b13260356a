"""What the drawings of a session's report leave out."""

from typing import Any

import numpy as np
import pytest

from rtbci.report.figure import draw_svg
from rtbci.report.session_plots import SIDES, WIDE_IN, _breaks, _drawn


def test_no_line_is_drawn_over_a_time_without_predictions() -> None:
    t = np.array([0.0, 0.2, 0.4, 0.6, 40.0, 40.2, 40.9, 41.8])
    assert _breaks(t).tolist() == [4, 7]
    assert _breaks(t[:1]).tolist() == []


def test_of_many_classes_those_are_drawn_that_were_probable_once() -> None:
    probs = np.full((5, 36), 0.9 / 36)
    probs[2, 7] = 0.4
    assert _drawn(probs) == [7]
    assert _drawn(probs[:, :4]) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["W", "a much longer name of a row"])
def test_drawings_below_each_other_line_up(name: str) -> None:
    """Whatever their labels are like; what needs more room than there is has it."""
    pytest.importorskip("matplotlib")

    def box(label: str) -> Any:
        kept: list[Any] = []

        def draw(_: Any, axes: Any) -> None:
            axes.plot([0.0, 112.0], [0.0, 1.0])
            axes.set_yticks([0.0, 1.0], [label, "1"])
            kept.append(axes)

        draw_svg("one", "one", (WIDE_IN, 2.0), draw, SIDES)
        return kept[0].get_position()

    short, other = box("100"), box(name)
    assert (short.x0, short.x1) == pytest.approx(SIDES)
    if len(name) < 10:
        assert (other.x0, other.x1) == pytest.approx(SIDES)
    else:
        assert other.x0 > SIDES[0]
