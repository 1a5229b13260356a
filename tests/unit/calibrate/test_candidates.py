from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.calibrate.candidates import PRECISIONS, ConvProbeUser, Population, standard_candidates
from rtbci.calibrate.competing import ANY_GAIN, Candidate
from rtbci.calibrate.mdm_user import MdmUser
from rtbci.calibrate.own_decoders import AugmentedCovariance, CspLda, TangentUser
from rtbci.probe.blank import BLANK
from rtbci.probe.fusion import Fusion
from rtbci.probe.open_branches import open_branches
from rtbci.probe.profile import Profile, read_profile, write_profile
from rtbci.probe.profile_record import check_profile
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from tests.probe_samples import HOP, RATE_HZ, WINDOW, sessions
from tests.unit.calibrate.user_samples import (
    N_WINDOWS,
    features,
    population,
    population_with_prior,
    trial,
)

LOOSE = dict.fromkeys(PRECISIONS, 1.0)


@pytest.mark.parametrize(
    "make", [Population, lambda p: ConvProbeUser(p, LOOSE), TangentUser, MdmUser, CspLda, AugmentedCovariance]
)
def test_what_is_fitted_runs(make: Callable[[Profile], Candidate], tmp_path: Path) -> None:
    before = population()
    fitted = make(before).fit(features(12, before))
    profile = fitted.profile()
    check_profile(profile, "here")
    write_profile(tmp_path / "p", profile)
    profile = read_profile(tmp_path / "p")
    one = trial(40, 0, before)
    read = features(41, before)[-1]
    needed = {entry.name: sessions()[entry.name] for entry in profile.branches if entry.engine}
    branches = open_branches(profile, needed)
    fusion = Fusion([entry.weight for entry in profile.branches], profile.bias, profile.temperature)
    for i in range(N_WINDOWS):
        window = one.window(i, HOP).astype(np.float64)
        said = fusion.logits([branch.logits_of(window) for branch in branches])
        # Own decoders begin behind the context: their filters have settled a little less.
        assert np.allclose(
            said - said.mean(), fitted.logits(read)[i] - fitted.logits(read)[i].mean(), atol=0.05
        )
    assert profile.window_samples == WINDOW
    assert profile.rate_hz == RATE_HZ


@pytest.mark.parametrize("make", [TangentUser, MdmUser, CspLda, lambda p: ConvProbeUser(p, LOOSE)])
def test_it_learns_the_user(make: Callable[[Profile], Candidate]) -> None:
    profile = population(trust=0.1)
    found = features(60, profile, separation=2.5)
    fitted = make(profile).fit(found[:40])
    right = [fitted.logits(one)[-1].argmax() == one.i_class for one in found[40:]]
    assert np.mean(right) > 0.85


def test_mdm_knows_how_far_to_trust_distances_and_never_names_a_class_without_trials() -> None:
    profile = population(trust=0.1)
    sure = MdmUser(profile).fit(features(40, profile, separation=4.0)).probe
    unsure = MdmUser(profile).fit(features(40, profile, separation=1.0)).probe
    assert sure.scale[0] > 2.0 * unsure.scale[0]
    assert (
        MdmUser(profile).fit(features(2, profile)).probe.n_classes == 2
    )  # one trial of each has no other half
    one_sided = MdmUser(profile).fit(features(6, profile, labels=[1] * 6))
    assert all(one_sided.logits(one)[-1].argmax() == 1 for one in features(4, profile))


def test_a_strong_prior_keeps_the_population() -> None:
    profile = population()
    found = features(12, profile)
    fitted = ConvProbeUser(profile, dict.fromkeys(PRECISIONS, 1e9), bias_precision=1e9).fit(found)
    for one in found:
        assert np.allclose(fitted.logits(one), one.logits, atol=1e-5)


