"""Streaming change of sampling rate: polyphase FIR for any rational ratio, and plain decimation."""

from fractions import Fraction

import numpy as np

from rtbci.errors import ConfigError, RateError
from rtbci.stages.design import kaiser_lowpass, kaiser_order
from rtbci.stages.stage import FloatArray, check_chunk

__all__ = ["Decimate", "Resample", "rational_ratio"]

ATTENUATION_DB = 68.0
"""Attenuation asked of the design; 60 dB are promised: making DC exact in every phase costs up to 6."""

MAX_FACTOR = 4096
"""Largest up- or down-sampling factor: 4096 phases of some ten taps are a table of a third of a megabyte."""

FEW_OUTPUTS = 8
"""Up to this many outputs one dot product each is faster than one pass per tap over all of them."""


class Resample:
    """Streaming polyphase resampler from one rate to another; a `Stage`.

    Parameters
    ----------
    rate_in_hz, rate_out_hz : float
        Their ratio must be a fraction of numbers up to 4096. Equal rates pass through untouched.
    n_channels : int
        Columns of every chunk.
    passband_hz : float, optional
        Highest frequency to keep (gain within 0.5 %). The lower it is, the shorter the delay.
        Default: 40 Hz, at most 0.4 of the lower rate.

    Raises
    ------
    RateError
        When a rate is not a positive number, or the ratio is not such a fraction.
    ConfigError
        When `passband_hz` is not below half of the lower rate.

    Notes
    -----
    Output ``j`` is ``sum_k h[k] x_up[j M - k]``, with ``x_up`` the input at L times its rate, zeros between.
    The kernel h is a linear-phase Kaiser design that falls from `passband_hz` to the lower rate less
    `passband_hz`: nothing aliases into the pass-band and no image of the pass-band stays above 60 dB down.
    Between the two, aliases are let through on purpose: it halves the delay, and a band-pass stands before.
    Output ``j`` needs input ``floor(j M / L)`` and is returned by the push that brings it.
    It shows the input of `delay_s` before the moment ``j / rate_out_hz``.
    History before the first sample is the first sample. Positions are integers that repeat every M inputs,
    so nothing drifts however long it runs. Not thread-safe.
    """

    def __init__(
        self, rate_in_hz: float, rate_out_hz: float, n_channels: int, passband_hz: float | None = None
    ) -> None:
        ratio = rational_ratio(rate_in_hz, rate_out_hz)
        if n_channels < 1:
            raise ConfigError(f"Resample: n_channels is {n_channels}, need at least 1")
        lower_hz = min(rate_in_hz, rate_out_hz)
        if passband_hz is None:
            passband_hz = min(40.0, 0.4 * lower_hz)
        if not (np.isfinite(passband_hz) and 0.0 < passband_hz < lower_hz / 2.0):
            raise ConfigError(
                f"Resample: passband_hz is {passband_hz:g}, need above 0 and below {lower_hz / 2.0:g} Hz, "
                f"half the lower of the two rates"
            )
        self.n_channels_in = self.n_channels_out = n_channels
        self.rate_in_hz, self.rate_out_hz = rate_in_hz, rate_out_hz
        self.passband_hz = passband_hz
        self._up, self._down = ratio.numerator, ratio.denominator
        self._same = ratio == 1
        self._kernel = np.ones(1) if self._same else _design(self._up, rate_in_hz, passband_hz, lower_hz)
        self.delay_s = (self._kernel.size - 1) / 2.0 / (self._up * rate_in_hz)
        # Row p holds the taps of phase p, oldest input first: y = rows[p] @ x[i - n_taps + 1 : i + 1].
        self._rows = _phases(self._kernel, self._up)
        self._past: FloatArray | None = None  # (n_taps - 1, n_channels), the newest inputs, once started
        self._due = 0  # from the next input to the next output, in steps of 1 / (up * rate_in_hz)

    @property
    def kernel(self) -> FloatArray:
        """Taps at ``up * rate_in_hz``, shape (n_taps,), sum `up`, as a copy."""
        return self._kernel.copy()

    @property
    def up_down(self) -> tuple[int, int]:
        """Factors L and M: ``rate_out_hz = rate_in_hz * L / M``."""
        return self._up, self._down

    def push(self, chunk: FloatArray) -> FloatArray:
        """Return the output samples that became due; see `Stage.push`."""
        check_chunk("Resample", chunk, self.n_channels_in)
        n_samples = chunk.shape[0]
        if not n_samples or self._same:
            return chunk if n_samples else np.empty((0, self.n_channels_out))
        n_past = self._rows.shape[1] - 1
        past = np.repeat(chunk[:1], n_past, axis=0) if self._past is None else self._past
        line = np.concatenate((past, chunk))
        steps = n_samples * self._up
        n_out = max(0, -((self._due - steps) // self._down))
        out = self._few(line, n_out) if n_out <= FEW_OUTPUTS else self._many(line, n_out)
        self._due += n_out * self._down - steps
        self._past = line[n_samples:].copy()
        return out

    def reset(self) -> None:
        """Forget the past; the next sample is input 0 again."""
        self._past = None
        self._due = 0

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`: ``floor(i_out * M / L)``."""
        return i_out * self._down // self._up

    def _few(self, line: FloatArray, n_out: int) -> FloatArray:
        out = np.empty((n_out, self.n_channels_out))
        n_taps = self._rows.shape[1]
        for k in range(n_out):
            i, phase = divmod(self._due + k * self._down, self._up)
            np.dot(self._rows[phase], line[i : i + n_taps], out=out[k])
        return out

    def _many(self, line: FloatArray, n_out: int) -> FloatArray:
        i, phase = np.divmod(self._due + np.arange(n_out) * self._down, self._up)
        out = np.zeros((n_out, self.n_channels_out))
        for tap, weights in enumerate(self._rows.T):
            out += weights[phase, np.newaxis] * line[i + tap]
        return out


class Decimate:
    """Keep every `factor`-th sample of a signal that is already band-limited; a `Stage`.

    Parameters
    ----------
    factor : int
        Samples ``factor - 1``, ``2 * factor - 1``, ... are kept: an output leaves with the last sample of
        its group, so there is no delay.
    rate_in_hz : float
        Sampling rate of the input.
    n_channels : int
        Columns of every chunk.

    Raises
    ------
    ConfigError
        When `factor` or `n_channels` is below 1.
    RateError
        When `rate_in_hz` is not a positive number.

    Notes
    -----
    There is no filter in it: what the input has above half of the output rate folds back. Not thread-safe.
    """

    def __init__(self, factor: int, rate_in_hz: float, n_channels: int) -> None:
        if factor < 1 or n_channels < 1:
            raise ConfigError(
                f"Decimate: factor is {factor} and n_channels {n_channels}, need at least 1 each"
            )
        _fraction(rate_in_hz, "Decimate", "rate_in_hz")
        self.factor = factor
        self.n_channels_in = self.n_channels_out = n_channels
        self.rate_in_hz = rate_in_hz
        self.rate_out_hz = rate_in_hz / factor
        self.delay_s = 0.0
        self._skip = factor - 1  # samples to pass over before the next that is kept

    def push(self, chunk: FloatArray) -> FloatArray:
        """Return the samples of `chunk` that are kept, as a copy; see `Stage.push`."""
        check_chunk("Decimate", chunk, self.n_channels_in)
        kept = chunk[self._skip :: self.factor].copy()
        self._skip = (self._skip - chunk.shape[0]) % self.factor
        return kept

    def reset(self) -> None:
        """Start a new group with the next sample."""
        self._skip = self.factor - 1

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`."""
        return (i_out + 1) * self.factor - 1


def rational_ratio(rate_in_hz: float, rate_out_hz: float) -> Fraction:
    """Ratio ``rate_out_hz / rate_in_hz`` in lowest terms.

    Raises
    ------
    RateError
        When a rate is not a positive number, or the terms are above 4096.

    Examples
    --------
    >>> rational_ratio(250.0, 256.0)
    Fraction(128, 125)
    """
    ratio = _fraction(rate_out_hz, "Resample", "rate_out_hz") / _fraction(
        rate_in_hz, "Resample", "rate_in_hz"
    )
    if max(ratio.numerator, ratio.denominator) > MAX_FACTOR:
        raise RateError(
            f"Resample: {rate_in_hz:.10g} Hz to {rate_out_hz:.10g} Hz is a ratio of {ratio}, need terms up "
            f"to {MAX_FACTOR}; give the amplifier's nominal rate"
        )
    return ratio


def _fraction(rate_hz: float, where: str, key: str) -> Fraction:
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise RateError(f"{where}: {key} is {rate_hz:g}, need a number above 0")
    nearest = Fraction(rate_hz).limit_denominator(1000)
    if abs(float(nearest) - rate_hz) > 1e-7 * rate_hz:  # 166.66667 Hz is 500/3 Hz
        raise RateError(
            f"{where}: {key} is {rate_hz!r} Hz, need a rate that is a fraction of small whole numbers; "
            f"give the amplifier's nominal rate"
        )
    return nearest


def _design(up: int, rate_in_hz: float, passband_hz: float, lower_hz: float) -> FloatArray:
    """Kaiser low-pass at ``up * rate_in_hz`` whose every phase has a sum of exactly 1, so DC is exact."""
    nyquist_hz = up * rate_in_hz / 2.0
    n_taps, beta = kaiser_order(ATTENUATION_DB, (lower_hz - 2.0 * passband_hz) / nyquist_hz)
    kernel = kaiser_lowpass(n_taps, lower_hz / 2.0 / nyquist_hz, beta) * up
    for phase in range(min(up, n_taps)):
        kernel[phase::up] /= kernel[phase::up].sum()
    return kernel


def _phases(kernel: FloatArray, up: int) -> FloatArray:
    n_taps = -(-kernel.size // up)
    padded = np.zeros(n_taps * up)
    padded[: kernel.size] = kernel
    return np.ascontiguousarray(padded.reshape(n_taps, up).T[:, ::-1])
