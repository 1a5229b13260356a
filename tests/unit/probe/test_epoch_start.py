"""What a recipe's branch that stages expects at the start of a night."""

from pathlib import Path

import pytest

from rtbci.errors import ConfigError
from rtbci.probe.epoch_branch import EpochBranch
from rtbci.recipes import read_paradigm, recipes_root
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.estimate import Estimate
from tests.night_samples import night_of

SHIPPED = "start = { W = 0.9, N1 = 0.04, N2 = 0.04, N3 = 0.01, REM = 0.01 }"


def sleep_with(folder: Path, start: str) -> str:
    """The shipped recipe, with another start."""
    shipped = recipes_root() / "paradigms" / "sleep"
    text = (shipped / "recipe.toml").read_text()
    assert SHIPPED in text
    text = text.replace('population = "population"', f'population = "{shipped / "population"}"')
    folder.mkdir()
    (folder / "recipe.toml").write_text(text.replace(SHIPPED, start))
    return str(folder)


def first(paradigm: str) -> Estimate:
    recording = night_of()[0]
    with Decoder(paradigm) as decoder:
        decoder.open(recording.info)
        assert isinstance(decoder.pipeline.branches[0], EpochBranch)
        data = recording.data[:3500]
        return decoder.push(data, recording.sample_times()[: len(data)])[-1].estimate


def test_the_first_verdict_rests_on_the_start(tmp_path: Path) -> None:
    shipped, none = first("sleep").probs, first(sleep_with(tmp_path / "sleep", "")).probs
    assert shipped is not None
    assert none is not None
    # Bayes' rule: odds against the same evidence under equal chances
    assert shipped[0] / shipped[4] == pytest.approx(90.0 * none[0] / none[4])
    assert shipped[1] / shipped[2] == pytest.approx(none[1] / none[2])


@pytest.mark.parametrize(
    ("start", "match"),
    [
        (
            "start = { W = 0.9, N1 = 0.1 }",
            r"has a start for \['N1', 'W'\], classes are .*; need one for each",
        ),
        (
            "start = { W = 0.9, N1 = 0.9, N2 = 0.1, N3 = 0.1, REM = 0.1 }",
            "of kind epochs has a start with the sum 2.1, need kind epochs and the sum 1",
        ),
        ("start = { W = 0.9, N1 = 0.1, N2 = 0.0, N3 = 0.0, REM = 0.0 }", "start.N2"),
    ],
)
def test_a_start_is_one_for_each_class(tmp_path: Path, start: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        read_paradigm(sleep_with(tmp_path / "sleep", start))
