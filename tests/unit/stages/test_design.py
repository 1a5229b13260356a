import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, firwin, iirnotch, kaiserord, sosfilt, sosfilt_zi, sosfreqz, tf2sos

from rtbci.stages.design import (
    butterworth_bandpass,
    kaiser_lowpass,
    kaiser_order,
    notch,
    state_space,
    steady_state,
)

RATES_HZ = (125.0, 160.0, 250.0, 512.0, 1000.0, 2048.0, 16384.0)


def _response(sos: np.ndarray) -> np.ndarray:
    grid = np.concatenate((np.geomspace(1e-4, 1.0, 200), np.linspace(1.0, np.pi, 200, endpoint=False)))
    return np.asarray(sosfreqz(sos, grid)[1])


@given(
    order=st.integers(1, 8),
    low=st.floats(0.01, 0.9),
    ratio=st.floats(1.1, 50.0),
    rate_hz=st.sampled_from(RATES_HZ),
)
def test_bandpass_is_scipys(order: int, low: float, ratio: float, rate_hz: float) -> None:
    edges_hz = (low * rate_hz / 2.0, min(low * ratio, 0.98) * rate_hz / 2.0)
    ours = butterworth_bandpass(order, *edges_hz, rate_hz)
    assert ours.shape == (order, 6)
    theirs = butter(order, edges_hz, "bandpass", fs=rate_hz, output="sos")
    np.testing.assert_allclose(_response(ours), _response(theirs), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("edges_hz", [(0.1, 40.0), (0.5, 45.0), (4.0, 40.0), (8.0, 30.0)])
def test_the_bands_of_eeg_are_scipys_at_every_rate(edges_hz: tuple[float, float], rate_hz: float) -> None:
    signal = np.random.default_rng(0).standard_normal((4000, 2))
    ours = butterworth_bandpass(4, *edges_hz, rate_hz)
    theirs = butter(4, edges_hz, "bandpass", fs=rate_hz, output="sos")
    np.testing.assert_allclose(
        sosfilt(ours, signal, axis=0), sosfilt(theirs, signal, axis=0), rtol=0, atol=1e-7
    )


@given(freq=st.floats(0.005, 0.99), quality=st.floats(2.0, 200.0), rate_hz=st.sampled_from(RATES_HZ))
def test_notch_is_scipys(freq: float, quality: float, rate_hz: float) -> None:
    freq_hz = freq * rate_hz / 2.0
    theirs = tf2sos(*iirnotch(freq_hz, quality, fs=rate_hz))
    np.testing.assert_allclose(notch(freq_hz, quality, rate_hz), theirs, rtol=0, atol=1e-10)


def test_steady_state_is_scipys() -> None:
    sos = np.concatenate((butterworth_bandpass(5, 8.0, 30.0, 250.0), notch(50.0, 30.0, 250.0)))
    np.testing.assert_allclose(steady_state(sos).reshape(-1, 2), sosfilt_zi(sos), rtol=1e-9, atol=1e-12)


def test_state_space_is_scipys_recursion() -> None:
    sos = butterworth_bandpass(3, 4.0, 40.0, 250.0)
    rng = np.random.default_rng(1)
    state, sample = rng.standard_normal(6), rng.standard_normal()
    after, out = state_space(sos)
    y, zf = sosfilt(sos, [sample], zi=state.reshape(3, 2))
    np.testing.assert_allclose(out @ [*state, sample], y[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(after @ [*state, sample], zf.ravel(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("width", [0.004, 0.05, 0.3])
def test_kaiser_design_is_scipys(width: float) -> None:
    n_taps, beta = kaiser_order(68.0, width)
    assert (n_taps, beta) == pytest.approx(kaiserord(68.0, width))
    np.testing.assert_allclose(
        kaiser_lowpass(n_taps, 0.4, beta), firwin(n_taps, 0.4, window=("kaiser", beta)), rtol=0, atol=1e-14
    )


def test_a_filter_is_made_without_scipy() -> None:
    script = (
        "import sys; from rtbci.stages.filter import SosFilter; from rtbci.stages.resample import Resample; "
        "SosFilter.bandpass(4.0, 40.0, 250.0, 2); SosFilter.notch(50.0, 250.0, 2); Resample(250.0, 256.0, 2); "
        "print('scipy' in sys.modules)"
    )
    end = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert end.stdout.strip() == "False"
