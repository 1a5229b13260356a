"""EEGMAT's two recordings of a person as one session: rest, a gap, arithmetic."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rtbci.errors import FileFormatError
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording, join_recordings
from rtbci.stream.source import Marker

__all__ = ["ECG", "PAUSE_S", "SessionReader", "ecg_of"]

PAUSE_S = 5.0
"""Between the two; how long it really was is not known. No window spans it, the baseline does."""
PIECE_S = 10.0
"""A cue every ten seconds, so that `rtbci eval` has trials to judge."""
ECG = "ECG ECG"


@dataclass(frozen=True)
class SessionReader:
    """Sessions of the people of a folder; a `SubjectReader`.

    Parameters
    ----------
    folder : Path
        With ``SubjectNN_1.edf`` (rest) and ``SubjectNN_2.edf`` (serial subtraction).
    first_s : float
        Cues begin so long after the start of the rest: what is before is the baseline's.
    """

    folder: Path
    first_s: float
    name: str = "eegmat"

    @property
    def source(self) -> str:
        """Where it is."""
        return str(self.folder)

    def subjects(self) -> list[str]:
        """Names of all people, sorted."""
        found = sorted(path.stem.removesuffix("_1") for path in self.folder.glob("Subject*_1.edf"))
        if not found:
            raise FileFormatError(
                f"{self.folder}: has no Subject*_1.edf, need those of EEGMAT; check the path"
            )
        return found

    def read(self, subject: str) -> list[Recording]:
        """The session, with the cues ``low`` and ``high``."""
        rest, task = (read_recordings(self.folder / f"{subject}_{i}.edf")[0] for i in (1, 2))
        parts = [
            _cued(rest, "low", self.first_s),
            _cued(task, "high", 0.0),
        ]
        return [join_recordings(parts, PAUSE_S)]


def _cued(part: Recording, cue: str, first_s: float) -> Recording:
    starts = np.arange(first_s, part.duration_s - PIECE_S + 0.1, PIECE_S)
    return replace(part, markers=tuple(Marker(float(t), cue) for t in starts))


def ecg_of(
    folder: Path, subject: str, i_part: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], float]:
    """The electrocardiogram of one of the two recordings (0: rest), shape (n_samples,), and its rate in Hz."""
    part = read_recordings(folder / f"{subject}_{i_part + 1}.edf")[0]
    return np.ascontiguousarray(part.data[:, part.info.labels.index(ECG)]), part.info.rate_hz
