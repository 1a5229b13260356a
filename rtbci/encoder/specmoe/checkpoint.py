"""Weights of experts and of whole decoders, with all that must be known to use them: safetensors, never pickle."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rtbci.encoder.checkpoint import Unit
from rtbci.encoder.specmoe.sizes import RATE_HZ, SIZES, SpecSize
from rtbci.errors import EngineError
from rtbci.files import write_whole
from rtbci.stages.stage import Float32Array

if TYPE_CHECKING:
    from torch import nn

    from rtbci.encoder.specmoe.hinet import SpecHiNet
    from rtbci.encoder.specmoe.moe import SpecMoe

__all__ = [
    "HEADER_KEY",
    "SpecInfo",
    "is_spec_checkpoint",
    "read_decoder",
    "read_expert",
    "read_spec_metadata",
    "read_spec_weights",
    "write_decoder",
    "write_expert",
]

FORMAT_VERSION = 1
HEADER_KEY = "rtbci.specmoe"
Weights = dict[str, Float32Array]


@dataclass(frozen=True, slots=True)
class SpecInfo:
    """What a checkpoint says of itself.

    Parameters
    ----------
    kind : {'expert', 'decoder'}
        A pretrained `SpecHiNet`, or a whole `SpecMoe`.
    size : SpecSize
    channels : tuple of str
        Electrodes that it was trained on; a decoder takes these, in this order.
    unit : {'uV', 'mV', 'whitened'}
        Of the input, at `rate_hz`.
    rate_hz : float
    n_samples : int
        Of a decoder's window; 0 for an expert, which takes any.
    n_classes, n_experts : int
        0 for an expert.
    readout : str
        See `rtbci.encoder.specmoe.moe.SpecMoe`; empty for an expert.
    sha256 : str
        Of the weights and all fields above.
    notes : dict of str to str
        Anything else; not part of the hash.
    """

    kind: Literal["expert", "decoder"]
    size: SpecSize
    channels: tuple[str, ...]
    unit: Unit
    rate_hz: float = RATE_HZ
    n_samples: int = 0
    n_classes: int = 0
    n_experts: int = 0
    readout: str = ""
    sha256: str = ""
    notes: dict[str, str] = field(default_factory=dict)


def write_expert(
    path: Path, network: "SpecHiNet", channels: tuple[str, ...], unit: Unit, notes: Mapping[str, str]
) -> SpecInfo:
    """Write a pretrained expert; the same weights and notes give the same bytes.

    Raises
    ------
    EngineError
        When a weight is not finite.
    """
    return _write(path, network, SpecInfo("expert", network.size, tuple(channels), unit, notes=dict(notes)))


def write_decoder(
    path: Path,
    decoder: "SpecMoe",
    channels: tuple[str, ...],
    unit: Unit,
    n_samples: int,
    notes: Mapping[str, str],
) -> SpecInfo:
    """Write a decoder; see `write_expert`.

    Raises
    ------
    EngineError
        When a weight is not finite, or there is not a channel for each of the decoder's.
    """
    if len(channels) != decoder.n_channels:
        raise EngineError(
            f"{path}: got {len(channels)} channels for a decoder of {decoder.n_channels}, need as many"
        )
    info = SpecInfo(
        "decoder",
        decoder.size,
        tuple(channels),
        unit,
        n_samples=n_samples,
        n_classes=decoder.n_classes,
        n_experts=len(decoder.experts),
        readout=decoder.readout,
        notes=dict(notes),
    )
    return _write(path, decoder, info)


def is_spec_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint of this form, as far as its header says; False also when it cannot be read."""
    try:
        return _header(path) is not None
    except EngineError:
        return False


