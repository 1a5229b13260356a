"""Weights of an encoder with all that must be known to use them: safetensors, never pickle.

What is known stands in one JSON value of the file's header. One value, because safetensors writes several
in no fixed order, and the same weights shall give the same file.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rtbci.encoder.sizes import MLP_RATIO, PATCH_SAMPLES, RATE_HZ, SIZES, EncoderSize, PowerPath
from rtbci.encoder.vocabulary import CHANNELS, channel_indices
from rtbci.errors import ChannelError, EngineError
from rtbci.files import write_whole
from rtbci.stages.stage import Float32Array

if TYPE_CHECKING:
    from rtbci.encoder.dare import DareEncoder

__all__ = [
    "CheckpointInfo",
    "Unit",
    "Weights",
    "describe",
    "expected_shapes",
    "read_checkpoint",
    "read_metadata",
    "read_weights",
    "write_checkpoint",
]

FORMAT_VERSION = 1
HEADER_KEY = "rtbci.encoder"

Unit = Literal["uV", "mV", "whitened"]
Weights = dict[str, Float32Array]


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Parameters
    ----------
    size : EncoderSize
        All dimensions, the number of heads among them.
    embedding_std : float
        Standard deviation that the channel embedding started with.
    channels : tuple of str
        Layout that the weights were trained on, in the order of the input.
    rate_hz : float
        Sampling rate of the input.
    unit : {'uV', 'mV', 'whitened'}
        Unit of the input.
    sha256 : str
        Of the weights (as float32) and all fields above; what was changed by hand is found by it.
    notes : dict of str to str
        Anything else (training data, command); not part of the hash.
    power : PowerPath or None
        See `rtbci.encoder.dare.DareEncoder`.
    """

    size: EncoderSize
    embedding_std: float
    channels: tuple[str, ...]
    rate_hz: float
    unit: Unit
    sha256: str = ""
    notes: dict[str, str] = field(default_factory=dict)
    power: PowerPath | None = None


def expected_shapes(size: EncoderSize, power: PowerPath | None = None) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of an encoder of this size."""
    d = size.n_features
    shapes: dict[str, tuple[int, ...]] = {
        "tokenise.weight": (d, PATCH_SAMPLES),
        "tokenise.bias": (d,),
        "channel_embedding.weight": (len(CHANNELS), d),
        "summary": (size.n_summary, d),
        "norm.weight": (d,),
        "norm.bias": (d,),
    }
    if power is not None:
        shapes |= {
            "power_offset": (len(CHANNELS),),
            "power_embedding.weight": (len(CHANNELS), d),
            "readout.weight": (len(CHANNELS), size.n_summary * d),
        }
    layers = {"attention.qkv": (3 * d, d), "attention.proj": (d, d)}
    layers |= {"fc1": (MLP_RATIO * d, d), "fc2": (d, MLP_RATIO * d)}
    for i in range(size.depth):
        for name, shape in layers.items():
            shapes |= {f"blocks.{i}.{name}.weight": shape, f"blocks.{i}.{name}.bias": shape[:1]}
        for name in ("norm1", "norm2"):
            shapes |= {f"blocks.{i}.{name}.weight": (d,), f"blocks.{i}.{name}.bias": (d,)}
    return shapes


def describe(
    encoder: "DareEncoder",
    channels: Sequence[str],
    unit: Unit,
    rate_hz: float = RATE_HZ,
    dtype: Literal["float32", "float16"] = "float32",
) -> tuple[Weights, CheckpointInfo]:
    """Weights and description of an encoder, as a checkpoint holds them.

    Parameters
    ----------
    encoder : DareEncoder
        On any device; not changed.
    channels : sequence of str
        Electrodes of the input, in order.
    unit : {'uV', 'mV', 'whitened'}
        Unit of the input.
    rate_hz : float
        Sampling rate of the input.
    dtype : {'float32', 'float16'}
        Precision that the weights are rounded to.

    Returns
    -------
    weights : dict of str to ndarray of float32
        Copies.
    info : CheckpointInfo
        With the hash.

    Raises
    ------
    EngineError
        When a weight is not finite, or the unit is unknown.
    ChannelError
        When a channel is not in the vocabulary or comes twice.
    """
    channel_indices(channels)
    if unit not in ("uV", "mV", "whitened"):
        raise EngineError(f"describe: got unit {unit!r}, need 'uV', 'mV' or 'whitened'")
    state = encoder.state_dict()
    with np.errstate(over="ignore"):  # an overflow becomes inf, and inf is refused below
        weights = {
            name: tensor.detach().float().cpu().numpy().astype(dtype).astype(np.float32)
            for name, tensor in state.items()
        }
    if broken := [name for name, value in weights.items() if not np.isfinite(value).all()]:
        raise EngineError(f"describe: {', '.join(broken)} is not finite in {dtype}, need finite weights")
    info = CheckpointInfo(
        encoder.size, encoder.embedding_std, tuple(channels), float(rate_hz), unit, power=encoder.power
    )
    return weights, replace(info, sha256=_content_sha256(weights, info))


def write_checkpoint(
    path: Path,
    encoder: "DareEncoder",
    channels: Sequence[str],
    unit: Unit,
    rate_hz: float = RATE_HZ,
    dtype: Literal["float32", "float16"] = "float32",
    notes: Mapping[str, str] | None = None,
) -> CheckpointInfo:
    """Write an encoder; the same weights and notes give the same bytes.

    Parameters
    ----------
    path : Path
        Replaced at once or not at all.
    encoder, channels, unit, rate_hz, dtype
        See `describe`.
    notes : mapping of str to str, optional
        See `CheckpointInfo`.

    Returns
    -------
    CheckpointInfo

    Raises
    ------
    EngineError, ChannelError
        See `describe`.
    """
    from safetensors.numpy import save

    weights, info = describe(encoder, channels, unit, rate_hz, dtype)
    info = replace(info, notes=dict(notes or {}))
    tensors = {name: value.astype(dtype) for name, value in weights.items()}
    header = {"format": FORMAT_VERSION, "encoder": "dare", **asdict(info)}
    data = save(tensors, {HEADER_KEY: json.dumps(header, sort_keys=True)})
    write_whole(path, data)
    return info


def read_metadata(path: Path) -> CheckpointInfo:
    """Read what a checkpoint says of itself, without its weights and without torch.

    Raises
    ------
    EngineError
        When the file is missing, is no checkpoint of this form, or contradicts itself.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(HEADER_KEY)
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{path}: cannot be read ({error}), need an encoder's safetensors file") from None
    if text is None:
        raise EngineError(f"{path}: has no '{HEADER_KEY}' in its header, need one; write it with rtbci")
    return _parse_header(path, text)


