"""What the drawings of a session's report leave out."""

import numpy as np

from rtbci.report.session_plots import _breaks, _drawn


def test_no_line_is_drawn_over_a_time_without_predictions() -> None:
    t = np.array([0.0, 0.2, 0.4, 0.6, 40.0, 40.2, 40.9, 41.8])
    assert _breaks(t).tolist() == [4, 7]
    assert _breaks(t[:1]).tolist() == []


def test_of_many_classes_those_are_drawn_that_were_probable_once() -> None:
    probs = np.full((5, 36), 0.9 / 36)
    probs[2, 7] = 0.4
    assert _drawn(probs) == [7]
    assert _drawn(probs[:, :4]) == [0, 1, 2, 3]
