import numpy as np
import pytest
from scipy.signal import welch

from rtbci.amp.cues import Cue
from rtbci.amp.flicker import DELAY_S, Flicker, FlickerAnswer
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.errors import ConfigError
from rtbci.stream.source import FloatArray

RATE_HZ = 256.0
TARGETS = {"ten": 10.0, "fifteen": 15.0}
CHANNELS = ("O1", "OZ", "O2", "C3", "FZ")


def density(x: FloatArray, at_hz: float) -> float:
    """Power at a frequency against that beside it."""
    hz, power = welch(x, RATE_HZ, nperseg=1024)
    beside = (np.abs(hz - at_hz) > 0.6) & (np.abs(hz - at_hz) < 1.6)
    return float(power[np.argmin(np.abs(hz - at_hz))] / power[beside].mean())


def answer(seed: int = 0) -> FlickerAnswer:
    return FlickerAnswer(TARGETS, RATE_HZ, np.random.default_rng(seed))


def test_who_looks_answers_with_that_frequency_and_its_harmonics() -> None:
    tested = answer()
    n = round(20 * RATE_HZ)
    rest = tested.push(0, n, [])
    assert not rest.any()
    looked = tested.push(n, n, [Cue(n, "fifteen")])
    assert not looked[: round(DELAY_S * RATE_HZ)].any()
    middle = looked[round(2 * RATE_HZ) :, 1]
    assert density(middle, 15.0) > 50
    assert density(middle, 30.0) > 50
    assert density(middle, 10.0) < 3
    after = tested.push(2 * n, n, [Cue(2 * n, "rest")])
    assert np.abs(after[round(2 * RATE_HZ) :]).max() < 1e-3


def test_every_look_has_its_own_phase_and_the_seed_decides() -> None:
    n = round(4 * RATE_HZ)  # whole periods
    tested, again = answer(), answer()
    cues = [[Cue(0, "ten")], [Cue(n, "rest")], [Cue(2 * n, "ten")]]
    made = [tested.push(i * n, n, cue)[:, 1] for i, cue in enumerate(cues)]
    same = [again.push(i * n, n, cue)[:, 1] for i, cue in enumerate(cues)]
    np.testing.assert_array_equal(made, same)
    late = slice(round(2 * RATE_HZ), None)
    wave = np.exp(-2j * np.pi * 10.0 * np.arange(n)[late] / RATE_HZ)
    first, second = (np.angle((made[i][late] * wave).sum()) for i in (0, 2))
    assert abs(first - second) > 0.01


def test_frequencies_beyond_the_rate_are_refused() -> None:
    with pytest.raises(
        ConfigError, match="ten 10 Hz, fifteen 15 Hz at a rate of 16 Hz, need above 0 and below 8 Hz"
    ):
        FlickerAnswer(TARGETS, 16.0, np.random.default_rng(0))


def test_the_amplifier_asks_for_targets_and_shows_them_at_the_back_of_the_head() -> None:
    amp = SyntheticAmp(CHANNELS, RATE_HZ, seed=2, flicker=Flicker(TARGETS, 8.0))
    assert amp.states == ("rest", "ten", "fifteen")
    data, markers = amp.generate(round(36 * RATE_HZ))
    assert {marker.value for marker in markers} == {"rest", "ten", "fifteen"}
    cuts = [
        data[round((m.t_lsl + 1) * RATE_HZ) :][: round(3 * RATE_HZ)]
        for m in markers
        if m.value == "fifteen" and m.t_lsl < 32
    ]
    gain = {name: np.mean([_line(cut[:, i]) for cut in cuts]) for i, name in enumerate(CHANNELS)}
    assert gain["OZ"] > 3 * gain["FZ"]
    with pytest.raises(ConfigError, match="state is 'left_hand', need one of rest, ten, fifteen"):
        amp.set_state("left_hand")


def _line(x: FloatArray) -> float:
    """Amplitude at 15 Hz."""
    wave = np.exp(-2j * np.pi * 15.0 * np.arange(len(x)) / RATE_HZ)
    return float(2 * np.abs((x * wave).mean()))


def test_without_flicker_nothing_changes() -> None:
    amp = SyntheticAmp(CHANNELS, RATE_HZ, seed=2)
    assert amp.states == ("rest", "left_hand", "right_hand")
    assert (
        amp.info.source_id != SyntheticAmp(CHANNELS, RATE_HZ, seed=2, flicker=Flicker(TARGETS)).info.source_id
    )


def test_the_answer_follows_a_flicker_that_is_told_of() -> None:
    n = round(4 * RATE_HZ)
    tested, late = answer(), slice(round(2 * RATE_HZ), None)
    waves = []
    for first in (n, 2 * n + 13):  # the second begins at no whole period of the first
        made = tested.push(first, n, [Cue(first, "ten")], [Cue(first, "flicker_on")])
        waves.append(made[late, 1])
        tested.push(first + n, 13, [Cue(first + n, "rest")])
    turn = np.exp(-2j * np.pi * 10.0 * np.arange(n)[late] / RATE_HZ)
    first, second = (np.angle((wave * turn).sum()) for wave in waves)
    assert abs(first - second) < 0.02
