"""Electrodes that should not be read at all, found before the first trial, and how to do without them."""

from collections.abc import Mapping, Sequence

import numpy as np

from rtbci.calibrate.quality import band_uv, line_share
from rtbci.errors import ChannelError, ShapeError
from rtbci.recipes import ParadigmRecipe
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import electrodes_of, match_channels
from rtbci.stream.source import StreamInfo
from rtbci.stream.units import spread_uv

__all__ = ["find_bad_channels", "mask_channels"]

BAND_HZ = (1.0, 40.0)
LEAST_S = 2.0
FLAT_UV = 0.1
CLIPPED_SHARE = 0.05
"""A sine has 0.3 % of its samples in the outer 0.005 % of its range, EEG one or two in a thousand."""
MAX_LINE_SHARE = 0.99
MAX_Z = 5.0
"""Robust z of log amplitude among the electrodes (PREP: Bigdely-Shamlo et al. 2015, doi:10.3389/fninf.2015.00016)."""
LEAST_LOG_SPREAD = np.log(1.3)
"""Electrodes that are alike to a few percent would make every other one an outlier."""
MIN_CORRELATION = 0.3
"""With the electrode that it agrees with most; PREP takes 0.4 in windows of 1 s."""
N_COMPARE = 8
"""With fewer electrodes there is no usual one to compare with."""
_MAD_TO_SD = 1.4826


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
    layout = recipe.input
    try:
        match_channels(
            info,
            layout.channels,
            layout.max_interpolated,
            missing=layout.missing,
            required=recipe.required_channels,
            min_found=layout.min_found,
            ignore=names,
        )
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
    level = np.log(spread_uv(signal_uv))
    off = level - np.median(level)
    z = off / max(_MAD_TO_SD * float(np.median(np.abs(off))), LEAST_LOG_SPREAD)
    with np.errstate(invalid="ignore"):
        agreement = np.abs(np.nan_to_num(np.corrcoef(signal_uv.T)))
    np.fill_diagonal(agreement, 0.0)
    reasons = {int(i): "unlike all others" for i in np.flatnonzero(agreement.max(axis=1) < MIN_CORRELATION)}
    reasons |= {int(i): "too weak" for i in np.flatnonzero(z < -MAX_Z)}
    return reasons | {int(i): "too strong" for i in np.flatnonzero(z > MAX_Z)}
