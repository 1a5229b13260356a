"""What one window of a channel is described by for sleep staging: spectrum, shape, slow waves, spindles."""

import math
from functools import cache

import numpy as np

from rtbci.probe.epoch_shape import higuchi, hjorth, n_crossings, permutation_entropy, petrosian
from rtbci.stages.stage import FloatArray

__all__ = ["BANDS_HZ", "FEATURES", "N_CLASSIC", "describe", "welch"]

BANDS_HZ = ((0.4, 1.0), (1.0, 4.0), (4.0, 8.0), (8.0, 12.0), (12.0, 16.0), (16.0, 30.0))
"""Slow and fast delta, theta, alpha, sigma, beta (Vallat, Walker 2021, doi 10.7554/eLife.70092)."""
BAND_NAMES = ("sdelta", "fdelta", "theta", "alpha", "sigma", "beta")
# fmt: off
CLASSIC = (
    "std", "iqr", "skew", "kurt", "nzc", "hmob", "hcomp", *BAND_NAMES, "dt", "ds", "db", "at", "abspow", "perm", "higuchi",
    "petrosian",
)
# fmt: on
FEATURES = (*CLASSIC, "slow_share", "spindle_share")
"""Names in the order of `describe`: those of Vallat and Walker (2021), and two that the rules for people ask for."""
N_CLASSIC = len(CLASSIC)
SEGMENT_S = 5.0
SLOW_HZ, SLOW_UV = (0.5, 2.0), 75.0
"""A slow wave: 0.5 to 2 Hz and more than 75 microvolts from peak to peak; stage N3 has a fifth of an epoch of them (AASM
Manual for the Scoring of Sleep and Associated Events)."""
SPINDLE_HZ, SPINDLE_BROAD_HZ = (11.0, 16.0), (1.0, 30.0)
"""Of a spindle (AASM manual), and the band that its power is compared with."""
SPINDLE_RELATIVE = 0.2
"""Least share of the power, as in Lacourse et al. 2019 (doi 10.1016/j.jneumeth.2018.08.014)."""
SPINDLE_S, SPINDLE_HOP_S = 1.0, 0.25
TINY = 1e-12


def describe(x: FloatArray, rate_hz: float) -> FloatArray:
    """Describe one window of one channel.

    Parameters
    ----------
    x : ndarray of float64, shape (n_samples,)
        Microvolts, 0.4 to 30 Hz; not written to.
    rate_hz : float

    Returns
    -------
    ndarray of float64, shape (n_features,)
        Named by `FEATURES`; finite for any finite signal.
    """
    deviation = x - x.mean()
    square = deviation * deviation
    variance = max(float(square.mean()), TINY)
    low, high = np.quantile(x, (0.25, 0.75))
    mobility, complexity = hjorth(x)
    freqs_hz, psd = welch(x, rate_hz)
    shares, total = _relative_powers(freqs_hz, psd)
    delta = shares[0] + shares[1]
    return np.array(
        [
            math.sqrt(variance * len(x) / (len(x) - 1)),
            high - low,
            float((square * deviation).mean()) / variance**1.5,
            float((square * square).mean()) / variance**2 - 3.0,
            n_crossings(x),
            mobility,
            complexity,
            *shares,
            delta / shares[2],
            delta / shares[4],
            delta / shares[5],
            shares[3] / shares[2],
            total,
            permutation_entropy(x),
            higuchi(x),
            petrosian(x),
            slow_share(x, rate_hz),
            spindle_share(x, rate_hz),
        ]
    )


