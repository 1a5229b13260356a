"""Who sits under the synthetic amplifier for each of the shipped paradigms."""

import pytest

from rtbci.amp.cues import STATES
from rtbci.commands.amp_users import user_of
from rtbci.recipes import list_recipes


@pytest.mark.parametrize("paradigm", list_recipes("paradigms"))
def test_every_paradigm_has_a_user(paradigm: str) -> None:
    amp = user_of(paradigm, (), 250.0, 0, line_hz=50.0, name="amp", cues=True)
    assert amp.info.n_channels > 0
    assert len(amp.states) > 1


def test_who_reads_nothing_of_its_own_sees_hands() -> None:
    amp = user_of("motor_imagery", (), 250.0, 0, line_hz=50.0, name="amp", cues=True)
    assert amp.states == STATES
