"""Units of EEG: what they are in microvolts, and whether a signal can be what its stream says it is."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError, SignalError, UnitError
from rtbci.listing import first_of
from rtbci.stream.source import FloatArray

__all__ = ["check_spread", "gain_to_uv", "spread_uv"]

MIN_SPREAD_UV = 0.3
MAX_SPREAD_UV = 1000.0
"""Robust standard deviations between which a signal may be scalp EEG.

Adult scalp EEG is 10 to 100 uV (Niedermeyer, Lopes da Silva 2005, ch. 9); 7 subjects of EEGMMIDB measure
10 to 92 uV here, EEGMAT 6 to 12 uV, three Muse headsets 9 to 19 uV. Wrong units are wrong by a factor
of 1000 or more, so a signal between 1 and 300 uV leaves these limits whichever way its unit is wrong."""

_GAINS_UV: Mapping[str, float] = {"v": 1e6, "mv": 1e3, "uv": 1.0, "nv": 1e-3}
_NAMES: Mapping[str, str] = {
    "volt": "v", "volts": "v",
    "millivolt": "mv", "millivolts": "mv",
    "microvolt": "uv", "microvolts": "uv",
    "nanovolt": "nv", "nanovolts": "nv",
    "0": "v", "-3": "mv", "-6": "uv", "-9": "nv",  # powers of ten of the SI unit, as mne-lsl writes them
}  # fmt: skip
_SHOWN: Mapping[str, str] = {"v": "V", "mv": "mV", "uv": "uV", "nv": "nV"}
_MICRO_SIGNS = str.maketrans({"µ": "u", "μ": "u"})  # U+00B5, the sign, and U+03BC, the letter
N_MIN_SAMPLES = 8
"""A straight line through fewer samples would take the signal with it."""
_N_PIECES = 16
_MAD_TO_SD = 1.4826


def gain_to_uv(unit: str) -> float | None:
    """Microvolts per unit.

    Parameters
    ----------
    unit : str
        As a stream gives it: V, mV, uV, µV (either micro sign), nV, their English names, or a power of ten
        of the volt (``"-6"``); case and spaces do not matter.

    Returns
    -------
    float or None
        None when the unit is empty or not known.

    Examples
    --------
    >>> gain_to_uv("mV"), gain_to_uv("Microvolts"), gain_to_uv("counts")
    (1000.0, 1.0, None)
    """
    name = unit.strip().translate(_MICRO_SIGNS).lower()
    return _GAINS_UV.get(_NAMES.get(name, name))


def spread_uv(data_uv: FloatArray) -> FloatArray:
    """Robust standard deviation of each channel without its slow drift.

    The signal is cut into 16 pieces, the straight line that fits each piece best is taken off, and the
    median absolute deviation of what is left is scaled to the standard deviation of a normal distribution.

    Parameters
    ----------
    data_uv : ndarray of float64, shape (n_samples, n_channels)
        Microvolts, at least 8 samples.

    Returns
    -------
    ndarray of float64, shape (n_channels,)
        Microvolts.
    """
    n_pieces = min(_N_PIECES, len(data_uv) // N_MIN_SAMPLES)
    n = len(data_uv) // n_pieces
    pieces = data_uv[: n_pieces * n].reshape(n_pieces, n, -1)
    ramp = np.linspace(-1.0, 1.0, n)[None, :, None]
    level = pieces.mean(axis=1, keepdims=True)
    slope = (ramp * pieces).sum(axis=1, keepdims=True) / (ramp**2).sum()
    left = (pieces - level - slope * ramp).reshape(n_pieces * n, -1)
    return np.asarray(_MAD_TO_SD * np.median(np.abs(left - np.median(left, axis=0)), axis=0))


def check_spread(data_uv: FloatArray, labels: Sequence[str], unit: str) -> float:
    """Refuse samples that cannot be scalp EEG in the unit that their stream declares.

    Parameters
    ----------
    data_uv : ndarray of float64, shape (n_samples, n_channels)
        A second or more of signal, in microvolts by the declared unit; where that is unknown, as received.
    labels : sequence of str
        Names of the channels, for the messages.
    unit : str
        As declared; empty or unknown means that microvolts are assumed.

    Returns
    -------
    float
        Median over the channels of `spread_uv`, in microvolts.

    Raises
    ------
    SignalError
        When samples are not finite, or every channel is flat.
    UnitError
        When the spread is outside `MIN_SPREAD_UV` to `MAX_SPREAD_UV`; names the unit that would fit.
    ShapeError
        When there are fewer than 8 samples or no name for each channel.
    """
    if data_uv.ndim != 2 or len(data_uv) < N_MIN_SAMPLES or data_uv.shape[1] != len(labels):
        raise ShapeError(
            f"check_spread: data has shape {data_uv.shape}, need ({N_MIN_SAMPLES} or more, {len(labels)})"
        )
    _refuse_unusable(data_uv, labels)
    measured_uv = float(np.median(spread_uv(data_uv)))
    if MIN_SPREAD_UV <= measured_uv <= MAX_SPREAD_UV:
        return measured_uv
    gain = gain_to_uv(unit)
    declared = f"declared as '{unit}'" if gain else f"its unit '{unit}' is unknown, so taken as uV"
    raise UnitError(
        f"check_spread: the signal's spread is {measured_uv:.3g} uV ({declared}), scalp EEG has "
        f"{MIN_SPREAD_UV:g} to {MAX_SPREAD_UV:g} uV; {_remedy(measured_uv / (gain or 1.0))}"
    )


def _refuse_unusable(data_uv: FloatArray, labels: Sequence[str]) -> None:
    broken = np.asarray(~np.isfinite(data_uv).all(axis=0))
    if broken.any():
        raise SignalError(
            f"check_spread: NaN or infinite samples in {_named(labels, broken)}, need finite numbers; "
            "check the electrodes' connections and the program that sends the stream"
        )
    flat = np.asarray(data_uv.max(axis=0) == data_uv.min(axis=0))
    if flat.all():
        raise SignalError(
            f"check_spread: every channel is flat ({_named(labels, flat)}), need a signal; "
            "check that the amplifier is on, connected and sending"
        )


def _remedy(spread: float) -> str:
    """What to do about a signal whose spread is `spread` in the numbers of the stream itself."""
    fits = [unit for unit, gain in _GAINS_UV.items() if MIN_SPREAD_UV <= spread * gain <= MAX_SPREAD_UV]
    if not fits:
        return "no unit of V, mV, uV or nV fits; set the amplifier's program to send calibrated microvolts"
    # Two can fit when the spread is near a limit: take the one nearest the middle of the range, in decades.
    middle = np.log(MIN_SPREAD_UV * MAX_SPREAD_UV) / 2
    best = _SHOWN[min(fits, key=lambda unit: abs(np.log(spread * _GAINS_UV[unit]) - middle))]
    return (
        f"in {best} it would be plausible: correct the unit where the stream is sent, or give --unit {best}"
    )


def _named(labels: Sequence[str], which: npt.NDArray[np.bool_], n_most: int = 8) -> str:
    return first_of([label or f"channel {i + 1}" for i, label in enumerate(labels) if which[i]], n_most)
