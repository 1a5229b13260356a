"""What the report shows of the raw signal: desynchronisation, time-frequency, quality of channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import signal

from rtbci.calibrate.trial import FIRST_START_S, CalibrationTrial
from rtbci.probe.calibration_record import CalibrationRecord
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import EAR_REFERENCES, canonical_label
from rtbci.stream.montage import has_position

__all__ = [
    "BANDS_HZ",
    "ChannelLook",
    "Epochs",
    "band_change_db",
    "common_hum",
    "cut_epochs",
    "look_at_channels",
    "time_frequency_db",
]

BANDS_HZ = {"mu": (8.0, 13.0), "beta": (13.0, 30.0)}
LOWEST_HZ, HIGHEST_HZ = 6.0, 35.5
N_CYCLES_S = 0.75
"""Cycles of a Morlet wavelet for each hertz: all see the same stretch of time, sigma 0.12 s (and 1.3 Hz)."""
PAD_S = 1.0
"""Mirrored signal at both ends, where wavelets would see zeros."""
BASELINE_START_S, BASELINE_END_S = -2.0, -0.1
LEAST_S = 0.3
"""Shorter stretches than three cycles of 10 Hz tell nothing of a rhythm's power."""
COMMON_AVERAGE_FROM = 8
"""With fewer electrodes their mean is mostly signal: as recorded then."""
FLAT_UV, LOUD_UV = 0.5, 100.0
"""Standard deviations from 1 to 40 Hz: below, not connected; above, movement or an open input."""
RESTLESS = 0.9
"""Least share of trials in which a channel looks like EEG."""
MAINS_HZ = (50.0, 60.0)
LINE_DB = 10.0
"""A channel whose mains stand out by so much more than the median channel's is told of."""
HUM_DB = 20.0
"""Mains above their neighbours by so much in the median channel are told of."""


