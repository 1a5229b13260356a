"""Spectra, band powers and the state of each electrode, from the bins that the run sends."""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.stages.electrode_faults import FLAT_UV, NOISY_UV
from rtbci.stages.stage import FloatArray
from rtbci.stream.units import spread_uv

__all__ = ["ADVICE", "BANDS_HZ", "Electrode", "SpectrumMeter", "State", "band_uv", "power_density"]

BANDS_HZ = {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}
MAX_HZ = 70.0
MAINS_HZ = (50.0, 60.0)
EEG_HZ = (1.0, 40.0)
KEPT_S, EVERY_S, SEGMENT_S = 4.0, 1.0, 2.0
MAINS_SHARE, MAINS_UV = 1.0, 5.0
"""Mains counts as a fault when it is stronger than all EEG from 1 to 40 Hz, and than this."""

State = Literal["good", "flat", "noisy", "mains", "bad", "unknown"]
ADVICE: dict[State, str] = {
    "good": "",
    "flat": "no signal: check the contact and the cable",
    "noisy": "too strong for EEG: press the electrode on, sit still, check ground and reference",
    "mains": "mains hum: check ground and reference, move cables away from power supplies",
    "bad": "the decoder does not trust it: check the contact",
    "unknown": "samples are missing or not finite",
}


class Electrode(NamedTuple):
    """How one channel is.

    Parameters
    ----------
    state : str
        See `ADVICE`.
    spread_uv : float
        Robust standard deviation over the newest seconds, without slow drift, in microvolts.
    mains_uv : float
        Mains hum, RMS in microvolts; NaN where the rate cannot show it.
    bands_uv : tuple of float
        RMS in each of `BANDS_HZ`, in microvolts.
    """

    state: State
    spread_uv: float
    mains_uv: float
    bands_uv: tuple[float, ...]


def power_density(signal: FloatArray, rate_hz: float, segment: int) -> tuple[FloatArray, FloatArray]:
    """Power spectral density by averaging over half-overlapping Hann windows (Welch 1967, doi:10.1109/TAU.1967.1161901).

    Parameters
    ----------
    signal : ndarray of float64, shape (n_samples, n_channels)
        Microvolts, at least `segment` samples.
    rate_hz : float
        Their rate.
    segment : int
        Length of a window in samples.

    Returns
    -------
    frequencies_hz : ndarray of float64, shape (n_frequencies,)
    density : ndarray of float64, shape (n_frequencies, n_channels)
        One-sided, in µV²/Hz.
    """
    window = np.hanning(segment + 1)[:-1, None]
    starts = range(0, len(signal) - segment + 1, max(1, segment // 2))
    pieces = np.stack([signal[i : i + segment] for i in starts])
    pieces -= pieces.mean(axis=1, keepdims=True)
    power = (np.abs(np.fft.rfft(pieces * window, axis=1)) ** 2).mean(axis=0)
    density = np.asarray(power / (rate_hz * float((window**2).sum())), np.float64)
    density[1 : -1 if segment % 2 == 0 else None] *= 2.0
    return np.asarray(np.fft.rfftfreq(segment, 1.0 / rate_hz), np.float64), density


def band_uv(frequencies_hz: FloatArray, density: FloatArray, low_hz: float, high_hz: float) -> FloatArray:
    """RMS between two frequencies, in microvolts, shape (n_channels,); NaN where the spectrum does not reach."""
    inside = (frequencies_hz >= low_hz) & (frequencies_hz < high_hz)
    if high_hz > frequencies_hz[-1] or not inside.any():
        return np.full(density.shape[1], np.nan)
    return np.asarray(np.sqrt(density[inside].sum(axis=0) * (frequencies_hz[1] - frequencies_hz[0])))


class SpectrumMeter:
    """Keeps the newest seconds of one stream, and looks at them once a second.

    Parameters
    ----------
    labels : tuple of str
        Of the channels.
    rate_hz : float
        Of what is pushed.

    Attributes
    ----------
    frequencies_hz, density : ndarray of float64, shapes (n_frequencies,), (n_frequencies, n_channels)
        Up to 70 Hz, in µV²/Hz; empty before the first look.
    electrodes : tuple of Electrode
        One for each channel; empty before the first look.
    """

    def __init__(self, labels: tuple[str, ...], rate_hz: float) -> None:
        self.labels, self.rate_hz = labels, rate_hz
        self._n_kept, self._n_every = round(KEPT_S * rate_hz), round(EVERY_S * rate_hz)
        self._segment = max(8, round(SEGMENT_S * rate_hz))
        self.reset()
        self.frequencies_hz: FloatArray = np.empty(0)
        self.density: FloatArray = np.empty((0, len(labels)))
        self.electrodes: tuple[Electrode, ...] = ()

    def reset(self) -> None:
        """Forget the samples, as behind a gap; what was found stays until there is more."""
        self._kept: FloatArray = np.empty((0, len(self.labels)))
        self._n_new = 0

    def push(self, mean: npt.NDArray[np.float32], bad: frozenset[str]) -> bool:
        """Take the next bins, shape (n_bins, n_channels); True when there was a look at them.

        Parameters
        ----------
        mean : ndarray of float32
            Microvolts.
        bad : frozenset of str
            Labels that the decoder does not trust.
        """
        kept = np.concatenate((self._kept, mean.astype(np.float64)))
        self._kept = kept[-self._n_kept :]
        self._n_new += len(mean)
        if self._n_new < self._n_every or len(self._kept) < self._segment:
            return False
        self._n_new = 0
        self._look(bad)
        return True

    def _look(self, bad: frozenset[str]) -> None:
        frequencies_hz, density = power_density(self._kept, self.rate_hz, self._segment)
        shown = frequencies_hz <= MAX_HZ
        self.frequencies_hz, self.density = np.asarray(frequencies_hz[shown]), np.asarray(density[shown])
        spread = spread_uv(self._kept)
        eeg = band_uv(frequencies_hz, density, *EEG_HZ)
        seen = [band_uv(frequencies_hz, density, hz - 1.0, hz + 1.5) for hz in MAINS_HZ]
        mains = np.fmax(np.fmax(*seen), -1.0)
        bands = np.stack([band_uv(frequencies_hz, density, *edges) for edges in BANDS_HZ.values()], axis=1)
        self.electrodes = tuple(
            Electrode(
                _state(spread[i], eeg[i], mains[i], label in bad),
                float(spread[i]),
                float(mains[i]) if mains[i] >= 0 else float("nan"),
                tuple(bands[i].tolist()),
            )
            for i, label in enumerate(self.labels)
        )


def _state(spread: float, eeg: float, mains: float, is_bad: bool) -> State:
    if not np.isfinite(spread):
        return "unknown"
    if spread < FLAT_UV:
        return "flat"
    if spread > NOISY_UV:
        return "noisy"
    if mains > MAINS_UV and mains > MAINS_SHARE * eeg:
        return "mains"
    return "bad" if is_bad else "good"
