import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto

from rtbci.backends.export import onnx_bytes
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError
from rtbci.recipes import list_recipes, read_engine
from tests.unit.backends.onnx_samples import identity

pytest.importorskip("openvino", reason="openvino is not installed")

from rtbci.backends.openvino import OpenVinoSession

SHIPPED = [read_engine(name).onnx_path for name in list_recipes("engines")]


@pytest.fixture(scope="module")
def data() -> bytes:
    torch.manual_seed(2)
    return onnx_bytes(*describe(DareEncoder("nano"), ["C3", "CZ", "C4"], "uV"))


def test_file_and_bytes_are_the_same_engine(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(data)
    a, b = OpenVinoSession(tmp_path / "e.onnx"), OpenVinoSession(data)
    assert a.engine_id == b.engine_id
    x = np.random.default_rng(0).standard_normal((1, 3, 64)).astype(np.float32)
    assert np.array_equal(a.run(x), b.run(x))


def test_missing_and_corrupt_files_are_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.onnx: No such file.*export or install it again"):
        OpenVinoSession(tmp_path / "absent.onnx")
    for content in (data[: len(data) // 2], b"", b"not a network"):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(EngineError, match=r"bad\.onnx: OpenVINO cannot read it"):
            OpenVinoSession(tmp_path / "bad.onnx")


def test_networks_of_another_form_are_refused() -> None:
    with pytest.raises(EngineError, match="has 2 inputs and 2 outputs"):
        OpenVinoSession(identity([1, 4], n=2))
    with pytest.raises(EngineError, match=r"\(i64, i64\), need one of each, f32"):
        OpenVinoSession(identity([1, 4], TensorProto.INT64))
    with pytest.raises(EngineError, match="need fixed sizes on all axes but the first"):
        OpenVinoSession(identity(["batch", "channels", 64]))


def test_a_fixed_batch_stays_fixed() -> None:
    session = OpenVinoSession(identity([2, 3]))
    assert (session.input_shape, session.output_shape) == ((2, 3), (2, 3))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(session.run(x), x)
    with pytest.raises(EngineError, match=re.escape("input is (1, 3) float32, need (2, 3) float32")):
        session.run(x[:1])


def test_result_is_not_overwritten_by_the_next_call() -> None:
    session = OpenVinoSession(identity(["batch", 3]))
    first = session.run(np.ones((1, 3), np.float32))
    session.run(np.zeros((1, 3), np.float32))
    assert np.array_equal(first, np.ones((1, 3)))


def test_threads_are_checked(data: bytes) -> None:
    with pytest.raises(EngineError, match="got 0 threads, need at least 1"):
        OpenVinoSession(data, n_threads=0)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_shipped_engines_survive_being_compiled(path: Path, n_threads: int) -> None:
    # In another process: what this guards against is a compiler that ends the process.
    code = (
        "from rtbci.backends.openvino import OpenVinoSession; "
        f"print(OpenVinoSession({str(path)!r}, {n_threads}).output_shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
