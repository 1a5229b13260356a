from collections.abc import Sequence

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.signal import butter, sosfilt

from rtbci.errors import ShapeError
from rtbci.probe.cca import CcaProbe, band_weights, correlations
from rtbci.probe.cca_branch import CcaBranch
from rtbci.probe.reference_products import ReferenceProducts
from rtbci.stages.stage import FloatArray

RATE_HZ, HOP, N_CHANNELS = 128.0, 16, 4
FREQUENCIES = (9.0, 11.5, 14.0)
BANDS_HZ = ((6.0, 55.0), (16.0, 55.0))
LENGTHS = (64, 128, 256)


def signal(n_samples: int, at_hz: float = 11.5, level: float = 0.5, seed: int = 0) -> FloatArray:
    """Noise that is correlated between channels, and an answer with a harmonic."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(n_samples) / RATE_HZ
    mixed = rng.standard_normal((n_samples, N_CHANNELS)) @ rng.standard_normal((N_CHANNELS, N_CHANNELS))
    answer = np.sin(2 * np.pi * at_hz * t_s + 0.3) + 0.5 * np.sin(4 * np.pi * at_hz * t_s + 1.0)
    return mixed + level * answer[:, np.newaxis] * rng.standard_normal(N_CHANNELS) + 7.0


def direct(window: FloatArray, frequency_hz: float, n_harmonics: int) -> float:
    """Squared first canonical correlation by scipy: cosine of the smallest angle between the two spaces."""
    t_s = np.arange(len(window)) / RATE_HZ
    sines = [
        wave(2 * np.pi * h * frequency_hz * t_s)
        for h in range(1, n_harmonics + 1)
        for wave in (np.sin, np.cos)
    ]
    references = np.column_stack(sines)
    angles = subspace_angles(window - window.mean(axis=0), references - references.mean(axis=0))
    return float(np.cos(angles.min()) ** 2)


def products(n_harmonics: int = 2, lengths: Sequence[int] = (4, 8, 16)) -> ReferenceProducts:
    return ReferenceProducts(FREQUENCIES, n_harmonics, RATE_HZ, 1, N_CHANNELS, HOP, lengths)


def push(found: ReferenceProducts, data: FloatArray) -> None:
    for i in range(0, len(data), HOP):
        found.push(data[np.newaxis, i : i + HOP])


def branch(**changes: object) -> CcaBranch:
    settings: dict[str, object] = {
        "probe": CcaProbe(np.ones((len(LENGTHS), 1)) * band_weights(len(BANDS_HZ))),
        "frequencies_hz": (*FREQUENCIES, 0.0),
        "bands_hz": BANDS_HZ,
        "lengths_samples": LENGTHS,
        "rate_hz": RATE_HZ,
        "n_channels": N_CHANNELS,
        "hop_samples": HOP,
        "n_harmonics": 2,
    } | changes
    return CcaBranch(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_harmonics", [1, 2, 3])
def test_correlations_are_those_of_the_whole_window_at_once(n_harmonics: int) -> None:
    data = signal(21 * HOP)
    found = products(n_harmonics)
    push(found, data)
    got = correlations(found.windows())
    for i, n in enumerate(found.lengths):
        want = [direct(data[-n * HOP :], frequency, n_harmonics) for frequency in FREQUENCIES]
        np.testing.assert_allclose(got[i, 0], want, rtol=1e-6)


def test_the_same_window_gives_the_same_bits_wherever_it_lies() -> None:
    data = signal(16 * HOP)
    early, late = products(), products()
    push(early, data)
    push(late, np.concatenate([signal(37 * HOP, seed=1), data]))
    for one, other in zip(early.windows(), late.windows(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_flat_signal_and_channels_that_are_sums_of_others() -> None:
    flat = products()
    push(flat, np.full((16 * HOP, N_CHANNELS), 3.0))
    assert np.abs(correlations(flat.windows())).max() < 1e-6
    data = signal(16 * HOP)
    data[:, 3] = data[:, 0] - 0.5 * data[:, 1]  # as interpolation makes it
    dependent, fewer = products(), ReferenceProducts(FREQUENCIES, 2, RATE_HZ, 1, 3, HOP, (4, 8, 16))
    push(dependent, data)
    push(fewer, np.ascontiguousarray(data[:, :3]))
    np.testing.assert_allclose(
        correlations(dependent.windows()), correlations(fewer.windows()), rtol=0, atol=1e-6
    )


def test_the_branch_is_a_filter_bank_of_direct_correlations() -> None:
    data = signal(40 * HOP)
    tested = branch()
    for i in range(0, len(data), HOP):
        tested.push(data[i : i + HOP])
    want, filtered = np.zeros(4), data
    for (low, high), weight in zip(BANDS_HZ, band_weights(2), strict=True):
        sos = butter(4, [low, high], "bandpass", fs=RATE_HZ, output="sos")
        filtered = sosfilt(sos, data - data[0], axis=0)
        for n in LENGTHS:
            want[:3] += [weight * direct(filtered[-n:], frequency, 2) for frequency in FREQUENCIES]
    got = tested.logits()
    assert got is not None
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert got.argmax() == 1
    assert got[3] == 0.0  # looks at nothing
    assert tested.newest is not None  # what sessions have checksums of
    np.testing.assert_allclose(tested.newest[-1], filtered[-HOP:], rtol=1e-6)
    tested.reset()
    assert tested.newest is None


def test_a_gain_changes_nothing() -> None:
    data = signal(20 * HOP)
    np.testing.assert_allclose(branch().logits_of(data), branch().logits_of(1e-3 * data), rtol=1e-9)


def test_it_keeps_what_the_filters_gave_for_checksums() -> None:
    one, hop = branch(), np.random.default_rng(8).standard_normal((HOP, N_CHANNELS))
    assert one.newest is None
    one.push(hop)
    first = one.newest
    one.push(hop)
    assert first is not None
    assert one.newest is not None
    assert first.shape == one.newest.shape == (len(BANDS_HZ), HOP, N_CHANNELS)
    assert not np.array_equal(first, one.newest)  # filters have a past; the first is not written to
    one.reset()
    assert one.newest is None


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"lengths are \[8, 4\] hops, need ascending"):
        products(lengths=(8, 4))
    with pytest.raises(ShapeError, match=r"harmonic 5 of 14 Hz is 70 Hz, need below 64 Hz; use fewer"):
        products(n_harmonics=5)
    with pytest.raises(ShapeError, match=r"hop has shape \(1, 3, 4\), need \(1, 16, 4\)"):
        products().push(np.zeros((1, 3, 4)))
    with pytest.raises(ShapeError, match=r"need \(n_lengths, n_bands\), all at least 0"):
        CcaProbe([[1.0, -1.0]])
    with pytest.raises(ShapeError, match="has 2 windows and 2 bands, the probe has 3 and 2"):
        branch(lengths_samples=(64, 128))
    with pytest.raises(ShapeError, match=r"windows have \[60, 128, 256\] samples and a hop 16"):
        branch(lengths_samples=(60, 128, 256))
    with pytest.raises(ShapeError, match=r"signal has shape \(32, 4\), need \(256 or more"):
        branch().logits_of(np.zeros((32, 4)))
