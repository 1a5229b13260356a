import re

import numpy as np
import numpy.typing as npt
import pytest
import torch

from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.encoder.features import FeatureRing
from rtbci.encoder.sizes import SIZES
from rtbci.errors import EngineError, ShapeError
from rtbci.stages.patches import PatchSlicer

LABELS = ["FC3", "FC4", "C3", "CZ", "C4", "CP3", "CP4"]
N_PATCHES = 4
SIZE_PARAMS = [
    pytest.param(name, marks=[] if name in ("nano", "light") else [pytest.mark.slow]) for name in SIZES
]


def make(name: str) -> tuple[DareEncoder, OrtSession]:
    torch.manual_seed(11)
    encoder = DareEncoder(name, embedding_std=0.5).eval()
    return encoder, OrtSession(onnx_bytes(*describe(encoder, LABELS, "whitened")))


def eeg_like(n_samples: int, seed: int = 0) -> npt.NDArray[np.float64]:
    """Smooth noise of unit spread with an offset per channel."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((n_samples + 15, len(LABELS)))
    smooth = np.stack([np.convolve(column, np.ones(16) / 4, "valid") for column in noise.T], 1)
    return np.ascontiguousarray(smooth + rng.normal(size=len(LABELS)))


def full_windows(encoder: DareEncoder, x: npt.NDArray[np.float64], hop: int) -> npt.NDArray[np.float32]:
    """Every window of the recording, each encoded whole by torch."""
    n, ids = 64 * N_PATCHES, channel_ids(LABELS)
    ends = [end for end in range(n, len(x) + 1) if (end - 64) % hop == 0]
    with torch.inference_mode():
        windows = np.stack([x[end - n : end].reshape(N_PATCHES, 64, -1).transpose(0, 2, 1) for end in ends])
        return np.asarray(encoder(torch.from_numpy(windows.astype(np.float32)), ids).flatten(2).numpy())


@pytest.mark.parametrize("hop", [16, 32, 64])
@pytest.mark.parametrize("name", SIZE_PARAMS)
def test_features_of_a_stream_are_those_of_full_windows(name: str, hop: int) -> None:
    encoder, session = make(name)
    x = eeg_like(64 * N_PATCHES + 151)
    n_features = int(np.prod(session.output_shape[1:]))
    ring = FeatureRing(n_features, N_PATCHES, 64 // hop)
    slicer = PatchSlicer(64, hop, n_channels=len(LABELS))
    for _ in range(2):
        got = []
        for patch in slicer.push(x):
            ring.push(session.run(patch[np.newaxis]).ravel())
            if ring.filled:
                got.append(ring.window().copy())
        np.testing.assert_allclose(got, full_windows(encoder, x, hop), atol=1e-5, rtol=0)
        slicer.reset()
        ring.reset()


@pytest.mark.parametrize("n_phases", [1, 2, 4])
def test_ring_holds_the_newest_of_its_own_grid(n_phases: int) -> None:
    ring = FeatureRing(2, 3, n_phases)
    for k in range(40):
        ring.push(np.array([k, -k]))
        assert ring.filled == (k >= 2 * n_phases)
        window = ring.window()
        assert window.flags.c_contiguous
        want = [max(0, k - j * n_phases) * (k - j * n_phases >= 0) for j in (2, 1, 0)]
        assert window[:, 0].tolist() == want
    ring.reset()
    assert not ring.filled
    ring.push(np.ones(2))
    assert ring.window().tolist() == [[0, 0], [0, 0], [1, 1]]


def test_wrong_use_says_got_and_need() -> None:
    with pytest.raises(EngineError, match="got 0 features, 3 patches, 4 phases"):
        FeatureRing(0, 3, 4)
    with pytest.raises(ShapeError, match=re.escape("features have shape (3,), need (2,)")):
        FeatureRing(2, 3, 4).push(np.zeros(3))
    with pytest.raises(ShapeError, match="holds no features"):
        FeatureRing(2, 3, 4).window()


def test_features_of_a_skipped_hop_can_be_put_in_as_long_as_a_window_holds_it() -> None:
    plain, ring = (FeatureRing(n_features=1, n_patches=3, n_phases=2) for _ in range(2))
    for k in range(20):
        plain.push(np.array([k], np.float32))
        if k % 3:
            ring.skip()
        else:
            ring.push(np.array([k], np.float32))
    for k in range(14, 20):
        if k % 3:
            ring.put(k, np.array([k], np.float32))
    assert ring.n_pushed == plain.n_pushed == 20
    np.testing.assert_array_equal(ring.window(), plain.window())
    for i_push in (13, 20, -1):
        with pytest.raises(ShapeError, match=f"push {i_push} of 20 is in no window"):
            ring.put(i_push, np.array([0.0], np.float32))
    with pytest.raises(ShapeError, match=r"have shape \(2,\), need \(1,\)"):
        ring.put(19, np.array([0.0, 1.0], np.float32))
