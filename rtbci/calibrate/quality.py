"""Which trials can be believed: amplitude, flat channels, mains, breaks, blinks."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy.signal import butter, sosfiltfilt

from rtbci.calibrate.trial import FIRST_START_S, CalibrationTrial
from rtbci.evaluate.trials import FRONTAL
from rtbci.listing import first_of
from rtbci.settings import Settings
from rtbci.stages.electrode_faults import line_share
from rtbci.stages.judge import USUAL_UV
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label
from rtbci.stream.units import spread_uv

__all__ = ["RejectSettings", "band_uv", "judge_trial", "scale_to_uv"]

BLINK_HZ = (1.0, 8.0)
LEAST_S = 1.0
Limit = Annotated[float, Field(gt=0)]


class RejectSettings(Settings):
    """When a trial is not used; `[reject]` of a protocol.

    Parameters
    ----------
    peak_to_peak_uv : float
        Largest swing of any channel that is read, in `band_hz`, against the mean of all of them.
    band_hz : tuple of 2 floats
        Where amplitude is judged: what the decoder hears. Slow drifts and blinks below it are no fault of a trial
        that nobody reads them in.
    flat_uv : float
        A channel that is read with a smaller spread is not connected.
    line_share : float
        Largest share of 50 or 60 Hz in the power of a channel that is read, against the mean of all of them.
    blink : {'auto', 'always', 'never'}
        ``auto``: only where the decoder reads a frontal electrode; ``always``: by any frontal electrode of the stream.
    blink_uv : float
        Swing of a frontal electrode between 1 and 8 Hz.

    Notes
    -----
    Measured on 75 subjects of EEGMMIDB (31 channels that are read): these defaults reject 2.0 % of 3202 trials, 1.9 %
    for amplitude (41 of the 60 in two subjects) and 0.1 % for line noise. Of 3375 trials, judged from 0 to 4 s, some
    channel swings more than 200 uV in 9.5 % and more than 150 uV in 21 %, which in two subjects with strong alpha is
    every trial; between 1 and 40 Hz 150 uV would be 50 %. With ``blink = "always"`` 53 % are rejected for blinks.
    """

    peak_to_peak_uv: Limit = 300.0
    band_hz: tuple[Limit, Limit] = (8.0, 30.0)
    flat_uv: Limit = 0.1
    line_share: Annotated[float, Field(gt=0, le=1)] = 0.99
    blink: Literal["auto", "always", "never"] = "auto"
    blink_uv: Limit = 150.0

    @model_validator(mode="after")
    def _ordered(self) -> "RejectSettings":
        if self.band_hz[0] >= self.band_hz[1]:
            raise ValueError(f"band_hz is {list(self.band_hz)}, need the lower edge first")
        return self


def judge_trial(
    trial: CalibrationTrial,
    settings: RejectSettings,
    labels: Sequence[str],
    read: npt.NDArray[np.bool_],
    rate_hz: float,
    imagery_s: float | None = None,
    *,
    has_unit: bool = True,
) -> CalibrationTrial:
    """Accept a trial, or reject it with the one reason that is the clearest.

    Parameters
    ----------
    trial : CalibrationTrial
        One that is rejected already is returned as it is.
    settings : RejectSettings
    labels : sequence of str
        Of all channels of `trial.raw_uv`.
    read : ndarray of bool, shape (n_raw_channels,)
        Which of them the decoder reads.
    rate_hz : float
        Of `trial.raw_uv`.
    imagery_s : float, optional
        What is judged ends so long after the cue; default: where the last window ends.
    has_unit : bool
        False where nobody knows what unit the stream has: channels are then judged beside each other, see `scale_to_uv`.

    Returns
    -------
    CalibrationTrial
        Rejected for, in this order: ``gap``, ``not finite``, ``flat``, ``amplitude``, ``line noise``, ``blink``; the
        last four name the channels.

    Notes
    -----
    Judged is what the windows see: from `FIRST_START_S` after the cue on. A blink before it, as many answer a cue
    with, does no harm. One after it matters only to a decoder that reads electrodes over the eyes (``blink = "auto"``):
    elsewhere it reaches the decoder's band only as amplitude, which is judged by itself.
    """
    if not trial.accepted:
        return trial
    t_stop = float(trial.t_newest[-1] - trial.t_cue) if imagery_s is None else imagery_s
    inside = (trial.t_raw >= FIRST_START_S) & (trial.t_raw <= t_stop)
    if inside.sum() < LEAST_S * rate_hz:
        return trial.rejected("gap")
    names = [label for label, is_read in zip(labels, read, strict=True) if is_read]
    signal_uv = trial.raw_uv[:, read].astype(np.float64)
    if not np.isfinite(signal_uv).all():
        return trial.rejected("not finite")
    scale = 1.0 if has_unit else scale_to_uv(signal_uv[inside])
    for reason, bad in _faults(scale * signal_uv, inside, rate_hz, settings):
        if bad.any():
            return trial.rejected(_reason(reason, names, bad))
    where = _eyes(settings, labels, read)
    eyes_uv = scale * np.nan_to_num(trial.raw_uv[:, where].astype(np.float64))
    slow_uv = band_uv(eyes_uv, BLINK_HZ, rate_hz)[inside]
    if where and (bad := np.ptp(slow_uv, axis=0) > settings.blink_uv).any():
        return trial.rejected(_reason("blink", [labels[i] for i in where], bad))
    return trial


def scale_to_uv(signal: FloatArray) -> float:
    """What makes microvolts of a signal without a unit, shape (n_samples, n_channels): its middle channel is taken
    to have the spread that EEG has, as a run takes it (`rtbci.stages.judge`).
    """
    spread = spread_uv(signal)
    alive = spread[spread > 0.0]
    return USUAL_UV / float(np.median(alive)) if alive.size else 1.0


def _faults(
    signal_uv: FloatArray, inside: npt.NDArray[np.bool_], rate_hz: float, settings: RejectSettings
) -> "list[tuple[str, npt.NDArray[np.bool_]]]":
    """What is wrong with which channels, shape (n_channels,) each, the clearest first."""
    swing_uv = np.ptp(band_uv(_centred(signal_uv), settings.band_hz, rate_hz)[inside], axis=0)
    return [
        ("flat", spread_uv(signal_uv[inside]) < settings.flat_uv),
        ("amplitude", swing_uv > settings.peak_to_peak_uv),
        ("line noise", line_share(_centred(signal_uv[inside]), rate_hz) > settings.line_share),
    ]


def band_uv(signal_uv: FloatArray, band_hz: tuple[float, float], rate_hz: float) -> FloatArray:
    """A band of a whole piece of signal, without delay; shape as given.

    Where the rate does not carry the band's upper edge, it ends at 0.45 of the rate.
    """
    if not signal_uv.size:
        return signal_uv
    high_hz = min(band_hz[1], 0.45 * rate_hz)
    sos = butter(2, (band_hz[0], high_hz), "bandpass", fs=rate_hz, output="sos")
    n_pad = min(len(signal_uv) - 1, round(rate_hz))
    return np.asarray(sosfiltfilt(sos, signal_uv, axis=0, padlen=n_pad))


def _centred(signal_uv: FloatArray) -> FloatArray:
    """Against the mean of all channels, where there are enough for one."""
    return signal_uv - signal_uv.mean(axis=1, keepdims=True) if signal_uv.shape[1] > 2 else signal_uv


def _eyes(settings: RejectSettings, labels: Sequence[str], read: npt.NDArray[np.bool_]) -> list[int]:
    """Columns in which a blink is looked for."""
    frontal = [i for i, label in enumerate(labels) if canonical_label(label) in FRONTAL]
    if settings.blink == "auto":
        return [i for i in frontal if read[i]]
    return frontal if settings.blink == "always" else []


def _reason(reason: str, names: Sequence[str], bad: npt.NDArray[np.bool_], n_most: int = 3) -> str:
    """``amplitude: C3, C4 and 2 more``."""
    found = [name for name, is_bad in zip(names, bad, strict=True) if is_bad]
    return f"{reason}: {first_of(found, n_most)}"