def welch(x: FloatArray, rate_hz: float) -> tuple[FloatArray, FloatArray]:
    """Power spectral density, median over segments of 5 s that overlap by half.

    Returns
    -------
    freqs_hz, psd : ndarray of float64, shape (n_freqs,)
        As `scipy.signal.welch(window="hamming", average="median")`, in square microvolts per hertz.
    """
    n = min(round(SEGMENT_S * rate_hz), len(x))
    window = 0.54 - 0.46 * np.cos(2.0 * np.pi * np.arange(n) / n)
    starts = range(0, len(x) - n + 1, n - n // 2)
    segments = np.stack([x[start : start + n] for start in starts])
    segments = (segments - segments.mean(axis=1, keepdims=True)) * window
    power = np.abs(np.fft.rfft(segments)) ** 2 / (rate_hz * (window @ window))
    power[:, 1 : (n + 1) // 2] *= 2.0
    freqs_hz = np.asarray(np.fft.rfftfreq(n, 1.0 / rate_hz), dtype=np.float64)
    return freqs_hz, np.asarray(np.median(power, axis=0) / _median_bias(len(segments)))


def _relative_powers(freqs_hz: FloatArray, psd: FloatArray) -> tuple[list[float], float]:
    """Share of each of `BANDS_HZ` in 0.4 to 30 Hz (Simpson's rule), and the power there (trapezoids)."""
    lowest, highest = BANDS_HZ[0][0], BANDS_HZ[-1][1]
    step = float(freqs_hz[1] - freqs_hz[0])
    slack = 1e-9  # multiples of 0.2 Hz are not exact
    whole = psd[(freqs_hz >= lowest - slack) & (freqs_hz <= highest + slack)]
    total = max(_simpson(whole, step), TINY)
    shares = [
        max(_simpson(psd[(freqs_hz >= low - slack) & (freqs_hz <= high + slack)], step) / total, TINY)
        for low, high in BANDS_HZ
    ]
    return shares, max(step * float(whole.sum() - 0.5 * (whole[0] + whole[-1])), TINY) if len(whole) else TINY


def slow_share(x: FloatArray, rate_hz: float) -> float:
    """Share of the window that is slow waves: two half waves between 0.5 and 2 Hz, 75 uV from peak to peak or more."""
    n = max(1, round(rate_hz / (4.0 * SLOW_HZ[1])))
    smooth = np.convolve(x, np.ones(n) / n, mode="valid")
    (rises,) = np.nonzero((smooth[:-1] < 0.0) & (smooth[1:] >= 0.0))
    longest, shortest = rate_hz / SLOW_HZ[0], rate_hz / SLOW_HZ[1]
    covered = 0
    for start, stop in zip(rises[:-1].tolist(), rises[1:].tolist(), strict=True):
        wave = smooth[start : stop + 1]
        if shortest <= stop - start <= longest and float(np.ptp(wave)) >= SLOW_UV:
            covered += stop - start
    return covered / len(x)


def spindle_share(x: FloatArray, rate_hz: float) -> float:
    """Share of the window's seconds in which 11 to 16 Hz have a fifth of the power of 1 to 30 Hz."""
    n, hop = min(round(SPINDLE_S * rate_hz), len(x)), max(1, round(SPINDLE_HOP_S * rate_hz))
    window = np.hanning(n)
    pieces = np.stack([x[start : start + n] for start in range(0, len(x) - n + 1, hop)])
    pieces = (pieces - pieces.mean(axis=1, keepdims=True)) * window
    power = np.abs(np.fft.rfft(pieces)) ** 2
    freqs_hz = np.fft.rfftfreq(n, 1.0 / rate_hz)
    sigma, broad = (
        power[:, (freqs_hz >= low) & (freqs_hz <= high)].sum(axis=1)
        for low, high in (SPINDLE_HZ, SPINDLE_BROAD_HZ)
    )
    return float(np.mean(sigma > SPINDLE_RELATIVE * np.maximum(broad, TINY)))


def _simpson(y: FloatArray, step: float) -> float:
    """Integral by Simpson's rule; the last interval of an even number of points by the parabola through the last three."""
    n = len(y)
    if n < 3:
        return step * float(y.sum() - 0.5 * (y[0] + y[-1])) if n == 2 else 0.0
    if n % 2:
        return step / 3.0 * float(y[0] + y[-1] + 4.0 * y[1:-1:2].sum() + 2.0 * y[2:-1:2].sum())
    return _simpson(y[:-1], step) + step * float(5.0 * y[-1] + 8.0 * y[-2] - y[-3]) / 12.0


@cache
def _median_bias(n: int) -> float:
    """Median over mean of `n` powers of noise (Allen et al. 2012, doi 10.1103/PhysRevD.85.122006, appendix B)."""
    return 1.0 + sum(1.0 / (one + 1.0) - 1.0 / one for one in range(2, n, 2))
