"""Checkpoints of experts and decoders: read back bit for bit, and refused when anything is wrong."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from rtbci.encoder.checkpoint import write_checkpoint
from rtbci.encoder.dare import DareEncoder
from rtbci.encoder.specmoe.checkpoint import (
    HEADER_KEY,
    is_spec_checkpoint,
    read_decoder,
    read_expert,
    read_spec_metadata,
    read_spec_weights,
    write_decoder,
    write_expert,
)
from rtbci.encoder.specmoe.hinet import SpecHiNet
from rtbci.encoder.specmoe.moe import SpecMoe
from rtbci.errors import EngineError

LABELS = ("C3", "CZ", "C4")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    write_decoder(
        tmp_path / "decoder.safetensors", SpecMoe("mini", 3), LABELS, "whitened", 600, {"data": "none"}
    )
    return tmp_path / "decoder.safetensors"


def rewritten(path: Path, **changes: object) -> Path:
    """The file with another header."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()[HEADER_KEY])
    save_file(load_file(path), path, {HEADER_KEY: json.dumps({**header, **changes})})
    return path


def test_a_decoder_comes_back(path: Path) -> None:
    torch.manual_seed(0)
    written = SpecMoe("mini", 3).state_dict()
    decoder, info = read_decoder(path)
    read = decoder.state_dict()
    assert written.keys() == read.keys()
    assert all(torch.equal(written[name], read[name]) for name in written)
    assert (info.channels, info.unit, info.n_samples, info.n_classes, info.n_experts) == (
        LABELS,
        "whitened",
        600,
        2,
        3,
    )
    assert info.notes == {"data": "none"}
    assert not decoder.training


def test_the_same_weights_give_the_same_file(path: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    write_decoder(
        tmp_path / "again.safetensors", SpecMoe("mini", 3), LABELS, "whitened", 600, {"data": "none"}
    )
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_an_expert_is_no_decoder_and_the_other_way_round(path: Path, tmp_path: Path) -> None:
    expert = tmp_path / "expert.safetensors"
    write_expert(expert, SpecHiNet("mini"), LABELS, "whitened", {})
    assert read_expert(expert)[0].size.name == "mini"
    with pytest.raises(EngineError, match="holds expert weights, need those of one decoder"):
        read_decoder(expert)
    with pytest.raises(EngineError, match="holds decoder weights, need those of one expert"):
        read_expert(path)


def test_weights_that_are_not_finite_and_other_channels_are_not_written(tmp_path: Path) -> None:
    network = SpecHiNet("mini")
    torch.nn.init.constant_(network.to_fine.weight, float("nan"))
    with pytest.raises(EngineError, match=r"to_fine\.weight is not finite"):
        write_expert(tmp_path / "x.safetensors", network, LABELS, "whitened", {})
    with pytest.raises(EngineError, match="got 3 channels for a decoder of 4"):
        write_decoder(tmp_path / "x.safetensors", SpecMoe("mini", 4), LABELS, "whitened", 600, {})
    assert not (tmp_path / "x.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "header is not that of an expert or decoder"),
        ({"kind": "other"}, "header is not that of an expert or decoder"),
        ({"size": {"name": "mini"}}, "header is not that of an expert or decoder"),
        ({"channels": ["C4", "CZ", "C3"]}, "weights or header were changed"),
        ({"readout": "max"}, "weights or header were changed"),
        (
            {"size": {"name": "mini", "widths": [16, 16, 32], "n_heads": 8, "depths": [0, 2, 0]}},
            "name a size of your own otherwise",
        ),
    ],
)
def test_a_header_that_was_changed_is_refused(path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        read_spec_weights(rewritten(path, **changes))


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "encoder.safetensors"
    write_checkpoint(other, DareEncoder("nano", 0.5), LABELS, "uV")
    assert not is_spec_checkpoint(other)
    assert not is_spec_checkpoint(tmp_path / "absent")
    with pytest.raises(EngineError, match=r"has no 'rtbci.specmoe' in its header"):
        read_spec_metadata(other)
    (tmp_path / "text").write_text("no")
    with pytest.raises(EngineError, match="cannot be read"):
        read_spec_metadata(tmp_path / "text")
