"""Whose recordings a decoder is judged on: subjects with runs, from a folder, files, or a public data set."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from rtbci.errors import ConfigError, FileFormatError
from rtbci.evaluate.npz_runs import is_run_archive, read_npz_runs
from rtbci.replay.events_file import is_events_file
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.replay.sniff import COMPANIONS, KINDS
from rtbci.stream.labels import is_eeg
from rtbci.stream.marker_texts import class_of_marker
from rtbci.stream.source import Marker

__all__ = ["MOABB_PREFIX", "FileReader", "RenamedReader", "SubjectReader", "open_data", "subject_of"]

RUN_SUFFIX = re.compile(r"(?<=[A-Za-z0-9])[_-]?(?:R|run-?)\d+(?:_eeg)?$", re.IGNORECASE)
"""What of a file's name says which run it is: S007R12, sub-03_run-02_eeg."""
TASK = re.compile(r"_task-([A-Za-z0-9]+)")

MOABB_PREFIX = "moabb:"
BIDS_SUBJECT, BIDS_EEG = "sub-*", ("eeg", "ses-*/eeg")
"""Where a BIDS data set has its recordings (Pernet et al. 2019, doi:10.1038/s41597-019-0104-8)."""


class SubjectReader(Protocol):
    """Where the recordings of an evaluation come from; small enough to be sent to another process.

    Attributes
    ----------
    name : str
        Name of the data set, the first part of ``"eegmmidb/S001"``.
    source : str
        Where it is, for the record.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102

    def subjects(self) -> list[str]:
        """Names of all subjects, sorted."""
        ...

    def read(self, subject: str) -> list[Recording]:
        """All runs of a subject in time order, each with its cues as markers.

        Raises
        ------
        FileFormatError
            When they cannot be read.
        """
        ...


@dataclass(frozen=True)
class FileReader:
    """Recordings in files; files whose names differ only in the run belong to one subject.

    Parameters
    ----------
    name, source : str
        See `SubjectReader`.
    files : dict of str to tuple of Path
        Files of each subject, in the order of their names.
    """

    name: str
    source: str
    files: dict[str, tuple[Path, ...]]

    def subjects(self) -> list[str]:
        """Names of all subjects, sorted."""
        return sorted(self.files)

    def read(self, subject: str) -> list[Recording]:
        """All runs of a subject; see `SubjectReader.read`."""
        return [run for path in self.files[subject] for run in _read_file(path)]


@dataclass(frozen=True)
class RenamedReader:
    """Recordings whose markers are called by the classes that they stand for, and channels by names that are given.

    Parameters
    ----------
    reader : SubjectReader
        Whose recordings.
    markers : dict of str to tuple of str
        Texts of each class; see `rtbci.stream.marker_texts.class_of_marker`.
    labels : sequence of str
        Names of all channels in their order; empty: as the recordings have them.
    """

    reader: SubjectReader
    markers: dict[str, tuple[str, ...]]
    labels: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.reader.name

    @property
    def source(self) -> str:
        """Where it is, what its markers are taken for and what its channels are called."""
        told = [f"{text} = {name}" for name, texts in self.markers.items() for text in texts]
        told += [f"channels {', '.join(self.labels)}"] if self.labels else []
        return f"{self.reader.source} ({', '.join(told)})"

    def subjects(self) -> list[str]:
        """Names of all subjects, sorted."""
        return self.reader.subjects()

    def read(self, subject: str) -> list[Recording]:
        """All runs of a subject; see `SubjectReader.read`."""
        return [
            replace(run, markers=tuple(Marker(t, self._called(text)) for t, text in run.markers))
            for run in (one.labelled(self.labels) for one in self.reader.read(subject))
        ]

    def _called(self, text: str) -> str:
        return class_of_marker(text, self.markers) or text


def open_data(places: Sequence[str], name: str = "", task: str = "") -> SubjectReader:
    """Find the subjects of a folder, of files, or of a MOABB data set.

    Parameters
    ----------
    places : sequence of str
        One folder; one or more files; or ``moabb:NAME``. Where a folder holds no recording, each folder in it that does
        is a subject; of a BIDS data set each ``sub-*``, with its sessions and runs in the order of their names.
    name : str
        Name of the data set; the folder's name otherwise.
    task : str
        Of a BIDS data set: only recordings of this task; empty: all.

    Raises
    ------
    FileFormatError
        When there is no such place, or nothing in it that can be read.
    ConfigError
        When the places do not belong together.
    MissingPackageError
        When MOABB is asked for and not installed.
    """
    if not places:
        raise ConfigError("--data: nothing given, need a folder, files, or moabb:NAME")
    if any(place.startswith(MOABB_PREFIX) for place in places):
        if len(places) > 1:
            raise ConfigError(f"--data: got {len(places)} places, need a MOABB data set on its own")
        from rtbci.evaluate.read_moabb import open_moabb

        return open_moabb(places[0].removeprefix(MOABB_PREFIX))
    paths = [Path(place) for place in places]
    if missing := [path for path in paths if not path.exists()]:
        raise FileFormatError(
            f"--data: {missing[0]} does not exist, need a folder or recordings; check the path "
            f"(a public data set is named as {MOABB_PREFIX}NAME)"
        )
    home = paths[0] if paths[0].is_dir() else paths[0].parent
    by_subject: dict[str, list[Path]] = {}
    if paths == [home]:
        by_subject = _bids_subjects(home, task) or _folders_of_subjects(home)
    elif task:
        raise ConfigError(f"--task: got '{task}' and {len(paths)} places, need one folder of a BIDS data set")
    if not by_subject:
        for file in [file for path in paths for file in (_recordings_in(path) if path.is_dir() else [path])]:
            by_subject.setdefault(subject_of(file), []).append(file)
    grouped = {subject: tuple(sorted(found)) for subject, found in by_subject.items()}
    return FileReader(name or home.resolve().name, ", ".join(places), grouped)


def subject_of(path: Path) -> str:
    """Subject that a file's name stands for: the name without its ending and the number of the run.

    Examples
    --------
    >>> [subject_of(Path(name)) for name in ("S007R12.edf", "S001.npz", "sub-03_run-02_eeg.vhdr", "R01.edf")]
    ['S007', 'S001', 'sub-03', 'R01']
    """
    return RUN_SUFFIX.sub("", path.stem) or path.stem


def _bids_subjects(home: Path, task: str) -> dict[str, list[Path]]:
    """Recordings of a BIDS data set, or of one subject's folder of it, by subject; none where it is not one."""
    folders = [home] if home.match(BIDS_SUBJECT) else sorted(home.glob(BIDS_SUBJECT))
    found = {
        folder.name: [
            path
            for place in BIDS_EEG
            for eeg in sorted(folder.glob(place))
            for path in _look_for_recordings(eeg)
        ]
        for folder in folders
    }
    tasks = sorted({one for paths in found.values() for path in paths for one in TASK.findall(path.name)})
    if task and task not in tasks:
        raise ConfigError(
            f"--task: got '{task}', {home} has {', '.join(tasks) or 'no recording of a BIDS data set'}; name one of these"
        )
    wanted = {
        subject: [path for path in paths if not task or task in TASK.findall(path.name)]
        for subject, paths in found.items()
    }
    return {subject: paths for subject, paths in wanted.items() if paths}


