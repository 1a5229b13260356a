"""Calibration on real people is never worse than the population's decoder by more than chance."""

from functools import cache

import numpy as np
import pytest

from rtbci import Decoder, calibrate_recordings
from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.fit import UserFit
from rtbci.calibrate.recordings import trials_of_recordings
from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.probe.profile import Profile
from rtbci.recipes import read_paradigm
from rtbci.replay.recording import Recording
from tests.data_paths import data_dir, needs_data

PEOPLE = ("S004", "S045")


@cache
def fit_of(name: str) -> UserFit:
    """Fitted on the first two runs."""
    return calibrate_recordings(read_npz_runs(data_dir() / "eegmmidb" / f"{name}.npz")[:2], user=name)


def right_answers(profile: Profile | None, run: Recording) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    recipe = read_paradigm("motor_imagery")
    with CalibrationDecoder(recipe, profile=profile) as decoder:
        trials = list(trials_of_recordings(decoder, [run], timing_of(recipe, 4.0)))
    return np.array([one.logits[-1].argmax() == one.i_class for one in trials if one.accepted])


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_data
def test_no_worse_than_the_population_over_people() -> None:
    worse = better = 0
    for name in PEOPLE:
        last, fit = read_npz_runs(data_dir() / "eegmmidb" / f"{name}.npz")[2], fit_of(name)
        assert fit.profile.user == name
        assert fit.judgement is not None
        assert fit.judgement.counts.sum() == fit.profile.n_trials > 20
        own, population = right_answers(fit.profile, last), right_answers(None, last)
        better += int((own & ~population).sum())
        worse += int((~own & population).sum())
    # The population's decoder was trained on these people, so it is at its best here.
    assert worse - better <= 2.0 * np.sqrt(max(worse + better, 1))


@pytest.mark.data
@needs_data
def test_the_profile_decodes_as_it_stands() -> None:
    run = read_npz_runs(data_dir() / "eegmmidb" / f"{PEOPLE[0]}.npz")[0]
    with Decoder("motor_imagery", profile=fit_of(PEOPLE[0]).profile) as decoder:
        verdicts = decoder.decode(run)
    said = [one.estimate.probs for one in verdicts if one.estimate.probs is not None]
    assert len(said) > 1500
    assert np.allclose(np.sum(said, axis=1), 1.0)
