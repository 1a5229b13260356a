"""Filter design with numpy alone: Butterworth sections, a notch, a Kaiser low-pass.

A run designs its filters when it has seen the stream's rate. scipy.signal would do, but loading it takes half of
all the memory and of the start-up time of `rtbci run` (docs/adr/0008-filters-without-scipy.md); the tests hold every
design here against scipy's.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from rtbci.stages.stage import FloatArray

__all__ = ["Kind", "butterworth", "kaiser_lowpass", "kaiser_order", "notch", "state_space", "steady_state"]

Kind = Literal["lowpass", "highpass", "bandpass"]

_NUMERATORS = {"lowpass": (1.0, 2.0, 1.0), "highpass": (1.0, -2.0, 1.0), "bandpass": (1.0, 0.0, -1.0)}


def butterworth(order: int, edges_hz: Sequence[float], kind: Kind, rate_hz: float) -> FloatArray:
    """Digital Butterworth filter by the bilinear transform with prewarped edges.

    Parameters
    ----------
    order : int
        Of the low-pass prototype, at least 1; a band-pass has ``2 * order`` poles.
    edges_hz : sequence of float
        One edge, or the two of a band-pass, each above 0 and below half of the rate. There the gain is -3 dB.
    kind : {"lowpass", "highpass", "bandpass"}
    rate_hz : float

    Returns
    -------
    ndarray of float64, shape (n_sections, 6)
        Rows ``b0 b1 b2 1 a1 a2``, the least resonant first; each has gain 1 where the whole filter has its
        maximum, which is 1.

    Notes
    -----
    The same transfer function as `scipy.signal.butter` gives; the sections differ, because here each one of a band-pass
    has one zero at DC and one at the Nyquist frequency (Oppenheim and Schafer 2010, Discrete-time signal processing, 7.1).
    """
    edges = [
        math.tan(math.pi * edge_hz / rate_hz) for edge_hz in edges_hz
    ]  # s = j w maps to z = (1 + s) / (1 - s)
    pairs = [_digital(pair) for pair in _analog_pairs(order, edges, kind)]
    pairs.sort(key=lambda pair: max(abs(pole) for pole in pair))
    top = math.sqrt(edges[0] * edges[-1])
    at = {"lowpass": 1.0 + 0j, "highpass": -1.0 + 0j, "bandpass": (1 + 1j * top) / (1 - 1j * top)}[kind]
    return np.array([_section(pair, kind, at) for pair in pairs])


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


def _analog_pairs(order: int, edges: Sequence[float], kind: Kind) -> list[tuple[complex, ...]]:
    """Poles of the analog filter: conjugate or real pairs, and a single real one where the order is odd."""
    upper = [np.exp(0.5j * np.pi * (2 * k + order + 1) / order) for k in range(order // 2)]
    real = [-1.0 + 0j] if order % 2 else []  # exactly: rounding would give it an imaginary part
    if kind == "bandpass":
        width, centre_squared = edges[1] - edges[0], edges[0] * edges[1]
        pairs: list[tuple[complex, ...]] = []
        for pole in upper:
            pairs += [(one, one.conjugate()) for one in _split(pole * width / 2.0, centre_squared)]
        return pairs + [_split(pole * width / 2.0, centre_squared) for pole in real]
    scaled = [edges[0] * pole if kind == "lowpass" else edges[0] / pole for pole in (*upper, *real)]
    return [(pole,) if i >= len(upper) else (pole, pole.conjugate()) for i, pole in enumerate(scaled)]


def _split(half: complex, centre_squared: float) -> tuple[complex, complex]:
    """The two poles that a band-pass has for one of the prototype's."""
    root = complex(np.sqrt(complex(half * half - centre_squared)))
    return half + root, half - root


def _digital(pair: tuple[complex, ...]) -> tuple[complex, ...]:
    return tuple(complex((1.0 + pole) / (1.0 - pole)) for pole in pair)


def _section(pair: tuple[complex, ...], kind: Kind, at: complex) -> list[float]:
    if len(pair) == 2:
        b = _NUMERATORS[kind]
        a = (1.0, -(pair[0] + pair[1]).real, (pair[0] * pair[1]).real)
    else:
        b = (1.0, 1.0 if kind == "lowpass" else -1.0, 0.0)
        a = (1.0, -pair[0].real, 0.0)
    delays = (1.0, 1.0 / at, 1.0 / at**2)
    gain = abs(
        sum(x * z for x, z in zip(a, delays, strict=True))
        / sum(x * z for x, z in zip(b, delays, strict=True))
    )
    return [gain * x for x in b] + list(a)
