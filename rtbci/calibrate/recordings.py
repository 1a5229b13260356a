"""Calibration trials from recordings: the same decoder and cutter as live, as fast as they go."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from queue import Empty

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import TrialCutter
from rtbci.calibrate.trial import CalibrationTrial, TrialTiming
from rtbci.errors import ChannelError, FileFormatError
from rtbci.listing import first_of
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.recording import Recording
from rtbci.runtime.intake import Intake
from rtbci.stream.repeats import REPEAT_S, without_repeats
from rtbci.stream.source import UNSEEN, Chunk, Marker

__all__ = ["cues_of", "marker_lines", "trials_of_recordings"]

PUSH_S = 1.0
N_TOLD = 8
"""Different markers that are told of a class."""
BETWEEN_S = 10.0
"""Recordings lie behind each other in time, so that no two trials have the same."""


def trials_of_recordings(
    decoder: CalibrationDecoder,
    recordings: Sequence[Recording],
    timing: TrialTiming,
    class_of: Callable[[str], str | None] | None = None,
    unit: str = "",
) -> Iterator[CalibrationTrial]:
    """Push recordings through a decoder and give the trials that their markers announce.

    Parameters
    ----------
    decoder : CalibrationDecoder
        Gets a cutter of its own; opened anew for every recording, as a stream would be.
    recordings : sequence of Recording
        In time order.
    timing : TrialTiming
        See `rtbci.calibrate.cutter.timing_of`.
    class_of : callable, optional
        Class that a marker's text stands for, or None. Default: the recipe's (see
        `rtbci.recipes.markers.with_markers` for more texts).
    unit : str
        Of the recordings, where they state it wrongly; see `Decoder.open`.

    Yields
    ------
    CalibrationTrial
        In the order of their cues, of which a marker ``unseen`` takes the one before it back, numbered through all recordings; `t_cue` in seconds from the first recording's first
        sample, the others behind it with 10 s between. Breaks of the stream reject the trials that they fall into; so does the recording's end, where
        windows are missing.

    Raises
    ------
    FileFormatError
        When no marker names a class; says which markers there are.
    ChannelError
        When they are not all of one cap and rate.
    RtbciError
        What the decoder says of a stream that it cannot use.
    """
    known = class_of or decoder.recipe.class_of
    cues = [cues_of(one, known) for one in recordings]
    if not any(cues):
        raise FileFormatError(_no_cues(decoder.recipe, recordings))
    _check_alike(recordings)
    cutter = TrialCutter(timing)
    decoder.attach(cutter)
    n_before, t_begin = 0, 0.0
    for recording, found in zip(recordings, cues, strict=True):
        decoder.open(recording.info, unit)
        for i, (t_cue, name) in enumerate(found):
            cutter.cue(n_before + i, decoder.classes.index(name), t_begin + t_cue)
        n_before += len(found)
        yield from _played(decoder, recording, cutter, t_begin)
        t_begin += math.ceil(recording.duration_s + BETWEEN_S)


def marker_lines(recipe: ParadigmRecipe, recordings: Sequence[Recording]) -> list[str]:
    """Say which markers are taken for which class, and which for none, before anything is fitted on them.

    Parameters
    ----------
    recipe : ParadigmRecipe
        With all markers that were named.
    recordings : sequence of Recording

    Returns
    -------
    list of str
        A line for each class, and one for what names none, as ``"left_hand: 'T1' (8)"``; one more where cues came twice.

    Raises
    ------
    FileFormatError
        When no marker names a class, or all name the same.
    """
    taken: dict[str | None, Counter[str]] = {name: Counter() for name in (*recipe.classes, None)}
    for text in (marker.value for one in recordings for marker in one.markers):
        taken[recipe.class_of(text)][text] += 1
    asked = [name for name in recipe.classes if taken[name]]
    lines = [f"{name}: {_counted(taken[name])}" for name in recipe.classes]
    if taken[None]:
        lines.append(f"no cue: {_counted(taken[None])}")
    n_repeated = sum(
        len(one.markers) - len(without_repeats(one.markers, recipe.class_of)) for one in recordings
    )
    if n_repeated:
        lines.append(f"cues told twice within {REPEAT_S:g} s, counted once: {n_repeated}")
    if not asked:
        raise FileFormatError(_no_cues(recipe, recordings))
    if len(asked) < 2:
        raise FileFormatError(
            f"calibration of '{recipe.name}': all cues of the recordings are {asked[0]} ({'; '.join(lines)}), need cues of two "
            "classes or more; give --map TEXT=CLASS for each of your markers, or more recordings"
        )
    return lines


def _counted(texts: Counter[str]) -> str:
    return first_of([f"{text[:60]!r} ({n})" for text, n in texts.most_common()], N_TOLD) or "none"


def _no_cues(recipe: ParadigmRecipe, recordings: Sequence[Recording]) -> str:
    texts = Counter(marker.value for one in recordings for marker in one.markers)
    return (
        f"calibration of '{recipe.name}': the recordings' markers are {_counted(texts)}, need some that name a class "
        f"({', '.join(recipe.classes)}); say which is which, as --map TEXT={recipe.classes[0]}, or give recordings with cues"
    )


def _check_alike(recordings: Sequence[Recording]) -> None:
    first = recordings[0].info
    for one in (recording.info for recording in recordings[1:]):
        if (one.labels, one.rate_hz) != (first.labels, first.rate_hz):
            raise ChannelError(
                f"calibration from recordings: '{one.name}' has {one.n_channels} channels at {one.rate_hz:g} Hz, "
                f"'{first.name}' {first.n_channels} at {first.rate_hz:g} Hz, need the same cap and rate in all; calibrate "
                "from those that are alike"
            )


def cues_of(recording: Recording, class_of: Callable[[str], str | None]) -> list[Marker]:
    """Cues of a recording, each once, but for those of trials that were not seen to their end."""
    cues: list[Marker] = []
    for t, text in without_repeats(recording.markers, class_of):
        if text == UNSEEN and cues:
            cues.pop()
        elif t >= 0 and (name := class_of(text)):
            cues.append(Marker(t, name))
    return cues


def _played(
    decoder: CalibrationDecoder, recording: Recording, cutter: TrialCutter, t_begin: float
) -> Iterator[CalibrationTrial]:
    intake = Intake(recording.info, decoder.read, 0.0)
    for marker in recording.markers:  # some say when a flicker began
        decoder.mark(Marker(t_begin + marker.t_lsl, marker.value))
    n = max(1, round(PUSH_S * recording.info.rate_hz))
    for i in range(0, recording.n_samples, n):
        chunk = Chunk(recording.data[i : i + n], t_begin + recording.sample_times(i, i + n))
        for piece in intake.push(chunk):
            if isinstance(piece, Chunk):
                decoder.push(piece.data, piece.t_lsl)
            else:
                decoder.restart()
        yield from _taken(cutter)
    cutter.finish()
    yield from _taken(cutter)


def _taken(cutter: TrialCutter) -> Iterator[CalibrationTrial]:
    try:
        while True:
            yield cutter.trials.get_nowait()
    except Empty:
        return
