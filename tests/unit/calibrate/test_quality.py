from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rtbci.calibrate.quality import RejectSettings, band_uv, judge_trial
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.errors import ConfigError
from rtbci.settings import check_settings
from rtbci.stages.electrode_faults import line_share
from rtbci.stream.source import FloatArray
from tests.unit.calibrate.samples import RATE_HZ, pink, raw_trial

LABELS = ("FP1", "C3", "CZ", "C4", "CP3", "CP4")
READ = np.array([False, True, True, True, True, True])
N = round(4.5 * RATE_HZ)
T_S = np.arange(N) / RATE_HZ - 1.0


def judged(raw_uv: FloatArray, read: npt.NDArray[np.bool_] = READ, **settings: Any) -> CalibrationTrial:
    checked = RejectSettings.model_validate(settings)
    return judge_trial(raw_trial(raw_uv), checked, LABELS, read, RATE_HZ)


def bump(t_s: float, height_uv: float, width_s: float = 0.1) -> FloatArray:
    return np.asarray(height_uv * np.exp(-0.5 * ((T_S - t_s) / width_s) ** 2))


def spoiled(spoil: Callable[[FloatArray], None]) -> FloatArray:
    raw_uv = pink(N, len(LABELS))
    spoil(raw_uv)
    return raw_uv


def test_good_trial_is_accepted() -> None:
    trial = judged(pink(N, len(LABELS)))
    assert (trial.accepted, trial.reason) == (True, "")


@pytest.mark.parametrize("gain", [1e-6, 1.0, 3e5])
def test_in_a_stream_without_a_unit_channels_are_judged_beside_each_other(gain: float) -> None:
    def unknown(raw: FloatArray) -> CalibrationTrial:
        return judge_trial(raw_trial(gain * raw), RejectSettings(), LABELS, READ, RATE_HZ, has_unit=False)

    assert unknown(pink(N, len(LABELS))).accepted
    assert unknown(spoiled(flat)).reason == "flat: C3"
    assert unknown(spoiled(burst)).reason == "amplitude: CZ"
    assert unknown(np.zeros((N, len(LABELS)))).reason.startswith("flat")


def burst(raw_uv: FloatArray, t_s: float = 2.0, columns: slice = slice(2, 3)) -> None:
    raw_uv[:, columns] += (bump(t_s, 500.0) * np.sin(2 * np.pi * 20 * T_S))[:, None]


def flat(raw_uv: FloatArray) -> None:
    raw_uv[:, 1] = 4200.0


def mains(raw_uv: FloatArray) -> None:
    raw_uv[:, 3] += 4000.0 * np.sin(2 * np.pi * 50 * T_S)


def nan(raw_uv: FloatArray) -> None:
    raw_uv[5, 4] = np.nan


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (burst, "amplitude: CZ"),
        (lambda raw: burst(raw, columns=slice(1, 4)), "amplitude: C3, CZ, C4 and 2 more"),
        (flat, "flat: C3"),
        (mains, "line noise: C3, CZ, C4 and 2 more"),  # the mean of all carries it to all, as in the decoder
        (nan, "not finite"),
    ],
)
def test_what_is_read_must_be_good(spoil: Callable[[FloatArray], None], reason: str) -> None:
    settings: dict[str, Any] = {"band_hz": (8.0, 30.0), "peak_to_peak_uv": 1e3 if "line" in reason else 300.0}
    trial = judged(spoiled(spoil), **settings)
    assert not trial.accepted
    assert trial.reason.startswith(reason)


@pytest.mark.parametrize("spoil", [lambda raw: burst(raw, 0.0), lambda raw: burst(raw, 2.0, slice(0, 1))])
def test_what_no_window_reads_does_not_matter(spoil: Callable[[FloatArray], None]) -> None:
    assert judged(spoiled(spoil)).accepted


def test_slow_drift_and_common_signal_are_no_amplitude() -> None:
    raw_uv = pink(N, len(LABELS)) + 400.0 * T_S[:, None]
    raw_uv += (bump(2.0, 500.0) * np.sin(2 * np.pi * 20 * T_S))[:, None]  # at the reference
    assert judged(raw_uv).accepted


def test_blinks_count_where_somebody_reads_them() -> None:
    late, early = pink(N, len(LABELS)), pink(N, len(LABELS))
    late[:, 0] += bump(2.0, 600.0)
    early[:, 0] += bump(0.0, 600.0)
    everything = np.ones(len(LABELS), bool)
    wide: dict[str, Any] = {"peak_to_peak_uv": 2e3, "blink_uv": 300.0}
    assert judged(late, **wide).accepted
    assert judged(late, everything, **wide).reason == "blink: FP1"
    assert judged(early, everything, **wide).accepted
    assert judged(late, blink="always", **wide).reason == "blink: FP1"
    assert judged(late, everything, blink="never", **wide).accepted


def test_rejected_and_short_trials() -> None:
    raw_uv = pink(N, len(LABELS))
    rejected = raw_trial(raw_uv).rejected("gap")
    assert judge_trial(rejected, RejectSettings(), LABELS, READ, RATE_HZ) is rejected
    assert judged(raw_uv[:400]).reason == "gap"


def test_settings_come_from_a_file() -> None:
    assert check_settings(RejectSettings, {"peak_to_peak_uv": 200}, "p.toml").peak_to_peak_uv == 200.0
    with pytest.raises(
        ConfigError, match=r"p.toml: peak_to_peak: unknown key; did you mean 'peak_to_peak_uv'"
    ):
        check_settings(RejectSettings, {"peak_to_peak": 200}, "p.toml")
    with pytest.raises(ConfigError, match="need the lower edge first"):
        check_settings(RejectSettings, {"band_hz": [30, 8]}, "p.toml")


def test_band_and_line_share() -> None:
    t_s = np.arange(1000) / RATE_HZ
    tones = np.column_stack([np.sin(2 * np.pi * f * t_s) for f in (2.0, 15.0, 50.0, 60.0)])
    inner = band_uv(tones, (8.0, 30.0), RATE_HZ)[250:-250]
    assert np.ptp(inner, axis=0) == pytest.approx([0.0, 2.0, 0.0, 0.0], abs=0.1)
    assert line_share(tones, RATE_HZ) == pytest.approx([0.0, 0.0, 1.0, 1.0], abs=0.01)
    assert line_share(tones[:, :2], 80.0).tolist() == [0.0, 0.0]
    assert band_uv(tones, (8.0, 60.0), 100.0).shape == tones.shape
    assert band_uv(np.empty((0, 2)), (8.0, 30.0), RATE_HZ).shape == (0, 2)
