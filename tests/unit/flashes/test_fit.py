"""Fitting and judging decoders of flashes on recordings in which it is known what was attended to."""

from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import CalibrationError, FileFormatError
from rtbci.evaluate.statistics import wilson
from rtbci.flashes.contest import hold_contest
from rtbci.flashes.emulate import emulated, find_repetitions
from rtbci.flashes.epochs import cut_epochs, find_flashes
from rtbci.flashes.evaluate import fit_any
from rtbci.flashes.fit import block_folds, fit_evidence
from rtbci.flashes.judge import Selection, area_under_curve, fit_temperature
from rtbci.flashes.nobody import try_nobody, unattended
from rtbci.flashes.profile import electrode_covariance
from rtbci.flashes.trying import try_selections
from rtbci.flashes.user_fit import selections_of
from rtbci.probe.profile import read_profile, write_profile
from rtbci.recipes import ParadigmRecipe
from rtbci.recipes.stages import ReferenceSettings
from rtbci.runtime.deciding import item_policy
from rtbci.runtime.decoder import Decoder
from rtbci.stream.source import Marker
from tests.flash_samples import GROUPS, ITEMS, attended, fitted, flash_recipe, write_flash_paradigm


@pytest.fixture
def recipe(tmp_path: Path) -> ParadigmRecipe:
    return flash_recipe(tmp_path / "recipe")


def test_flashes_are_labelled_by_the_cue(recipe: ParadigmRecipe) -> None:
    found = find_flashes(attended("bc", 2).markers, recipe)
    assert [one.i_selection for one in found] == [0] * 8 + [1] * 8
    assert all(one.is_target == (one.cue in GROUPS[one.group]) for one in found)
    assert sum(one.is_target for one in found) == 8


def test_flashes_without_a_cue_are_not_labelled(recipe: ParadigmRecipe) -> None:
    """After the end of a cued selection nobody knows what is attended to."""
    markers = [*attended("b", 1).markers, Marker(50.0, "trial/begin"), Marker(50.1, "flash/r1")]
    assert len(find_flashes(markers, recipe)) == 4
    assert find_flashes(attended("b", 1, with_cues=False).markers, recipe) == []


def test_flashes_that_only_say_whether_they_were_meant(recipe: ParadigmRecipe) -> None:
    texts = ["target", "nontarget", "target"]
    found = find_flashes([Marker(t, text) for t, text in zip((1.0, 1.2, 9.0), texts, strict=True)], recipe)
    assert [(one.is_target, one.i_selection) for one in found] == [(True, 0), (False, 0), (True, 1)]


def test_recordings_without_such_markers_are_refused(recipe: ParadigmRecipe) -> None:
    with pytest.raises(FileFormatError, match=r"markers are flash/c1, .*, need cue/ITEM and flash/GROUP"):
        cut_epochs([attended("ab", 2, with_cues=False)], recipe)


def test_folds_are_consecutive_selections() -> None:
    numbers = np.repeat([0, 1, 2, 5, 6], 3)
    assert block_folds(numbers, 2).tolist() == [0] * 9 + [1] * 6
    assert block_folds(numbers, 9).tolist() == np.repeat(range(5), 3).tolist()


def test_evidence_is_a_likelihood_ratio_whatever_the_share_of_targets() -> None:
    """Scores of N(1, 1) and N(-1, 1) have the log-likelihood ratio 2 x."""
    rng = np.random.default_rng(0)
    is_target = np.arange(30000) % 6 == 0
    scores = rng.normal(np.where(is_target, 1.0, -1.0), 1.0)
    found = fit_evidence(scores, is_target)
    assert found.slopes[0] == pytest.approx(2.0, abs=0.1)
    assert found.offset == pytest.approx(0.0, abs=0.1)
    assert fit_evidence(-scores, is_target).of(scores[:3]).tolist() == [0.0] * 3  # the wrong way: no evidence


def test_the_area_under_the_curve_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    is_target = rng.random(200) < 0.2
    scores = np.round(rng.normal(is_target, 1.0), 1)  # with ties
    found = area_under_curve(scores, is_target)
    assert found.value == pytest.approx(roc_auc_score(is_target, scores))
    assert 0.5 < found.low < found.value < found.high < 1.0
    assert np.isnan(area_under_curve(scores, is_target & False).value)


