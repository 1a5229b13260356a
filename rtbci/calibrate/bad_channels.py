"""Electrodes that should not be read at all, found before the first trial, and how to do without them."""

from collections.abc import Mapping, Sequence

import numpy as np

from rtbci.calibrate.quality import band_uv
from rtbci.errors import ChannelError, ShapeError
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.opening import find_channels
from rtbci.stages.electrode_faults import (
    CLIPPED_SHARE,
    FLAT_UV,
    MAX_LINE_SHARE,
    MAX_Z,
    MIN_CORRELATION,
    N_COMPARE,
    agreement,
    line_share,
    log_levels_off,
)
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import electrodes_of
from rtbci.stream.source import StreamInfo
from rtbci.stream.units import spread_uv

__all__ = ["find_bad_channels", "mask_channels"]

BAND_HZ = (1.0, 40.0)
LEAST_S = 2.0


def find_bad_channels(raw_uv: FloatArray, rate_hz: float, labels: Sequence[str]) -> dict[str, str]:
    """Look for electrodes that give no EEG.

    Parameters
    ----------
    raw_uv : ndarray of float64, shape (n_samples, n_channels)
        About ten seconds of the electrodes that matter, in microvolts, all against the same reference.
    rate_hz : float
    labels : sequence of str

    Returns
    -------
    dict of str to str
        By label as given: ``not finite``, ``flat``, ``saturated``, ``line noise``, ``too strong``, ``too weak`` or
        ``unlike all others``. The last three need 8 electrodes to compare with.

    Raises
    ------
    ShapeError
        When there are no 2 seconds, or not a label for each channel.
    """
    if raw_uv.ndim != 2 or len(raw_uv) < LEAST_S * rate_hz or raw_uv.shape[1] != len(labels):
        raise ShapeError(
            f"find_bad_channels: signal has shape {raw_uv.shape} at {rate_hz:g} Hz with {len(labels)} labels, need "
            f"{LEAST_S:g} s or more and a label for each channel; look at more signal"
        )
    data = np.asarray(raw_uv, dtype=np.float64)
    reasons = {i: why for i in range(len(labels)) if (why := _alone(data[:, i], rate_hz))}
    rest = [i for i in range(len(labels)) if i not in reasons]
    if len(rest) >= N_COMPARE:
        filtered = band_uv(data[:, rest], BAND_HZ, rate_hz)
        reasons |= {rest[j]: why for j, why in _compared(filtered).items()}
    return {labels[i]: reasons[i] for i in sorted(reasons)}


def mask_channels(info: StreamInfo, bad: Mapping[str, str], recipe: ParadigmRecipe) -> tuple[str, ...]:
    """Labels for ``Decoder(..., ignore=)``: the bad electrodes, when the decoder can do without them.

    The decoder then treats them as it treats electrodes that the stream lacks: infers or interpolates them.

    Parameters
    ----------
    info : StreamInfo
    bad : mapping of str to str
        Of `find_bad_channels`: label and reason. Channels that are no electrodes are left out.
    recipe : ParadigmRecipe

    Raises
    ------
    ChannelError
        When one of them is required, or too few are left.
    """
    electrodes = electrodes_of(info)
    names = tuple(dict.fromkeys(name for label in bad if (name := canonical_label(label)) in electrodes))
    try:
        find_channels(recipe, info, None, names)
    except ChannelError as error:
        told = ", ".join(f"{label} ({why})" for label, why in bad.items())
        raise ChannelError(
            f"mask_channels: bad electrodes are {told}, paradigm '{recipe.name}' cannot do without all of them; check "
            f"their contact and the reference, then start again\n{error}"
        ) from error
    return names


def _alone(signal_uv: FloatArray, rate_hz: float) -> str:
    """What is wrong with a channel by itself, shape (n_samples,), or nothing."""
    if not np.isfinite(signal_uv).all():
        return "not finite"
    if spread_uv(signal_uv[:, None])[0] < FLAT_UV:
        return "flat"
    low, high = signal_uv.min(), signal_uv.max()
    margin = 5e-5 * (high - low)
    if max(np.mean(signal_uv <= low + margin), np.mean(signal_uv >= high - margin)) > CLIPPED_SHARE:
        return "saturated"
    return "line noise" if line_share(signal_uv[:, None], rate_hz)[0] > MAX_LINE_SHARE else ""


def _compared(signal_uv: FloatArray) -> dict[int, str]:
    """What is wrong with channels among the others, shape (n_samples, n_channels)."""
    usual = np.ones(signal_uv.shape[1], bool)
    off, spread = log_levels_off(np.log(spread_uv(signal_uv)), usual)
    with np.errstate(invalid="ignore"):
        alike = agreement(np.nan_to_num(np.atleast_2d(np.corrcoef(signal_uv.T))), usual)
    reasons = {int(i): "unlike all others" for i in np.flatnonzero(alike < MIN_CORRELATION)}
    reasons |= {int(i): "too weak" for i in np.flatnonzero(off < -MAX_Z * spread)}
    return reasons | {int(i): "too strong" for i in np.flatnonzero(off > MAX_Z * spread)}
