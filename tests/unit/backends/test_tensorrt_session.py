import re
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

from rtbci.backends.cuda import Cuda
from rtbci.backends.tensorrt_api import load_api
from rtbci.backends.tensorrt_engine import OpenedEngine
from rtbci.backends.tensorrt_session import TensorRTSession
from rtbci.errors import EngineError
from tests.fake_gpu import FakeRuntime, FakeTensorRT, collect_garbage, network

ENGINE = b"engine"


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture(params=["tensorrt", "tensorrt_rtx"])
def trt(
    request: pytest.FixtureRequest, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> FakeTensorRT:
    fake = FakeTensorRT(runtime, request.param)
    monkeypatch.setitem(sys.modules, request.param, fake)
    return fake


def opened(trt: Any, max_batch: int = 8, data: bytes = ENGINE) -> TensorRTSession:
    return TensorRTSession(
        data, trt.backend, network_id="0" * 64, precision="fp16", max_batch=max_batch, cuda=Cuda(trt.runtime)
    )


def patches(n: int, seed: int = 0) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal((n, 5, 64)).astype(np.float32)


def test_session_says_what_it_is(trt: FakeTensorRT) -> None:
    session = opened(trt)
    assert (session.backend, session.precision, session.device) == (trt.backend, "fp16", "Fake 1000")
    assert session.network_id == "0" * 64
    assert session.engine_id == sha256(ENGINE).hexdigest()
    assert (session.input_shape, session.output_shape) == ((1, 5, 64), (1, 1, 6))


def test_a_run_starts_one_graph_and_waits_once(trt: FakeTensorRT) -> None:
    session, x = opened(trt), patches(1)
    trt.runtime.calls.clear()
    y = session.run(x)
    assert trt.runtime.calls == ["cudaGraphLaunch", "cudaStreamSynchronize"]
    np.testing.assert_array_equal(y, network(x))


def test_every_batch_gives_what_the_network_gives(trt: FakeTensorRT) -> None:
    session = opened(trt)
    for n in (8, 1, 3, 5, 2, 1, 7):
        x = patches(n, seed=n)
        before = x.copy()
        np.testing.assert_array_equal(session.run(x), network(x))
        np.testing.assert_array_equal(x, before)


def test_few_graphs_serve_all_batches_and_each_has_its_context(trt: FakeTensorRT) -> None:
    session = opened(trt)
    for _ in range(2):
        for n in range(1, 9):
            session.run(patches(n))
    assert trt.runtime.calls.count("cudaGraphInstantiate") == 4
    assert [i for name, i in trt.settings if name == "profile"] == [1, 1, 1]  # the first is chosen already
    assert trt.runtime.calls.count("cudaMalloc") == 3


def test_largest_batch_need_not_be_a_power_of_two(trt: FakeTensorRT) -> None:
    session, x = opened(trt, max_batch=6), patches(6)
    np.testing.assert_array_equal(session.run(x), network(x))
    with pytest.raises(
        EngineError, match=re.escape("input is (7, 5, 64) float32, need (n, 5, 64) float32, n from 1 to 6")
    ):
        session.run(patches(7))


def test_engine_of_one_batch_takes_that_one(trt: FakeTensorRT) -> None:
    trt.batches, trt.shapes = [(3, 3)], {"x": (3, 5, 64), "y": (3, 1, 6)}
    session, x = opened(trt, max_batch=3), patches(3)
    assert session.input_shape == (3, 5, 64)
    assert not [one for one in trt.settings if one[0] == "profile"]
    np.testing.assert_array_equal(session.run(x), network(x))
    with pytest.raises(EngineError, match=re.escape("input is (1, 5, 64) float32, need (3, 5, 64) float32")):
        session.run(patches(1))


def test_tensorrt_for_rtx_picks_its_kernels_before_the_graph_is_recorded(trt: FakeTensorRT) -> None:
    opened(trt)
    context = next(value for name, value in trt.settings if name == "context")
    if trt.backend == "tensorrt":
        assert context == "by us"
    else:
        assert context["dynamic_shapes_kernel_specialization_strategy"] == "eager"
        assert context["cuda_graph_strategy"] == "disabled"
        assert ("memory", "by us") in trt.settings


@pytest.mark.parametrize(
    "shape", [(1, 4, 64), (1, 5, 63), (5, 64), (0, 5, 64), (1, 1, 5, 64), (), (9, 5, 64)]
)
def test_wrong_shape_says_got_and_need(trt: FakeTensorRT, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match=re.escape(f"input is {shape} float32, need (n, 5, 64) float32")):
        opened(trt).run(np.zeros(shape, np.float32))


def test_wrong_dtype_is_refused_also_for_a_shape_that_is_known(trt: FakeTensorRT) -> None:
    session = opened(trt)
    session.run(patches(1))
    doubles: Any = patches(1).astype(np.float64)
    with pytest.raises(EngineError, match=r"input is \(1, 5, 64\) float64, need \(n, 5, 64\) float32"):
        session.run(doubles)


def test_strided_input_is_read_right_and_not_a_number_passes(trt: FakeTensorRT) -> None:
    session, x = opened(trt), patches(2)
    x[0, 3, 2] = np.nan
    y = session.run(np.asfortranarray(x))
    np.testing.assert_array_equal(y, network(x))
    assert np.isnan(y[0]).any()
    assert np.isfinite(y[1]).all()


def test_result_is_a_view_that_outlives_the_session_and_is_not_written_to(trt: FakeTensorRT) -> None:
    session, x = opened(trt), patches(1)
    y = session.run(x)
    with pytest.raises(ValueError, match="read-only"):
        y[...] = 0.0
    session.close()
    del session
    collect_garbage()
    np.testing.assert_array_equal(y, network(x))


def test_close_frees_everything_and_refuses_further_runs(trt: FakeTensorRT) -> None:
    session = opened(trt)
    session.run(patches(3))
    session.close()
    session.close()
    calls = trt.runtime.calls
    assert calls.count("cudaFree") == calls.count("cudaMalloc") == 3
    assert calls.count("cudaGraphExecDestroy") == calls.count("cudaGraphInstantiate") == 2
    assert calls.count("cudaStreamDestroy") == 1
    with pytest.raises(EngineError, match="session is closed"):
        session.run(patches(1))
    del session
    collect_garbage()
    assert not trt.runtime.blocks


def test_engine_that_does_not_open_is_refused_with_tensorrts_words(trt: FakeTensorRT) -> None:
    with pytest.raises(EngineError, match=r"cannot be opened \(magicTag is wrong\); build it again"):
        opened(trt, data=b"other")
    with pytest.raises(EngineError, match="engine is empty"):
        opened(trt, data=b"")
    assert trt.runtime.calls.count("cudaStreamDestroy") == 2


def test_engines_of_another_form_are_refused(trt: FakeTensorRT) -> None:
    trt.dtypes = {"x": "float32", "y": "bfloat16"}
    with pytest.raises(EngineError, match=r"BFLOAT16.*need float32 input and output"):
        opened(trt)
    trt.dtypes = {"x": "float32", "x2": "float32", "y": "float32"}
    trt.shapes["x2"] = (-1, 5, 64)
    with pytest.raises(EngineError, match="need one input and one output"):
        opened(trt)


def test_batches_beyond_what_was_built_are_refused(trt: FakeTensorRT) -> None:
    with pytest.raises(EngineError, match="got a largest batch of 9, built for 1 to 8"):
        opened(trt, max_batch=9)


def test_what_fails_while_opening_leaves_nothing_behind(trt: FakeTensorRT) -> None:
    trt.runs = False
    with pytest.raises(EngineError, match="a batch of 1 cannot be run"):
        opened(trt)
    trt.runs = True
    trt.runtime.fails.add("cudaStreamSynchronize")
    with pytest.raises(EngineError, match="cudaStreamSynchronize failed"):
        opened(trt)
    collect_garbage()
    assert not trt.runtime.blocks
    assert not trt.runtime.streams
    assert not trt.n_contexts


@pytest.mark.parametrize("what", ["capturable", "records", "cudaStreamEndCapture", "cudaGraphInstantiate"])
def test_work_that_cannot_be_recorded_is_done_anew_each_time(trt: FakeTensorRT, what: str) -> None:
    if what == "capturable" and trt.backend == "tensorrt":
        pytest.skip("plain TensorRT cannot be asked")
    if what.startswith("cuda"):
        trt.runtime.fails.add(what)
    else:
        setattr(trt, what, False)
    session = opened(trt)
    assert re.search(
        "recorded as a CUDA graph|Capture|cannot be run|cudaGraphInstantiate", session.why_no_graph
    )
    for n in (1, 3, 1, 8):
        x = patches(n, seed=n)
        np.testing.assert_array_equal(session.run(x), network(x))
    assert not trt.runtime.graphs
    session.close()
    del session
    assert not trt.n_contexts
    collect_garbage()
    assert not trt.runtime.blocks


def test_a_graph_that_does_not_start_is_not_used(trt: FakeTensorRT) -> None:
    trt.runtime.fails.add("cudaGraphLaunch")
    session, x = opened(trt), patches(1)
    assert "cudaGraphLaunch failed" in session.why_no_graph
    assert trt.runtime.calls.count("cudaGraphExecDestroy") == 1
    np.testing.assert_array_equal(session.run(x), network(x))


def test_graph_is_recorded_of_work_that_ran_once_and_is_tried(trt: FakeTensorRT) -> None:
    assert opened(trt).why_no_graph == ""
    calls = [
        one for one in trt.runtime.calls if "Capture" in one or one in ("execute_async_v3", "cudaGraphLaunch")
    ]
    assert calls[:5] == [
        "execute_async_v3",
        "cudaStreamBeginCapture",
        "execute_async_v3",
        "cudaStreamEndCapture",
        "cudaGraphLaunch",
    ]


def test_opened_in_one_thread_and_run_in_another(trt: FakeTensorRT) -> None:
    with ThreadPoolExecutor(1) as opener, ThreadPoolExecutor(1) as runner:
        session = opener.submit(opened, trt).result()
        for n in (1, 4):
            x = patches(n, seed=n)
            np.testing.assert_array_equal(runner.submit(session.run, x).result(), network(x))
        runner.submit(session.close).result()
    assert trt.runtime.recording is None


@pytest.mark.parametrize("what", ["cudaFree", "cudaStreamDestroy", "cudaStreamSynchronize"])
def test_closing_after_the_gpu_went_away_raises_nothing(trt: FakeTensorRT, what: str) -> None:
    session = opened(trt)
    trt.runtime.fails.add(what)
    session.close()
    assert trt.runtime.calls.count("cudaFree") == 3
    assert trt.runtime.calls.count("cudaStreamDestroy") == 1
    with pytest.raises(EngineError, match="session is closed"):
        session.run(patches(1))


def test_code_for_the_cpu_in_an_engine_is_run_only_where_that_is_said(trt: FakeTensorRT) -> None:
    with pytest.raises(EngineError, match="getEngineHostCodeAllowed"):
        opened(trt, data=b"lean engine")
    given: Any = {"network_id": "0" * 64, "precision": "fp16", "max_batch": 8, "cuda": Cuda(trt.runtime)}
    assert TensorRTSession(b"lean engine", trt.backend, **given, host_code=True).input_shape == (1, 5, 64)


def test_failure_during_a_run_is_an_error_with_cudas_name(trt: FakeTensorRT) -> None:
    session = opened(trt)
    trt.runtime.fails.add("cudaStreamSynchronize")
    with pytest.raises(EngineError, match="cudaStreamSynchronize failed with cudaErrorMemoryAllocation"):
        session.run(patches(1))


def test_description_names_inputs_outputs_types_and_batches(trt: FakeTensorRT) -> None:
    found = OpenedEngine(ENGINE, load_api(str(trt.backend))).description
    assert [(one.name, one.dtype, one.shape) for one in found.inputs] == [("x", "float32", (-1, 5, 64))]
    assert [(one.name, one.dtype, one.shape) for one in found.outputs] == [("y", "float32", (-1, 1, 6))]
    assert found.batches == ((1, 1), (1, 8))
