"""The end of a calibration: the last fit, the decision policy, profile, record and report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.collector import Collected
from rtbci.calibrate.drift_reference import DriftReference, with_drift
from rtbci.calibrate.enough import advice_for
from rtbci.calibrate.eyes import check_eyes, follow_the_eyes
from rtbci.calibrate.fit import UserFit, with_policy
from rtbci.calibrate.hops import read_hops, spans_of
from rtbci.calibrate.protocol import ProtocolSettings
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.errors import ProfileError
from rtbci.evaluate.describe import versions
from rtbci.evaluate.frontal import side_classes
from rtbci.probe.calibration_record import CalibrationRecord, EyeNote, StreamRecord, TrialNote
from rtbci.probe.profile import Profile
from rtbci.probe.profile_record import POPULATION
from rtbci.runtime.profile_list import add_generation
from rtbci.runtime.profiles import profiles_root

__all__ = ["Result", "conclude", "keep"]

FALSE_PER_MIN = 10.0
"""Activations in a minute of idle time that are put up with, unless told: fewer miss most trials without an idle class."""


@dataclass(frozen=True)
class Result:
    """What a calibration led to.

    Parameters
    ----------
    fit : UserFit
        With its decision policy.
    record : CalibrationRecord
    folder : Path or None
        The profile's generation; None when none was written.
    """

    fit: UserFit
    record: CalibrationRecord
    folder: Path | None = None


def conclude(
    collected: Collected,
    decoder: CalibrationDecoder,
    store_folder: Path,
    imagery_s: float,
    *,
    bad: Mapping[str, str],
    drift: DriftReference,
    protocol: ProtocolSettings,
    false_per_min: float = FALSE_PER_MIN,
    cues: Mapping[str, float] | None = None,
    are_recorded: bool = False,
) -> Result:
    """Fit decision policy and drift reference on the calibration's whole stream, and write down what was found; writes no file.

    With `are_recorded` the trials are older than the calibration, so that a user's profile that it begins with may know them.

    Raises
    ------
    ProfileError
        When there is no fit: no trial was accepted.
    """
    if collected.fit is None or decoder.info is None:
        n = len(collected.trials)
        raise ProfileError(
            f"calibration: none of {n} trials was accepted, need some of each class; look at the reasons, check the "
            "electrodes, and calibrate again"
        )
    fit, recipe = collected.fit, decoder.recipe
    if fit.judgement is not None:
        pieces = read_hops(store_folder, fit.profile.hop_samples, len(fit.profile.channels))
        spans = spans_of(pieces, decoder, fit.profile, collected.trials, imagery_s)
        fit = with_policy(fit, spans, recipe.decision, false_per_min, recipe.window.hop_s)
        fit = replace(fit, profile=with_drift(fit.profile, drift, spans))
    return Result(fit, _record(collected, fit, decoder, bad, protocol, dict(cues or {}), are_recorded))


def keep(result: Result) -> Result:
    """Write the profile as the user's next generation, `calibration.json` beside it.

    Parameters
    ----------
    result : Result

    Raises
    ------
    ProfileError
        See `rtbci.probe.profile.write_generation`; also when the disk does not take it.
    """
    profile = result.fit.profile
    try:
        folder = add_generation(profile.paradigm, profile, result.record)
    except OSError as error:
        raise ProfileError(
            f"profile of '{profile.user}': cannot be written to {profiles_root(profile.paradigm)} ({error.strerror}), need room and the right "
            "to write; make some, then go on with --resume (recordings: give them again)"
        ) from error
    record = msgspec.structs.replace(result.record, generation=int(folder.name))
    return Result(result.fit, record, folder)


def _record(
    collected: Collected,
    fit: UserFit,
    decoder: CalibrationDecoder,
    bad: Mapping[str, str],
    protocol: ProtocolSettings,
    cues: dict[str, float],
    are_recorded: bool,
) -> CalibrationRecord:
    judgement = fit.judgement
    # Without a signal it was the stream, or the page: nothing that the user could do better.
    eyes = _eyes(collected, fit, decoder)
    n_rejected = sum(not one.accepted and len(one.raw_uv) > 0 for one in collected.trials)
    return CalibrationRecord(
        created=fit.profile.created,
        paradigm=fit.profile.paradigm,
        user=fit.profile.user,
        generation=0,
        classes=_active(fit.profile, collected),
        seed=protocol.seed,
        stream=_stream(decoder, bad),
        trials=_notes(collected, fit, decoder.classes),
        candidates=fit.candidates,
        curve=list(collected.curve),
        confidence=fit.confidence,
        confusion=[] if judgement is None else judgement.counts.tolist(),
        usable=judgement is not None and judgement.usable,
        advice=advice_for(
            judgement,
            n_rejected,
            [f"{label} ({why})" for label, why in bad.items()],
            protocol.stopping.target_accuracy,
            follows_eyes=follow_the_eyes(eyes),
            at_chance=protocol.at_chance,
            width=protocol.stopping.interval_width,
            start=_known_to(decoder.profile) if are_recorded else "",
            base=next(iter(fit.candidates), None),
            used=next((one for one in fit.candidates if one.chosen), None),
        ),
        cues=cues,
        eyes=eyes,
        versions=versions(),
    )


def _known_to(start: Profile | None) -> str:
    """Whose trials a profile was fitted on, where that is a user's."""
    return "" if start is None or start.user == POPULATION else start.user