def test_shares_have_intervals() -> None:
    assert wilson(10, 10) == pytest.approx((0.722, 1.0), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)


def test_temperature_finds_what_evidence_was_overstated_by(recipe: ParadigmRecipe) -> None:
    rng, policy = np.random.default_rng(3), item_policy(recipe, recipe.decision)
    selections = []
    for _ in range(800):
        item, groups = str(rng.choice(ITEMS)), [str(one) for one in rng.permutation(list(GROUPS) * 3)]
        evidence = [3.0 * rng.normal(0.5 if item in GROUPS[one] else -0.5) for one in groups]
        selections.append(Selection(item, tuple(groups), tuple(evidence)))
    assert fit_temperature(selections, policy, 4) == pytest.approx(3.0, rel=0.1)


def test_a_profile_decodes_what_it_was_not_fitted_on(tmp_path: Path) -> None:
    folder = write_flash_paradigm(tmp_path / "recipe")
    profile = fitted(folder)
    write_profile(tmp_path / "profile", profile)
    again = read_profile(tmp_path / "profile")
    assert again.classes == ["nontarget", "target"]
    recording = attended("ca", seed=21)
    with (
        Decoder(str(folder), profile=profile) as one,
        Decoder(str(folder), profile=tmp_path / "profile") as other,
    ):
        verdicts = one.decode(recording)
        assert [each.items for each in other.decode(recording)] == [each.items for each in verdicts]
    assert [each.decision for each in verdicts if each.decision] == ["c", "a"]


def test_a_profile_is_of_flashes_so_another_grid_may_use_it(tmp_path: Path) -> None:
    profile = fitted(write_flash_paradigm(tmp_path / "recipe"))
    path = write_flash_paradigm(tmp_path / "other") / "recipe.toml"
    text = path.read_text()
    for old, new in (('["a", "b", "c", "d"]', '["x", "y"]'), ('[["a", "b"], ["c", "d"]]', '[["x"], ["y"]]')):
        text = text.replace(old, new)
    path.write_text(text.replace('grid = [["x"], ["y"]]', 'groups = {r1 = ["x"], r2 = ["y"]}'))
    with Decoder(str(path.parent), profile=profile) as decoder:
        assert decoder.classes == ("x", "y")
        assert len(decoder.decode(attended("a", 2))) == 4


def test_the_best_decoder_is_chosen_on_the_same_flashes(tmp_path: Path, recipe: ParadigmRecipe) -> None:
    found = cut_epochs([attended("abcd", seed=5)], recipe)
    contest = hold_contest(found, recipe, "ada", fitted(write_flash_paradigm(tmp_path / "recipe")))
    assert [one.name for one in contest.contenders][:2] == ["own", "population"]
    assert contest.usable
    assert contest.chosen.loss == min(one.loss for one in contest.contenders)
    assert contest.profile.accuracy is not None
    assert contest.profile.accuracy.n == 4
    with Decoder(recipe, profile=contest.profile) as decoder:
        verdicts = decoder.decode(attended("bd", seed=22))
    assert [one.decision for one in verdicts if one.decision] == ["b", "d"]


def test_both_together_are_a_profile_of_two_branches(tmp_path: Path, recipe: ParadigmRecipe) -> None:
    population = fitted(write_flash_paradigm(tmp_path / "recipe"))
    found = cut_epochs([attended("abcd", seed=5, height_uv=4.0)], recipe)
    contest = hold_contest(found, recipe, "ada", population)
    by_name = {one.name: one for one in contest.contenders}
    assert by_name["both"].area.value > by_name["own"].area.value - 0.05
    assert (len(contest.profile.branches) == 2) == (contest.chosen is by_name["both"])
    for name in ("erp", "own")[: len(contest.profile.branches)]:
        assert contest.profile.tensors(name)["filters"].shape[1] == 3


def test_without_responses_it_cannot_be_told_from_chance(recipe: ParadigmRecipe) -> None:
    found = cut_epochs([attended("abcdabcd", seed=5, height_uv=0.0)], recipe)
    contest = hold_contest(found, recipe, "ada", None)
    assert not contest.usable
    assert contest.chosen.area.value == pytest.approx(0.5, abs=0.12)


