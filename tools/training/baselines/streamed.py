"""Windows of whole recordings as decoders judged them: in memory, and in a fold's file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError
from rtbci.evaluate.trials import Trial
from rtbci.stages.stage import FloatArray

__all__ = [
    "FUSED",
    "FUSED_IDLE",
    "IDLE_PARADIGM",
    "OURS",
    "PARADIGM",
    "StreamedRun",
    "read_streamed",
    "write_streamed",
]

PARADIGM, IDLE_PARADIGM = "motor_imagery", "motor_imagery_idle"
OURS = "ours_"
FUSED, FUSED_IDLE = f"{OURS}fused", f"{OURS}fused_idle"


@dataclass(frozen=True, slots=True)
class StreamedRun:
    """Windows of one run, on a grid of hops, and its trials.

    Parameters
    ----------
    subject : str
    i_run : int
    t_first, t_newest : ndarray of float64, shape (n_windows,)
        Seconds from the run's first sample.
    logits : dict of ndarray of float64, shape (n_windows, n_classes)
        By decoder, before recentring and temperature; NaN where no window was full. Of the decoder with rest as its third
        class after the temperature, which is not fitted anew.
    trials : tuple of Trial
    """

    subject: str
    i_run: int
    t_first: FloatArray
    t_newest: FloatArray
    logits: dict[str, FloatArray]
    trials: tuple[Trial, ...]


def read_streamed(path: Path, every: int) -> list[StreamedRun]:
    """Read what `stream_fold` wrote.

    Raises
    ------
    ConfigError
        When it was written on another grid.
    """
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    if int(arrays["every"]) != every:
        raise ConfigError(
            f"compare: {path} holds every {int(arrays['every'])}th hop, need every {every}th; delete it, or give --every"
        )
    runs = []
    for i, (subject, i_run) in enumerate(zip(arrays["subjects"], arrays["i_runs"], strict=True)):
        of_run = {key.removeprefix(f"{i}/"): one for key, one in arrays.items() if key.startswith(f"{i}/")}
        t_first, t_newest, table = (of_run.pop(key) for key in ("t_first", "t_newest", "trials"))
        trials = tuple(Trial(int(i_run), row[0], row[1], int(row[2])) for row in table.tolist())
        runs.append(StreamedRun(str(subject), int(i_run), t_first, t_newest, of_run, trials))
    return runs


def write_streamed(path: Path, runs: Sequence[StreamedRun], every: int) -> None:
    """Write runs (npz) so that `read_streamed` reads them; the file is there as a whole or not at all."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "every": np.array(every),
        "subjects": np.array([run.subject for run in runs]),
        "i_runs": np.array([run.i_run for run in runs]),
    }
    for i, run in enumerate(runs):
        trials = np.array([(one.t_cue, one.t_end, one.i_class) for one in run.trials]).reshape(-1, 3)
        of_run = {"t_first": run.t_first, "t_newest": run.t_newest, "trials": trials}
        arrays |= {f"{i}/{key}": one for key, one in (of_run | run.logits).items()}
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)
