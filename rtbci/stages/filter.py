"""Causal filters made of second-order sections, started without a transient."""

from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.stages.design import butterworth_bandpass, notch, state_space, steady_state
from rtbci.stages.stage import FloatArray, check_chunk

__all__ = ["SosFilter", "group_delay_s"]

N_BLOCK = 32
"""Samples that go through one matrix product; longer chunks take several."""


class SosFilter:
    """Causal filter of second-order sections; a `Stage`.

    Parameters
    ----------
    sos : array_like, shape (n_sections, 6)
        Sections as scipy writes them: ``b0 b1 b2 a0 a1 a2`` with ``a0 == 1``.
    n_channels : int
        Columns of every chunk.
    rate_hz : float
        Sampling rate.
    name : str
        Begins every error message.
    delay_at_hz : float
        Frequency that `delay_s` is stated for.

    Raises
    ------
    ConfigError
        When the sections are not of that shape, not finite or not stable.

    Notes
    -----
    Not thread-safe; one owner pushes. The state is float64, two numbers per section and channel. It starts as the steady
    state of a signal that always had the value of the first sample: an electrode offset makes no transient.
    The recursion is linear, so samples and state go through one matrix, up to `N_BLOCK` samples at a time: a chunk of
    1 to 8 samples takes about a tenth of the 20 microseconds of scipy's `sosfilt` (``tools/bench_stages.py``). The
    samples are the same within rounding (1e-12).
    """

    def __init__(
        self,
        sos: npt.ArrayLike,
        n_channels: int,
        rate_hz: float,
        *,
        name: str = "SosFilter",
        delay_at_hz: float = 0.0,
    ) -> None:
        self._sos: FloatArray = np.array(sos, dtype=np.float64, order="C")
        _check_sos(name, self._sos)
        _check_rate(name, rate_hz)
        if n_channels < 1:
            raise ConfigError(f"{name}: n_channels is {n_channels}, need at least 1")
        self.name = name
        self.n_channels_in = self.n_channels_out = n_channels
        self.rate_in_hz = self.rate_out_hz = rate_hz
        self.delay_s = group_delay_s(self._sos, rate_hz, delay_at_hz)
        self._step: FloatArray = steady_state(self._sos)[:, np.newaxis]
        self._state: FloatArray | None = None  # (2 n_sections, n_channels) once started
        self._blocks: dict[int, FloatArray] = {}  # by chunk length

    @classmethod
    def bandpass(
        cls,
        low_hz: float,
        high_hz: float,
        rate_hz: float,
        n_channels: int,
        order: int = 4,
    ) -> Self:
        """Butterworth band-pass; `order` as in `scipy.signal.butter`, so 2 * order poles.

        Raises
        ------
        ConfigError
            Unless 0 < low_hz < high_hz < rate_hz / 2.
        """
        name = "SosFilter.bandpass"
        _check_rate(name, rate_hz)
        _check_edge(name, "low_hz", low_hz, rate_hz)
        _check_edge(name, "high_hz", high_hz, rate_hz)
        if low_hz >= high_hz:
            raise ConfigError(
                f"{name}: low_hz is {low_hz:g} and high_hz is {high_hz:g}, need low_hz < high_hz"
            )
        sos = butterworth_bandpass(_order(name, order), low_hz, high_hz, rate_hz)
        centre_hz = float(np.sqrt(low_hz * high_hz))
        return cls(sos, n_channels, rate_hz, name=name, delay_at_hz=centre_hz)

    @classmethod
    def notch(
        cls,
        freq_hz: float,
        rate_hz: float,
        n_channels: int,
        quality: float = 30.0,
    ) -> Self:
        """Second-order notch of width ``freq_hz / quality``; `delay_s` is that at half of `freq_hz`.

        Raises
        ------
        ConfigError
            Unless 0 < freq_hz < rate_hz / 2 and quality > 0.
        """
        name = "SosFilter.notch"
        _check_rate(name, rate_hz)
        _check_edge(name, "freq_hz", freq_hz, rate_hz)
        if not (np.isfinite(quality) and quality > 0):
            raise ConfigError(f"{name}: quality is {quality:g}, need a number above 0")
        sos = notch(freq_hz, quality, rate_hz)
        return cls(sos, n_channels, rate_hz, name=name, delay_at_hz=freq_hz / 2.0)

    @property
    def sos(self) -> FloatArray:
        """Sections, shape (n_sections, 6), as a copy."""
        return self._sos.copy()

    def push(self, chunk: FloatArray) -> FloatArray:
        """Filter the next samples; see `Stage.push`."""
        check_chunk(self.name, chunk, self.n_channels_in)
        if not chunk.shape[0]:
            return np.empty((0, self.n_channels_out))
        state: FloatArray = self._step * chunk[0] if self._state is None else self._state
        n = chunk.shape[0]
        if n <= N_BLOCK:
            out = self._block(n) @ np.concatenate((state, chunk))
            self._state = out[n:]
            return out[:n]
        filtered = np.empty(chunk.shape)
        for i in range(0, n, N_BLOCK):
            part = chunk[i : i + N_BLOCK]
            out = self._block(len(part)) @ np.concatenate((state, part))
            filtered[i : i + N_BLOCK], state = out[: len(part)], out[len(part) :]
        self._state = state.copy()  # not a view that keeps the last block alive
        return filtered

    def reset(self) -> None:
        """Forget the past; the next first sample starts the filter anew."""
        self._state = None

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`: a sample in, a sample out."""
        return i_out

    def _block(self, n: int) -> FloatArray:
        block = self._blocks.get(n)
        if block is None:
            block = self._blocks[n] = _block_form(self._sos, n)
        return block


def _block_form(sos: FloatArray, n: int) -> FloatArray:
    """Matrix that takes (state, n samples) to (n filtered samples, state after them).

    Shape (n + 2 n_sections, 2 n_sections + n): the recursion of one sample, n times.
    """
    after, out = state_space(sos)
    n_state = after.shape[0]
    block = np.zeros((n + n_state, n_state + n))
    state = np.eye(n_state, n_state + n)  # the state so far, as a map of (state at the start, samples)
    for i in range(n):
        block[i] = out[:-1] @ state
        block[i, n_state + i] += out[-1]
        state = after[:, :-1] @ state
        state[:, n_state + i] += after[:, -1]
    block[n:] = state
    return block


def group_delay_s(sos: FloatArray, rate_hz: float, freq_hz: float) -> float:
    """Group delay of second-order sections at one frequency.

    Parameters
    ----------
    sos : ndarray, shape (n_sections, 6)
    rate_hz, freq_hz : float
        Sampling rate and the frequency of interest.

    Returns
    -------
    float
        Seconds.

    Notes
    -----
    With ``c(w) = sum_k c_k exp(-jwk)`` the delay of c in samples is ``Re(sum_k k c_k exp(-jwk) / c(w))``;
    a section's is that of its numerator less that of its denominator.
    """
    # Zeros on the unit circle (DC, Nyquist) have a limit but no value there: stay beside them.
    omega = float(np.clip(2.0 * np.pi * freq_hz / rate_hz, 1e-4, np.pi - 1e-4))
    k = np.arange(3)
    turn = np.exp(-1j * omega * k)
    delay = (sos.reshape(-1, 2, 3) * turn * k).sum(-1) / (sos.reshape(-1, 2, 3) * turn).sum(-1)
    return float((delay[:, 0].real - delay[:, 1].real).sum() / rate_hz)


def _check_sos(name: str, sos: FloatArray) -> None:
    if sos.ndim != 2 or sos.shape[1] != 6 or not sos.shape[0]:
        raise ConfigError(f"{name}: sos has shape {sos.shape}, need (n_sections, 6)")
    if not np.isfinite(sos).all() or not (sos[:, 3] == 1.0).all():
        raise ConfigError(
            f"{name}: sos has entries that are not finite, or a0 other than 1; need finite, a0 = 1"
        )
    a1, a2 = sos[:, 4], sos[:, 5]
    if not ((np.abs(a2) < 1.0) & (np.abs(a1) < 1.0 + a2)).all():  # the stability triangle of z^2 + a1 z + a2
        raise ConfigError(f"{name}: sos has a pole on or outside the unit circle; need a stable filter")


def _check_rate(name: str, rate_hz: float) -> None:
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ConfigError(f"{name}: rate_hz is {rate_hz:g}, need a number above 0")


def _check_edge(name: str, key: str, freq_hz: float, rate_hz: float) -> None:
    if not (np.isfinite(freq_hz) and 0.0 < freq_hz < rate_hz / 2.0):
        raise ConfigError(
            f"{name}: {key} is {freq_hz:g}, need above 0 and below {rate_hz / 2.0:g} Hz, "
            f"half the rate of {rate_hz:g} Hz"
        )


def _order(name: str, order: int) -> int:
    if not 1 <= order <= 12:
        raise ConfigError(f"{name}: order is {order}, need 1 to 12")
    return order
