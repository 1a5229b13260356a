"""Public data sets by name, through MNE's own downloaders; needs the network once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtbci.errors import ConfigError, FileFormatError
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording, join_recordings

__all__ = ["DATASETS", "read_dataset"]

IMAGERY_RUNS = (4, 8, 12)
"""EEGMMIDB: imagined left or right fist."""
N_SUBJECTS, N_RUNS = 109, 14


def read_dataset(spec: str, folder: Path | None = None) -> list[Recording]:
    """Read a public data set, downloading what is not there yet.

    Parameters
    ----------
    spec : str
        ``eegbci:SUBJECT`` or ``eegbci:SUBJECT:RUN,RUN`` (PhysioNet EEGMMIDB; runs 4, 8, 12 unless told),
        or ``ssvep:SUBJECT`` (MNE's SSVEP example, subjects 1 and 2).
    folder : Path, optional
        Where the files are kept; MNE's own data folder otherwise.

    Returns
    -------
    list of Recording
        One: several runs are joined with a gap between them.

    Raises
    ------
    ConfigError
        When the name, subject or run does not exist.
    FileFormatError
        When it is not on disk and cannot be downloaded.
    """
    name, _, rest = spec.partition(":")
    if name not in DATASETS:
        raise ConfigError(
            f"dataset {spec!r}: no data set {name!r}, need one of {', '.join(DATASETS)}, as eegbci:7"
        )
    paths = DATASETS[name](spec, rest, folder)
    return [join_recordings([recording for path in paths for recording in read_recordings(path)])]


def _eegbci(spec: str, rest: str, folder: Path | None) -> list[Path]:
    subject_text, _, runs_text = rest.partition(":")
    subject = _number(spec, subject_text, "subject", N_SUBJECTS)
    given = runs_text.split(",") if runs_text else [str(run) for run in IMAGERY_RUNS]
    runs = [_number(spec, run, "run", N_RUNS) for run in given]

    def download() -> Any:
        from mne.datasets import eegbci

        return eegbci.load_data(
            subject, runs, path=None if folder is None else str(folder), update_path=False, verbose="ERROR"
        )

    return [Path(path) for path in _downloaded(spec, download, folder)]


def _ssvep(spec: str, rest: str, folder: Path | None) -> list[Path]:
    subject = _number(spec, rest, "subject", 2)

    def download() -> Any:
        from mne.datasets import ssvep

        return ssvep.data_path(None if folder is None else str(folder), update_path=False, verbose="ERROR")

    root = Path(_downloaded(spec, download, folder))
    found = sorted(root.glob(f"sub-{subject:02d}/**/*_eeg.vhdr"))
    if not found:
        raise FileFormatError(
            f"dataset {spec!r}: no recording of subject {subject} below {root}; delete it to load again"
        )
    return found


def _downloaded(spec: str, download: Callable[[], Any], folder: Path | None) -> Any:
    # pooch and requests raise many kinds when there is no network; all mean the same here.
    try:
        return download()
    except Exception as error:
        raise FileFormatError(
            f"dataset {spec!r}: not in {folder or _default_folder()} and cannot be downloaded "
            f"({type(error).__name__}: {str(error)[:200]}); needs the network once, or put the files there"
        ) from error


def _default_folder() -> str:
    import mne

    return str(mne.get_config("MNE_DATA") or Path.home() / "mne_data")


def _number(spec: str, text: str, what: str, largest: int) -> int:
    if not text.strip().isdigit() or not 1 <= int(text) <= largest:
        raise ConfigError(
            f"dataset {spec!r}: {what} is {text!r}, need a number from 1 to {largest}; as eegbci:7:4,8,12"
        )
    return int(text)


DATASETS: dict[str, Callable[[str, str, Path | None], list[Path]]] = {"eegbci": _eegbci, "ssvep": _ssvep}
"""Data sets that can be named, and what turns the rest of the name into files."""
