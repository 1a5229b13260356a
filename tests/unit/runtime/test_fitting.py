"""What a profile is refused for, and what is said then."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rtbci.errors import ProfileError
from rtbci.probe.profile import BranchEntry, Profile, read_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.runtime.fitting import check_montage, check_paradigm, check_same_signal, not_calibrated
from rtbci.stream.layout import match_channels
from tests.tiny import LABELS, stream_info, write_paradigm, write_tiny_profile


@pytest.fixture
def recipe(tmp_path: Path) -> ParadigmRecipe:
    return read_paradigm(str(write_paradigm(tmp_path / "tiny")))


@pytest.fixture
def profile(tmp_path: Path, recipe: ParadigmRecipe) -> Profile:
    return read_profile(write_tiny_profile(tmp_path / "ada", recipe.folder))


def changed(profile: Profile, **changes: Any) -> Profile:
    return msgspec.structs.replace(profile, **changes)


def entry(name: str, kind: Any, engine: str = "") -> BranchEntry:
    return BranchEntry(name=name, kind=kind, engine=engine)


def test_one_that_fits(recipe: ParadigmRecipe, profile: Profile) -> None:
    check_paradigm(profile, recipe)


def test_another_paradigm(recipe: ParadigmRecipe, profile: Profile) -> None:
    with pytest.raises(
        ProfileError, match=r"is for paradigm 'p300'; run with --paradigm p300, or calibrate 'tiny'"
    ):
        check_paradigm(changed(profile, paradigm="p300"), recipe)


def test_other_stages_are_named(recipe: ParadigmRecipe, profile: Profile) -> None:
    chain = [stage.model_dump() for stage in recipe.stages]
    chain[0] |= {"low_hz": 4.0}
    other = changed(profile, chain=[chain[0], {"kind": "align"}], chain_hash="f" * 64)
    wanted = (
        r"stages \(hash\) 'ffffffffffff', need '\w{12}': stage 0 \(bandpass\) has low_hz 4.0, need 8.0, "
        r"stage 1 is align, need resample; calibrate again, or use another profile"
    )
    with pytest.raises(ProfileError, match=wanted):
        check_paradigm(other, recipe)
    with pytest.raises(ProfileError, match=r"stages \(hash\) 'ffffffffffff', need '\w{12}'; calibrate again"):
        check_paradigm(changed(profile, chain_hash="f" * 64), recipe)


def test_branches_without_an_engine_are_free(recipe: ParadigmRecipe, profile: Profile) -> None:
    own = entry("window", "window", "tiny")
    check_paradigm(changed(profile, branches=[own, entry("mine", "tangent"), entry("more", "power")]), recipe)
    check_paradigm(changed(profile, branches=[entry("mine", "tangent")]), recipe)


@pytest.mark.parametrize("branch", [entry("other", "window", "tiny"), entry("window", "encoder", "tiny")])
def test_a_branch_with_an_engine_is_one_of_the_recipes(
    recipe: ParadigmRecipe, profile: Profile, branch: BranchEntry
) -> None:
    wanted = (
        rf"branch '{branch.name}' \({branch.kind}\) runs engine 'tiny', .* are 'window' \(window\), need one"
    )
    with pytest.raises(ProfileError, match=wanted):
        check_paradigm(changed(profile, branches=[branch]), recipe)


def test_montage(profile: Profile) -> None:
    found = match_channels(stream_info(("Cz", "EEG C3")), LABELS, missing="infer")
    check_montage(None, found)
    check_montage(profile, found)  # one that does not say
    check_montage(changed(profile, montage=["C3", "CZ"]), found)
    wanted = (
        r"profile of 'ada', generation 1: was calibrated with 2 electrodes of the layout, the stream has 2: it lacks C4 "
        r"and adds CZ; need the same cap. Calibrate again with this one, or .*--profile population"
    )
    with pytest.raises(ProfileError, match=wanted):
        check_montage(changed(profile, montage=["C3", "C4"]), found)
    with pytest.raises(ProfileError, match="has 2: it lacks C4; need"):
        check_montage(changed(profile, montage=list(LABELS)), found)
    with pytest.raises(ProfileError, match="has 2: it adds CZ; need"):
        check_montage(changed(profile, montage=["C3"]), found)


def test_interpolated_electrodes_are_not_the_streams(profile: Profile) -> None:
    stream = stream_info(("C3", "C4", "FCz", "CPz"))
    with pytest.raises(ProfileError, match="it lacks CZ; need"):
        check_montage(changed(profile, montage=list(LABELS)), match_channels(stream, LABELS, 0.5))


def test_another_adapter(profile: Profile) -> None:
    one, other = (changed(profile, weights={"adapter.matrix": gain * np.eye(3)}) for gain in (1.0, 2.0))
    check_same_signal(one, one)
    check_same_signal(None, profile)
    for new, opened in ((one, other), (one, None), (profile, one)):
        with pytest.raises(
            ProfileError, match=r"has another adapter.matrix .* stop the run and start it with this"
        ):
            check_same_signal(new, opened)


def test_electrodes_that_the_calibration_had_not_are_left_out(profile: Profile) -> None:
    layout, labels = ("C3", "CZ", "C4"), ("c3", "Cz", "C4", "Fp1")
    assert not_calibrated(None, layout, labels) == ()
    assert not_calibrated(profile, layout, labels) == ()  # one that does not say
    assert not_calibrated(changed(profile, montage=["C3", "C4"]), layout, labels) == ("CZ",)
    assert not_calibrated(changed(profile, montage=["C3", "C4"]), layout, ("C3", "C4")) == ()