def read_spec_metadata(path: Path) -> SpecInfo:
    """Read what a checkpoint says of itself, without its weights and without torch.

    Raises
    ------
    EngineError
        When the file is missing, is no checkpoint of this form, or contradicts itself.
    """
    text = _header(path)
    if text is None:
        raise EngineError(f"{path}: has no '{HEADER_KEY}' in its header, need one; write it with rtbci")
    try:
        header: dict[str, Any] = json.loads(text)
        if header.pop("format") != FORMAT_VERSION or header["kind"] not in ("expert", "decoder"):
            raise ValueError(f"format or kind {header['kind']!r} is unknown")
        size = header.pop("size")
        header["size"] = SpecSize(size["name"], tuple(size["widths"]), size["n_heads"], tuple(size["depths"]))
        info = SpecInfo(**{**header, "channels": tuple(header["channels"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            f"{path}: header is not that of an expert or decoder ({type(error).__name__}: {error}); write it again"
        ) from None
    if info.size.name in SIZES and info.size != SIZES[info.size.name]:
        raise EngineError(
            f"{path}: header says {info.size}, need {SIZES[info.size.name]}; name a size of your own otherwise"
        )
    return info


def read_spec_weights(path: Path) -> tuple[Weights, SpecInfo]:
    """Read weights without torch.

    Raises
    ------
    EngineError
        When the file cannot be used, or its content has another hash than it states.
    """
    from safetensors.numpy import load_file

    info = read_spec_metadata(path)
    weights = dict(load_file(path))
    if (got := _content_sha256(weights, info)) != info.sha256:
        raise EngineError(
            f"{path}: content has sha256 {got[:12]}..., header says {info.sha256[:12]}...; weights or header were changed, "
            "get the file again"
        )
    return weights, info


def read_expert(path: Path) -> tuple["SpecHiNet", SpecInfo]:
    """Read an expert, in evaluation mode on the CPU.

    Raises
    ------
    EngineError
        When the file cannot be used, or is a decoder's.
    """
    from rtbci.encoder.specmoe.hinet import SpecHiNet

    weights, info = _of_kind(path, "expert")
    network = SpecHiNet(info.size)
    _load(path, network, weights)
    return network.eval(), info


def read_decoder(path: Path) -> tuple["SpecMoe", SpecInfo]:
    """Read a decoder, in evaluation mode on the CPU.

    Raises
    ------
    EngineError
        When the file cannot be used, or is an expert's.
    """
    from rtbci.encoder.specmoe.moe import SpecMoe

    weights, info = _of_kind(path, "decoder")
    decoder = SpecMoe(info.size, len(info.channels), info.n_classes, info.n_experts, info.readout)  # type: ignore[arg-type]
    _load(path, decoder, weights)
    return decoder.eval(), info


def _of_kind(path: Path, kind: str) -> tuple[Weights, SpecInfo]:
    weights, info = read_spec_weights(path)
    if info.kind != kind:
        raise EngineError(f"{path}: holds {info.kind} weights, need those of one {kind}; give another file")
    return weights, info


def _load(path: Path, module: "nn.Module", weights: Weights) -> None:
    import torch

    try:
        module.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    except RuntimeError as error:
        raise EngineError(f"{path}: tensors are not those of its header ({error}); write it again") from None


def _write(path: Path, module: "nn.Module", info: SpecInfo) -> SpecInfo:
    from safetensors.numpy import save

    weights = {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}
    if broken := [name for name, value in weights.items() if not np.isfinite(value).all()]:
        raise EngineError(f"{path}: {', '.join(broken)} is not finite, need finite weights")
    info = replace(info, sha256=_content_sha256(weights, info))
    write_whole(
        path,
        save(weights, {HEADER_KEY: json.dumps({"format": FORMAT_VERSION, **asdict(info)}, sort_keys=True)}),
    )
    return info


def _header(path: Path) -> str | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            text: str | None = (file.metadata() or {}).get(HEADER_KEY)
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{path}: cannot be read ({error}), need a safetensors file of weights") from None
    return text


def _content_sha256(weights: Mapping[str, Any], info: SpecInfo) -> str:
    contract = asdict(replace(info, sha256="", notes={}))
    digest = hashlib.sha256(json.dumps(contract, sort_keys=True).encode())
    for name in sorted(weights):
        value = np.ascontiguousarray(weights[name])
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
