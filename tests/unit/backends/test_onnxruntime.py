import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto

from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError
from tests.unit.backends.onnx_samples import identity


@pytest.fixture(scope="module")
def data() -> bytes:
    torch.manual_seed(2)
    return onnx_bytes(*describe(DareEncoder("nano"), ["C3", "CZ", "C4"], "uV"))


def test_file_and_bytes_are_the_same_engine(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(data)
    a, b = OrtSession(tmp_path / "e.onnx"), OrtSession(data)
    assert a.engine_id == b.engine_id
    assert a.metadata["n_heads"] == "4"
    x = np.random.default_rng(0).standard_normal((1, 3, 64)).astype(np.float32)
    assert np.array_equal(a.run(x), b.run(x))


def test_missing_and_corrupt_files_are_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.onnx: No such file.*export or install it again"):
        OrtSession(tmp_path / "absent.onnx")
    for content in (data[: len(data) // 2], b"", b"not a network"):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(EngineError, match=r"bad\.onnx: ONNX Runtime cannot load it"):
            OrtSession(tmp_path / "bad.onnx")


def test_networks_of_another_form_are_refused() -> None:
    with pytest.raises(EngineError, match="has 2 inputs and 2 outputs"):
        OrtSession(identity([1, 4], n=2))
    with pytest.raises(EngineError, match=r"x0: tensor\(int64\).*need one of each, tensor\(float\)"):
        OrtSession(identity([1, 4], TensorProto.INT64))
    with pytest.raises(EngineError, match="need fixed sizes on all axes but the first"):
        OrtSession(identity(["batch", "channels", 64]))


def test_any_rank_is_an_engine() -> None:
    session = OrtSession(identity(["batch", 3]))
    assert (session.input_shape, session.output_shape) == ((1, 3), (1, 3))
    with pytest.raises(EngineError, match=re.escape("input is () float32, need (n, 3) float32")):
        session.run(np.zeros((), np.float32))


def test_threads_are_checked(data: bytes) -> None:
    with pytest.raises(EngineError, match="got 0 threads, need at least 1"):
        OrtSession(data, n_threads=0)


def test_runs_without_torch_and_onnx(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(data)
    code = (
        "import sys, numpy as np; from rtbci.backends.registry import open_session; "
        f"s = open_session({str(tmp_path / 'e.onnx')!r}); "
        "from rtbci.encoder.features import StreamingEncoder; "
        "assert StreamingEncoder(s, n_patches=1).push(np.ones((64, 3))); "
        "print(sorted({'torch', 'onnx', 'mne', 'pandas', 'braindecode'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
