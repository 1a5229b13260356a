"""No GPU is needed: the binding is tried on the CPU, which ONNX Runtime binds by the same calls."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from rtbci.backends.cuda import Gpu
from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.onnxruntime_cuda import OrtCudaSession, _why_no_provider
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError, MissingPackageError
from rtbci.runtime import engine_process
from rtbci.runtime.engine_process import import_backend
from tests.engine_stand_ins import GPU

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
        MissingPackageError, match=r"need CUDAExecutionProvider; .*install .*\[cuda\]' && .*install"
    ):
        OrtCudaSession(data)


def test_falling_back_to_the_cpu_is_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    real = onnxruntime.InferenceSession

    def without_gpu(content: bytes, options: Any, providers: Any) -> Any:
        return real(content, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", without_gpu)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    with pytest.raises(
        EngineError,
        match=r"gave up on CUDAExecutionProvider and took CPUExecutionProvider \(.*it is built for CUDA",
    ):
        OrtCudaSession(data)


def test_the_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        assert name.endswith("libonnxruntime_providers_cuda.so")
        raise OSError("libcublasLt.so.13: cannot open shared object file: No such file or directory")

    monkeypatch.setattr("ctypes.CDLL", load)
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0", raising=False)
    assert _why_no_provider().startswith("libcublasLt.so.13: cannot open shared object file")
    assert _why_no_provider().endswith("it is built for CUDA 13.0")


def test_what_onnxruntime_prints_is_not_a_result(
    data: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = onnxruntime.InferenceSession

    def talkative(content: bytes, options: Any, providers: Any) -> Any:
        print("EP Error")
        return real(content, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", talkative)
    BoundOnCpu(data).close()
    said = capsys.readouterr()
    assert (said.out, "EP Error" in said.err) == ("", True)


@pytest.mark.parametrize("has_provider", [True, False])
def test_cudas_libraries_are_loaded_before_a_run_decodes(
    monkeypatch: pytest.MonkeyPatch, has_provider: bool
) -> None:
    have = ["CUDAExecutionProvider"] * has_provider + ["CPUExecutionProvider"]
    loaded: list[bool] = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: have)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: loaded.append(True))
    monkeypatch.setattr(engine_process, "find_gpu", lambda: GPU)
    import_backend("onnxruntime-cuda")
    assert loaded == [True] * has_provider


def test_no_gpu_no_large_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Gpu:
        raise EngineError("cuda: no GPU is visible")

    monkeypatch.setattr(engine_process, "find_gpu", none)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: pytest.fail("loaded"))
    import_backend("onnxruntime-cuda")
