"""A person's recordings as what a calibration fits on: cut and read by `rtbci.calibrate`, through the streaming pipeline."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.features import TrialFeatures, read_trial
from rtbci.calibrate.recordings import trials_of_recordings
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording

__all__ = ["IMAGERY_S", "features_by_run"]

IMAGERY_S = 4.0
"""From a cue to the end of imagery, or of rest, in these recordings."""


def features_by_run(
    recipe: ParadigmRecipe, profile: Profile, recordings: Sequence[Recording], engine: str | None = None
) -> list[list[TrialFeatures]]:
    """Trials of each recording, numbered through; none is rejected for its signal.

    Parameters
    ----------
    recipe : ParadigmRecipe
    profile : Profile
        Where a calibration starts.
    recordings : sequence of Recording
        In time order.
    engine : str, optional
        As ``--engine`` takes it; the profile's by default.
    """
    with CalibrationDecoder(recipe, profile=profile, engine=engine) as decoder:
        cut = [
            [t for t in trials_of_recordings(decoder, [one], timing_of(recipe, IMAGERY_S)) if t.accepted]
            for one in recordings
        ]
        numbers = count()  # each run counts its trials from 0
        return [
            [read_trial(profile, decoder.sessions, replace(trial, i_trial=next(numbers))) for trial in one]
            for one in cut
        ]
