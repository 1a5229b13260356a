"""An electrode without numbers, and a paradigm that has no alignment."""

import pytest

from rtbci.chaos.scenario import Scenario
from rtbci.chaos.simulate import simulate
from rtbci.config import RunConfig
from rtbci.publish.messages import Prediction
from rtbci.runtime.decoder import Decoder
from rtbci.stream.synthetic import SyntheticSource


@pytest.mark.parametrize("masks", [True, False])
def test_an_electrode_without_numbers_holds_nothing_up_where_masks_are_on(masks: bool) -> None:
    fault = {"kind": "nan", "start_s": 5.0, "length_s": 60.0, "channels": ["O1"]}
    scenario = Scenario.model_validate(
        {"schema": 1, "title": "dead", "seed": 1, "duration_s": 14.0, "faults": [fault]}
    )
    config = RunConfig.model_validate({"paradigm": "ssvep", "mask": {"enabled": masks}})
    with Decoder("ssvep", mask=masks) as decoder:
        labels = decoder.recipe.input.channels
        outcome = simulate(
            scenario,
            decoder,
            lambda clock: SyntheticSource(labels, seed=1, clock=clock, sleep_until=clock.sleep_until),
            config,
        )
    assert outcome.error is None
    late = [one for one in outcome.messages if isinstance(one, Prediction) and one.t_window[1] > 1010.0]
    assert all(one.probs is not None and one.quality.bad_channels == ("O1",) for one in late)
    # A second until it is known to be dead, and four to fill the window.
    assert len(late) > 20 if masks else not late
