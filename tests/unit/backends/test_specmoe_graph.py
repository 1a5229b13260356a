"""SpecMoE's graph against torch: the same numbers from ONNX Runtime and OpenVINO, and the same bytes again."""

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rtbci.backends.export import onnx_metadata
from rtbci.backends.registry import open_session
from rtbci.backends.specmoe_graph import export_spec_checkpoint, spec_onnx_bytes
from rtbci.encoder.specmoe.checkpoint import SpecInfo, read_spec_weights, write_decoder
from rtbci.encoder.specmoe.moe import SpecMoe
from rtbci.encoder.specmoe.sizes import SpecSize
from rtbci.errors import EngineError

LABELS = ("FC3", "C3", "CZ", "C4", "FC4")
ATOL = 1e-5
OWN = SpecSize("own", (8, 16, 16), 2, (1, 1, 1))  # layers at both places
CASES = [
    ("mini", 600, "electrodes", 3),
    ("mini", 800, "max", 1),
    (OWN, 400, "electrodes", 2),
    (OWN, 616, "max", 2),
]


def trained(decoder: SpecMoe) -> SpecMoe:
    """With statistics and scales that are not those of a fresh BatchNorm."""
    for module in decoder.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.3, 2.0)
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias, 0.0, 0.3)
    return decoder.eval()


@pytest.fixture(scope="module", params=CASES, ids=["mini", "mini-max", "layers", "layers-max"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    size, n_samples, readout, n_experts = request.param
    torch.manual_seed(8)
    decoder = trained(SpecMoe(size, len(LABELS), 3, n_experts, readout))
    folder = tmp_path_factory.mktemp("engine")
    write_decoder(folder / "decoder.safetensors", decoder, LABELS, "whitened", n_samples, {})
    export_spec_checkpoint(folder / "decoder.safetensors", folder / "decoder.onnx")
    return folder / "decoder.onnx"


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_compiled_graph_gives_what_torch_gives(engine: Path, backend: str) -> None:
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    session, reference = open_session(engine, backend), open_session(engine, "torch")
    rng = np.random.default_rng(1)
    for scale in (1.0, 30.0, 1e-6):
        x = (scale * rng.standard_normal((3, *reference.input_shape[1:]))).astype(np.float32)
        wanted = reference.run(x)
        np.testing.assert_allclose(session.run(x), wanted, atol=ATOL * max(1.0, float(np.abs(wanted).max())))
    x[1, 2, 100] = np.nan
    assert np.isnan(session.run(x)).any(axis=1).tolist() == [False, True, False]
    assert np.isnan(reference.run(x)).any(axis=1).tolist() == [False, True, False]


def test_sessions_agree_on_what_they_are(engine: Path) -> None:
    sessions = [open_session(engine, backend) for backend in ("onnxruntime", "torch")]
    assert {one.network_id for one in sessions} == {sha256(engine.read_bytes()).hexdigest()}
    assert len({one.input_shape for one in sessions}) == len({one.output_shape for one in sessions}) == 1
    with pytest.raises(EngineError, match="need"):
        sessions[1].run(np.zeros((1, 2, 3), np.float32))
    sessions[1].close()
    with pytest.raises(EngineError, match="session is closed"):
        sessions[1].run(np.zeros(sessions[1].input_shape, np.float32))


def test_the_same_weights_give_the_same_bytes_and_a_header(engine: Path, tmp_path: Path) -> None:
    again = export_spec_checkpoint(engine.with_suffix(".safetensors"), tmp_path / "again.onnx")
    assert again == sha256(engine.read_bytes()).hexdigest()
    header = onnx_metadata(engine)
    assert header["encoder"] == "specmoe"
    assert header["weights_sha256"] == read_spec_weights(engine.with_suffix(".safetensors"))[1].sha256


def test_weights_of_one_expert_are_no_decoder() -> None:
    with pytest.raises(EngineError, match="need those of a decoder"):
        spec_onnx_bytes({}, SpecInfo("expert", OWN, LABELS, "whitened"))


def test_a_checkpoint_of_other_weights_beside_the_graph_is_refused(engine: Path, tmp_path: Path) -> None:
    (tmp_path / "decoder.onnx").write_bytes(engine.read_bytes())
    write_decoder(tmp_path / "decoder.safetensors", SpecMoe(OWN, 5), LABELS, "whitened", 400, {})
    with pytest.raises(EngineError, match="was made from weights"):
        open_session(tmp_path / "decoder.onnx", "torch")
