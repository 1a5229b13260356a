"""Calibration in Python: recordings with cues in, a profile out."""

from collections.abc import Sequence
from pathlib import Path

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.features import check_heads, read_trial
from rtbci.calibrate.fit import UserFit, fit_user
from rtbci.calibrate.one_cap import of_one_cap
from rtbci.calibrate.quality import RejectSettings, judge_trial
from rtbci.calibrate.recordings import trials_of_recordings
from rtbci.errors import ConfigError
from rtbci.probe.blank import start_of
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.system.one_thread import one_thread

__all__ = ["calibrate_recordings"]


@one_thread()
def calibrate_recordings(
    recordings: Sequence[Recording],
    user: str = "anonymous",
    paradigm: str | ParadigmRecipe = "motor_imagery",
    *,
    profile: Profile | str | Path | None = None,
    imagery_s: float = 4.0,
    reject: RejectSettings | None = None,
) -> UserFit:
    """Fit a user's decoder on recordings with cues, through the streaming pipeline; writes nothing.

    Parameters
    ----------
    recordings : sequence of Recording
        In time order, of one cap (`rtbci.calibrate.one_cap.of_one_cap` leaves out what only some have); their markers name classes (the recipe's `[markers]`).
    user : str
    paradigm : str or ParadigmRecipe
    profile : Profile, str, Path or None
        Where the fit starts; the population's by default, or nothing where the paradigm has none.
    imagery_s : float
        From a cue to the end of imagery, in seconds.
    reject : RejectSettings, optional
        Which trials are not used.

    Returns
    -------
    UserFit
        ``fit.profile`` decodes (``Decoder(profile=fit.profile)``) and can be written by
        `rtbci.probe.profile.write_generation`; ``fit.judgement`` says how good it is.

    Raises
    ------
    ConfigError
        When there is no recording, or the paradigm has no profile to start from.
    ProfileError
        When it has a branch that cannot be calibrated.
    RtbciError
        What a recording lacks.

    Examples
    --------
    >>> from rtbci import Decoder, calibrate_recordings, read_recordings          # doctest: +SKIP
    >>> fit = calibrate_recordings(read_recordings("S007R04.edf"), user="ada")    # doctest: +SKIP
    >>> decoder = Decoder("motor_imagery", profile=fit.profile)                   # doctest: +SKIP
    """
    recipe = read_paradigm(paradigm) if isinstance(paradigm, str) else paradigm
    if not recordings:
        raise ConfigError("calibrate_recordings: got no recording, need one or more with cues; read some")
    recordings, _ = of_one_cap(recordings, recipe)
    limits = reject or RejectSettings()
    with CalibrationDecoder(recipe, profile=profile or start_of(recipe)) as decoder:
        population = decoder.profile
        if population is None:
            raise ConfigError(
                f"calibrate_recordings: paradigm '{recipe.name}' has no population profile, need one to start from; "
                "give profile="
            )
        check_heads(population, decoder.sessions)
        features = []
        for trial in trials_of_recordings(decoder, recordings, timing_of(recipe, imagery_s)):
            info = recordings[0].info
            has_unit = recipe.input.unit_check
            judged = judge_trial(
                trial, limits, info.labels, decoder.read, info.rate_hz, imagery_s, has_unit=has_unit
            )
            if judged.accepted:
                features.append(read_trial(population, decoder.sessions, judged))
        known = decoder.channel_map
        montage = () if known is None else known.found_labels
        return fit_user(population, features, user, recipe.decision, montage=montage)
