"""The live decoder's signal at SpecMoE's 200 Hz, and the windows of track B in it: the trials of all other decoders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.encoder.specmoe.sizes import RATE_HZ
from rtbci.errors import ChannelError, ConfigError
from rtbci.stages.filter import SosFilter
from rtbci.stages.reference import AverageReference
from rtbci.stages.resample import Resample
from rtbci.stages.stage import Chain, FloatArray
from tools.training.signals import CHAIN, Run, Signal, alignment, mean_covariance, read_runs
from tools.training.signals import RATE_HZ as OTHERS_RATE_HZ
from tools.training.trials import usable

__all__ = ["SPEC_CHAIN", "WINDOW", "Windows", "cut_windows", "track_b", "usable_trials"]

SPEC_CHAIN: tuple[dict[str, object], ...] = tuple(
    {**stage, "rate_hz": RATE_HZ}
    if stage["kind"] == "resample"
    else {key: value for key, value in stage.items() if key != "mean"}
    for stage in CHAIN
)
"""Stages of the paradigm's recipe: those of the other decoders, but for the rate and the alignment's mean."""

START, WINDOW = round(RATE_HZ), round(3 * RATE_HZ)


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of many people, 1 to 4 s after the cue.

    Parameters
    ----------
    x : ndarray of float32, shape (n, n_channels, WINDOW)
    classes : ndarray of int64, shape (n,)
        0 left, 1 right.
    subjects : ndarray of int, shape (n,)
    """

    x: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]
    subjects: npt.NDArray[np.intp]


def track_b(
    paths: Sequence[Path], layout: Sequence[str], left_out: npt.NDArray[np.intp], cache: Path
) -> tuple[Windows, FloatArray]:
    """Read, align and cut everybody's trials; also the covariance that the alignment starts from.

    Parameters
    ----------
    paths : sequence of Path
        Subjects' npz files.
    layout : sequence of str
    left_out : ndarray of int
        Subjects that are not in that covariance: all that are judged in any fold.
    cache : Path
        npz file that is read where it is there, and written where it is not.

    Raises
    ------
    ConfigError
        When the file there is of other people.
    """
    people = np.array([int(path.stem.lstrip("S")) for path in paths])
    if cache.is_file():
        with np.load(cache) as archive:
            content = {name: archive[name] for name in archive.files}
        if not (
            np.array_equal(content["people"], people)
            and np.array_equal(content["left_out"], np.sort(left_out))
        ):
            raise ConfigError(
                f"{cache}: holds other people or folds, need those that are asked for; give another --work"
            )
        return Windows(content["x"], content["classes"], content["subjects"]), content["covariance"]
    signals = [_signal(run, tuple(layout)) for path in paths for run in read_runs(path)]
    covariance = mean_covariance([one for one in signals if one.subject not in left_out])
    windows = cut_windows([_aligned(one, covariance) for one in signals])
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        cache,
        x=windows.x,
        classes=windows.classes,
        subjects=windows.subjects,
        covariance=covariance,
        people=people,
        left_out=np.sort(left_out),
    )
    return windows, covariance


def usable_trials(run: Run) -> npt.NDArray[np.bool_]:
    """Which trials of a run the other decoders have; at 256 Hz, where the resampler holds back more of the end."""
    kept = Resample(run.rate_hz, OTHERS_RATE_HZ, 1).push(np.zeros((len(run.data_uv), 1)))
    i_cue = np.ceil(run.i_cue * OTHERS_RATE_HZ / run.rate_hz).astype(np.intp)
    return usable(Signal(run.subject, kept, i_cue, run.classes))


def cut_windows(signals: Sequence[Signal]) -> Windows:
    """Cut the windows of all trials out of aligned signals."""
    x, classes, subjects = [], [], []
    for signal in signals:
        x += [signal.data[i + START : i + START + WINDOW].T.astype(np.float32) for i in signal.i_cue]
        classes.append(signal.classes)
        subjects.append(np.full(len(signal.i_cue), signal.subject))
    return Windows(
        np.stack(x), np.concatenate(classes).astype(np.int64), np.concatenate(subjects).astype(np.intp)
    )


def _signal(run: Run, layout: tuple[str, ...]) -> Signal:
    if missing := [label for label in layout if label not in run.labels]:
        raise ChannelError(f"track_b: subject {run.subject} has no {missing}, need {list(layout)}")
    columns, n = [run.labels.index(label) for label in layout], len(layout)
    chain = Chain(
        [
            SosFilter.bandpass(8.0, 30.0, run.rate_hz, n, order=4),
            Resample(run.rate_hz, RATE_HZ, n),
            AverageReference(n, RATE_HZ),
        ]
    )
    data = chain.push(np.ascontiguousarray(run.data_uv[:, columns]))
    kept = usable_trials(run)
    i_cue = np.ceil(run.i_cue[kept] * RATE_HZ / run.rate_hz).astype(np.intp)
    return Signal(run.subject, data, i_cue, run.classes[kept])


def _aligned(signal: Signal, covariance: FloatArray) -> Signal:
    stage = alignment(signal.data.shape[1], RATE_HZ, covariance)
    return Signal(signal.subject, stage.push(signal.data), signal.i_cue, signal.classes)
