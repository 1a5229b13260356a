import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from rtbci.encoder.checkpoint import (
    HEADER_KEY,
    describe,
    expected_shapes,
    read_checkpoint,
    read_metadata,
    read_weights,
    write_checkpoint,
)
from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.encoder.sizes import SIZES
from rtbci.errors import ChannelError, EngineError

LABELS = ["C3", "CZ", "C4"]


@pytest.fixture
def encoder() -> DareEncoder:
    torch.manual_seed(5)
    return DareEncoder("nano", embedding_std=0.5).eval()


@pytest.fixture
def path(tmp_path: Path, encoder: DareEncoder) -> Path:
    write_checkpoint(tmp_path / "e.safetensors", encoder, LABELS, "uV", notes={"data": "75 subjects"})
    return tmp_path / "e.safetensors"


def rewrite(path: Path, edit: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Change header or tensors of a checkpoint, as an editor or another program would."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()[HEADER_KEY])
    tensors = load_file(path)
    edit(header, tensors)
    save_file(tensors, path, {HEADER_KEY: json.dumps(header)})


def test_what_was_written_is_read(path: Path, encoder: DareEncoder) -> None:
    again, info = read_checkpoint(path)
    for name, value in encoder.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    assert (info.size, info.channels, info.unit, info.rate_hz) == (SIZES["nano"], tuple(LABELS), "uV", 256.0)
    assert (info.embedding_std, again.embedding_std) == (0.5, 0.5)
    assert info.notes == {"data": "75 subjects"}
    assert info == read_metadata(path)


def test_same_weights_give_the_same_bytes(path: Path, encoder: DareEncoder) -> None:
    first = hashlib.sha256(path.read_bytes()).hexdigest()
    write_checkpoint(path, encoder, LABELS, "uV", notes={"data": "75 subjects"})
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", SIZES)
def test_expected_shapes_are_those_of_the_network(name: str) -> None:
    with torch.device("meta"):
        state = DareEncoder(name).state_dict()
    assert expected_shapes(SIZES[name]) == {key: tuple(value.shape) for key, value in state.items()}


def test_half_precision_halves_the_file_and_keeps_the_features(
    path: Path, encoder: DareEncoder, tmp_path: Path
) -> None:
    half = tmp_path / "half.safetensors"
    write_checkpoint(half, encoder, LABELS, "uV", dtype="float16")
    assert half.stat().st_size < 0.52 * path.stat().st_size
    x, ids = torch.randn(4, 3, 64), channel_ids(LABELS)
    with torch.inference_mode():
        want = encoder.encode_patches(x, ids)
        got = read_checkpoint(half)[0].encode_patches(x, ids)
    torch.testing.assert_close(got, want, atol=5e-3, rtol=0)


def test_wrong_head_count_is_refused(path: Path) -> None:
    rewrite(path, lambda header, _: header["size"].update(n_heads=8))
    with pytest.raises(EngineError, match=r"n_heads=8.*need .*n_heads=4.*a wrong number of heads fits all"):
        read_metadata(path)


def test_head_count_of_an_own_size_is_guarded_by_the_hash(path: Path) -> None:
    rewrite(path, lambda header, _: header["size"].update(n_heads=8, name="own"))
    with pytest.raises(EngineError, match=r"content has sha256 .* header says"):
        read_checkpoint(path)


@pytest.mark.parametrize("key", ["unit", "channels", "rate_hz"])
def test_changed_contract_is_found(path: Path, key: str) -> None:
    other = {"unit": "mV", "channels": ["C4", "CZ", "C3"], "rate_hz": 250.0}
    rewrite(path, lambda header, _: header.update({key: other[key]}))
    with pytest.raises(EngineError, match="weights or header were changed"):
        read_weights(path)


def test_changed_weight_is_found(path: Path) -> None:
    def nudge(_: dict[str, Any], tensors: dict[str, Any]) -> None:
        tensors["summary"] = tensors["summary"] + np.float32(1e-3)

    rewrite(path, nudge)
    with pytest.raises(EngineError, match="content has sha256"):
        read_weights(path)


def test_missing_and_foreign_tensors_are_named(path: Path) -> None:
    def swap(_: dict[str, Any], tensors: dict[str, Any]) -> None:
        tensors["head.weight"] = tensors.pop("blocks.1.fc2.bias")

    rewrite(path, swap)
    with pytest.raises(
        EngineError, match=r"lacks \['blocks.1.fc2.bias'\] and has \['head.weight'\] too much"
    ):
        read_weights(path)


def test_weights_of_another_size_are_refused(path: Path) -> None:
    def cut(_: dict[str, Any], tensors: dict[str, Any]) -> None:
        tensors["summary"] = tensors["summary"][:, :32].copy()

    rewrite(path, cut)
    with pytest.raises(EngineError, match=r"summary has shape \(1, 32\), need \(1, 64\) for size 'nano'"):
        read_weights(path)


def test_bad_files_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"absent\.safetensors: cannot be read"):
        read_metadata(tmp_path / "absent.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(EngineError, match=r"cut\.safetensors: cannot be read"):
        read_metadata(cut)
    save_file({"x": np.zeros(2, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(EngineError, match=r"has no 'rtbci\.encoder' in its header"):
        read_metadata(tmp_path / "other.safetensors")
    rewrite(path, lambda header, _: header.pop("unit"))
    with pytest.raises(EngineError, match="header is not that of an encoder"):
        read_metadata(path)
    rewrite(path, lambda header, _: header.update(format=2))
    with pytest.raises(EngineError, match="in format 2, need 'dare' in format 1"):
        read_metadata(path)


def test_what_cannot_be_written_is_refused(tmp_path: Path, encoder: DareEncoder) -> None:
    with pytest.raises(ChannelError, match="got electrode 'M1'"):
        describe(encoder, ["C3", "M1"], "uV")
    with pytest.raises(EngineError, match="got unit 'V'"):
        describe(encoder, LABELS, "V")  # type: ignore[arg-type]
    encoder.summary.data[0, 0] = 1e6
    with pytest.raises(EngineError, match="summary is not finite in float16"):
        write_checkpoint(tmp_path / "x.safetensors", encoder, LABELS, "uV", dtype="float16")
    assert not list(tmp_path.iterdir())


def test_metadata_and_weights_are_read_without_torch(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rtbci.encoder.checkpoint import read_weights; "
        f"read_weights(Path({str(path)!r})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
