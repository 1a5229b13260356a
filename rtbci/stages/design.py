"""Filter design with numpy alone: a Butterworth band-pass, a notch, a Kaiser low-pass.

A run designs its filters when it has seen the stream's rate. scipy.signal would do, but loading it takes half of
all the memory and of the start-up time of `rtbci run` (docs/adr/0008-filters-without-scipy.md); the tests hold every
design here against scipy's.
"""

import math

import numpy as np

from rtbci.stages.stage import FloatArray

__all__ = ["butterworth_bandpass", "kaiser_lowpass", "kaiser_order", "notch", "state_space", "steady_state"]


def butterworth_bandpass(order: int, low_hz: float, high_hz: float, rate_hz: float) -> FloatArray:
    """Digital Butterworth band-pass by the bilinear transform with prewarped edges.

    Parameters
    ----------
    order : int
        Of the low-pass prototype, at least 1; the band-pass has ``2 * order`` poles.
    low_hz, high_hz : float
        Edges, above 0 and below half of the rate. There the gain is -3 dB.
    rate_hz : float

    Returns
    -------
    ndarray of float64, shape (order, 6)
        Rows ``b0 b1 b2 1 a1 a2``, the least resonant first; each has gain 1 where the whole filter has its
        maximum, which is 1.

    Notes
    -----
    The same transfer function as `scipy.signal.butter` gives; the sections differ, because here each one
    has one zero at DC and one at the Nyquist frequency (Oppenheim and Schafer 2010, Discrete-time signal processing, 7.1).
    """
    # s = j w maps to z = (1 + s) / (1 - s)
    low, high = (math.tan(math.pi * edge_hz / rate_hz) for edge_hz in (low_hz, high_hz))
    pairs = [_digital(pair) for pair in _analog_pairs(order, low, high)]
    pairs.sort(key=lambda pair: max(abs(pole) for pole in pair))
    top = math.sqrt(low * high)
    at = (1 + 1j * top) / (1 - 1j * top)
    return np.array([_section(pair, at) for pair in pairs])


def notch(freq_hz: float, quality: float, rate_hz: float) -> FloatArray:
    """Second-order notch of width ``freq_hz / quality``, shape (1, 6), as `scipy.signal.iirnotch`.

    Notes
    -----
    Orfanidis 1996, Introduction to signal processing, 11.3: zeros on the unit circle, -3 dB at the edges of the width.
    """
    omega = 2.0 * math.pi * freq_hz / rate_hz
    gain = 1.0 / (1.0 + math.tan(omega / quality / 2.0))
    middle = -2.0 * math.cos(omega)
    return np.array([[gain, gain * middle, gain, 1.0, gain * middle, 2.0 * gain - 1.0]])


def steady_state(sos: FloatArray) -> FloatArray:
    """State after a constant input of 1 since ever, shape (2 n_sections,); scaled by the input it is the start."""
    states: list[float] = []
    level = 1.0
    for b0, b1, b2, _, a1, a2 in sos.tolist():
        out = level * (b0 + b1 + b2) / (1.0 + a1 + a2)
        states += [out - b0 * level, b2 * level - a2 * out]
        level = out
    return np.array(states)


def state_space(sos: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One sample through all sections (transposed direct form II) as two linear maps of (state, sample).

    Returns
    -------
    after : ndarray, shape (2 n_sections, 2 n_sections + 1)
        To the state after the sample.
    out : ndarray, shape (2 n_sections + 1,)
        To the filtered sample.
    """
    n_state = 2 * sos.shape[0]
    known = np.eye(n_state + 1)  # row j: state j, the last one: the sample, as maps of (state, sample)
    after = np.empty((n_state, n_state + 1))
    signal = known[-1]
    for i, (b0, b1, b2, _, a1, a2) in enumerate(sos.tolist()):
        first, second = known[2 * i], known[2 * i + 1]
        out = b0 * signal + first
        after[2 * i] = b1 * signal - a1 * out + second
        after[2 * i + 1] = b2 * signal - a2 * out
        signal = out
    return after, signal


def kaiser_order(attenuation_db: float, width: float) -> tuple[int, float]:
    """Taps and window parameter of a Kaiser design, as `scipy.signal.kaiserord`.

    Parameters
    ----------
    attenuation_db : float
        Above 50.
    width : float
        Of the transition, as a share of the Nyquist frequency.

    Notes
    -----
    Kaiser 1974, Nonrecursive digital filter design using the I0-sinh window function.
    """
    n_taps = math.ceil((attenuation_db - 7.95) / (2.285 * math.pi * width) + 1.0)
    return n_taps, 0.1102 * (attenuation_db - 8.7)


def kaiser_lowpass(n_taps: int, cutoff: float, beta: float) -> FloatArray:
    """Linear-phase low-pass by a Kaiser window, sum 1, shape (n_taps,), as `scipy.signal.firwin`.

    Parameters
    ----------
    n_taps : int
    cutoff : float
        Where the gain is a half, as a share of the Nyquist frequency.
    beta : float
        See `kaiser_order`.
    """
    k = np.arange(n_taps) - (n_taps - 1) / 2.0
    taps = cutoff * np.sinc(cutoff * k) * np.kaiser(n_taps, beta)
    return np.asarray(taps / taps.sum())


def _analog_pairs(order: int, low: float, high: float) -> list[tuple[complex, complex]]:
    """Poles of the analog filter: conjugate pairs, and where the order is odd the two of its real one."""
    upper = [np.exp(0.5j * np.pi * (2 * k + order + 1) / order) for k in range(order // 2)]
    real = [-1.0 + 0j] if order % 2 else []  # exactly: rounding would give it an imaginary part
    width, centre_squared = high - low, low * high
    pairs: list[tuple[complex, complex]] = []
    for pole in upper:
        pairs += [(one, one.conjugate()) for one in _split(pole * width / 2.0, centre_squared)]
    return pairs + [_split(pole * width / 2.0, centre_squared) for pole in real]


def _split(half: complex, centre_squared: float) -> tuple[complex, complex]:
    """The two poles that a band-pass has for one of the prototype's."""
    root = complex(np.sqrt(complex(half * half - centre_squared)))
    return half + root, half - root


def _digital(pair: tuple[complex, complex]) -> tuple[complex, complex]:
    first, second = (complex((1.0 + pole) / (1.0 - pole)) for pole in pair)
    return first, second


def _section(pair: tuple[complex, complex], at: complex) -> list[float]:
    b = (1.0, 0.0, -1.0)
    a = (1.0, -(pair[0] + pair[1]).real, (pair[0] * pair[1]).real)
    delays = (1.0, 1.0 / at, 1.0 / at**2)
    gain = abs(
        sum(x * z for x, z in zip(a, delays, strict=True))
        / sum(x * z for x, z in zip(b, delays, strict=True))
    )
    return [gain * x for x in b] + list(a)
