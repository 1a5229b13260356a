"""Promises of every back end; a new one is added to `BACKENDS` in rtbci and is tested by that."""

import re
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

LABELS = ["FC3", "C3", "CZ", "C4", "FC4"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("engine")
    torch.manual_seed(8)
    write_checkpoint(folder / "encoder.safetensors", DareEncoder("nano", 0.5), LABELS, "uV")
    export_checkpoint(folder / "encoder.safetensors", folder / "encoder.onnx")
    return folder / "encoder.onnx"


@pytest.fixture(params=BACKENDS)
def session(request: pytest.FixtureRequest, engine: Path) -> Session:
    return open_session(engine, request.param)


def patches(n: int, seed: int = 0) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal((n, 5, 64)).astype(np.float32)


def test_shapes_and_id_are_stated(session: Session, engine: Path) -> None:
    assert session.backend in BACKENDS
    assert session.input_shape == (1, 5, 64)
    assert session.output_shape == (1, 1, 64)
    assert re.fullmatch("[0-9a-f]{64}", session.engine_id)
    assert session.engine_id == open_session(engine).engine_id


def test_output_is_float32_of_the_stated_shape(session: Session) -> None:
    y = session.run(patches(1))
    assert y.shape == session.output_shape
    assert y.dtype == np.float32
    assert np.isfinite(y).all()


def test_same_input_same_output_and_input_unchanged(session: Session) -> None:
    x = patches(1)
    before = x.copy()
    x.flags.writeable = False
    first = session.run(x).copy()
    session.run(patches(1, seed=9))
    assert np.array_equal(session.run(x), first)
    assert np.array_equal(x, before)


def test_batch_gives_what_single_patches_give(session: Session) -> None:
    x = patches(7)
    one_by_one = np.concatenate([session.run(x[i : i + 1]).copy() for i in range(7)])
    np.testing.assert_allclose(session.run(x), one_by_one, atol=1e-5, rtol=0)


def test_strided_input_is_read_right(session: Session) -> None:
    x = patches(1)
    strided = np.asfortranarray(x)
    np.testing.assert_allclose(session.run(strided), session.run(x), atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(1, 4, 64), (1, 5, 63), (5, 64), (0, 5, 64), (1, 1, 5, 64)])
def test_wrong_shape_says_got_and_need(session: Session, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match=re.escape(f"input is {shape} float32, need (n, 5, 64) float32")):
        session.run(np.zeros(shape, np.float32))


def test_wrong_dtype_says_got_and_need(session: Session) -> None:
    with pytest.raises(EngineError, match=r"input is \(1, 5, 64\) float64, need \(n, 5, 64\) float32"):
        session.run(np.zeros((1, 5, 64)))  # type: ignore[arg-type]


def test_not_a_number_is_not_hidden(session: Session) -> None:
    x = patches(2)
    x[0, 3, 17] = np.nan
    y = session.run(x)
    assert np.isnan(y[0]).all()
    assert np.isfinite(y[1]).all()


def test_closed_session_refuses(session: Session) -> None:
    session.close()
    session.close()
    with pytest.raises(EngineError, match="session is closed"):
        session.run(patches(1))
