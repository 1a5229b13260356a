"""Faults in the samples: not finite, at the rails, flat, mains, missing, doubled."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rtbci.chaos.flow import Flow, Note
from rtbci.chaos.scenario import (
    Dropout,
    Duplicate,
    Flat,
    LineNoise,
    Noise,
    NotFinite,
    Saturation,
)
from rtbci.chaos.schedule import Part, Schedule
from rtbci.errors import ChannelError
from rtbci.stream.labels import canonical_label
from rtbci.stream.source import FloatArray, StreamInfo

__all__ = ["DropoutFault", "DuplicateFault", "OnChannels", "SignalFault"]

OnChannels = NotFinite | Saturation | Flat | LineNoise | Noise
Effect = Callable[[FloatArray], FloatArray]
"""From the times of samples, in seconds since the fault began, shape (n, 1), to what is written or added."""
Columns = npt.NDArray[np.intp]


class SignalFault:
    """Changes some channels while it lasts.

    Parameters
    ----------
    settings : NotFinite, Saturation, Flat, LineNoise or Noise
    schedule : Schedule
    info : StreamInfo
        Channels that there are.

    Raises
    ------
    ChannelError
        When the stream lacks a channel that is named.
    """

    def __init__(self, settings: OnChannels, schedule: Schedule, info: StreamInfo) -> None:
        self._settings, self._schedule, self._info = settings, schedule, info
        self._named = _columns(settings.channels, info)
        eeg = [i for i, channel in enumerate(info.channels) if channel.type.upper() == "EEG"]
        self._eeg = np.array(eeg or range(info.n_channels), np.intp)
        self._effects: dict[int, tuple[Columns, Effect]] = {}

    def push(self, flow: Flow, note: Note) -> Flow:
        """Change the next samples, in place."""
        for part in self._schedule.parts(flow.t_s):
            if part.is_new:
                self._effects = {part.occurrence.number: self._begin(part, flow)}
                names = ",".join(self._info.labels[i] for i in self._effects[part.occurrence.number][0])
                note(part, flow, {"channels": names})
            columns, effect = self._effects[part.occurrence.number]
            rows = slice(part.first, part.last)
            written = effect(flow.t_s[rows, None] - part.occurrence.start_s)
            if isinstance(self._settings, LineNoise | Noise):
                written = written + flow.data[rows][:, columns]
            flow.data[rows, columns] = written
        return flow

    def _begin(self, part: Part, flow: Flow) -> tuple[Columns, Effect]:
        rng, settings = self._schedule.rng(part.occurrence), self._settings
        columns = self._named if len(self._named) else self._eeg
        if settings.n_channels is not None and settings.n_channels < len(columns):
            columns = np.sort(rng.choice(columns, settings.n_channels, replace=False))
        signs = rng.choice([-1.0, 1.0], len(columns))
        if isinstance(settings, LineNoise):
            omega, amplitude = 2 * np.pi * settings.freq_hz, settings.amplitude
            return columns, lambda t_s: amplitude * np.sin(omega * t_s)
        if isinstance(settings, Noise):
            sd = settings.amplitude  # drawn sample by sample, so that chunks do not change it
            return columns, lambda t_s: sd * rng.standard_normal((len(t_s), len(columns)))
        if isinstance(settings, Flat):
            constant = flow.data[part.first, columns]
        elif isinstance(settings, Saturation):
            constant = signs * settings.level
        else:
            constant = signs * (np.nan if settings.kind == "nan" else np.inf)
        return columns, lambda t_s: np.broadcast_to(constant, (len(t_s), len(constant)))


class DropoutFault:
    """Leaves samples out."""

    def __init__(self, _settings: Dropout, schedule: Schedule) -> None:
        self._schedule = schedule

    def push(self, flow: Flow, note: Note) -> Flow:
        """Return the samples that stay."""
        stays = np.ones(len(flow.t_s), bool)
        for part in self._schedule.parts(flow.t_s):
            if part.is_new:
                note(part, flow, {})
            stays[part.first : part.last] = False
        return flow if stays.all() else flow.take(stays)


class DuplicateFault:
    """Gives samples more than once, one behind the other."""

    def __init__(self, settings: Duplicate, schedule: Schedule) -> None:
        self._times, self._schedule = settings.times, schedule

    def push(self, flow: Flow, note: Note) -> Flow:
        """Return all samples, some of them several times."""
        times = np.ones(len(flow.t_s), np.intp)
        for part in self._schedule.parts(flow.t_s):
            if part.is_new:
                note(part, flow, {"times": self._times})
            times[part.first : part.last] = self._times
        return flow if (times == 1).all() else flow.take(np.repeat(np.arange(len(times)), times))


def _columns(labels: tuple[str, ...], info: StreamInfo) -> Columns:
    where = {canonical_label(label): i for i, label in enumerate(info.labels)}
    if lacking := [label for label in labels if canonical_label(label) not in where]:
        raise ChannelError(
            f"chaos: scenario names channels {', '.join(lacking)}, stream '{info.name}' has "
            f"{', '.join(info.labels)}; name some of these, or give n_channels"
        )
    return np.array([where[canonical_label(label)] for label in labels], np.intp)
