"""The alpha paradigm on the few real recordings that are at hand."""

import numpy as np
import pytest

from rtbci.recipes import read_paradigm
from rtbci.replay.read import read_recordings
from tests.data_paths import data_dir, needs_data
from tools.alpha_value import Windows, arithmetic, cyton, streamed, within


def test_windows_of_a_stretch() -> None:
    first = np.array([0.0, 1.0, 2.0]) + 0.5
    windows = Windows(first, first + 2.0, first, first)
    assert within(windows, [(1.0, 4.0)], whole=True).tolist() == [False, True, True]
    assert within(windows, [(0.0, 0.5)], whole=False).tolist() == [True, False, False]


@needs_data
@pytest.mark.data
def test_strong_alpha_is_above_rest_and_blinks_and_jaw_are_not() -> None:
    windows, parts = cyton(read_paradigm("alpha"), data_dir())
    still, strong = (windows.value[parts[one]] for one in ("eyes open, still", "strong alpha, no blinks"))
    assert strong.mean() > 0.8 > 0.6 > still.mean()
    for what in ("blinks", "jaw clenched"):
        assert windows.value[parts[what]].max() < np.percentile(strong, 50)
        assert windows.value[parts[what]].mean() < still.mean()


@needs_data
@pytest.mark.data
def test_who_calculates_has_less() -> None:
    told = arithmetic(read_paradigm("alpha"), data_dir(), ("P3", "P4"))
    assert all(one.rest.mean() > one.task.mean() for one in told.values())


@needs_data
@pytest.mark.data
def test_a_headband_with_lost_packets_does_not_make_it_jump() -> None:
    recording = read_recordings(data_dir() / "muse" / "ssvep_subject1.csv")[0]
    value = streamed(read_paradigm("alpha"), recording).value
    assert len(value) > 150
    assert np.abs(np.diff(value)).max() < 0.15  # 0.30 when the mean began anew behind each gap