@dataclass(frozen=True)
class Epochs:
    """Accepted trials on one time axis, the electrodes with a place on the head.

    Parameters
    ----------
    labels : list of str
        Canonical.
    rate_hz : float
    t_s : ndarray of float64, shape (n_times,)
        Relative to the cue.
    data_uv : ndarray of float64, shape (n_trials, n_channels, n_times)
        Against the common average, where there are enough electrodes.
    i_class : ndarray of int, shape (n_trials,)
    active_end_s : float
        End of what counts as imagery; it begins at `FIRST_START_S`.
    """

    labels: list[str]
    rate_hz: float
    t_s: FloatArray
    data_uv: FloatArray
    i_class: np.ndarray[tuple[int], np.dtype[np.intp]]
    active_end_s: float

    @property
    def baseline(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Samples before the cue that changes are measured against."""
        return (self.t_s >= BASELINE_START_S) & (self.t_s <= BASELINE_END_S)

    @property
    def active(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Samples of the imagery."""
        return (self.t_s >= FIRST_START_S) & (self.t_s <= self.active_end_s)

    @property
    def can_compare(self) -> bool:
        """Whether there is enough of both."""
        least = LEAST_S * self.rate_hz
        return bool(self.labels) and self.baseline.sum() >= least and self.active.sum() >= least


@dataclass(frozen=True)
class ChannelLook:
    """One channel of the stream, over all trials, rejected ones too.

    Parameters
    ----------
    label : str
    amplitude_uv : float
        Median over trials of the standard deviation from 1 to 40 Hz.
    line_db : float or None
        Power at the mains' frequency over its neighbours'; None where the rate does not show it.
    mains_hz : float
        Which frequency that was.
    share_good : float
        Share of trials in which the amplitude was that of EEG.
    notes : list of str
        What is wrong with it, in words.
    """

    label: str
    amplitude_uv: float
    line_db: float | None
    mains_hz: float
    share_good: float
    notes: list[str]


def cut_epochs(
    record: CalibrationRecord, trials: Sequence[CalibrationTrial], window_s: float
) -> Epochs | None:
    """Put accepted trials on one time axis, as far as all of them reach; None without any.

    Parameters
    ----------
    record : CalibrationRecord
    trials : sequence of CalibrationTrial
    window_s : float
        Length of the decoder's window: as long is the imagery that is looked at, and a second at least.
    """
    used = [one for one in trials if one.accepted and len(one.t_raw) > 1 and np.isfinite(one.raw_uv).all()]
    columns = _electrodes(record, used[0].raw_uv.shape[1]) if used else {}
    if not columns:
        return None
    rate_hz = record.stream.rate_hz
    start_s, stop_s = max(one.t_raw[0] for one in used), min(one.t_raw[-1] for one in used)
    t_s = np.arange(np.ceil(start_s * rate_hz), np.floor(stop_s * rate_hz) + 1) / rate_hz
    data_uv = np.stack([_on_axis(one, list(columns.values()), t_s) for one in used])
    data_uv -= data_uv.mean(axis=2, keepdims=True) if t_s.size else 0.0
    if len(columns) >= COMMON_AVERAGE_FROM:
        data_uv -= data_uv.mean(axis=1, keepdims=True)
    return Epochs(
        labels=list(columns),
        rate_hz=rate_hz,
        t_s=t_s,
        data_uv=data_uv,
        i_class=np.array([one.i_class for one in used], dtype=np.intp),
        active_end_s=FIRST_START_S + max(1.0, window_s),
    )


def band_change_db(epochs: Epochs, band_hz: tuple[float, float]) -> dict[int, FloatArray]:
    """Power during imagery against power before the cue, mean over trials.

    Event-related desynchronisation as Pfurtscheller and Lopes da Silva 1999 (doi:10.1016/S1388-2457(99)00141-8)
    measure it, on a logarithmic scale, on which halving and doubling are as far.

    Returns
    -------
    dict of int to ndarray of float64, shape (n_channels,)
        For each class that occurs; dB, negative where power falls.
    """
    high_hz = min(band_hz[1], 0.45 * epochs.rate_hz)
    sos = signal.butter(4, (band_hz[0], high_hz), "bandpass", fs=epochs.rate_hz, output="sos")
    power = signal.sosfiltfilt(sos, epochs.data_uv, axis=2) ** 2
    before, during = power[:, :, epochs.baseline].mean(axis=2), power[:, :, epochs.active].mean(axis=2)
    return {
        int(i): _db(during[epochs.i_class == i].mean(axis=0), before[epochs.i_class == i].mean(axis=0))
        for i in np.unique(epochs.i_class)
    }


def time_frequency_db(epochs: Epochs, label: str, i_class: int) -> tuple[FloatArray, FloatArray]:
    """Power over time and frequency at one electrode, against power before the cue.

    Returns
    -------
    frequencies_hz : ndarray of float64, shape (n_frequencies,)
    change_db : ndarray of float64, shape (n_frequencies, n_times)
    """
    from mne.time_frequency import tfr_array_morlet

    n_pad = min(round(PAD_S * epochs.rate_hz), len(epochs.t_s) - 1)
    rows = epochs.data_uv[epochs.i_class == i_class][:, [epochs.labels.index(label)]]
    padded = np.pad(rows, ((0, 0), (0, 0), (n_pad, n_pad)), "reflect")
    frequencies_hz = np.arange(LOWEST_HZ, min(HIGHEST_HZ, 0.45 * epochs.rate_hz))
    n_cycles: Any = (
        frequencies_hz * N_CYCLES_S
    )  # one for each frequency: MNE takes it, its annotation does not
    averaged: Any = tfr_array_morlet(
        padded, epochs.rate_hz, frequencies_hz, n_cycles, output="avg_power", verbose="ERROR"
    )
    power: FloatArray = averaged[0][:, n_pad : n_pad + len(epochs.t_s)]
    return frequencies_hz, _db(power, power[:, epochs.baseline].mean(axis=1, keepdims=True))


def look_at_channels(record: CalibrationRecord, trials: Sequence[CalibrationTrial]) -> list[ChannelLook]:
    """How good each channel of the stream was, in the stream's order; empty without any signal."""
    rate_hz, labels = record.stream.rate_hz, record.stream.labels
    used = [
        one.raw_uv.astype(np.float64)
        for one in trials
        if len(one.raw_uv) > rate_hz and one.raw_uv.shape[1] == len(labels)
    ]
    if not used:
        return []
    sos = signal.butter(2, (1.0, min(40.0, 0.45 * rate_hz)), "bandpass", fs=rate_hz, output="sos")
    amplitudes_uv = np.array(
        [signal.sosfiltfilt(sos, np.nan_to_num(one - one.mean(axis=0)), axis=0).std(axis=0) for one in used]
    )
    lines_db, mains_hz = _line(used, rate_hz)
    usual_db = float(np.median(lines_db))
    looks = []
    for i, label in enumerate(labels):
        amplitude_uv, share_good = (
            float(np.median(amplitudes_uv[:, i])),
            float(_is_eeg(amplitudes_uv[:, i]).mean()),
        )
        notes = _notes(amplitude_uv, share_good)
        if lines_db[i] > max(0.0, usual_db) + LINE_DB:
            notes.append(f"mains hum at {mains_hz:g} Hz")
        if label in record.stream.bad:
            notes.append("not used: bad before the start")
        line_db = float(lines_db[i]) if mains_hz else None
        looks.append(ChannelLook(label, amplitude_uv, line_db, mains_hz, share_good, notes))
    return looks


def common_hum(looks: Sequence[ChannelLook]) -> str:
    """What to say of mains hum that all channels have; empty where there is little."""
    lines_db = [one.line_db for one in looks if one.line_db is not None]
    if not lines_db or (usual_db := float(np.median(lines_db))) < HUM_DB:
        return ""
    return (
        f"All of them have mains hum, at {looks[0].mains_hz:g} Hz, typically {usual_db:.0f} dB above what is beside it: look at "
        "the ground and reference electrodes, and at chargers nearby."
    )


def _is_eeg(amplitude_uv: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray((amplitude_uv > FLAT_UV) & (amplitude_uv < LOUD_UV))


def _notes(amplitude_uv: float, share_good: float) -> list[str]:
    if amplitude_uv <= FLAT_UV:
        return ["flat: not connected?"]
    if amplitude_uv >= LOUD_UV:
        return ["far too loud: no contact?"]
    return ["restless"] if share_good < RESTLESS else []


def _electrodes(record: CalibrationRecord, n_columns: int) -> dict[str, int]:
    """Columns of the electrodes that can be drawn: with a place on the head, not bad, each once."""
    bad = {canonical_label(label) for label in record.stream.bad}
    columns: dict[str, int] = {}
    for i, label in enumerate(record.stream.labels[:n_columns]):
        name = canonical_label(label)
        if has_position(name) and name not in bad | EAR_REFERENCES:
            columns.setdefault(name, i)
    return columns


def _on_axis(trial: CalibrationTrial, columns: list[int], t_s: FloatArray) -> FloatArray:
    """Signal at times of a common axis: stamps of different trials fall differently between samples."""
    raw_uv = trial.raw_uv[:, columns].astype(np.float64)
    return np.array([np.interp(t_s, trial.t_raw, column) for column in raw_uv.T])


def _line(used: list[FloatArray], rate_hz: float) -> tuple[FloatArray, float]:
    """Mains over neighbours in dB for each channel, at the frequency where it is stronger; (zeros, 0) where none is seen."""
    seen = [f for f in MAINS_HZ if f + 6.0 < rate_hz / 2]
    if not seen:
        return np.zeros(used[0].shape[1]), 0.0
    spectra = [signal.welch(one, rate_hz, nperseg=round(rate_hz), axis=0) for one in used]
    f_hz, power = spectra[0][0], np.mean([one for _, one in spectra], axis=0)
    found = {}
    for mains_hz in seen:
        near = np.abs(f_hz - mains_hz)
        at, beside = power[near <= 1.0].max(axis=0), np.median(power[(near >= 3.0) & (near <= 6.0)], axis=0)
        found[mains_hz] = _db(at, beside)
    strongest_hz = max(found, key=lambda mains_hz: float(np.median(found[mains_hz])))
    return found[strongest_hz], strongest_hz


def _db(power: FloatArray, reference: FloatArray) -> FloatArray:
    """Ratio in dB; a channel without any signal changes by nothing."""
    floor = 1e-12
    return np.asarray(10.0 * np.log10((power + floor) / (reference + floor)))
