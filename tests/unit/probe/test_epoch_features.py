"""Features of an epoch, against numbers of other programs and signals of which they are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch as scipy_welch

from rtbci.probe.epoch_features import FEATURES, N_CLASSIC, describe, slow_share, spindle_share, welch
from rtbci.stages.stage import FloatArray

T_S = np.arange(3000) / 100.0

# YASA 0.8.1, antropy 0.2.3 and SciPy on `mixture`
ELSEWHERE = {
    "std": 15.440754858416271,
    "iqr": 25.832596585576184,
    "skew": -0.015172562226643805,
    "kurt": -1.0552409961139417,
    "nzc": 204.0,
    "hmob": 0.328255041787236,
    "hcomp": 2.98011214075669,
    "sdelta": 0.00036444117991521295,
    "fdelta": 0.6984299522505922,
    "theta": 3.914933194546389e-05,
    "alpha": 0.08887252170450918,
    "sigma": 0.04684015348870731,
    "beta": 0.0006478794270657535,
    "abspow": 319.4451927298111,
    "perm": 0.8686550180608055,
    "higuchi": 1.6397124931195353,
    "petrosian": 1.0157446847098037,
}


def mixture() -> FloatArray:
    wave = 20 * np.sin(2 * np.pi * 1.3 * T_S + 0.3 * T_S)
    wave += 9 * np.sin(2 * np.pi * 9.7 * T_S) * np.sin(0.4 * T_S)
    wave += 5 * np.sin(2 * np.pi * 13.1 * T_S + np.sin(T_S))
    return np.asarray(wave + 3 * np.sin(2 * np.pi * 23.7 * T_S * (1 + 0.001 * T_S)))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_feature_is_what_other_programs_say(name: str) -> None:
    found: dict[str, float] = dict(zip(FEATURES, describe(mixture(), 100.0).tolist(), strict=True))
    assert found[name] == pytest.approx(ELSEWHERE[name], rel=1e-9)


def test_ratios_are_of_the_shares() -> None:
    found = dict(zip(FEATURES, describe(mixture(), 100.0).tolist(), strict=True))
    delta = found["sdelta"] + found["fdelta"]
    assert found["dt"] == pytest.approx(delta / found["theta"])
    assert found["ds"] == pytest.approx(delta / found["sigma"])
    assert found["db"] == pytest.approx(delta / found["beta"])
    assert found["at"] == pytest.approx(found["alpha"] / found["theta"])
    assert FEATURES[N_CLASSIC:] == ("slow_share", "spindle_share")


def test_the_spectrum_is_that_of_scipy() -> None:
    x = np.random.default_rng(0).standard_normal(3000)
    freqs_hz, psd = welch(x, 100.0)
    wanted_hz, wanted = scipy_welch(x, 100.0, window="hamming", nperseg=500, average="median")
    np.testing.assert_allclose(freqs_hz, wanted_hz)
    np.testing.assert_allclose(psd, wanted, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99), gain=st.sampled_from([0.0, 1e-9, 1.0, 1e4]), offset=st.sampled_from([0.0, 5.0])
)
def test_any_finite_signal_has_finite_features(seed: int, gain: float, offset: float) -> None:
    x = gain * np.random.default_rng(seed).standard_normal(3000) + offset
    before = x.copy()
    assert np.isfinite(describe(x, 100.0)).all()
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("hz", "uv", "wanted"), [(1.0, 50.0, 1.0), (1.0, 30.0, 0.0), (4.0, 60.0, 0.0)])
def test_slow_waves_are_slow_and_large(hz: float, uv: float, wanted: float) -> None:
    x = uv * np.sin(2 * np.pi * hz * T_S)
    assert slow_share(x, 100.0) == pytest.approx(wanted, abs=0.07)


def test_a_spindle_is_found_where_it_is() -> None:
    rng = np.random.default_rng(0)
    x = 10.0 * np.cumsum(rng.standard_normal(3000)) / 10.0
    x -= np.convolve(x, np.ones(200) / 200, "same")
    without = spindle_share(x, 100.0)
    spindle = (T_S > 10.0) & (T_S < 13.0)
    x[spindle] += 30.0 * np.sin(2 * np.pi * 13.0 * T_S[spindle])
    assert without < 0.02
    assert spindle_share(x, 100.0) == pytest.approx(0.1, abs=0.04)