def read_weights(path: Path) -> tuple[Weights, CheckpointInfo]:
    """Read and check weights, without torch.

    Returns
    -------
    weights : dict of str to ndarray of float32
    info : CheckpointInfo

    Raises
    ------
    EngineError
        When the file cannot be used, names or shapes are not those of its size, or the content does not
        have the hash that is stated.
    """
    from safetensors.numpy import load_file

    info = read_metadata(path)
    weights = {name: value.astype(np.float32) for name, value in load_file(path).items()}
    need = expected_shapes(info.size, info.power)
    missing, extra = sorted(need.keys() - weights.keys()), sorted(weights.keys() - need.keys())
    if missing or extra:
        raise EngineError(
            f"{path}: lacks {missing or 'nothing'} and has {extra or 'nothing'} too much, "
            f"need the tensors of size '{info.size.name}'; write it again"
        )
    for name, shape in need.items():
        if weights[name].shape != shape:
            raise EngineError(
                f"{path}: {name} has shape {weights[name].shape}, need {shape} for size '{info.size.name}'"
            )
    if (got := _content_sha256(weights, info)) != info.sha256:
        raise EngineError(
            f"{path}: content has sha256 {got[:12]}..., header says {info.sha256[:12]}...; "
            "weights or header were changed, get the file again"
        )
    return weights, info


def read_checkpoint(path: Path) -> tuple["DareEncoder", CheckpointInfo]:
    """Read an encoder, in evaluation mode on the CPU.

    Raises
    ------
    EngineError
        See `read_weights`.
    """
    import torch

    from rtbci.encoder.dare import DareEncoder

    weights, info = read_weights(path)
    encoder = DareEncoder(info.size, info.embedding_std, info.power)
    encoder.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return encoder.eval(), info


def _parse_header(path: Path, text: str) -> CheckpointInfo:
    try:
        header: dict[str, Any] = json.loads(text)
        if (header["format"], header["encoder"]) != (FORMAT_VERSION, "dare"):
            raise EngineError(
                f"{path}: is {header['encoder']!r} in format {header['format']}, need 'dare' in format "
                f"{FORMAT_VERSION}; use the version of rtbci that wrote it"
            )
        size = EncoderSize(**header["size"])
        channels = tuple(header["channels"])
        channel_indices(channels)
        info = CheckpointInfo(
            size,
            float(header["embedding_std"]),
            channels,
            float(header["rate_hz"]),
            header["unit"],
            header["sha256"],
            header["notes"],
            _parse_power(header.get("power")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, ChannelError) as error:
        raise EngineError(
            f"{path}: header is not that of an encoder ({type(error).__name__}: {error}); write it again"
        ) from None
    if size.name in SIZES and size != SIZES[size.name]:
        raise EngineError(
            f"{path}: header says {size}, need {SIZES[size.name]}; a wrong number of heads fits all tensors "
            "and gives wrong features, so name a size of your own otherwise"
        )
    return info


def _parse_power(value: Any) -> PowerPath | None:
    if value is None:
        return None
    return PowerPath(float(value["level"]))


def _content_sha256(weights: Weights, info: CheckpointInfo) -> str:
    contract = asdict(replace(info, sha256="", notes={}))
    if info.power is None:  # checkpoints without one were hashed before there was any
        del contract["power"]
    digest = hashlib.sha256(json.dumps(contract, sort_keys=True).encode())
    for name in sorted(weights):
        value = np.ascontiguousarray(weights[name], np.float32)
        digest.update(f"{name} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
