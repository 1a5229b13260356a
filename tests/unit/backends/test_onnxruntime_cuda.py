"""No GPU is needed: the binding is tried on the CPU, which ONNX Runtime binds by the same calls."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.onnxruntime_cuda import OrtCudaSession
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError, MissingPackageError

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


class BoundOnCpu(OrtCudaSession):
    _provider = "CPUExecutionProvider"
    _memory = "cpu"

    def _settings(self) -> dict[str, str]:
        return {}


@pytest.fixture(scope="module")
def data() -> bytes:
    torch.manual_seed(2)
    return onnx_bytes(*describe(DareEncoder("nano"), ["C3", "CZ", "C4"], "uV"))


def patches(n: int, seed: int = 0) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal((n, 3, 64)).astype(np.float32)


def test_bound_arrays_give_what_plain_ones_give(data: bytes) -> None:
    plain, bound = OrtSession(data), BoundOnCpu(data)
    assert (bound.input_shape, bound.output_shape) == (plain.input_shape, plain.output_shape)
    assert (bound.backend, bound.device) == ("onnxruntime-cuda", "cuda:0")
    assert bound.engine_id == plain.engine_id
    for n, seed in ((1, 1), (5, 2), (5, 3), (1, 4)):
        x = patches(n, seed)
        np.testing.assert_array_equal(bound.run(np.asfortranarray(x)), plain.run(x))


def test_wrong_input_and_a_closed_session_are_refused(data: bytes) -> None:
    session = BoundOnCpu(data)
    with pytest.raises(EngineError, match=r"input is \(1, 2, 64\) float32, need \(n, 3, 64\) float32"):
        session.run(np.zeros((1, 2, 64), np.float32))
    with pytest.raises(EngineError, match=r"input is \(1, 3, 64\) float64"):
        session.run(np.zeros((1, 3, 64)))  # type: ignore[arg-type]
    assert np.isnan(session.run(np.full((1, 3, 64), np.nan, np.float32))).all()
    session.close()
    session.close()
    with pytest.raises(EngineError, match="session is closed"):
        session.run(patches(1))


@pytest.mark.skipif(HAS_CUDA, reason="this onnxruntime has the CUDA provider")
def test_an_onnxruntime_without_cuda_is_named_with_the_install_line(data: bytes) -> None:
    with pytest.raises(
        MissingPackageError, match=r"need CUDAExecutionProvider; pip install 'rtbci\[cuda\]' && pip install"
    ):
        OrtCudaSession(data)


def test_falling_back_to_the_cpu_is_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    real = onnxruntime.InferenceSession

    def without_gpu(content: bytes, options: Any, providers: Any) -> Any:
        return real(content, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", without_gpu)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    with pytest.raises(EngineError, match="gave up on CUDAExecutionProvider and took CPUExecutionProvider"):
        OrtCudaSession(data)
