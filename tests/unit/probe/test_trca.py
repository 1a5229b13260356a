import numpy as np
import pytest

from rtbci.errors import ShapeError
from rtbci.probe.reference_products import ReferenceProducts, WindowProducts
from rtbci.probe.trca import TrcaProbe, answers, own_evidence, template_evidence, turned
from rtbci.stages.stage import FloatArray

RATE_HZ, HOP, N_CHANNELS, N_HARMONICS = 128.0, 16, 4, 2
FREQUENCIES = (9.0, 11.5, 14.0)
LENGTHS = (4, 8, 16)
OMEGA = 2 * np.pi * np.outer(FREQUENCIES, np.arange(1, N_HARMONICS + 1))


def window(from_s: float, at_hz: float = 11.5, level: float = 1.0, seed: int = 0) -> WindowProducts:
    """Products of a window of an answer that began at 0 s, each channel with its own lag, and noise."""
    rng = np.random.default_rng(7)
    lags, strengths = rng.uniform(0, 2 * np.pi, (2, N_CHANNELS)), rng.uniform(0.5, 1.5, N_CHANNELS)
    t_s = from_s + np.arange(LENGTHS[-1] * HOP)[:, np.newaxis] / RATE_HZ
    answer = np.sin(2 * np.pi * at_hz * t_s + lags[0]) + 0.5 * np.sin(4 * np.pi * at_hz * t_s + lags[1])
    noise = np.random.default_rng(seed).standard_normal(answer.shape)
    data = 5.0 + strengths * answer + (1.0 - level) * noise
    found = ReferenceProducts(FREQUENCIES, N_HARMONICS, RATE_HZ, 1, N_CHANNELS, HOP, LENGTHS)
    for i in range(0, len(data), HOP):
        found.push(data[np.newaxis, i : i + HOP])
    return found.windows()


def template(from_s: float = 0.0) -> FloatArray:
    """Amplitudes at the flicker's time 0 of the window's newest hop."""
    return turned(answers(window(from_s)), OMEGA, -from_s)


@pytest.mark.parametrize("from_s", [0.0, 0.731, 12.3456])
def test_a_window_that_begins_anywhere_is_its_template_turned(from_s: float) -> None:
    filters = np.random.default_rng(1).standard_normal((1, 3, N_CHANNELS))
    same = turned(template(), OMEGA, from_s)
    found = template_evidence(window(from_s), filters, same)
    # all lengths; another length fits a little differently
    np.testing.assert_allclose(found[:, 0, 1], 1.0, atol=1e-3)
    # half a period of the fundamental, a whole one of the harmonic
    off = turned(template(), OMEGA, from_s + 0.5 / 11.5)
    assert (template_evidence(window(from_s), filters, off)[:, 0, 1] < -0.2).all()


def test_amplitudes_are_those_of_the_signal() -> None:
    found = answers(window(0.0))[0, 1]
    np.testing.assert_allclose(
        np.hypot(found[:, 0], found[:, 2]) / np.hypot(found[:, 1], found[:, 3]), 2.0, rtol=1e-6
    )


def test_own_filters_need_no_phase() -> None:
    filters = np.random.default_rng(1).standard_normal((1, 3, N_CHANNELS))
    early, late = (own_evidence(window(from_s), filters) for from_s in (0.0, 3.21))
    np.testing.assert_allclose(early[:, 0, 1], 1.0, atol=1e-9)
    np.testing.assert_allclose(early[:, 0, 1], late[:, 0, 1], atol=1e-9)
    assert early[-1, 0, 1] > 5 * early[-1, 0, 0]


def probe(**changes: object) -> TrcaProbe:
    tensors: dict[str, object] = {
        "weight": np.ones((3, 1)),
        "filters": np.eye(N_CHANNELS)[np.newaxis],
        "template": template(),
        "omega": OMEGA,
        "locked": [0.0, 0.0, 1.0],
        "free": [1.0, 0.0, 0.0],
        "locked_lean": [0.0, 0.0, 0.0],
        "free_lean": [0.5, 0.0, 0.0],
    } | changes
    return TrcaProbe(**tensors)  # type: ignore[arg-type]


def test_without_the_phase_correlation_decides() -> None:
    tested = probe()
    assert tested.reads_phase
    assert tested.scores(window(1.0), 1.0)[1] == pytest.approx(3.0, abs=1e-2)
    free = tested.scores(window(1.0))
    assert free[1] == pytest.approx(3.0, abs=1e-6)
    assert free[0] > 0.5
    without = probe(template=np.zeros_like(template()))
    assert not without.reads_phase
    np.testing.assert_array_equal(without.scores(window(1.0), 1.0), free)


def test_a_profile_keeps_it() -> None:
    tested = probe()
    again = TrcaProbe.from_tensors(tested.tensors())
    np.testing.assert_array_equal(again.scores(window(2.0), 2.0), tested.scores(window(2.0), 2.0))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"TrcaProbe: filters have shape \(1, 4, 4\), omega \(3, 2\)"):
        probe(free_lean=[0.0])
    with pytest.raises(ShapeError, match="all finite"):
        probe(locked=[np.nan, 0.0, 0.0])
