"""The real recording: flashes are told as docs/results_p300.md says, and the shipped decoder spells with it."""

from pathlib import Path

import pytest

from rtbci.flashes.emulate import emulated
from rtbci.flashes.epochs import cut_epochs
from rtbci.flashes.fit import block_folds, crossed_scores
from rtbci.flashes.judge import area_under_curve
from rtbci.recipes import read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
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


def test_the_shipped_decoder_spells_what_it_was_fitted_on(recording: Recording) -> None:
    """Nothing is claimed of it: its own flashes, but all of the way from samples to letters."""
    recipe = read_paradigm("p300")
    spelled = emulated(recording, recipe, seed=1)
    asked = [one.value.removeprefix("cue/") for one in spelled.markers if one.value.startswith("cue/")]
    with Decoder(recipe) as decoder:
        verdicts = decoder.decode(spelled)
    assert [one.decision for one in verdicts if one.decision] == asked
    assert len(asked) == 8
