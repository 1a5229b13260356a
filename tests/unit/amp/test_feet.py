import numpy as np
import pytest

from rtbci.amp.synthetic import SyntheticAmp
from rtbci.commands.amp_users import imagines_feet, keys_of
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import FloatArray

CHANNELS = ("C3", "CZ", "C4", "FZ", "PZ")
RATE_HZ = 160.0


def amp(feet: bool, seed: int = 1) -> SyntheticAmp:
    return SyntheticAmp(CHANNELS, RATE_HZ, seed, cues=False, feet=feet)


def mu_power(data: FloatArray) -> FloatArray:
    band = SosFilter.bandpass(8.0, 13.0, RATE_HZ, data.shape[1], 4).push(
        data - data.mean(axis=1, keepdims=True)
    )
    return np.asarray((band[320:] ** 2).mean(axis=0))


def test_without_feet_the_signal_is_what_it_was_and_feet_only_add_to_it() -> None:
    plain, with_feet = amp(False), amp(True)
    assert plain.states == ("rest", "left_hand", "right_hand")
    assert with_feet.states == ("rest", "left_hand", "right_hand", "feet")
    added = with_feet.generate(800)[0] - plain.generate(800)[0]
    size = added.std(axis=0)
    assert size.argmax() == CHANNELS.index("CZ")
    assert with_feet.info.source_id != plain.info.source_id


def test_imagined_feet_take_the_rhythm_from_the_vertex_and_not_from_the_hands() -> None:
    one = amp(True)
    powers = {}
    for state in ("rest", "feet"):
        one.set_state(state)
        one.generate(160)
        powers[state] = mu_power(one.generate(round(40 * RATE_HZ))[0])
    ratio = powers["feet"] / powers["rest"]
    assert ratio[CHANNELS.index("CZ")] < 0.6
    assert ratio[CHANNELS.index("C3")] > 0.7
    assert ratio[CHANNELS.index("C4")] > 0.7


def test_the_same_however_it_is_asked_for() -> None:
    at_once, in_pieces = amp(True), amp(True)
    for one in (at_once, in_pieces):
        one.set_state("feet")
    whole = at_once.generate(640)[0]
    pieces = np.vstack([in_pieces.generate(n)[0] for n in (7, 200, 433)])
    np.testing.assert_array_equal(pieces, whole)


def test_cues_come_by_themselves_for_feet_too() -> None:
    one = SyntheticAmp(CHANNELS, RATE_HZ, 1, feet=True)
    asked = [marker.value for marker in one.generate(round(130 * RATE_HZ))[1]]
    assert {"left_hand", "right_hand", "feet", "rest"} == set(asked)


@pytest.mark.parametrize(("name", "feet"), [("motor_imagery_4", True), ("motor_imagery", False), ("", False)])
def test_a_paradigm_that_asks_for_feet(name: str, feet: bool) -> None:
    assert imagines_feet(name) is feet


def test_keys() -> None:
    assert keys_of(amp(True).states)["f"] == "feet"
    assert "f" not in keys_of(amp(False).states)
    assert keys_of(amp(False).states)["l"] == "left_hand"
