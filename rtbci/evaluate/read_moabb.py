"""Subjects of a public data set through MOABB, which downloads what is not there yet."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtbci.errors import ConfigError, FileFormatError, MissingPackageError
from rtbci.installing import pip_extra
from rtbci.replay.recording import Recording
from rtbci.stream.source import Channel, Marker, StreamInfo

__all__ = ["MoabbReader", "open_moabb", "raw_recording"]

UV_PER_V = 1e6


@dataclass(frozen=True)
class MoabbReader:
    """A data set of `moabb.datasets`; holds only its name, so that it can be sent anywhere.

    Parameters
    ----------
    data_set : str
        Name of the class, as ``BNCI2014_001``.
    """

    data_set: str

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.data_set

    @property
    def source(self) -> str:
        """Where it is from, for the record."""
        return f"moabb:{self.data_set}"

    def subjects(self) -> list[str]:
        """Subjects by MOABB's numbers, as ``S001``."""
        return [f"S{number:03d}" for number in sorted(self._open().subject_list)]

    def read(self, subject: str) -> list[Recording]:
        """All runs of all sessions of a subject; see `SubjectReader.read`.

        Markers are the names of the data set's events (``left_hand``). The first call needs the network.
        """
        number = int(subject.removeprefix("S"))
        data_set = self._open()
        try:
            sessions = data_set.get_data(subjects=[number])[number]
        except Exception as error:  # downloads fail in many ways; all mean the same here
            raise FileFormatError(
                f"{self.source}: subject {subject} is not on disk and cannot be downloaded ({type(error).__name__}: "
                f"{str(error)[:200]}); needs the network once, or MNE_DATA pointing to where it is"
            ) from error
        runs = [
            raw_recording(raw, f"{subject}-{session}-{run}", dict(data_set.event_id))
            for session, runs in sorted(sessions.items())
            for run, raw in sorted(runs.items())
        ]
        if not runs:
            raise FileFormatError(
                f"{self.source}: subject {subject} has no run; leave it out with --subjects"
            )
        return runs

    def _open(self) -> Any:
        return getattr(importlib.import_module("moabb.datasets"), self.data_set)()


def open_moabb(name: str) -> MoabbReader:
    """Find a data set of MOABB by name.

    Raises
    ------
    MissingPackageError
        When MOABB is not installed.
    ConfigError
        When it has no such data set.
    """
    try:
        datasets = importlib.import_module("moabb.datasets")
    except ImportError as error:
        raise MissingPackageError(
            f"--data: moabb:{name} needs MOABB, which is not installed; {pip_extra('moabb')}"
        ) from error
    if not name.isidentifier() or not hasattr(getattr(datasets, name, None), "get_data"):
        known = sorted(one for one in dir(datasets) if hasattr(getattr(datasets, one), "get_data"))
        raise ConfigError(
            f"--data: MOABB has no data set '{name}', it has {', '.join(known[:12])}, ...; see moabb.datasets"
        )
    return MoabbReader(name)


def raw_recording(raw: Any, name: str, event_id: dict[str, int]) -> Recording:
    """An MNE Raw as a recording: EEG in microvolts, events as markers by their names.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        With annotations, or a trigger channel.
    name : str
    event_id : dict
        Names of the codes of a trigger channel.
    """
    rate_hz = float(raw.info["sfreq"])
    picks = [i for i, kind in enumerate(raw.get_channel_types()) if kind == "eeg"]
    if not picks:
        raise FileFormatError(f"{name}: has no EEG channel, need an EEG recording; give another data set")
    channels = tuple(Channel(raw.ch_names[i], "microvolts", "EEG") for i in picks)
    data = np.ascontiguousarray(raw.get_data(picks=picks).T) * UV_PER_V
    markers = tuple(sorted(_annotated(raw, event_id) or _triggered(raw, event_id)))
    return Recording(StreamInfo(name, f"moabb-{name}", rate_hz, channels), data, markers)


def _annotated(raw: Any, event_id: dict[str, int]) -> list[Marker]:
    offset_s = -float(raw.first_time)  # onsets count from sample 0 of the acquisition
    if raw.annotations.orig_time is not None and raw.info["meas_date"] is not None:
        offset_s += (raw.annotations.orig_time - raw.info["meas_date"]).total_seconds()
    pairs = zip(raw.annotations.onset, raw.annotations.description, strict=True)
    found = [Marker(float(onset) + offset_s, str(text)) for onset, text in pairs]
    return found if any(marker.value in event_id for marker in found) else []


def _triggered(raw: Any, event_id: dict[str, int]) -> list[Marker]:
    import mne

    if "stim" not in raw.get_channel_types():
        return []
    names = {code: text for text, code in event_id.items()}
    events = mne.find_events(raw, shortest_event=0, verbose="ERROR")
    rate_hz = raw.info["sfreq"]
    return [
        Marker((int(at) - raw.first_samp) / rate_hz, names.get(int(code), str(int(code))))
        for at, _, code in events
    ]
