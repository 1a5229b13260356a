import numpy as np
import pytest

from rtbci.errors import ConfigError
from rtbci.stages.patches import PatchSlicer


def test_patch_defaults_are_a_quarter_second_every_sixteenth() -> None:
    patches = PatchSlicer(n_channels=3).push(np.zeros((256, 3)))
    assert patches.shape == (13, 3, 64)
    assert patches.dtype == np.float32


def test_phase_grids_are_neighbouring_patches() -> None:
    signal = np.random.default_rng(0).normal(size=(640, 2))
    patches = PatchSlicer(n_channels=2).push(signal)
    for phase in range(4):
        grid = np.concatenate(list(patches[phase::4]), axis=1)
        start = phase * 16
        np.testing.assert_array_equal(grid, signal[start : start + grid.shape[1]].T.astype(np.float32))


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="PatchSlicer: got patches of 64 samples every 0 of 2 channels"):
        PatchSlicer(hop_samples=0, n_channels=2)
