import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

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
    with pytest.raises(MissingPackageError, match=r"cuda-bindings cannot be imported.*install cuda-bindings"):
        find_gpu()


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        (FakeRuntime(driver=0), "no NVIDIA driver is installed, need one for a GPU; install it"),
        (
            FakeRuntime(driver=12080),
            r"driver brings CUDA 12\.8, cuda-bindings need CUDA 13; update the driver, or for CUDA 12: .*"
            r"install 'cuda-bindings<13'",
        ),
        (
            FakeRuntime(driver=11080),
            r"driver brings CUDA 11\.8, cuda-bindings need CUDA 13; update the driver$",
        ),
        (
            FakeRuntime(n_devices=0),
            r"driver is there \(CUDA 13\.1\), no GPU is visible.*CUDA_VISIBLE_DEVICES",
        ),
    ],
)
def test_why_there_is_no_gpu_is_said(runtime: FakeRuntime, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        Cuda(runtime)


def test_other_failures_of_the_first_call_carry_cudas_name(runtime: FakeRuntime) -> None:
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


def test_what_must_not_be_recorded_is_an_error_and_the_stream_goes_on(runtime: FakeRuntime) -> None:
    cuda = Cuda(runtime)
    stream, device = cuda.stream(), cuda.device_memory(16)

    def spoil() -> None:
        runtime.invalidate()

    def allocate() -> None:
        cuda.device_memory(16)

    for forbidden in (partial(cuda.synchronize, stream), allocate, partial(cuda.free, device)):
        with pytest.raises(EngineError, match="cudaErrorStreamCaptureUnsupported"):
            cuda.capture(stream, forbidden)
        with pytest.raises(
            EngineError, match="cudaStreamEndCapture failed with cudaErrorStreamCaptureInvalidated"
        ):
            cuda.capture(stream, spoil)
        cuda.synchronize(stream)
        cuda.capture(stream, lambda: None).close()
    assert not runtime.graphs


def test_another_thread_may_allocate_while_one_records(runtime: FakeRuntime) -> None:
    cuda = Cuda(runtime)
    stream = cuda.stream()

    def work() -> None:
        other = threading.Thread(target=cuda.device_memory, args=(16,))
        other.start()
        other.join()

    cuda.capture(stream, work).close()
    assert len(runtime.blocks) == 1


def test_copies_are_of_what_was_allocated(runtime: FakeRuntime) -> None:
    cuda = Cuda(runtime)
    stream, device, array = cuda.stream(), cuda.device_memory(16), cuda.pinned((5,))
    with pytest.raises(EngineError, match="cudaMemcpyAsync failed with cudaErrorInvalidValue"):
        cuda.copy_in(device, array, stream)
    with pytest.raises(EngineError, match="cudaMemcpyAsync failed with cudaErrorInvalidValue"):
        cuda.copy_out(np.zeros(4, np.float32), device, stream)
    cuda.copy_in(device, array[1:], stream)
    cuda.close_stream(stream)
    with pytest.raises(EngineError, match="cudaErrorInvalidResourceHandle"):
        cuda.copy_in(device, array[1:], stream)


def test_recording_ends_when_the_work_fails(runtime: FakeRuntime) -> None:
    cuda = Cuda(runtime)
    stream = cuda.stream()

    def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cuda.capture(stream, work)
    assert runtime.recording is None
    assert not runtime.graphs  # what was recorded before is freed
    runtime.fails.add("cudaGraphInstantiate")
    with pytest.raises(EngineError, match="cudaGraphInstantiate failed"):
        cuda.capture(stream, lambda: None)
    assert runtime.calls[-1] == "cudaGraphDestroy"


def test_nothing_is_freed_at_the_interpreters_end_where_cuda_may_have_ended_before() -> None:
    script = """
from rtbci.backends.cuda import Cuda
from tests.fake_gpu import FakeRuntime

class Told(FakeRuntime):
    def _called(self, name, *results, status=0):
        print(name)
        return super()._called(name, *results, status=status)

cuda = Cuda(Told())
array, stream = cuda.pinned((4,)), cuda.stream()
graph = cuda.capture(stream, lambda: None)
print("end")
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cudaHostAlloc" in done.stdout
    assert done.stdout.endswith("end\n")
