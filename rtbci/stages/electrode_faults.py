"""What gives an electrode away that gives no EEG: the measures and their limits, for a calibration and for a run."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray

__all__ = [
    "CLIPPED_SHARE",
    "FLAT_UV",
    "MAX_LINE_SHARE",
    "MAX_Z",
    "MIN_CORRELATION",
    "NOISY_UV",
    "N_COMPARE",
    "agreement",
    "line_power",
    "line_share",
    "log_levels_off",
]

FLAT_UV = 0.1
"""Below amplifier noise (about 1 uV RMS in a bandwidth of 100 Hz): the electrode is not connected."""
NOISY_UV = 300.0
"""Above this spread it is movement or an open input, not EEG (10 to 100 uV)."""
CLIPPED_SHARE = 0.05
"""A sine has 0.3 % of its samples in the outer 0.005 % of its range, EEG one or two in a thousand."""
MAX_LINE_SHARE = 0.99
MAX_Z = 5.0
"""Robust z of log amplitude among the electrodes (PREP: Bigdely-Shamlo et al. 2015, doi:10.3389/fninf.2015.00016)."""
LEAST_LOG_SPREAD = float(np.log(1.3))
"""Electrodes that are alike to a few percent would make every other one an outlier."""
MIN_CORRELATION = 0.3
"""With the electrode that it agrees with most; PREP takes 0.4 in windows of 1 s."""
N_COMPARE = 8
"""With fewer electrodes there is no usual one to compare with."""
LINES_HZ = (50.0, 60.0)
PIECE_S = 1.0
N_LEAST = 8
_MAD_TO_SD = 1.4826


def line_share(signal_uv: FloatArray, rate_hz: float) -> FloatArray:
    """Share of the mains, 50 or 60 Hz, in each channel's power.

    The signal is cut in pieces of a second, or taken whole where it is shorter; from each the straight line that fits
    it best is taken off, and what a sine of the line's frequency explains of the rest is the line's.

    Parameters
    ----------
    signal_uv : ndarray of float64, shape (n_samples, n_channels)
    rate_hz : float

    Returns
    -------
    ndarray of float64, shape (n_channels,)
        0 to 1. The mains count where the rate carries them; elsewhere the share is 0.
    """
    n = min(len(signal_uv), round(PIECE_S * rate_hz))
    if n < N_LEAST:
        return np.zeros(signal_uv.shape[1])
    ramp = np.linspace(-1.0, 1.0, n)
    by_line = total = np.zeros(1)
    for i in range(0, len(signal_uv) - n + 1, n):
        piece = signal_uv[i : i + n]
        left = piece - piece.mean(axis=0) - ramp[:, None] * (ramp @ piece / (ramp @ ramp))
        by_line = by_line + line_power(left, rate_hz)
        total = total + np.einsum("nc,nc->c", left, left)
    return np.asarray(np.max(by_line / np.maximum(total, np.finfo(float).tiny), axis=0))


def line_power(signal_uv: FloatArray, rate_hz: float) -> FloatArray:
    """What a sine of 50, and one of 60 Hz, explains of the sum of squares of each channel.

    Parameters
    ----------
    signal_uv : ndarray of float64, shape (n_samples, n_channels)
        Without mean; at least 8 samples.
    rate_hz : float

    Returns
    -------
    ndarray of float64, shape (n_lines, n_channels)
        For the lines that the rate carries; one row of zeros where it carries none.
    """
    powers = [np.square(base @ signal_uv).sum(axis=0) for base in _bases(len(signal_uv), rate_hz)]
    return np.array(powers or [np.zeros(signal_uv.shape[1])])


@lru_cache(maxsize=16)
def _bases(n_samples: int, rate_hz: float) -> tuple[FloatArray, ...]:
    """For each line that the rate carries an orthonormal pair of sine and cosine, shape (2, n_samples)."""
    t_s = np.arange(n_samples) / rate_hz
    pairs = [
        np.stack((np.cos(2 * np.pi * line * t_s), np.sin(2 * np.pi * line * t_s)))
        for line in LINES_HZ
        if line + 1.0 < rate_hz / 2
    ]
    return tuple(np.ascontiguousarray(np.linalg.qr(pair.T)[0].T) for pair in pairs)


def log_levels_off(level: FloatArray, usual: npt.NDArray[np.bool_]) -> tuple[FloatArray, float]:
    """How far log amplitudes are from the usual one, and how far that usually is.

    Parameters
    ----------
    level : ndarray of float64, shape (n_channels,)
        Natural logarithms of amplitudes.
    usual : ndarray of bool, shape (n_channels,)
        Which of them say what is usual; at least one.

    Returns
    -------
    off : ndarray of float64, shape (n_channels,)
        Less the median of the usual ones.
    spread : float
        Robust standard deviation of those, at least `LEAST_LOG_SPREAD`.
    """
    off = level - np.median(level[usual])
    return off, max(_MAD_TO_SD * float(np.median(np.abs(off[usual]))), LEAST_LOG_SPREAD)


def agreement(correlation: FloatArray, usual: npt.NDArray[np.bool_]) -> FloatArray:
    """Largest absolute correlation of each channel with one of the usual others, shape (n_channels,)."""
    absolute = np.abs(correlation)
    np.fill_diagonal(absolute, 0.0)
    absolute[:, ~usual] = 0.0
    return np.asarray(absolute.max(axis=1))
