"""How the encoder's network starts: drawn at random, or from a pretrained checkpoint behind an adapter that passes on electrodes."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from rtbci.encoder.checkpoint import CheckpointInfo, Unit, read_checkpoint
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError
from rtbci.stages.stage import FloatArray
from tools.training.networks import EncoderNet
from tools.training.signals import CHAIN, LAYOUT, RATE_HZ

__all__ = ["ADAPTER_STARTS", "AdapterStart", "Start", "electrode_filters", "start_network"]

AdapterStart = Literal["random", "identity", "electrodes"]
ADAPTER_STARTS: tuple[AdapterStart, ...] = get_args(AdapterStart)
UV_PER_UNIT: dict[Unit, float] = {"uV": 1.0, "mV": 1e3}


@dataclass(frozen=True, slots=True)
class Start:
    """How a network starts.

    Parameters
    ----------
    encoder : Path, optional
        Pretrained checkpoint; drawn at random without one.
    adapter : {'random', 'identity', 'electrodes'}
        Random spatial filters with the filters of three bands; or filters that only delay, by half their length, behind
        spatial filters that are the identity (virtual electrodes show the whitened signal) or the root of the population's
        covariance (they show what the electrodes showed before the whitening, as far as people are alike).
    """

    encoder: Path | None = None
    adapter: AdapterStart = "random"


def start_network(net: EncoderNet, start: Start, covariance: FloatArray) -> None:
    """Start a fresh network in place.

    Parameters
    ----------
    net : EncoderNet
        Of the sensorimotor layout.
    start : Start
    covariance : ndarray of float64, shape (n_channels, n_channels)
        Of the training subjects, in square microvolts.

    Raises
    ------
    EngineError
        When the checkpoint cannot be read, or is not of this network.
    """
    if start.adapter != "random":
        _pass_electrodes(net, covariance if start.adapter == "electrodes" else None)
    if start.encoder is not None:
        encoder, info = read_checkpoint(start.encoder)
        _check(start.encoder, info, net)
        _load(net, encoder, _rms(info.unit, covariance))


def electrode_filters(covariance: FloatArray) -> FloatArray:
    """What undoes the whitening by this covariance, up to one factor: outputs have power 1 on average.

    Returns
    -------
    ndarray of float64, shape (n_channels, n_channels)
    """
    share = float(str(CHAIN[-1]["shrinkage"]))
    n = len(covariance)
    level = np.trace(covariance) / n
    values, vectors = np.linalg.eigh((1.0 - share) * covariance + share * level * np.eye(n))
    return np.asarray((vectors * np.sqrt(values / level)) @ vectors.T)


@torch.no_grad()
def _pass_electrodes(net: EncoderNet, covariance: FloatArray | None) -> None:
    n, n_taps = net.adapter_fir.shape
    spatial = np.eye(n) if covariance is None else electrode_filters(covariance)
    net.adapter.copy_(torch.from_numpy(spatial))
    net.adapter_fir.zero_()
    net.adapter_fir[:, n_taps // 2] = 1.0


@torch.no_grad()
def _load(net: EncoderNet, encoder: DareEncoder, rms: float) -> None:
    """Take the weights over; virtual electrodes have power 1, those that the checkpoint saw `rms` squared."""
    gain = float(net.encoder.norm.weight.mean())
    net.encoder.load_state_dict(encoder.state_dict(), strict=False)
    net.encoder.tokenise.weight.mul_(rms)
    net.encoder.norm.weight.mul_(gain)
    net.encoder.norm.bias.mul_(gain)
    if net.encoder.power is not None:  # tokens start as the checkpoint knows them, without levels
        net.encoder.power_embedding.weight.zero_()


def _rms(unit: Unit, covariance: FloatArray) -> float:
    return (
        1.0 if unit == "whitened" else math.sqrt(np.trace(covariance) / len(covariance)) / UV_PER_UNIT[unit]
    )


def _check(path: Path, info: CheckpointInfo, net: EncoderNet) -> None:
    where = f"--start: {path}"
    if info.size != net.encoder.size:
        raise EngineError(
            f"{where} is of size '{info.size.name}', need '{net.encoder.size.name}'; give --size {info.size.name}"
        )
    if info.power is not None:
        raise EngineError(
            f"{where} has a power path, so it was trained with labels; need what `tools.pretrain train` wrote"
        )
    if info.rate_hz != RATE_HZ:
        raise EngineError(f"{where} is for {info.rate_hz:g} Hz, need {RATE_HZ:g} Hz; pretrain again")
    if missing := sorted(set(LAYOUT) - set(info.channels)):
        raise EngineError(f"{where} never saw {missing}, need all electrodes of the layout; pretrain on more")
