import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.encoder.features import FeatureRing, StreamingEncoder
from rtbci.encoder.sizes import SIZES
from rtbci.errors import EngineError, ShapeError

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


def full_windows(
    encoder: DareEncoder, x: npt.NDArray[np.float64], hop: int
) -> list[tuple[int, npt.NDArray[Any]]]:
    """Every window of the recording, each encoded whole by torch."""
    n, ids = 64 * N_PATCHES, channel_ids(LABELS)
    ends = [end for end in range(n, len(x) + 1) if (end - 64) % hop == 0]
    with torch.inference_mode():
        windows = np.stack([x[end - n : end].reshape(N_PATCHES, 64, -1).transpose(0, 2, 1) for end in ends])
        features = encoder(torch.from_numpy(windows.astype(np.float32)), ids).flatten(2).numpy()
    return [(end - 1, one) for end, one in zip(ends, features, strict=True)]


@pytest.mark.parametrize("hop", [16, 32, 64])
@pytest.mark.parametrize("name", SIZE_PARAMS)
def test_stream_equals_full_windows_whatever_the_chunks(name: str, hop: int) -> None:
    encoder, session = make(name)
    x = eeg_like(64 * N_PATCHES + 151)
    want = full_windows(encoder, x, hop)
    rng = np.random.default_rng(hop)
    stream = StreamingEncoder(session, 64, hop, n_patches=N_PATCHES)
    for _ in range(2):
        cuts = np.sort(rng.integers(0, len(x) + 1, 25))
        got = [window for chunk in np.split(x, cuts) for window in stream.push(chunk)]
        assert [window.i_newest for window in got] == [i for i, _ in want]
        for window, (_, features) in zip(got, want, strict=True):
            np.testing.assert_allclose(window.features, features, atol=1e-5, rtol=0)
        stream.reset()


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 500), max_size=12), hop=st.sampled_from([16, 32, 64]))
def test_any_chunking_gives_the_same_bits(cuts: list[int], hop: int) -> None:
    x = eeg_like(500, seed=1)
    one_pass = StreamingEncoder(NANO, hop_samples=hop, n_patches=N_PATCHES).push(x)
    stream = StreamingEncoder(NANO, hop_samples=hop, n_patches=N_PATCHES)
    chunked = [window for chunk in np.split(x, sorted(cuts)) for window in stream.push(chunk)]
    assert [w.i_newest for w in chunked] == [w.i_newest for w in one_pass]
    assert all(np.array_equal(a.features, b.features) for a, b in zip(chunked, one_pass, strict=True))


NANO = make("nano")[1]


def test_windows_are_copies() -> None:
    stream = StreamingEncoder(NANO, n_patches=1)
    x = eeg_like(64 + 16 * 9)
    first = stream.push(x[:64])[0].features
    before = first.copy()
    stream.push(x[64:])
    assert np.array_equal(first, before)


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
    with pytest.raises(EngineError, match=re.escape("engine takes (1, 7, 64), need (1, n_channels, 32)")):
        StreamingEncoder(NANO, 32, 16, n_patches=4)
    with pytest.raises(EngineError, match="got a hop of 24 samples, need one that divides the patch of 64"):
        StreamingEncoder(NANO, 64, 24, n_patches=4)
    with pytest.raises(ShapeError, match=re.escape("chunk has shape (5, 2), need (n_samples, 7)")):
        StreamingEncoder(NANO, n_patches=4).push(np.zeros((5, 2)))
