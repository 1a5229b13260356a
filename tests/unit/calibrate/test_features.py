from dataclasses import replace

import msgspec
import numpy as np
import pytest

from rtbci.amp.synthetic import SyntheticAmp
from rtbci.calibrate.features import check_heads, chosen_windows, read_trial
from rtbci.calibrate.offline import calibrate_recordings
from rtbci.errors import EngineError, ProfileError, ShapeError
from rtbci.probe.head_features import window_features
from rtbci.probe.profile import BranchEntry
from rtbci.replay.recording import Recording
from tests.engine_stand_ins import AlteredSession
from tests.probe_samples import HOP, make_profile, sessions
from tests.unit.calibrate.user_samples import N_WINDOWS, population, population_with_prior, trial


def test_features_are_those_of_the_running_branches() -> None:
    profile = msgspec.structs.replace(
        population(), branches=make_profile().branches, weights=make_profile().weights
    )
    one = trial(0, 1, profile)
    found = read_trial(profile, sessions(), one)
    assert found.logits.tolist() == one.logits.tolist()
    for entry in profile.branches:
        session = sessions().get(entry.name)
        for i in range(N_WINDOWS):
            window = one.window(i, HOP).astype(np.float64)
            assert np.allclose(
                found.heads[entry.name][i], window_features(profile, entry, window, session), atol=1e-9
            )


def test_features_of_a_whole_window_engine() -> None:
    """What the engine gives for each of the windows; a head of another size is none."""
    plain = population()
    entry = BranchEntry(name="window", kind="window", engine="own")
    weights = {"window.weight": np.zeros((2, 2)), "window.bias": np.zeros(2)}
    profile = msgspec.structs.replace(plain, branches=[entry], weights=weights)
    session, one = sessions()["window"], trial(0, 1, plain)
    found = read_trial(profile, {"window": session}, one).heads["window"]
    for i in range(N_WINDOWS):
        window = one.window(i, HOP)[-plain.window_samples :].astype(np.float32)
        wanted = session.run(np.ascontiguousarray(window.T[np.newaxis])).ravel()
        np.testing.assert_allclose(found[i], wanted, rtol=1e-6)
    weights["window.weight"] = np.zeros((2, 3))
    with pytest.raises(ProfileError, match=r"of kind window .* cannot be calibrated"):
        read_trial(profile, {"window": session}, one)


def test_an_engine_that_gives_no_numbers_ends_the_calibration() -> None:
    plain = population()
    entry = BranchEntry(name="window", kind="window", engine="own")
    weights = {"window.weight": np.zeros((2, 2)), "window.bias": np.zeros(2)}
    profile = msgspec.structs.replace(plain, branches=[entry], weights=weights)
    broken = AlteredSession(sessions()["window"], lambda _x, y: np.full_like(y, np.nan))
    with pytest.raises(EngineError, match=r"trial 2: branch 'window' reads what is not a number"):
        read_trial(profile, {"window": broken}, trial(2, 1, plain))


def test_features_of_the_mirror_image_are_those_of_a_signal_with_sides_exchanged() -> None:
    profile = population_with_prior()
    one = trial(0, 1, profile)
    found = read_trial(profile, sessions(), one)
    assert set(found.mirrored) == {"tangent"}
    image = read_trial(profile, sessions(), replace(one, signal=one.signal[:, [2, 1, 0]].copy()))
    np.testing.assert_allclose(found.mirrored["tangent"], image.heads["tangent"], atol=1e-9)
    np.testing.assert_allclose(image.mirrored["tangent"], found.heads["tangent"], atol=1e-9)
    assert np.abs(found.mirrored["tangent"] - found.heads["tangent"]).max() > 0.1


def test_a_prior_of_another_head_is_refused_before_the_first_trial() -> None:
    profile = population_with_prior()
    weights = {**profile.weights, "tangent.user_spread": np.ones(5)}
    with pytest.raises(ProfileError, match=r"'tangent.user_spread' has shape \(5,\), need \(12,\)"):
        check_heads(msgspec.structs.replace(profile, weights=weights), sessions())


def test_which_windows_are_fitted_on() -> None:
    assert [chosen_windows(n) for n in (1, 2, 3, 4, 9, 30)] == [
        [0],
        [0, 1],
        [0, 1, 2],
        [0, 2, 3],
        [0, 4, 8],
        [0, 14, 29],
    ]


def test_a_short_signal_is_refused() -> None:
    profile = population()
    one = trial(3, 1, profile)
    with pytest.raises(ShapeError, match=r"trial 3: its signal has 20 samples, need 32 for 3 windows"):
        read_trial(profile, sessions(), replace(one, signal=one.signal[-20:]))


def test_a_branch_without_a_head_is_refused() -> None:
    profile = population()
    window = msgspec.structs.replace(profile.branches[0], kind="window")
    other = msgspec.structs.replace(profile, branches=[window])
    with pytest.raises(ProfileError, match=r"of kind window .* cannot be calibrated"):
        read_trial(other, sessions(), trial(0, 0, profile))
    with pytest.raises(ProfileError, match=r"use it without calibration"):
        check_heads(other, sessions())
    check_heads(profile, sessions())


def test_a_paradigm_whose_engine_gives_logits_is_refused_before_the_first_trial() -> None:
    amp = SyntheticAmp(("C3", "C4"), 160.0, seed=3)  # no cue in it: nothing is read of it
    nothing = Recording(amp.info, amp.generate(160)[0], ())
    with pytest.raises(
        ProfileError, match=r"branch 'specmoe' of kind window with an engine cannot be calibrated"
    ):
        calibrate_recordings([nothing], paradigm="motor_imagery_specmoe")
