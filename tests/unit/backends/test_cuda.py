import numpy as np
import pytest

from rtbci.backends.cuda import Cuda, Gpu, find_gpu
from rtbci.errors import EngineError, MissingPackageError
from tests.fake_gpu import FakeRuntime, collect_garbage


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


def test_gpu_is_named_with_what_a_cache_needs(runtime: FakeRuntime) -> None:
    assert Cuda(runtime).gpu == Gpu("Fake 1000", "SM86", "13.1")


def test_without_cuda_bindings_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cuda.bindings.runtime", None)
    with pytest.raises(MissingPackageError, match=r"cuda-bindings cannot be imported.*pip install 'rtbci\["):
        find_gpu()


def test_no_gpu_is_said(runtime: FakeRuntime) -> None:
    with pytest.raises(EngineError, match="no GPU is visible"):
        Cuda(FakeRuntime(n_devices=0))
    runtime.fails.add("cudaGetDeviceCount")
    with pytest.raises(EngineError, match=r"cudaGetDeviceCount failed with cudaErrorMemoryAllocation"):
        Cuda(runtime)


def test_error_carries_the_function_and_cudas_name(runtime: FakeRuntime) -> None:
    cuda = Cuda(runtime)
    runtime.fails |= {"cudaMalloc", "cudaStreamSynchronize"}
    with pytest.raises(
        EngineError, match=r"cudaMalloc failed with cudaErrorMemoryAllocation \(out of memory\)"
    ):
        cuda.device_memory(8)
    with pytest.raises(EngineError, match="cudaStreamSynchronize failed"):
        cuda.synchronize(cuda.stream())


def test_pinned_memory_lives_as_long_as_any_view_of_it(runtime: FakeRuntime) -> None:
    array = Cuda(runtime).pinned((4, 3))
    assert array.shape == (4, 3)
    assert array.dtype == np.float32
    assert not array.any()
    view = array[1:, :2]
    del array
    collect_garbage()
    view[...] = 5.0
    assert "cudaFreeHost" not in runtime.calls
    del view
    collect_garbage()
    assert runtime.calls.count("cudaFreeHost") == 1
    assert not runtime.blocks


def test_graph_does_its_work_when_it_is_launched_and_waited_for(runtime: FakeRuntime) -> None:
    cuda = Cuda(runtime)
    stream, device = cuda.stream(), cuda.device_memory(16)
    source, target = cuda.pinned((4,)), cuda.pinned((4,))

    def work() -> None:
        cuda.copy_in(device, source, stream)
        cuda.copy_out(target, device, stream)

    graph = cuda.capture(stream, work)
    source[...] = [1, 2, 3, 4]
    cuda.synchronize(stream)
    assert not target.any()
    graph.launch()
    assert not target.any()
    cuda.synchronize(stream)
    np.testing.assert_array_equal(target, [1, 2, 3, 4])
    graph.close()
    graph.close()
    assert runtime.calls.count("cudaGraphExecDestroy") == 1
    cuda.free(device)


def test_recording_ends_when_the_work_fails(runtime: FakeRuntime) -> None:
    cuda = Cuda(runtime)
    stream = cuda.stream()

    def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cuda.capture(stream, work)
    assert runtime.recording is None
    runtime.fails.add("cudaGraphInstantiate")
    with pytest.raises(EngineError, match="cudaGraphInstantiate failed"):
        cuda.capture(stream, lambda: None)
    assert runtime.calls[-1] == "cudaGraphDestroy"
