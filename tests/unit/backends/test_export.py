import builtins
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from rtbci.backends.export import export_checkpoint, onnx_bytes, onnx_metadata
from rtbci.backends.onnxruntime import OrtSession
from rtbci.encoder.checkpoint import Unit, describe, write_checkpoint
from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.errors import ChannelError, EngineError, MissingPackageError

LABELS = ["C3", "CZ", "C4"]


@pytest.fixture
def encoder() -> DareEncoder:
    torch.manual_seed(2)
    return DareEncoder("nano", embedding_std=0.5).eval()


def export(encoder: DareEncoder, path: Path, unit: Unit = "uV") -> str:
    """Write it as a checkpoint, and that as an ONNX file."""
    checkpoint = path.with_suffix(".safetensors")
    write_checkpoint(checkpoint, encoder, LABELS, unit)
    return export_checkpoint(checkpoint, path)


def test_same_weights_give_the_same_file(encoder: DareEncoder, tmp_path: Path) -> None:
    first = export(encoder, tmp_path / "a.onnx")
    second = export(encoder, tmp_path / "b.onnx")
    assert first == second == sha256((tmp_path / "b.onnx").read_bytes()).hexdigest()
    encoder.summary.data[0, 0] += 1e-3
    assert export(encoder, tmp_path / "a.onnx") != first
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [
        ".onnx",
        ".onnx",
        ".safetensors",
        ".safetensors",
    ]


def test_header_says_what_it_is(encoder: DareEncoder, tmp_path: Path) -> None:
    export(encoder, tmp_path / "a.onnx", unit="whitened")
    header = onnx_metadata(tmp_path / "a.onnx")
    assert json.loads(header.pop("channels")) == LABELS
    assert header == {
        "encoder": "dare",
        "size": "nano",
        "n_heads": "4",
        "embedding_std": "0.5",
        "rate_hz": "256",
        "unit": "whitened",
        "weights_sha256": describe(encoder, LABELS, "whitened")[1].sha256,
    }


def test_graph_is_lean_and_standard(encoder: DareEncoder) -> None:
    model = onnx.load_from_string(onnx_bytes(*describe(encoder, LABELS, "uV")))
    kinds = [node.op_type for node in model.graph.node]
    assert {node.domain for node in model.graph.node} == {""}
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert kinds.count("LayerNormalization") == 2 * 2 + 1
    assert kinds.count("Gemm") == 4 + 5  # the last layer's queries are apart
    assert not {"Gather", "Shape", "Expand", "Concat", "Cast"} & set(kinds)
    assert len({constant.name for constant in model.graph.initializer}) == len(model.graph.initializer)


@pytest.mark.parametrize("batch", [1, 3])
def test_batch_may_be_fixed(encoder: DareEncoder, batch: int) -> None:
    session = OrtSession(onnx_bytes(*describe(encoder, LABELS, "uV"), batch))
    assert (session.input_shape, session.output_shape) == ((batch, 3, 64), (batch, 1, 64))
    x = np.random.default_rng(0).standard_normal((batch, 3, 64)).astype(np.float32)
    with torch.inference_mode():
        want = encoder.encode_patches(torch.from_numpy(x), channel_ids(LABELS)).numpy()
    np.testing.assert_allclose(session.run(x), want, atol=1e-5, rtol=0)
    with pytest.raises(EngineError, match=rf"input is \(2, 3, 64\) float32, need \({batch}, 3, 64\)"):
        session.run(np.zeros((2, 3, 64), np.float32))


def test_what_cannot_be_exported_is_refused(encoder: DareEncoder, tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="got electrode 'AFZ'"):
        describe(encoder, ["AFZ"], "uV")
    with pytest.raises(EngineError, match="got a batch of 0, need at least 1"):
        onnx_bytes(*describe(encoder, LABELS, "uV"), 0)
    encoder.norm.bias.data[0] = torch.nan
    with pytest.raises(EngineError, match=r"norm\.bias is not finite"):
        export(encoder, tmp_path / "a.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no protobuf at all")
    with pytest.raises(EngineError, match=r"bad\.onnx: cannot be read"):
        onnx_metadata(tmp_path / "bad.onnx")


def test_without_onnx_the_install_line_is_shown(
    encoder: DareEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = describe(encoder, LABELS, "uV")
    real_import = builtins.__import__

    def no_onnx(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "onnx":
            raise ImportError("No module named 'onnx'")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_onnx)
    with pytest.raises(MissingPackageError, match=r"install .*\[train\]"):
        onnx_bytes(*described)
