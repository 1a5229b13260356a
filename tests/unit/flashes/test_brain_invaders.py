"""The real recording: flashes are told as docs/results_p300.md says, and the shipped decoder spells with it."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.flashes.emulate import emulated
from rtbci.flashes.epochs import cut_epochs
from rtbci.flashes.fit import block_folds, crossed_scores, fit_probe
from rtbci.flashes.judge import area_under_curve
from rtbci.flashes.profile import electrode_covariance, flash_profile
from rtbci.recipes import read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.runtime.deciding import evidence_of
from rtbci.runtime.decoder import Decoder
from tests.data_paths import data_dir, needs_data

pytestmark = [pytest.mark.data, pytest.mark.slow, needs_data]


@pytest.fixture(scope="module")
def recording() -> Recording:
    path: Path = data_dir() / "p300-bi2012" / "subject_01_session_01.npz"
    return read_recordings(path)[0]


def test_flashes_of_blocks_that_were_left_out(recording: Recording) -> None:
    found = cut_epochs([recording], read_paradigm("p300"))
    assert (len(found.flashes), found.is_target.sum(), found.n_lost) == (768, 128, 0)
    folds = block_folds(found.i_selection, 4)
    area = area_under_curve(crossed_scores(found.epochs, found.is_target, folds), found.is_target)
    assert area.value > 0.89


def test_as_it_runs_with_electrodes_replaced_flashes_are_told_as_well(recording: Recording) -> None:
    """C4 and F8 drift now and then, as they did in the calibration; that alone is no reason to do without them."""
    recipe = read_paradigm("p300")
    found = cut_epochs([recording], recipe)
    used = block_folds(found.i_selection, 2) == 0
    probe = fit_probe(found.epochs[used], found.is_target[used])
    known = electrode_covariance(found.epochs[used], recipe)
    profile = flash_profile(recipe, [("erp", probe, 1.0)], 0.0, found.rate_hz, "half", covariance=known)
    areas = []
    for one in (
        profile,
        msgspec.structs.replace(
            profile,
            weights={name: x for name, x in profile.weights.items() if name != "electrodes.covariance"},
        ),
    ):
        with Decoder(recipe, profile=one) as decoder:
            estimates = [verdict.estimate for verdict in decoder.decode(recording)]
        said = np.array([evidence_of(one) for one in estimates], dtype=float)
        areas.append(area_under_curve(said[~used], found.is_target[~used]).value)
    assert areas[0] > max(0.88, areas[1] + 0.01)


def test_the_shipped_decoder_spells_what_it_was_fitted_on(recording: Recording) -> None:
    """Nothing is claimed of it: its own flashes, but all of the way from samples to letters."""
    recipe = read_paradigm("p300")
    spelled = emulated(recording, recipe, seed=1)
    asked = [one.value.removeprefix("cue/") for one in spelled.markers if one.value.startswith("cue/")]
    with Decoder(recipe) as decoder:
        verdicts = decoder.decode(spelled)
    assert [one.decision for one in verdicts if one.decision] == asked
    assert len(asked) == 8