def test_a_prior_learned_from_people_moves_what_people_differ_in() -> None:
    before = population_with_prior(trust=0.1)
    fitted = ConvProbeUser(before, PRECISIONS).fit(features(20, before))
    after = fitted.profile().weights
    changed = {name for name, tensor in after.items() if not np.array_equal(tensor, before.weights[name])}
    assert changed == {
        "tangent.coef",
        "tangent.intercept",
    }  # the encoder has no such prior: it keeps its head
    moved = np.abs(after["tangent.coef"] - before.weights["tangent.coef"])[1]
    assert moved[[1, 4]].max() < 1e-6 * moved.max()


def test_a_trial_counts_as_its_mirror_image_too() -> None:
    """What is learnt of a window is the opposite of what is learnt of its image, and leans to no side."""
    before = population_with_prior(trust=0.1)
    found = features(21, before, labels=[0] * 14 + [1] * 7)  # twice as often the one: no lean comes of it
    change = ConvProbeUser(before, PRECISIONS).fit(found).moved.change
    assert np.abs(change.bias).max() < 1e-4
    spread = before.weights["tangent.user_spread"] / np.sqrt(2.0)
    for one in found:
        own, image = (change.of(heads["tangent"] * spread) for heads in (one.heads, one.mirrored))
        assert np.abs(own).max() > 1e-3
        np.testing.assert_allclose(image, own[:, ::-1], atol=1e-4)


def test_without_a_mirror_only_the_trial_itself_counts() -> None:
    plain = population_with_prior(trust=0.1)
    before = msgspec.structs.replace(plain, mirror=[])
    found = features(14, before, labels=[0] * 10 + [1] * 4)
    assert not any(one.mirrored for one in found)
    assert np.abs(ConvProbeUser(before, PRECISIONS).fit(found).moved.change.bias).max() > 1e-3


def test_a_branch_that_the_fusion_does_not_use_has_no_prior() -> None:
    plain = population_with_prior(trust=0.1)
    unused = [
        msgspec.structs.replace(entry, weight=0.0) if entry.name == "tangent" else entry
        for entry in plain.branches
    ]
    before = msgspec.structs.replace(plain, branches=unused)
    found = features(12, before)
    assert not any(one.mirrored for one in found)
    after = ConvProbeUser(before, PRECISIONS).fit(found).profile().weights
    changed = {name for name, tensor in after.items() if not np.array_equal(tensor, before.weights[name])}
    assert changed == {"encoder.weight", "encoder.bias"}
    assert [one.evidence for one in standard_candidates(before)[:2]] == [ANY_GAIN, ANY_GAIN]


def test_the_standard_ones() -> None:
    names = [one.name for one in standard_candidates(population())]
    assert names == ["population", "conv-probe", "tangent space", "MDM", "CSP + LDA", "augmented covariance"]


def test_where_there_is_no_population_the_start_is_not_called_one() -> None:
    with Decoder(read_paradigm("motor_imagery_4"), profile=BLANK) as decoder:
        start = decoder.profile
    assert start is not None
    assert standard_candidates(start)[0].name == BLANK


@pytest.mark.parametrize("make", [TangentUser, MdmUser, CspLda, lambda p: ConvProbeUser(p, LOOSE)])
def test_what_recentring_sees_leans_to_no_class(make: Callable[[Profile], Candidate]) -> None:
    # The fusion's bias is not centred, so a head's centre must not stand in it: it would be taken off twice.
    before = population()
    found = features(12, before)
    profile = make(before).fit(found).profile()
    margins = []
    for one in found:
        needed = {entry.name: sessions()[entry.name] for entry in profile.branches if entry.engine}
        window = trial(one.i_trial, one.i_class, before).window(-1, HOP).astype(np.float64)
        parts = [branch.logits_of(window) for branch in open_branches(profile, needed)]
        said = np.sum([entry.weight * x for entry, x in zip(profile.branches, parts, strict=True)], axis=0)
        margins.append(said[1] - said[0])
    base = np.sum([one.logits[-1] - np.array(before.bias) for one in found], axis=0)
    known = (base[1] - base[0]) / len(found) if len(profile.branches) > 1 else 0.0
    assert abs(np.mean(margins) - known) < 0.25 * np.std(margins)
