"""What `rtbci run` says of its decoder at the start."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from rtbci.commands.run import _introduce
from rtbci.config import RunConfig
from rtbci.probe.profile import read_profile, write_profile
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder


@pytest.mark.parametrize(
    ("paradigm", "expected"),
    [
        ("motor_imagery_rest", "expect:  68.7 % [66.0, 71.4], imagery against rest, windows of 2 s"),
        ("sleep", "expect:  accuracy not measured"),
    ],
)
def test_it_says_what_to_expect(paradigm: str, expected: str) -> None:
    said, recipe = io.StringIO(), read_paradigm(paradigm)
    with Decoder(paradigm) as decoder:
        config = RunConfig.model_validate({"paradigm": paradigm})
        _introduce(Console(file=said, width=300), config, decoder, "tcp://a", "tcp://b")
        policy = decoder.decision
    lines = said.getvalue()
    assert f"decoder: {paradigm}, population decoder (no calibration)\n{expected}" in lines
    assert f"decides: at probability {policy.threshold:g}, held for {policy.dwell_s:g} s (of the " in lines
    assert f"limits:  {recipe.folder / 'CARD.md'}\n" in lines


@pytest.mark.parametrize(("user", "name"), [("anonymous", "NAME"), ("ada", "ada")])
def test_what_one_person_fitted_has_to_be_calibrated_first(user: str, name: str) -> None:
    said = io.StringIO()
    with Decoder("p300") as decoder:
        assert decoder.profile is not None
        assert len(decoder.profile.trained_on) == 1
        config = RunConfig.model_validate({"paradigm": "p300", "user": user})
        _introduce(Console(file=said, width=300), config, decoder, "tcp://a", "tcp://b")
    lines = said.getvalue().splitlines()
    assert lines[1].startswith(
        f"first:   rtbci calibrate --paradigm p300 --user {name}; this decoder was fitted on one person"
    )
    assert lines[2].startswith("expect:  not known for others; of the person that it was fitted on: 98.7 %")


def test_a_user_without_a_profile_is_told() -> None:
    said = io.StringIO()
    with Decoder("sleep") as decoder:
        config = RunConfig.model_validate({"paradigm": "sleep", "user": "adda"})
        _introduce(Console(file=said, width=300), config, decoder, "tcp://a", "tcp://b")
        asked = config.model_copy(update={"profile": "population"})
        _introduce(Console(file=said, width=300), asked, decoder, "tcp://a", "tcp://b")
    first, second = (line for line in said.getvalue().splitlines() if line.startswith("decoder:"))
    assert first == "decoder: sleep, population decoder (no calibration; 'adda' has no profile of it yet)"
    assert second == "decoder: sleep, population decoder (no calibration)"


@pytest.mark.parametrize(("n_trials", "fitted"), [(0, "no calibration"), (24, "fitted on 24 trials")])
def test_a_profile_by_its_path_is_whose_it_is(tmp_path: Path, n_trials: int, fitted: str) -> None:
    shipped = read_paradigm("sleep").population_folder
    assert shipped is not None
    made = msgspec.structs.replace(read_profile(shipped), user="yasa", n_trials=n_trials)
    write_profile(tmp_path / "mine", made)
    said = io.StringIO()
    with Decoder("sleep", profile=tmp_path / "mine") as decoder:
        config = RunConfig.model_validate({"paradigm": "sleep", "profile": str(tmp_path / "mine")})
        _introduce(Console(file=said, width=300), config, decoder, "tcp://a", "tcp://b")
    lines = said.getvalue()
    assert f"decoder: sleep, profile of yasa at {tmp_path / 'mine'} ({fitted})\n" in lines
    assert "population" not in lines
    assert "limits:" not in lines
