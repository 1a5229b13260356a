"""Calibration trials from recordings: the same decoder and cutter as live, as fast as they go."""

import math
from collections.abc import Callable, Iterator, Sequence
from queue import Empty

from rtbci.calibrate.cutter import CalibrationDecoder, TrialCutter
from rtbci.calibrate.trial import CalibrationTrial, TrialTiming
from rtbci.errors import FileFormatError
from rtbci.replay.recording import Recording
from rtbci.runtime.intake import Intake
from rtbci.stream.source import Chunk, Marker

__all__ = ["play_recordings", "trials_of_recordings"]

PUSH_S = 1.0
BETWEEN_S = 10.0
"""Recordings lie behind each other in time, so that no two trials have the same."""


def trials_of_recordings(
    decoder: CalibrationDecoder,
    recordings: Sequence[Recording],
    timing: TrialTiming,
    class_of: Callable[[str], str | None] | None = None,
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
        `rtbci.calibrate.markers.with_markers` for more texts).

    Yields
    ------
    CalibrationTrial
        In the order of their cues, numbered through all recordings; `t_cue` in seconds from the first recording's first
        sample, the others behind it with 10 s between. Breaks of the stream reject the trials that they fall into; so does the recording's end, where
        windows are missing.

    Raises
    ------
    FileFormatError
        When no marker names a class; says which markers there are.
    RtbciError
        What the decoder says of a stream that it cannot use.
    """
    cutter = TrialCutter(timing)
    yield from _all_played(decoder, recordings, cutter, class_of)


def play_recordings(
    decoder: CalibrationDecoder,
    recordings: Sequence[Recording],
    cutter: TrialCutter,
    class_of: Callable[[str], str | None] | None = None,
) -> None:
    """As `trials_of_recordings`, but the trials stay in the cutter's queue for whoever takes them."""
    for trial in _all_played(decoder, recordings, cutter, class_of):
        cutter.trials.put(trial)


def _all_played(
    decoder: CalibrationDecoder,
    recordings: Sequence[Recording],
    cutter: TrialCutter,
    class_of: Callable[[str], str | None] | None,
) -> Iterator[CalibrationTrial]:
    known = class_of or decoder.recipe.class_of
    cues = [_cues(one, known) for one in recordings]
    if not any(cues):
        texts = sorted({marker.value for one in recordings for marker in one.markers})
        raise FileFormatError(
            f"calibration of '{decoder.recipe.name}': the recordings' markers are {', '.join(texts[:12]) or 'none'}, need "
            "some that name a class; give --map TEXT=CLASS, or recordings with cues"
        )
    decoder.attach(cutter)
    n_before, t_begin = 0, 0.0
    for recording, found in zip(recordings, cues, strict=True):
        decoder.open(recording.info)
        for i, (t_cue, name) in enumerate(found):
            cutter.cue(n_before + i, decoder.classes.index(name), t_begin + t_cue)
        n_before += len(found)
        yield from _played(decoder, recording, cutter, t_begin)
        t_begin += math.ceil(recording.duration_s + BETWEEN_S)


def _cues(recording: Recording, class_of: Callable[[str], str | None]) -> list[Marker]:
    named = [Marker(t, class_of(text) or "") for t, text in sorted(recording.markers) if t >= 0]
    return [one for one in named if one.value]


def _played(
    decoder: CalibrationDecoder, recording: Recording, cutter: TrialCutter, t_begin: float
) -> Iterator[CalibrationTrial]:
    intake = Intake(recording.info, decoder.read, 0.0)
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
