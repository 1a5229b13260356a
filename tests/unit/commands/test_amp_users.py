from pathlib import Path

import pytest

from rtbci.amp.cues import STATES
from rtbci.commands.amp_users import user_of
from rtbci.errors import ConfigError
from rtbci.recipes import list_recipes

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("name", ["", *list_recipes("paradigms")])
def test_every_paradigm_has_a_user(name: str) -> None:
    amp = user_of(name, (), 250.0, 0, line_hz=50.0, name="user", cues=True)
    samples, _ = amp.generate(250)
    assert samples.shape == (250, amp.info.n_channels)
    if name == "" or (name.startswith("motor_imagery") and name != "motor_imagery_4"):
        assert tuple(amp.states) == STATES


def test_what_nobody_can_do_is_told() -> None:
    folder = str(EXAMPLES / "hands_rest")
    with pytest.raises(
        ConfigError, match=r"classes hands, rest, which no synthetic user can do, need left_hand"
    ):
        user_of(folder, (), 250.0, 0, line_hz=50.0, name="user", cues=True)
