"""What sessions that run an ONNX file as it is take and refuse."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from onnx import TensorProto

from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.session import Session
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError
from tests.unit.backends.onnx_samples import identity


class Kind(NamedTuple):
    """A class of sessions, and its words for a file that is none and for a network of integers."""

    open: Callable[..., Session]
    corrupt: str
    integers: str


def onnxruntime() -> Kind:
    return Kind(
        OrtSession, "ONNX Runtime cannot load it", r"x0: tensor\(int64\).*need one of each, tensor\(float\)"
    )


def openvino() -> Kind:
    pytest.importorskip("openvino", reason="openvino is not installed")
    from rtbci.backends.openvino import OpenVinoSession

    return Kind(OpenVinoSession, "OpenVINO cannot read it", r"\(i64, i64\), need one of each, f32")


@pytest.fixture(params=[onnxruntime, openvino], ids=lambda param: param.__name__)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param()
    return found


@pytest.fixture(scope="module")
def data() -> bytes:
    torch.manual_seed(2)
    return onnx_bytes(*describe(DareEncoder("nano"), ["C3", "CZ", "C4"], "uV"))


def test_file_and_bytes_are_the_same_engine(kind: Kind, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(data)
    a, b = kind.open(tmp_path / "e.onnx"), kind.open(data)
    assert a.engine_id == b.engine_id
    x = np.random.default_rng(0).standard_normal((1, 3, 64)).astype(np.float32)
    assert np.array_equal(a.run(x), b.run(x))


def test_missing_and_corrupt_files_are_refused(kind: Kind, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.onnx: No such file.*export or install it again"):
        kind.open(tmp_path / "absent.onnx")
    for content in (data[: len(data) // 2], b"", b"not a network"):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(EngineError, match=rf"bad\.onnx: {kind.corrupt}"):
            kind.open(tmp_path / "bad.onnx")


def test_networks_of_another_form_are_refused(kind: Kind) -> None:
    with pytest.raises(EngineError, match="has 2 inputs and 2 outputs"):
        kind.open(identity([1, 4], n=2))
    with pytest.raises(EngineError, match=kind.integers):
        kind.open(identity([1, 4], TensorProto.INT64))
    with pytest.raises(EngineError, match="need fixed sizes on all axes but the first"):
        kind.open(identity(["batch", "channels", 64]))


def test_any_rank_is_an_engine(kind: Kind) -> None:
    session = kind.open(identity(["batch", 3]))
    assert (session.input_shape, session.output_shape) == ((1, 3), (1, 3))
    with pytest.raises(EngineError, match=re.escape("input is () float32, need (n, 3) float32")):
        session.run(np.zeros((), np.float32))


def test_threads_are_checked(kind: Kind, data: bytes) -> None:
    with pytest.raises(EngineError, match="got 0 threads, need at least 1"):
        kind.open(data, n_threads=0)
