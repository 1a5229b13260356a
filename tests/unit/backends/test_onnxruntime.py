import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder


@pytest.fixture(scope="module")
def data() -> bytes:
    torch.manual_seed(2)
    return onnx_bytes(*describe(DareEncoder("nano"), ["C3", "CZ", "C4"], "uV"))


def test_the_header_is_read(data: bytes) -> None:
    assert OrtSession(data).metadata["n_heads"] == "4"


def test_runs_without_torch_and_onnx(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(data)
    code = (
        "import sys, numpy as np; from rtbci.backends.registry import open_session; "
        f"s = open_session({str(tmp_path / 'e.onnx')!r}); "
        "from rtbci.probe.branches import EncoderBranch; from rtbci.probe.conv_probe import ConvProbe; "
        "n = s.output_shape[-1]; branch = EncoderBranch(s, ConvProbe(np.eye(n), np.zeros(n), np.eye(2, n), [0, 0]), 64); "
        "branch.push(np.ones((64, 3))); assert branch.logits() is not None; "
        "print(sorted({'torch', 'onnx', 'mne', 'pandas', 'braindecode'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
