"""Units, and signals that cannot be what their stream says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import ShapeError, SignalError, UnitError
from rtbci.stream.units import check_spread, gain_to_uv, spread_uv
from tests.data_paths import data_dir, needs_data

LABELS = ("C3", "CZ", "C4")


def noise_uv(sd_uv: float, n_samples: int = 500) -> np.ndarray:
    return sd_uv * np.random.default_rng(7).standard_normal((n_samples, len(LABELS)))


@pytest.mark.parametrize(
    ("unit", "gain"),
    [
        ("V", 1e6),
        ("volts", 1e6),
        ("mV", 1e3),
        ("uV", 1.0),
        ("microvolts", 1.0),
        (" Microvolt ", 1.0),
        ("\u00b5V", 1.0),
        ("\u03bcV", 1.0),
        ("nV", 1e-3),
        ("-6", 1.0),
        ("0", 1e6),
        ("", None),
        ("none", None),
        ("counts", None),
    ],
)
def test_gains(unit: str, gain: float | None) -> None:
    assert gain_to_uv(unit) == gain


@given(sd_uv=st.floats(0.5, 500), drift_uv=st.floats(-1e6, 1e6), offset_uv=st.floats(-1e6, 1e6))
def test_spread_is_the_signals_not_the_drifts(sd_uv: float, drift_uv: float, offset_uv: float) -> None:
    drift = offset_uv + drift_uv * np.linspace(0, 1, 500)[:, None]
    assert check_spread(noise_uv(sd_uv) + drift, LABELS, "uV") == pytest.approx(sd_uv, rel=0.2)


def test_spread_is_not_moved_by_artefacts() -> None:
    signal = noise_uv(10.0)
    signal[100:110] += 5000.0
    assert spread_uv(signal) == pytest.approx(np.full(3, 10.0), rel=0.2)


@pytest.mark.parametrize("n_samples", [8, 17, 127, 250])
def test_short_pieces_are_legal(n_samples: int) -> None:
    assert check_spread(noise_uv(20.0, n_samples), LABELS, "uV") > 0


@pytest.mark.parametrize(
    ("declared", "truth"), [("V", "uV"), ("mV", "uV"), ("uV", "V"), ("uV", "mV"), ("uV", "nV"), ("mV", "V")]
)
@pytest.mark.parametrize("sd_uv", [2.0, 20.0, 200.0])
def test_wrong_unit_names_the_right_one(declared: str, truth: str, sd_uv: float) -> None:
    gain, true_gain = gain_to_uv(declared), gain_to_uv(truth)
    assert gain is not None
    assert true_gain is not None
    as_sent = noise_uv(sd_uv) / true_gain
    with pytest.raises(
        UnitError, match=rf"declared as '{declared}'.*0\.3 to 1000 uV; in {truth} .*--unit {truth}$"
    ):
        check_spread(as_sent * gain, LABELS, declared)


def test_unknown_unit_is_microvolts_when_plausible() -> None:
    assert check_spread(noise_uv(20.0), LABELS, "") == pytest.approx(20.0, rel=0.1)


def test_unknown_unit_is_refused_when_absurd() -> None:
    with pytest.raises(UnitError, match=r"its unit 'counts' is unknown, so taken as uV.*--unit V$"):
        check_spread(noise_uv(20e-6), LABELS, "counts")


def test_raw_counts_have_no_unit_that_fits() -> None:
    with pytest.raises(UnitError, match="no unit of V, mV, uV or nV fits; set the amplifier's program"):
        check_spread(noise_uv(5e7), LABELS, "")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers_name_the_channel(bad: float) -> None:
    signal = noise_uv(20.0)
    signal[3, 1] = bad
    with pytest.raises(SignalError, match="NaN or infinite samples in CZ, need finite"):
        check_spread(signal, LABELS, "uV")


def test_one_flat_channel_is_a_bad_electrode_but_all_flat_is_no_signal() -> None:
    signal = noise_uv(20.0)
    signal[:, 1] = 5.0
    assert check_spread(signal, LABELS, "uV") > 0
    with pytest.raises(SignalError, match=r"every channel is flat \(C3, CZ, channel 3\)"):
        check_spread(np.ones((100, 3)), ("C3", "CZ", ""), "uV")


def test_many_channels_are_counted() -> None:
    with pytest.raises(SignalError, match=r"E1, E2.*E8 and 24 more"):
        check_spread(np.ones((100, 32)), [f"E{i}" for i in range(1, 33)], "uV")


@pytest.mark.parametrize("shape", [(7, 3), (100, 2), (100,)])
def test_wrong_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"need \(8 or more, 3\)"):
        check_spread(np.zeros(shape), LABELS, "uV")


@needs_data
@pytest.mark.data
@pytest.mark.parametrize("subject", ["S001", "S007", "S076", "S032"])
def test_real_recordings_are_plausible(subject: str) -> None:
    path = data_dir() / "eegmmidb" / f"{subject}.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with np.load(path) as stored:
        signal = stored["run04"].T[:800].astype(float)
    assert 5 < check_spread(signal, [str(i) for i in range(signal.shape[1])], "uV") < 150
