"""Every scenario through the real run, in simulated time: what it promises is what it does."""

from pathlib import Path

import pytest

from rtbci.chaos.promises import check_promises
from rtbci.chaos.scenario import Scenario
from rtbci.chaos.simulate import simulate
from rtbci.chaos.watched import WatchedDecoder
from rtbci.config import RunConfig
from tests.chaos_samples import make_synthetic
from tests.tiny import ALIGNED, write_paradigm
from tools.fault_cases import all_cases

CASES = all_cases()


@pytest.fixture(scope="module")
def paradigm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_paradigm(tmp_path_factory.mktemp("chaos") / "tiny", stages=ALIGNED)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("scenario", CASES.values(), ids=CASES)
def test_promises_are_kept(paradigm: Path, scenario: Scenario) -> None:
    config = RunConfig.model_validate({"paradigm": str(paradigm)})
    with WatchedDecoder(str(paradigm)) as decoder:
        outcome = simulate(scenario, decoder, make_synthetic, config)
        promises = check_promises(scenario, outcome, decoder, config.watch)
    if scenario.faults:
        assert outcome.records
    assert {"no window spans a gap", "nothing not finite"} <= {one.text for one in promises}
    assert [one for one in promises if not one.kept] == []
