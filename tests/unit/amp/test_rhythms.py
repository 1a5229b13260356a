import numpy as np
import pytest
from scipy.signal import welch

from rtbci.amp.cues import Cue
from rtbci.amp.rhythms import BlockCues, RhythmAnswer, Rhythms
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.commands.amp_users import keys_of, rhythms_of
from rtbci.errors import ConfigError
from rtbci.recipes.value import RhythmSettings
from rtbci.stream.source import FloatArray

RATE_HZ = 128.0
ALPHA = RhythmSettings(band_hz=(9.0, 11.0), electrodes=("PZ",), uv=10.0, factors={"work": 0.4})
CHANNELS = ("PZ", "CZ", "FZ")


def user(**changes: float) -> Rhythms:
    return Rhythms(("rest", "work"), (ALPHA,), **changes)


def band_uv(x: FloatArray) -> float:
    hz, density = welch(x, RATE_HZ, nperseg=256)
    return float(np.sqrt(density[(hz >= 8) & (hz <= 12)].sum() * (hz[1] - hz[0])))


def test_rhythms_follow_what_the_user_does_and_stay_where_they_are() -> None:
    tested = RhythmAnswer(user(), CHANNELS, RATE_HZ, np.random.default_rng(0))
    n = round(40 * RATE_HZ)
    rest = tested.push(0, n, [])
    work = tested.push(n, n, [Cue(n, "work")])[n // 4 :]
    assert 0.25 < band_uv(work[:, 0]) / band_uv(rest[:, 0]) < 0.6
    assert band_uv(rest[:, 0]) > 4 * band_uv(rest[:, 2])  # the forehead sees little of it
    assert tested.state == "work"


def test_the_seed_decides_however_it_is_asked_for() -> None:
    whole, pieces = (
        SyntheticAmp(CHANNELS, RATE_HZ, 3, rhythms=user(first_s=2.0, block_s=2.0)) for _ in range(2)
    )
    data, markers = whole.generate(800)
    parts = [pieces.generate(n) for n in (1, 99, 700)]
    np.testing.assert_array_equal(data, np.concatenate([part for part, _ in parts]))
    assert [one.value for one in markers] == ["rest", "work", "rest", "work"]
    assert [one.t_lsl for one in markers] == [0.0, 2.0, 4.0, 6.0]
    assert whole.info.source_id != SyntheticAmp(CHANNELS, RATE_HZ, 3).info.source_id


def test_blocks_go_through_the_states() -> None:
    cues = BlockCues(10.0, Rhythms(("a", "b", "c"), (ALPHA.model_copy(update={"factors": {}}),), 5.0, 2.0))
    assert cues.until(1) == [Cue(0, "a")]
    assert cues.until(51) == [Cue(50, "b")]
    assert cues.until(100) == [Cue(70, "c"), Cue(90, "a")]


def test_a_paradigm_says_what_they_do() -> None:
    found = rhythms_of("workload")
    assert found is not None
    assert found.states == ("low", "high")
    assert found.first_s > 60.0
    assert rhythms_of("") is None
    assert rhythms_of("ssvep") is None
    assert keys_of(found.states) == {" ": "low", "1": "low", "2": "high"}


def test_impossible_users_are_refused() -> None:
    with pytest.raises(ConfigError, match="factors for work; need one or more, two states or more"):
        Rhythms(("rest",), (ALPHA,))
    with pytest.raises(ConfigError, match="goes up to 11 Hz at a rate of 20 Hz"):
        RhythmAnswer(user(), CHANNELS, 20.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="need the lower edge first"):
        RhythmSettings(band_hz=(11.0, 9.0), electrodes=("PZ",), uv=1.0)
