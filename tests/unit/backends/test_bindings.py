"""The stand-ins of `tests.fake_gpu`, and our calls, against the real bindings; no GPU is needed for that."""

import importlib
import inspect
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from rtbci.backends.cuda import Cuda, Graph
from rtbci.errors import EngineError
from tests.fake_gpu import FakeContext, FakeEngine, FakeRuntime, FakeTensorRTRuntime, RtxContext

NO_GPU = {"cudaErrorInsufficientDriver", "cudaErrorNoDevice"}

BUILDING: dict[str, dict[str, tuple[str, ...]]] = {
    "Builder": {
        "create_network": ("flags",),
        "create_builder_config": (),
        "create_optimization_profile": (),
        "build_serialized_network": ("network", "config"),
    },
    "IBuilderConfig": {
        "clear_flag": ("flag",),
        "set_flag": ("flag",),
        "add_optimization_profile": ("profile",),
        "create_timing_cache": ("serialized_timing_cache",),
        "set_timing_cache": ("cache", "ignore_mismatch"),
    },
    "ITimingCache": {"serialize": ()},
    "OnnxParser": {"parse": ("model", "path"), "get_error": ("index",)},
    "INetworkDefinition": {"get_input": ("index",)},
    "IOptimizationProfile": {"set_shape": ("input", "min", "opt", "max")},
}
VALUES = {
    "IBuilderConfig": ("max_aux_streams", "progress_monitor", "hardware_compatibility_level"),
    "INetworkDefinition": ("num_inputs",),
    "OnnxParser": ("num_errors",),
    "ICudaEngine": ("num_io_tensors", "num_optimization_profiles", "device_memory_size_v2"),
    "IExecutionContext": ("active_optimization_profile",),
    "Runtime": ("engine_host_code_allowed",),
    "BuilderFlag": ("TF32", "STRICT_NANS", "VERSION_COMPATIBLE"),
    "NetworkDefinitionCreationFlag": ("STRONGLY_TYPED",),
    "HardwareCompatibilityLevel": ("AMPERE_PLUS",),
    "ExecutionContextAllocationStrategy": ("USER_MANAGED",),
    "TensorIOMode": ("INPUT",),
    "ILogger": ("INTERNAL_ERROR", "ERROR"),
}
RTX_VALUES = {
    "IRuntimeConfig": ("dynamic_shapes_kernel_specialization_strategy", "cuda_graph_strategy"),
    "IBuilderConfig": ("num_compute_capabilities",),
    "BuilderFlag": ("REQUIRE_USER_ALLOCATION",),
    "DynamicShapesKernelSpecializationStrategy": ("EAGER",),
    "CudaGraphStrategy": ("DISABLED",),
    "ComputeCapability": ("CURRENT", "SM86"),
}
RTX_METHODS: dict[str, dict[str, tuple[str, ...]]] = {
    "IRuntimeConfig": {"set_execution_context_allocation_strategy": ("strategy",)},
    "IBuilderConfig": {"set_compute_capability": ("compute_capability", "index")},
}


