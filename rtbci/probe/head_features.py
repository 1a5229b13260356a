"""What each branch's linear head reads, so that the head can be fitted anew while the features stay.

For every kind of branch: ``logits = features @ coef.T + intercept`` with these features is what the branch's own
probe gives.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.backends.session import Session
from rtbci.errors import ProfileError, ShapeError
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.encoder_adapter import adapted_signal, encode_patch, encoder_adapter
from rtbci.probe.power import POWER_FLOOR, HopPowers, PowerProbe
from rtbci.probe.profile import BranchEntry, Profile
from rtbci.probe.tangent import BlockCovariances, TangentProbe, shrink, tangent_vectors
from rtbci.probe.window_head import has_head
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray

__all__ = [
    "HEAD_TENSORS",
    "HeadTensors",
    "conv_features",
    "power_features",
    "tangent_features",
    "whole_window_features",
    "window_features",
]


@dataclass(frozen=True, slots=True)
class HeadTensors:
    """Names of a head's tensors in a profile, without the branch's prefix."""

    coef: str
    intercept: str


HEAD_TENSORS = {
    "power": HeadTensors("coef", "intercept"),
    "tangent": HeadTensors("coef", "intercept"),
    "encoder": HeadTensors("weight", "bias"),
    "window": HeadTensors("weight", "bias"),
}
"""By kind of branch; a whole-window engine that gives logits has none."""


def power_features(probe: PowerProbe, hop_powers: FloatArray) -> FloatArray:
    """Weighted means of log powers.

    Parameters
    ----------
    probe : PowerProbe
    hop_powers : ndarray of float64, shape (..., n_hops, n_bands * n_filters)
        As `HopPowers.window` gives them.

    Returns
    -------
    ndarray of float64, shape (..., n_bands * n_filters)

    Raises
    ------
    ShapeError
        When the powers have another shape.
    """
    *lead, n_hops, n_features = hop_powers.shape
    if n_features != probe.coef.shape[1] or not n_hops or n_hops % probe.n_patches:
        raise ShapeError(
            f"power_features: powers have shape {hop_powers.shape}, need (..., a multiple of {probe.n_patches}, "
            f"{probe.coef.shape[1]})"
        )
    patches = hop_powers.reshape(*lead, probe.n_patches, -1, n_features).mean(axis=-2)
    return np.asarray(np.einsum("...pf,fp->...f", np.log(patches + POWER_FLOOR), probe.patch_weight))


def tangent_features(probe: TangentProbe, covariances: FloatArray) -> FloatArray:
    """Tangent vectors, band after band.

    Parameters
    ----------
    probe : TangentProbe
    covariances : ndarray of float64, shape (..., n_bands, n_channels, n_channels)
        As `BlockCovariances.window` gives them, not shrunk yet.

    Returns
    -------
    ndarray of float64, shape (..., n_bands * n_channels * (n_channels + 1) / 2)

    Raises
    ------
    ShapeError
        When the covariances have another shape.
    """
    shape = probe.reference.shape
    if covariances.shape[-3:] != shape:
        raise ShapeError(f"tangent_features: covariances have shape {covariances.shape}, need (..., {shape})")
    lead = covariances.shape[:-3]
    shrunk = shrink(covariances, probe.shrinkage).reshape(-1, *shape)
    bands = [tangent_vectors(shrunk[:, i], probe.reference[i]) for i in range(probe.n_bands)]
    return np.hstack(bands).reshape(*lead, -1)


def conv_features(probe: ConvProbe, patch_features: npt.NDArray[np.float32] | FloatArray) -> FloatArray:
    """What the probe's last linear layer reads: each patch's few numbers, oldest patch first.

    Parameters
    ----------
    probe : ConvProbe
    patch_features : ndarray, shape (..., n_patches, n_features)
        The encoder's.

    Returns
    -------
    ndarray of float64, shape (..., n_patches * n_hidden)

    Raises
    ------
    ShapeError
        When the features have another shape.
    """
    if patch_features.shape[-2:] != (probe.n_patches, probe.n_features):
        raise ShapeError(
            f"conv_features: features have shape {patch_features.shape}, need (..., {probe.n_patches}, {probe.n_features})"
        )
    hidden = patch_features @ probe.patch_weight.T + probe.patch_bias
    return np.asarray(hidden.reshape(*patch_features.shape[:-2], -1), dtype=np.float64)


def window_features(
    profile: Profile, entry: BranchEntry, signal: npt.ArrayLike, session: Session | None = None
) -> FloatArray:
    """Features of the last window of a signal, shape (n_features,); the twin of `Branch.logits_of`.

    Parameters
    ----------
    profile : Profile
        Gives the window and the branch's tensors.
    entry : BranchEntry
        Of kind power, tangent or encoder, or window with features.
    signal : array_like, shape (n_samples, n_channels)
        After all stages, a window or more. Filters inside the branch start at its first sample.
    session : Session, optional
        The branch's engine, where it has one.

    Raises
    ------
    ProfileError
        When the branch has no linear head, or its engine is missing.
    ShapeError
        When the signal is shorter than a window, or has other channels.
    """
    data = np.asarray(signal, dtype=np.float64)
    if data.ndim != 2 or len(data) < profile.window_samples:
        raise ShapeError(
            f"branch '{entry.name}': signal has shape {data.shape}, need ({profile.window_samples} or more, n_channels)"
        )
    tensors = profile.tensors(entry.name, needed=entry.kind != "window")
    if entry.kind == "window" and session is not None and has_head(session, tensors):
        return whole_window_features(session, data)
    if entry.kind == "power":
        return _power_of(PowerProbe.from_tensors(tensors), profile, data)
    if entry.kind == "tangent":
        return _tangent_of(TangentProbe.from_tensors(tensors), profile, entry, data)
    if entry.kind != "encoder" or session is None:
        raise ProfileError(
            f"branch '{entry.name}': of kind {entry.kind} {'without' if session is None else 'with'} an engine has no "
            f"head to refit, need one of {', '.join(HEAD_TENSORS)}, an encoder with its session; leave the branch out"
        )
    adapter = encoder_adapter(
        tensors.get("adapter"), tensors.get("adapter_fir"), session.input_shape[1], entry.name
    )
    data = adapted_signal(adapter, data, profile.hop_samples)
    return _encoder_of(ConvProbe.from_tensors(tensors), profile, data, session)


def whole_window_features(session: Session, signal: FloatArray) -> FloatArray:
    """What a whole-window engine gives for the last window of a signal, shape (n_features,)."""
    last = signal[-session.input_shape[2] :].T
    return session.run(np.ascontiguousarray(last[np.newaxis], np.float32)).ravel().astype(np.float64)


def _hops(profile: Profile, data: FloatArray) -> list[FloatArray]:
    """Cut into hops, less what does not fill one at the start."""
    n = profile.hop_samples
    return [data[i : i + n] for i in range(len(data) % n, len(data), n)]


def _power_of(probe: PowerProbe, profile: Profile, data: FloatArray) -> FloatArray:
    powers = HopPowers(probe, profile.hop_samples, profile.window_samples // profile.hop_samples)
    for hop in _hops(profile, data):
        powers.push(hop)
    return power_features(probe, powers.window())


def _tangent_of(probe: TangentProbe, profile: Profile, entry: BranchEntry, data: FloatArray) -> FloatArray:
    n_channels, n_blocks = probe.n_channels, profile.window_samples // profile.hop_samples
    filters = [
        SosFilter.bandpass(low, high, profile.rate_hz, n_channels, entry.order)
        for low, high in entry.bands_hz
    ]
    blocks = BlockCovariances(probe.n_bands, n_channels, profile.hop_samples, n_blocks)
    for hop in _hops(profile, data):
        blocks.push(np.stack([band.push(hop) for band in filters]))
    return tangent_features(probe, blocks.window())


def _encoder_of(probe: ConvProbe, profile: Profile, data: FloatArray, session: Session) -> FloatArray:
    last = data[-profile.window_samples :].astype(np.float32)
    patches = last.reshape(probe.n_patches, -1, last.shape[1]).transpose(0, 2, 1)
    features = [encode_patch(session, np.ascontiguousarray(patch)) for patch in patches]
    return conv_features(probe, np.stack(features))
