"""What users are told to expect is what was measured of the decoder as it runs, in one place."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtbci.errors import ConfigError
from rtbci.evaluate.data import open_data
from rtbci.evaluate.evaluate import evaluate
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.record import Evaluation, write_evaluation
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from tests.unit.evaluate.samples import write_folder, write_tiny
from tools.as_it_runs import PAGE, expectation, main

ROOT = Path(__file__).resolve().parents[3]
MEASURED: dict[str, dict[str, Any]] = json.loads(PAGE.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("as_it_runs")


@pytest.fixture(scope="module")
def paradigm(folder: Path) -> Path:
    return write_tiny(folder / "tiny", trained_on=["elsewhere/X1", "elsewhere/X2"])


@pytest.fixture(scope="module")
def evaluation(folder: Path, paradigm: Path) -> Evaluation:
    write_folder(folder / "lab", 3, share_wrong=0.3)
    return evaluate(Plan(str(paradigm), open_data([str(folder / "lab")]), "B", (0,), is_named=True))


def test_the_number_of_an_evaluation_goes_into_the_profile(
    folder: Path, paradigm: Path, evaluation: Evaluation
) -> None:
    write_evaluation(folder / "e.json", evaluation)
    arguments = [
        str(folder / "e.json"),
        "--paradigm",
        str(paradigm),
        "--page",
        str(folder / "page.json"),
    ]
    assert main(arguments) == 0
    population = read_paradigm(str(paradigm)).population_folder
    assert population is not None
    told = read_profile(population).accuracy
    assert told is not None
    measured = evaluation.conditions[0].metrics["balanced_accuracy"]
    assert measured.mean is not None
    assert told.mean == pytest.approx(100 * measured.mean)
    assert told.n == 3
    assert told.what.startswith("track B, 1-4 s after the cue, as it runs, people not seen")
    kept = json.loads((folder / "page.json").read_text())["tiny"]
    assert (kept["mean"], kept["low"], kept["n"]) == (told.mean, told.low, 3)
    assert kept["folds"]


def test_what_says_nothing_of_new_people_is_refused(evaluation: Evaluation) -> None:
    chain = evaluation.decoders[0].chain_hash
    with pytest.raises(ConfigError, match="people in training: 'yes', need 'no'"):
        expectation(msgspec.structs.replace(evaluation, seen="yes"), chain)
    with pytest.raises(ConfigError, match=r"decoders behind stages .* need other"):
        expectation(evaluation, "other")
    few = msgspec.structs.replace(evaluation, settings={**evaluation.settings, "channels": ["C3", "C4"]})
    with pytest.raises(ConfigError, match="only 2 electrodes given"):
        expectation(few, chain)


@pytest.mark.parametrize("name", sorted(MEASURED))
def test_a_run_tells_what_was_measured(name: str) -> None:
    population = read_paradigm(name).population_folder
    assert population is not None
    told = read_profile(population).accuracy
    assert told is not None
    assert msgspec.to_builtins(told) == {
        key: MEASURED[name][key] for key in ("mean", "low", "high", "n", "what")
    }


def test_the_pages_say_the_same() -> None:
    one = MEASURED["motor_imagery"]
    mean, low, high = (f"{one[key]:.1f}" for key in ("mean", "low", "high"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"as it runs (`rtbci eval`) | **{mean}** ({low} to {high}) |" in readme
    assert f"without calibration: {mean} % right ({low} to {high};" in readme
    assert re.search(rf"\| none \| 0 \| {mean} \({low} to {high}\)", (ROOT / "docs/results.md").read_text())