def methods(kind: type) -> dict[str, tuple[str, ...]]:
    """Names of a stand-in's public methods, with those of their arguments."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {
        name: tuple(inspect.signature(one).parameters)[1:] for name, one in found if not name.startswith("_")
    }


@pytest.fixture(scope="module")
def runtime() -> Any:
    return pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")


@pytest.fixture(scope="module", params=["tensorrt", "tensorrt_rtx_bindings"])
def trt(request: pytest.FixtureRequest) -> ModuleType:
    try:
        return importlib.import_module(request.param)
    except ImportError:
        pytest.skip(f"{request.param} is not installed")


def test_cudas_functions_take_what_the_stand_ins_take(runtime: Any) -> None:
    known = {name: names for name, names in methods(FakeRuntime).items() if name.startswith("cuda")}
    real = {name: tuple(inspect.signature(getattr(runtime, name)).parameters) for name in known}
    assert real == known


def test_cudas_constants_are_those_of_the_stand_in(runtime: Any) -> None:
    for name in ("cudaStreamNonBlocking", "cudaHostAllocDefault"):
        assert int(getattr(runtime, name)) == getattr(FakeRuntime, name)
    for name in ("cudaMemcpyKind", "cudaStreamCaptureMode"):
        for one in getattr(FakeRuntime, name):
            assert int(getattr(getattr(runtime, name), one.name)) == one


def test_cudas_functions_take_our_arguments(runtime: Any) -> None:
    """Every call gets as far as CUDA, which has no GPU: the bindings' own checks of types are passed."""
    status, n_devices = runtime.cudaGetDeviceCount()
    if status == 0 and n_devices:
        pytest.skip("this machine has a GPU, which these handles would mislead")
    with pytest.raises(
        EngineError, match=r"no NVIDIA driver is installed|no GPU is visible|driver brings CUDA"
    ):
        Cuda()
    cuda = object.__new__(Cuda)
    cuda.runtime = runtime
    stream, array = runtime.cudaStream_t(5), np.zeros(4, np.float32)
    executable = runtime.cudaGraphExec_t(7)
    calls: list[Any] = [
        cuda.stream,
        lambda: cuda.synchronize(stream),
        lambda: cuda.close_stream(stream),
        lambda: cuda.pinned((2, 3)),
        lambda: cuda.device_memory(16),
        lambda: cuda.free(1 << 20),
        lambda: cuda.copy_in(1 << 20, array, stream),
        lambda: cuda.copy_out(array, 1 << 20, stream),
        lambda: cuda.capture(stream, lambda: None),
        lambda: cuda.call("cudaStreamEndCapture", stream),
        lambda: cuda.call("cudaGraphInstantiate", runtime.cudaGraph_t(7), 0),
        lambda: cuda.call("cudaGraphDestroy", runtime.cudaGraph_t(7)),
        lambda: cuda.call("cudaGraphExecDestroy", executable),
        lambda: cuda.call("cudaFreeHost", 1 << 20),
        lambda: Graph(cuda, executable, stream).launch(),
    ]
    for call in calls:
        with pytest.raises(EngineError, match=r"cuda: cuda\w+ failed with ") as error:
            call()
        assert NO_GPU & set(re.findall(r"\w+", str(error.value)))
    cuda.forget_error()
    assert int(stream) == 5


def test_tensorrts_methods_take_our_arguments(trt: ModuleType) -> None:
    is_rtx = trt.__name__ != "tensorrt"
    kinds: dict[str, dict[str, tuple[str, ...]]] = {
        "IExecutionContext": methods(RtxContext if is_rtx else FakeContext),
        "ICudaEngine": methods(FakeEngine),
        "Runtime": methods(FakeTensorRTRuntime),
        **BUILDING,
    }
    for name, known in kinds.items():
        check_methods(getattr(trt, name), known, without=() if is_rtx else ("create_runtime_config",))
    if is_rtx:
        for name, known in RTX_METHODS.items():
            check_methods(getattr(trt, name), known)
    for names in (VALUES, RTX_VALUES) if is_rtx else (VALUES,):
        for name, values in names.items():
            assert [one for one in values if not hasattr(getattr(trt, name), one)] == []


def test_what_plain_tensorrt_is_told_from_the_other_by(trt: ModuleType) -> None:
    only_rtx = ("ComputeCapability", "DynamicShapesKernelSpecializationStrategy")
    assert {hasattr(trt, name) for name in only_rtx} == {trt.__name__ != "tensorrt"}


def check_methods(kind: type, known: dict[str, tuple[str, ...]], without: tuple[str, ...] = ()) -> None:
    for name, names in known.items():
        if name in without:
            continue
        found = overloads(kind, name)
        # `how` is either of two arguments, one in each overload.
        fits = [len(one) == 1 for one in found] if names == ("how",) else [one == names for one in found]
        assert any(fits), f"{kind.__name__}.{name} takes {found}, is called with {names}"


def overloads(kind: type, name: str) -> list[tuple[str, ...]]:
    """Names of the arguments of a pybind11 method, for each of its signatures."""
    text = re.sub(r"<[^<>]*>", "", getattr(kind, name).__doc__ or "")
    given = re.findall(rf"^(?:\d+\. )?{name}\(self: [\w.]+(.*)\) ->", text, re.MULTILINE)
    return [tuple(re.findall(r", (\w+): ", one)) for one in given]
