"""From recordings to the signal that the live decoder sees, by the live decoder's own stages.

Every run is pushed through the streaming stages as a whole, from a fresh start, causally: a training
window is bit for bit what the running decoder would have had at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.errors import ChannelError, FileFormatError
from rtbci.recipes.stages import Mean
from rtbci.stages.align import RunningAlign
from rtbci.stages.align_riemann import RiemannAlign
from rtbci.stages.filter import SosFilter
from rtbci.stages.reference import AverageReference
from rtbci.stages.resample import Resample
from rtbci.stages.stage import Chain, FloatArray

__all__ = [
    "CHAIN",
    "FRONTAL",
    "LAYOUT",
    "MEAN",
    "POSTERIOR",
    "RATE_HZ",
    "Run",
    "Signal",
    "align_signals",
    "alignment",
    "mean_covariance",
    "read_runs",
    "reference_signal",
]

# fmt: off
LAYOUT = (
    "FC5", "FC3", "FC1", "FCZ", "FC2", "FC4", "FC6",
    "T7", "C5", "C3", "C1", "CZ", "C2", "C4", "C6", "T8",
    "CP5", "CP3", "CP1", "CPZ", "CP2", "CP4", "CP6",
    "P7", "P3", "PZ", "P4", "P8", "O1", "OZ", "O2",
)
# fmt: on
"""All electrodes of the data but the frontal ones: eye movements towards the cue must not be decoded."""

FRONTAL = ("FP1", "FP2", "F7", "F3", "FZ", "F4", "F8")
"""Electrodes of the control: what these alone can tell is gaze, not imagery."""

POSTERIOR = ("P7", "P3", "PZ", "P4", "P8", "O1", "OZ", "O2")
"""Electrodes of a second control: what these alone can tell may be attention to one side of the screen."""

RATE_HZ = 256.0

MEAN: Mean = "riemann"
"""Of the alignment of the decoder that `tools.train_motor_imagery` ships; other shipped decoders are behind the arithmetic one."""

CHAIN: tuple[dict[str, object], ...] = (
    {"kind": "bandpass", "low_hz": 8.0, "high_hz": 30.0, "order": 4},
    {"kind": "resample", "rate_hz": 256.0, "passband_hz": None},
    {"kind": "reference", "channels": ()},
    {
        "kind": "align",
        "block_s": 0.25,
        "shrinkage": 0.05,
        "time_constant_s": 120.0,
        "warm_start_s": 5.0,
        "mean": MEAN,
    },
)
"""Stages of the decoder as the paradigm's recipe states them; the profile carries them and their hash."""


@dataclass(frozen=True, slots=True)
class Run:
    """One recording with cues.

    Parameters
    ----------
    subject : int
        Number of the subject.
    rate_hz : float
        Sampling rate.
    labels : tuple of str
        Canonical channel labels.
    data_uv : ndarray of float64, shape (n_samples, n_channels)
        Microvolts.
    i_cue : ndarray of int, shape (n_trials,)
        Sample of each cue.
    classes : ndarray of int, shape (n_trials,)
        0 left, 1 right.
    """

    subject: int
    rate_hz: float
    labels: tuple[str, ...]
    data_uv: FloatArray
    i_cue: npt.NDArray[np.intp]
    classes: npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Signal:
    """A run at the decoder's rate, in its layout; fields as in `Run`."""

    subject: int
    data: FloatArray
    i_cue: npt.NDArray[np.intp]
    classes: npt.NDArray[np.intp]


def read_runs(path: Path) -> list[Run]:
    """Read one subject's npz file (keys: see the data set's README).

    Raises
    ------
    FileFormatError
        When a key is missing or no run is there.
    """
    with np.load(path) as archive:
        content = {key: archive[key] for key in archive.files}
    names = sorted(key for key in content if key.startswith("run") and "_" not in key)
    if not names or "sfreq" not in content or "ch_names" not in content:
        raise FileFormatError(
            f"read_runs: {path} has keys {sorted(content)}, need sfreq, ch_names and runNN; give another file"
        )
    labels = tuple(str(name).upper() for name in content["ch_names"])
    runs: list[Run] = []
    for name in names:
        code = content[f"{name}_code"]
        runs.append(
            Run(
                subject=int(path.stem.lstrip("S")),
                rate_hz=float(content["sfreq"].ravel()[0]),
                labels=labels,
                data_uv=np.ascontiguousarray(content[name].T, dtype=np.float64),
                i_cue=content[f"{name}_onset"][code > 0].astype(np.intp),
                classes=code[code > 0].astype(np.intp) - 1,
            )
        )
    return runs


def reference_signal(run: Run, layout: Sequence[str], low_hz: float = 8.0, high_hz: float = 30.0) -> Signal:
    """Band-pass, resample and average-reference a run: everything before the alignment.

    Raises
    ------
    ChannelError
        When the run lacks a channel of the layout.
    """
    if missing := [label for label in layout if label not in run.labels]:
        raise ChannelError(f"reference_signal: subject {run.subject} has no {missing}, need {list(layout)}")
    columns = [run.labels.index(label) for label in layout]
    n = len(columns)
    chain = Chain(
        [
            SosFilter.bandpass(low_hz, high_hz, run.rate_hz, n, order=4),
            Resample(run.rate_hz, RATE_HZ, n),
            AverageReference(n, RATE_HZ),
        ]
    )
    data = chain.push(np.ascontiguousarray(run.data_uv[:, columns]))
    i_cue = resampled_cues(run)
    return Signal(run.subject, data, i_cue, run.classes)


def resampled_cues(run: Run) -> npt.NDArray[np.intp]:
    """Sample of each cue at `RATE_HZ`: the first that is not before it."""
    i_cue: npt.NDArray[np.intp] = np.ceil(run.i_cue * RATE_HZ / run.rate_hz).astype(np.intp)
    return i_cue


def mean_covariance(signals: Sequence[Signal]) -> FloatArray:
    """Mean over runs of the second moment, shape (n_channels, n_channels): the alignment's warm start."""
    return np.asarray(np.mean([signal.data.T @ signal.data / len(signal.data) for signal in signals], axis=0))


def align_signals(signals: Sequence[Signal], covariance: FloatArray) -> list[Signal]:
    """Whiten each run by itself, from a warm start, with the settings of `CHAIN`."""
    aligned: list[Signal] = []
    for signal in signals:
        stage = alignment(signal.data.shape[1], RATE_HZ, covariance, MEAN)
        aligned.append(Signal(signal.subject, stage.push(signal.data), signal.i_cue, signal.classes))
    return aligned


def alignment(
    n_channels: int, rate_hz: float, covariance: FloatArray | None = None, mean: Mean = "euclid"
) -> RunningAlign:
    """A fresh alignment with the settings of `CHAIN`, but for the mean; from a warm start where a covariance is given."""
    settings = CHAIN[-1]
    kind = RiemannAlign if mean == "riemann" else RunningAlign
    return kind(
        n_channels,
        rate_hz,
        block_s=float(str(settings["block_s"])),
        shrinkage=float(str(settings["shrinkage"])),
        time_constant_s=float(str(settings["time_constant_s"])),
        warm_start=None if covariance is None else (covariance, float(str(settings["warm_start_s"]))),
    )
