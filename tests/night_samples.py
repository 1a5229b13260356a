"""Short simulated nights, and files of them as Sleep-EDF has them."""

from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np

from rtbci.amp.night import Course
from rtbci.amp.sleeper import SleepingAmp
from rtbci.night.hypnogram import Hypnogram
from rtbci.replay.recording import Recording
from rtbci.stages.stage import FloatArray

__all__ = ["RK_NAMES", "night_of", "short_course", "write_night"]

RATE_HZ = 100.0
RK_NAMES = {
    "W": "Sleep stage W",
    "N1": "Sleep stage 1",
    "N2": "Sleep stage 2",
    "N3": "Sleep stage 4",
    "REM": "Sleep stage R",
}


def short_course() -> Course:
    """Every stage, in 13 minutes."""
    blocks = (("W", 4), ("N1", 3), ("N2", 7), ("N3", 6), ("REM", 4), ("W", 2))
    return Course(tuple(stage for stage, n in blocks for _ in range(n)))


@cache
def _signal(seed: int, channels: tuple[str, ...]) -> FloatArray:
    course = short_course()
    return SleepingAmp(course, channels, RATE_HZ, seed).generate(round(course.duration_s * RATE_HZ))[0]


def night_of(seed: int = 0, channels: tuple[str, ...] = ("C4",)) -> tuple[Recording, Hypnogram]:
    """A short night of somebody, and its stages."""
    course = short_course()
    info = SleepingAmp(course, channels, RATE_HZ, seed).info
    return Recording(info, _signal(seed, channels)), Hypnogram(course.stages)


def write_night(folder: Path, name: str = "SC4001", seed: int = 0, *, beside: bool = True) -> None:
    """Write a night as EDF with a hypnogram beside it; with ``beside=False`` its stages are in the EDF itself."""
    from edfio import Edf, EdfAnnotation, EdfSignal

    recording, hypnogram = night_of(seed, ("EEG Fpz-Cz", "EOG horizontal"))
    spans, at = [], 0
    for stage, run in groupby(hypnogram.stages):
        n = len(list(run))
        spans.append(EdfAnnotation(30.0 * at, 30.0 * n, RK_NAMES[str(stage)]))
        at += n
    spans.append(
        EdfAnnotation(30.0 * at, 600.0, "Sleep stage ?")
    )  # behind the recording's end, as in Sleep-EDF
    signals = [
        EdfSignal(
            np.clip(column, -1000, 1000),
            RATE_HZ,
            label=channel.label,
            physical_dimension="uV",
            physical_range=(-1000, 1000),
        )
        for channel, column in zip(recording.info.channels, recording.data.T, strict=True)
    ]
    if beside:
        Edf(signals).write(folder / f"{name}E0-PSG.edf")
        Edf([], annotations=spans).write(folder / f"{name}EC-Hypnogram.edf")
    else:
        Edf(signals, annotations=spans).write(folder / f"{name}.edf")