def _folders_of_subjects(home: Path) -> dict[str, list[Path]]:
    """Recordings by the folder that they lie in, where `home` itself holds none."""
    if _look_for_recordings(home):
        return {}
    folders = sorted(path for path in home.iterdir() if path.is_dir())
    return {folder.name: found for folder in folders if (found := _look_for_recordings(folder))}


def _look_for_recordings(folder: Path) -> list[Path]:
    """Recordings in a folder, sorted; of one that lies there in several formats only the FIF file."""
    endings = {ending for kind in KINDS for ending in kind.extensions} - COMPANIONS.keys()
    found = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in endings)
    found = [path for path in found if not is_events_file(path)]
    converted = {path.stem.removesuffix("_raw") for path in found if path.suffix.lower() == ".fif"}
    return [path for path in found if path.suffix.lower() == ".fif" or path.stem not in converted]


def _recordings_in(folder: Path) -> list[Path]:
    found = _look_for_recordings(folder)
    if not found:
        endings = {ending for kind in KINDS for ending in kind.extensions} - COMPANIONS.keys()
        raise FileFormatError(
            f"--data: {folder} holds no recording, need files ending in {', '.join(sorted(endings))}; "
            "give the folder that the files lie in"
        )
    return found


def _read_file(path: Path) -> list[Recording]:
    if is_run_archive(path):
        return read_npz_runs(path)
    found = [one for one in read_recordings(path) if any(is_eeg(channel) for channel in one.info.channels)]
    if not found:
        raise FileFormatError(f"{path}: holds no EEG, need a stream with electrodes; give another file")
    return found
