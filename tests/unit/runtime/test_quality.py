import numpy as np

from rtbci.runtime.quality import SignalQuality
from tests.tiny import eeg

LABELS = ("C3", "AUX", "C4", "CZ")
READ = np.array([True, False, True, True])


def quality(gain_uv: float = 1.0) -> SignalQuality:
    return SignalQuality(LABELS, READ, np.full(4, gain_uv), 250.0)


def test_good_until_shown_otherwise() -> None:
    assert quality().quality.score == 1.0


def test_it_looks_once_a_second() -> None:
    one = quality()
    data = eeg(250, 4)
    assert not one.push(data[:249])
    assert one.push(data[249:])
    found = one.look()
    assert (found.score, found.bad_channels) == (1.0, ())
    assert not one.push(data[:249])  # it has forgotten


def test_flat_and_noisy_channels_are_named_and_others_not_looked_at() -> None:
    one = quality()
    data = eeg(250, 4)
    data[:, 0] = 17.0
    data[:, 1] = 0.0  # not read
    data[:, 3] *= 1000.0
    one.push(data)
    found = one.look()
    assert found.bad_channels == ("C3", "CZ")
    assert abs(found.score - 1 / 3) < 1e-12
    assert one.quality is found


def test_units_and_slow_drift_do_not_matter() -> None:
    one = quality(1e6)
    drift = np.linspace(0.0, 5e-3, 250)[:, None]  # 5 mV within a second
    one.push(eeg(250, 4) * 1e-6 + drift)
    assert one.look().score == 1.0


def test_reset_forgets_what_was_before_a_gap() -> None:
    one = quality()
    one.push(eeg(200, 4))
    one.reset()
    assert not one.push(eeg(200, 4))


def test_a_long_push_is_looked_at_where_it_is_newest() -> None:
    one = quality()
    data = eeg(2500, 4)
    data[-1000:, 2] = 0.0
    one.push(data)
    assert one.look().bad_channels == ("C4",)
