"""Calibration of flicker: a user whose answer is weak, and flickers that begin anew with every cue."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy.special import softmax

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.features import read_trial
from rtbci.calibrate.fit import UserFit
from rtbci.calibrate.flicker_user import flicker_candidates
from rtbci.calibrate.hops import HopLog, read_hops, spans_of
from rtbci.calibrate.offline import calibrate_recordings
from rtbci.calibrate.recordings import trials_of_recordings
from rtbci.evaluate.decode import Windows, decode_run
from rtbci.probe.flicker_clock import FLICKER_ON
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from tools.ssvep.calibrating import read_person
from tools.ssvep.looking import TRIAL_S, look_at_flickers
from tools.ssvep.shifting import advised, delayed


@pytest.fixture(scope="module")
def recipe() -> ParadigmRecipe:
    return read_paradigm("ssvep")


@pytest.fixture(scope="module")
def recordings(recipe: ParadigmRecipe) -> list[Recording]:
    """Of one user: to calibrate on, and later ones."""
    return look_at_flickers(recipe, (4, 3), answer_uv=0.6)


@pytest.fixture(scope="module")
def fit(recipe: ParadigmRecipe, recordings: list[Recording]) -> UserFit:
    return calibrate_recordings(recordings[:1], "ada", recipe, imagery_s=TRIAL_S)


def unmarked(recording: Recording) -> Recording:
    """Without anything that says when the flicker began."""
    return replace(recording, markers=tuple(one for one in recording.markers if one.value != FLICKER_ON))


def loss(recipe: ParadigmRecipe, profile: Profile | None, recording: Recording) -> float:
    """Cross-entropy of a recording's trials at their ends, in nats, with the recipe's population for None."""
    with Decoder(recipe, profile=profile) as decoder:
        windows: Windows = decode_run(decoder, recording)
    found = []
    for marker in recording.markers:
        if marker.value in recipe.classes:
            i = int(np.searchsorted(windows.t_newest, marker.t_lsl + TRIAL_S)) - 1
            found.append(-np.log(windows.probs[i, recipe.classes.index(marker.value)]))
    return float(np.mean(found))


def test_own_templates_win_and_say_more_of_later_trials(
    recipe: ParadigmRecipe, recordings: list[Recording], fit: UserFit
) -> None:
    losses = {one.name: one.loss for one in fit.candidates}
    assert losses["TRCA + CCA"] < losses["population"] - 0.1  # type: ignore[operator]
    (chosen,) = [one.name for one in fit.candidates if one.chosen]
    assert chosen == "TRCA + CCA"  # templates alone need more trials, as every decoder of the user's own does
    (entry,) = fit.profile.branches
    assert entry.kind == "trca"
    assert loss(recipe, fit.profile, recordings[1]) < loss(recipe, None, recordings[1]) - 0.1


def test_without_the_flickers_markers_what_needs_no_phase_decides(
    recipe: ParadigmRecipe, recordings: list[Recording], fit: UserFit
) -> None:
    quiet, weights = unmarked(recordings[1]), dict(fit.profile.weights)
    weights["cca.template"] = np.zeros_like(weights["cca.template"])
    free = msgspec.structs.replace(fit.profile, weights=weights)
    assert loss(recipe, fit.profile, quiet) == loss(recipe, free, recordings[1])
    assert loss(recipe, fit.profile, quiet) < loss(recipe, None, quiet) + 0.1
    with Decoder(recipe, profile=fit.profile) as decoder:
        decoder.decode(quiet)
        assert decoder.pipeline.knows_phase is False
        decoder.decode(
            replace(recordings[1], data=recordings[1].data[: round(13.0 * recordings[1].info.rate_hz)])
        )
        assert decoder.pipeline.knows_phase is True  # in the first trial


@pytest.mark.slow
def test_another_delay_of_the_display_is_noticed(recipe: ParadigmRecipe) -> None:
    assert recipe.population_folder is not None
    first, later = look_at_flickers(recipe, (2, 5), answer_uv=1.5)
    population, _, features = read_person(recipe, first, recipe.population_folder)
    profile = flicker_candidates(population)[-1].fit(features).profile()
    assert advised(recipe, later, profile) is None
    told = advised(recipe, delayed(later, 10.0), profile)
    assert told is not None
    assert told[1] == 10.0


def test_recordings_without_a_phase_are_calibrated_without_templates(
    recipe: ParadigmRecipe, recordings: list[Recording]
) -> None:
    found = calibrate_recordings([unmarked(recordings[0])], "ada", recipe, imagery_s=TRIAL_S)
    notes = {one.name: one.note for one in found.candidates}
    assert notes["TRCA"] == notes["TRCA + CCA"] == "could not be fitted: the flicker's phase is not known"
    assert not any(one.chosen and one.name.startswith("TRCA") for one in found.candidates)
    assert notes["CCA + own filters"] == ""


def test_one_trial_of_each_gives_a_decoder_too(recipe: ParadigmRecipe, recordings: list[Recording]) -> None:
    """As in the folds of two trials of each; scales are the population's then."""
    assert recipe.population_folder is not None
    with CalibrationDecoder(recipe, profile=recipe.population_folder) as decoder:
        population = decoder.profile
        assert population is not None
        trials = list(trials_of_recordings(decoder, recordings[:1], timing_of(recipe, TRIAL_S)))
        features = [read_trial(population, {}, one) for one in trials[: len(recipe.classes)]]
    assert sorted(one.i_class for one in features) == [0, 1, 2, 3]
    for candidate in flicker_candidates(population):
        fitted = candidate.fit(features)
        assert np.isfinite(fitted.logits(features[0])).all()


def test_the_calibrations_own_stream_is_decoded_at_the_phase_again(
    recipe: ParadigmRecipe, recordings: list[Recording], fit: UserFit, tmp_path: Path
) -> None:
    """As the policy is fitted: from hops on disk and what trials know of the flicker."""
    profile = fit.profile
    with CalibrationDecoder(recipe, profile=profile) as decoder:
        with HopLog(tmp_path, profile.hop_samples, len(profile.channels)) as log:
            decoder.keep = log.push
            trials = list(trials_of_recordings(decoder, recordings[1:], timing_of(recipe, TRIAL_S)))
        pieces = read_hops(tmp_path, profile.hop_samples, len(profile.channels))
        (span,) = spans_of(pieces, decoder, profile, trials, TRIAL_S)
    assert len(trials) == 3 * len(recipe.classes)
    for one in trials:
        assert np.isfinite(one.flicker_s).all()
        i = int(np.searchsorted(span.t_newest, one.t_newest[-1]))
        live = softmax(one.logits[-1] / profile.temperature)
        np.testing.assert_allclose(span.probs[i], live, atol=1e-3)