def test_one_selection_cannot_be_judged(recipe: ParadigmRecipe) -> None:
    with pytest.raises(CalibrationError, match="got 1 selections, need 2 or more"):
        fit_any(cut_epochs([attended("a")], recipe), recipe)


def test_emulated_markers_have_the_same_targets(recipe: ParadigmRecipe) -> None:
    """Each repetition has every row and column once, and the flashes that were meant stay meant."""
    cued = attended("bd", 4)
    flashes = find_flashes(cued.markers, recipe)
    plain = [Marker(one.t_s, "target" if one.is_target else "nontarget") for one in flashes]
    found = emulated(type(cued)(cued.info, cued.data, tuple(plain)), recipe, n_repetitions=4, seed=3)
    again = find_flashes(found.markers, recipe)
    assert [(one.t_s, one.is_target) for one in again] == [(one.t_s, one.is_target) for one in flashes]
    for i in range(0, len(again), 4):
        assert sorted(one.group for one in again[i : i + 4]) == ["c1", "c2", "r1", "r2"]
    assert [one.i_selection for one in again] == [0] * 16 + [1] * 16


def test_flashes_that_are_no_repetitions_cannot_be_emulated(recipe: ParadigmRecipe) -> None:
    with pytest.raises(
        FileFormatError, match=r"4 flashes with 3 targets: are no repetitions of 4 flashes with two"
    ):
        find_repetitions([True, True, True, False], recipe)


def test_stopping_saves_flashes_at_the_same_accuracy(recipe: ParadigmRecipe) -> None:
    rng, selections = np.random.default_rng(3), []
    for _ in range(200):
        item = str(rng.choice(ITEMS))
        groups = [str(one) for _ in range(8) for one in rng.permutation(list(GROUPS))]
        evidence = [rng.normal(0.5 if item in GROUPS[one] else -0.5) for one in groups]
        selections.append(Selection(item, tuple(groups), tuple(evidence)))
    found = try_selections(selections, np.arange(200) // 20, recipe)
    fixed = [one for one in found.spells if one.rule == "fixed"]
    assert [one.flashes for one in fixed] == [4.0 * k for k in range(1, 9)]
    assert fixed[-1].right > fixed[0].right
    flashes, saved, low, high = found.saved[4]
    assert flashes < 20.0
    assert 0 < low < saved < high
    assert found.calibration_error < 0.05


def test_of_those_whom_nobody_attends_to_a_prior_leaves_few_with_an_item(recipe: ParadigmRecipe) -> None:
    found = cut_epochs([attended("abcd" * 3, seed=5)], recipe)
    evidence = fit_any(found, recipe).crossed
    empty = unattended(found, evidence, recipe, 4)
    assert {len(one.groups) for one in empty} == {16}
    assert all(sorted(one.groups[:4]) == sorted(GROUPS) for one in empty)
    said = set(evidence[~found.is_target].tolist())
    assert all(set(one.evidence) <= said for one in empty)
    rows = {one.p_nobody: one for one in try_nobody(selections_of(found, evidence), empty, recipe)}
    assert rows[0.0].written == 1.0
    assert rows[0.1].written < 0.1
    assert rows[0.1].right >= rows[0.0].right - 0.1
    assert all(one.right + one.wrong + one.none == pytest.approx(1.0) for one in rows.values())


def test_a_profile_knows_the_electrodes_that_it_was_fitted_with(
    tmp_path: Path, recipe: ParadigmRecipe
) -> None:
    epochs = cut_epochs([attended("abcd", seed=5)], recipe).epochs
    known = fitted(write_flash_paradigm(tmp_path / "recipe")).weights["electrodes.covariance"]
    assert known.shape == (3, 3)
    own = electrode_covariance(epochs, recipe)
    assert own is not None
    np.testing.assert_allclose(np.diag(own), np.square(epochs).mean(axis=(0, 1)))
    np.testing.assert_allclose(np.diag(known), np.diag(own), rtol=0.3)
    mixed = recipe.model_copy(update={"stages": (*recipe.stages, ReferenceSettings(kind="reference"))})
    assert electrode_covariance(epochs, mixed) is None
