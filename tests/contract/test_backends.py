"""Promises of every back end; a new one is added to `BACKENDS` in rtbci and is tested by that."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.backends.export import export_checkpoint
from rtbci.backends.registry import BACKENDS, open_session
from rtbci.backends.session import Session
from rtbci.encoder.checkpoint import write_checkpoint
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError
from rtbci.recipes import list_recipes, read_engine
from rtbci.stages.stage import Float32Array

LABELS = ["FC3", "C3", "CZ", "C4", "FC4"]
RANDOM = "random"
MODULES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "torch"}
ATOL = 2e-5


def test_every_back_end_of_the_cpu_is_tested_here() -> None:
    assert set(MODULES) == {name for name, backend in BACKENDS.items() if backend.kind == "cpu"}


@pytest.fixture(scope="module")
def random_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    torch.manual_seed(8)
    write_checkpoint(folder / "encoder.safetensors", DareEncoder("nano", 0.5), LABELS, "uV")
    export_checkpoint(folder / "encoder.safetensors", folder / "encoder.onnx")
    return folder / "encoder.onnx"


@pytest.fixture(scope="module", params=[RANDOM, *list_recipes("engines")])
def engine(request: pytest.FixtureRequest, random_engine: Path) -> Path:
    return random_engine if request.param == RANDOM else read_engine(request.param).onnx_path


@pytest.fixture(params=MODULES)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if find_spec(MODULES[name]) is None:
        pytest.skip(f"{MODULES[name]} is not installed")
    return name


@pytest.fixture
def session(backend: str, engine: Path) -> Session:
    return open_session(engine, backend)


def patches(session: Session, n: int, seed: int = 0) -> Float32Array:
    shape = (n, *session.input_shape[1:])
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_what_it_is_is_stated(session: Session, backend: str, engine: Path) -> None:
    assert (session.backend, session.precision, session.device) == (backend, "fp32", "cpu")
    assert re.fullmatch("[0-9a-f]{64}", session.engine_id)
    reference = open_session(engine)
    assert session.network_id == session.engine_id == reference.engine_id
    assert (session.input_shape, session.output_shape) == (reference.input_shape, reference.output_shape)


def test_gives_what_torch_gives(session: Session, engine: Path) -> None:
    x = patches(session, 8)
    x[2] = 0.0
    x[3] *= 100.0
    wanted = open_session(engine, "torch").run(x)
    np.testing.assert_allclose(session.run(x), wanted, atol=ATOL, rtol=0)


def test_output_is_float32_of_the_stated_shape(session: Session) -> None:
    y = session.run(patches(session, 1))
    assert y.shape == session.output_shape
    assert y.dtype == np.float32
    assert np.isfinite(y).all()


def test_same_input_same_output_and_input_unchanged(session: Session) -> None:
    x = patches(session, 1)
    before = x.copy()
    x.flags.writeable = False
    first = session.run(x).copy()
    session.run(patches(session, 1, seed=9))
    assert np.array_equal(session.run(x), first)
    assert np.array_equal(x, before)


@pytest.mark.parametrize("n", [2, 7])
def test_batch_gives_what_single_patches_give(session: Session, n: int) -> None:
    x = patches(session, n)
    one_by_one = np.concatenate([session.run(x[i : i + 1]).copy() for i in range(n)])
    np.testing.assert_allclose(session.run(x), one_by_one, atol=ATOL, rtol=0)


def test_an_earlier_batch_stays_as_it_was(session: Session) -> None:
    first = session.run(patches(session, 3))
    kept = first.copy()
    session.run(patches(session, 3, seed=5))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("n", [1, 3])
def test_strided_input_is_read_right(session: Session, n: int) -> None:
    x = patches(session, n)
    strided = np.asfortranarray(x)
    np.testing.assert_allclose(session.run(strided), session.run(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(1, 4, -2), (1, -1, 63), (-1, -2), (0, -1, -2), (1, 1, -1, -2)])
def test_wrong_shape_says_got_and_need(session: Session, shape: tuple[int, ...]) -> None:
    _, n_channels, n_samples = session.input_shape
    shape = tuple({-1: n_channels, -2: n_samples}.get(size, size) for size in shape)
    wanted = f"input is {shape} float32, need (n, {n_channels}, {n_samples}) float32"
    with pytest.raises(EngineError, match=re.escape(wanted)):
        session.run(np.zeros(shape, np.float32))


def test_wrong_dtype_says_got_and_need(session: Session) -> None:
    _, c, n = session.input_shape
    with pytest.raises(EngineError, match=rf"input is \(1, {c}, {n}\) float64, need \(n, {c}, {n}\) float32"):
        session.run(np.zeros((1, c, n)))  # type: ignore[arg-type]


def test_not_a_number_is_not_hidden(session: Session) -> None:
    x = patches(session, 2)
    x[0, 3, 17] = np.nan
    y = session.run(x)
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()
    assert np.isnan(session.run(x[:1])).all()
    assert np.isfinite(session.run(x[1:])).all()


def test_closed_session_refuses(session: Session) -> None:
    x = patches(session, 1)
    session.close()
    session.close()
    with pytest.raises(EngineError, match="session is closed"):
        session.run(x)
