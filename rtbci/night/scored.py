"""Recordings of nights that somebody has scored: EDF with a hypnogram beside it, or with stages inside."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rtbci.errors import FileFormatError
from rtbci.night.hypnogram import EPOCH_S, STAGES, Hypnogram
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.replay.sniff import COMPANIONS, KINDS
from rtbci.stream.layout import electrodes_of

__all__ = ["AROUND_S", "NightFile", "ScoredNight", "find_nights", "read_night", "stages_of"]

AROUND_S = 1800.0
"""Of the wakefulness around a night so much is used: a recording over a day would be mostly that."""
HYPNOGRAM = "hypnogram"
UNSCORED = ("Sleep stage ?", "Movement time", "?", "unscored")


class NightFile(NamedTuple):
    """A recording, and the file with its stages; None where they are in the recording."""

    name: str
    signal: Path
    stages: Path | None


@dataclass(frozen=True)
class ScoredNight:
    """A night with its stages.

    Parameters
    ----------
    name : str
    recording : Recording
        From the begin of the first epoch of `hypnogram` to the end of its last.
    hypnogram : Hypnogram
        As people scored it; None for what they did not.
    """

    name: str
    recording: Recording
    hypnogram: Hypnogram


def find_nights(place: Path) -> list[NightFile]:
    """Find the scored nights in a folder, or one file.

    A hypnogram is a file with that word in its name, and belongs to the recording whose name begins alike up to the last
    letter in front of the first hyphen, as Sleep-EDF does: ``SC4001E0-PSG.edf`` and ``SC4001EC-Hypnogram.edf``. Recordings
    without one are taken to hold their stages as annotations.

    Raises
    ------
    FileFormatError
        When there is nothing.
    """
    endings = {ending for kind in KINDS for ending in kind.extensions} - COMPANIONS.keys()
    if place.is_file():
        beside = sorted(one for one in place.parent.iterdir() if HYPNOGRAM in one.name.lower())
        files = [place, *(one for one in beside if _key(one) == _key(place))]
    elif place.is_dir():
        files = sorted(one for one in place.rglob("*") if one.is_file() and one.suffix.lower() in endings)
    else:
        raise FileFormatError(f"--data: {place} does not exist, need a folder of nights; check the path")
    scored = {_key(one): one for one in files if HYPNOGRAM in one.name.lower()}
    nights = [
        NightFile(_key(one), one, scored.get(_key(one))) for one in files if HYPNOGRAM not in one.name.lower()
    ]
    if not nights:
        raise FileFormatError(
            f"--data: {place} holds no recording, need files as SC4001E0-PSG.edf with SC4001EC-Hypnogram.edf beside them, or "
            "recordings with stages as annotations"
        )
    return nights


def read_night(file: NightFile, recipe: ParadigmRecipe, around_s: float = AROUND_S) -> ScoredNight:
    """Read a night, from half an hour before it to half an hour behind it.

    Raises
    ------
    FileFormatError
        When a file cannot be read, or says nothing of stages.
    """
    if file.stages is None:
        (recording,) = read_recordings(file.signal)[:1]
        spans, end_s = _spans_of_markers(recording), recording.duration_s
    else:
        recording, spans, end_s = None, _spans_of_file(file.stages), 0.0
    stages = stages_of(spans, recipe, str(file.stages or file.signal), end_s)
    hypnogram = _around(stages, around_s)
    start_s = hypnogram.t0_s
    stop_s = start_s + EPOCH_S * len(hypnogram.stages)
    if recording is None:
        (part,) = read_recordings(file.signal, start_s=start_s, stop_s=stop_s)[:1]
    else:
        part = recording.crop(start_s, stop_s)
    # A recording may end within its last epoch.
    whole = int(part.duration_s / EPOCH_S + 1e-6)
    if not whole or not electrodes_of(part.info):
        raise FileFormatError(
            f"{file.signal}: has no EEG where its stages are, need a recording of that night; check that the files belong together"
        )
    return ScoredNight(file.name, part, Hypnogram(hypnogram.stages[:whole], start_s))


def stages_of(
    spans: Sequence[tuple[float, float, str]], recipe: ParadigmRecipe, where: str, end_s: float = 0.0
) -> Hypnogram:
    """Epochs of what was scored.

    Parameters
    ----------
    spans : sequence of (float, float, str)
        Begin, end (infinite: until the next one) and words of each annotation, in seconds of the recording.
    recipe : ParadigmRecipe
        Its `markers` say which words are which stage.
    where : str
        For the error.
    end_s : float
        Of the recording, where the last stage's end is not known.

    Raises
    ------
    FileFormatError
        When no words are a stage.
    """
    known = [(start, stop, recipe.class_of(text)) for start, stop, text in sorted(spans)]
    scored = [one for one in known if one[2] is not None]
    if not scored:
        said = ", ".join(sorted({text for _, _, text in spans})[:6]) or "nothing"
        raise FileFormatError(
            f"{where}: its annotations say {said}, need stages of sleep (as 'Sleep stage 2' or 'N2'); is this the night's hypnogram?"
        )
    relevant = [one for one in known if one[2] is not None or one[1] != float("inf")]
    t0_s = scored[0][0]
    epochs: dict[int, str | None] = {}
    for i, (start, stop, stage) in enumerate(relevant):
        until = relevant[i + 1][0] if i + 1 < len(relevant) else stop
        until = max(end_s, start + EPOCH_S) if until == float("inf") else until
        first, last = round((start - t0_s) / EPOCH_S), round((min(stop, until) - t0_s) / EPOCH_S)
        for k in range(max(first, 0), last):
            epochs[k] = stage
    return Hypnogram(tuple(epochs.get(k) for k in range(max(epochs, default=-1) + 1)), t0_s)


def _around(night: Hypnogram, around_s: float) -> Hypnogram:
    """Without what is further than `around_s` from sleep; all of it where nobody slept."""
    asleep = [i for i, one in enumerate(night.stages) if one is not None and one != STAGES[0]]
    if not asleep:
        return night
    n = round(around_s / EPOCH_S)
    first, last = max(asleep[0] - n, 0), min(asleep[-1] + n + 1, len(night.stages))
    return Hypnogram(night.stages[first:last], night.t0_s + EPOCH_S * first)


def _spans_of_file(path: Path) -> list[tuple[float, float, str]]:
    import mne

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Any = mne.read_annotations(path)
    except Exception as error:  # MNE raises anything at all on files that are not what they seem
        reason = str(error).strip().splitlines()[-1:] or ["no reason given"]
        raise FileFormatError(
            f"{path}: cannot be read as a hypnogram ({type(error).__name__}: {reason[0][:200]}), need EDF+ with annotations"
        ) from error
    return [
        (float(onset), float(onset) + float(duration), str(text))
        for onset, duration, text in zip(found.onset, found.duration, found.description, strict=True)
    ]


def _spans_of_markers(recording: Recording) -> list[tuple[float, float, str]]:
    """Markers have no duration: a stage holds until the next one."""
    return [
        (t_s, t_s + EPOCH_S if text in UNSCORED else float("inf"), text) for t_s, text in recording.markers
    ]


def _key(path: Path) -> str:
    """What a recording and its hypnogram have in common."""
    name, hyphen, _ = path.stem.partition("-")
    return name[:-1] if hyphen and len(name) > 1 else path.stem
