"""The recipe in docs/feedback.md is one, and does what the page says."""

import re
from pathlib import Path

import numpy as np
import pytest

from rtbci.amp.synthetic import SyntheticAmp
from rtbci.commands.amp_users import rhythms_of
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder

RATE_HZ = 128.0
PAGE = Path(__file__).resolve().parents[3] / "docs" / "feedback.md"


def test_the_recipe_for_relaxation_follows_a_synthetic_user(tmp_path: Path) -> None:
    found = re.search(r"<!-- relaxation -->\n```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    shorter = found[1].replace("length_s = 60.0", "length_s = 20.0")
    assert shorter != found[1]
    (tmp_path / "recipe.toml").write_text(shorter)
    rhythms = rhythms_of(str(tmp_path))
    assert rhythms is not None
    recipe = read_paradigm(str(tmp_path))
    amp = SyntheticAmp(recipe.input.channels, RATE_HZ, rhythms=rhythms)
    data, markers = amp.generate(round((rhythms.first_s + rhythms.block_s) * RATE_HZ))
    with Decoder(recipe) as decoder:
        decoder.open(amp.info)
        verdicts = decoder.push(data, np.arange(len(data)) / RATE_HZ)
    at = {
        name: [
            one.value
            for one in verdicts
            if one.value is not None
            and t + 8 < one.estimate.t_window[0]
            and one.estimate.t_window[1] < t + long_s
        ]
        for (t, name), long_s in zip(markers, (rhythms.first_s, rhythms.block_s), strict=True)
    }
    assert [name for _, name in markers] == ["tense", "relaxed"]
    assert np.mean(at["relaxed"]) > 0.8
    assert np.mean(at["tense"]) == pytest.approx(0.5, abs=0.2)
