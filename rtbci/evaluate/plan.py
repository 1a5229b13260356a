"""What to judge, and how: everything that the command line can say."""

from dataclasses import dataclass
from pathlib import Path

from rtbci.evaluate.data import SubjectReader
from rtbci.evaluate.split import Remaining
from rtbci.stream.caps import Cap

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """What to judge, and how.

    Parameters
    ----------
    paradigm : str
        Name or folder of a recipe.
    reader : SubjectReader
        Whose recordings.
    track : str
        ``A`` or ``B``.
    ks : tuple of int
        Trials a class to calibrate on; 0 is always judged too.
    profile : Path or None
        None: the paradigm's population profile.
    folds : Path or None
        Folder of folds, instead of `profile`.
    allow_seen, is_named : bool
        See `assign_profile`.
    calibrator : str
        See `find_calibrator`.
    remaining : {'later', 'all'}
        See `first_trials`.
    subjects : tuple of str
        Only these; empty: all.
    n_jobs : int
        Processes.
    ray : str
        Address of a Ray cluster, or ``local``; empty: processes.
    backend : str
        Back end of the engines.
    cap : Cap or None
        The only electrodes that the decoder is given of each recording; None: all.
    """

    paradigm: str
    reader: SubjectReader
    track: str
    ks: tuple[int, ...] = (0,)
    profile: Path | None = None
    folds: Path | None = None
    allow_seen: bool = False
    is_named: bool = False
    calibrator: str = "scale_bias"
    remaining: Remaining = "later"
    subjects: tuple[str, ...] = ()
    n_jobs: int = 1
    ray: str = ""
    backend: str = "onnxruntime"
    cap: Cap | None = None