def _eyes(collected: Collected, fit: UserFit, decoder: CalibrationDecoder) -> EyeNote:
    if decoder.recipe.flickers:
        return EyeNote(note="not checked: the eyes are asked to go to what flickers")
    used = [one for one in collected.trials if one.accepted]
    labels = () if decoder.info is None else decoder.info.labels
    sides = side_classes(decoder.classes)
    margins = np.empty(0) if sides is None else fit.log_probs[:, sides[1]] - fit.log_probs[:, sides[0]]
    return check_eyes(used, labels, decoder.classes, margins)


def _active(profile: Profile, collected: Collected) -> list[str]:
    """Classes that were asked for, in the profile's order; all where there are no accepted trials."""
    asked = {one.i_class for one in collected.features}
    return [name for i, name in enumerate(profile.classes) if i in asked or not asked]


def _stream(decoder: CalibrationDecoder, bad: Mapping[str, str]) -> StreamRecord:
    info, known = decoder.info, decoder.channel_map
    if info is None or known is None:
        raise ProfileError("calibration: no stream is open, need the one that the trials came from; open it")
    return StreamRecord(
        name=info.name,
        source_id=info.source_id,
        rate_hz=info.rate_hz,
        labels=list(info.labels),
        found=list(known.found_labels),
        inferred=list(known.inferred),
        interpolated=list(known.interpolated),
        bad=list(bad),
    )


def _notes(collected: Collected, fit: UserFit, classes: Sequence[str]) -> list[TrialNote]:
    used = sorted({one.i_class for one in collected.features})
    said = {
        one.i_trial: (_renormalised(before[used]), _renormalised(after[used]))
        for one, before, after in zip(
            collected.features, fit.log_probs_population, fit.log_probs, strict=True
        )
    }
    return [_note(one, classes, *said.get(one.i_trial, ([], []))) for one in collected.trials]


def _note(
    trial: CalibrationTrial, classes: Sequence[str], before: list[float], after: list[float]
) -> TrialNote:
    return TrialNote(
        i_trial=trial.i_trial,
        cue=classes[trial.i_class],
        t_cue=trial.t_cue,
        accepted=trial.accepted,
        reason=trial.reason,
        log_probs_population=before,
        log_probs=after,
    )


def _renormalised(log_probs: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[float]:
    found = log_probs - np.logaddexp.reduce(log_probs)
    return [round(float(x), 5) for x in found]
