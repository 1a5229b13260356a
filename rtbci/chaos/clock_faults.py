"""Faults in time: what stamps say, and when samples come."""

import numpy as np

from rtbci.chaos.flow import Flow, Note
from rtbci.chaos.scenario import ArrivalJitter, Burst, ClockJump, ClockReset, Drift
from rtbci.chaos.schedule import EDGE_S, Occurrence, Part, Schedule

__all__ = ["BurstFault", "ClockFault", "InOrder", "JitterFault"]


class ClockFault:
    """Adds what a wrong clock adds to the stamps.

    What a clock has gained stays, unless the fault says otherwise.
    """

    def __init__(self, settings: Drift | ClockJump | ClockReset, schedule: Schedule) -> None:
        self._settings, self._schedule = settings, schedule
        self._begun: dict[Occurrence, float] = {}  # in their order, with the offset that each made
        self._gained_s = 0.0  # by all before those

    def push(self, flow: Flow, note: Note) -> Flow:
        """Return the samples with other stamps."""
        for part in self._schedule.parts(flow.t_s):
            if part.is_new:
                did = self._begin(part, flow)
                self._begun[part.occurrence] = did.get("offset_s", 0.0)
                note(part, flow, did)
        gained_s = np.full(len(flow.t_s), self._gained_s)
        for occurrence, offset_s in self._begun.items():
            since_s = flow.t_s - occurrence.start_s
            lasts_s = occurrence.stop_s - occurrence.start_s
            inside = (since_s >= -EDGE_S) & (since_s < lasts_s - EDGE_S)
            if isinstance(self._settings, Drift):
                gained_s += 1e-6 * self._settings.ppm * np.clip(since_s, 0.0, lasts_s)
            elif isinstance(self._settings, ClockJump):
                gained_s += offset_s * inside
            else:  # a later reset replaces an earlier one
                gained_s = np.where(inside, offset_s, gained_s)
        if len(gained_s) and all(one.stop_s <= flow.t_s[-1] or np.isinf(one.stop_s) for one in self._begun):
            # Nothing changes any more: not to be added up again for every chunk to come.
            self._begun, self._gained_s = {}, float(gained_s[-1])
        return flow._replace(t_lsl=flow.t_lsl + gained_s)

    def _begin(self, part: Part, flow: Flow) -> dict[str, float]:
        if isinstance(self._settings, Drift):
            return {"ppm": self._settings.ppm}
        if isinstance(self._settings, ClockJump):
            return {"offset_s": self._settings.offset_s}
        to_s = self._settings.to_s
        return {"to_s": to_s, "offset_s": to_s - float(flow.t_lsl[part.first])}


class BurstFault:
    """Holds samples back until its end."""

    def __init__(self, _settings: Burst, schedule: Schedule) -> None:
        self._schedule = schedule
        self._t_release = 0.0

    def push(self, flow: Flow, note: Note) -> Flow:
        """Return the samples with later times of sending."""
        t_due = flow.t_due.copy()
        for part in self._schedule.parts(flow.t_s):
            if part.is_new:
                left_s = part.occurrence.stop_s - float(flow.t_s[part.first])
                self._t_release = float(flow.t_source[part.first]) + left_s
                note(part, flow, {})
            rows = slice(part.first, part.last)
            t_due[rows] = np.maximum(t_due[rows], self._t_release)
        return flow._replace(t_due=t_due)


class JitterFault:
    """Sends packets late, each by its own random time."""

    def __init__(self, settings: ArrivalJitter, schedule: Schedule) -> None:
        self._settings, self._schedule = settings, schedule
        self._rng = np.random.default_rng()  # another one with every occurrence
        self._delay_s, self._n_left, self._t_latest = 0.0, 0, -np.inf

    def push(self, flow: Flow, note: Note) -> Flow:
        """Return the samples with later times of sending."""
        t_due, t_lsl = flow.t_due.copy(), flow.t_lsl.copy()
        for part in self._schedule.parts(flow.t_s):
            if part.is_new:
                self._rng, self._n_left, self._t_latest = self._schedule.rng(part.occurrence), 0, -np.inf
                note(part, flow, {"jitter_s": self._settings.jitter_s, "stamps": self._settings.stamps})
            for i in range(part.first, part.last):
                late_s = self._delay(t_due[i])
                t_due[i] += late_s
                if self._settings.stamps:
                    t_lsl[i] += late_s
        return flow._replace(t_due=t_due, t_lsl=t_lsl)

    def _delay(self, t_due: float) -> float:
        """How late a sample is: as late as its packet, and never before the sample in front of it."""
        if not self._n_left:
            self._delay_s, self._n_left = self._settings.jitter_s * self._rng.random(), self._settings.packet
        self._n_left -= 1
        self._t_latest = max(self._t_latest, t_due + self._delay_s)
        return self._t_latest - t_due


class InOrder:
    """Nothing overtakes: a sample is sent no earlier than the one in front of it."""

    def __init__(self) -> None:
        self._t_latest = -np.inf

    def push(self, flow: Flow) -> Flow:
        """Return the samples with ascending times of sending."""
        if not len(flow.t_due):
            return flow
        t_due = np.maximum.accumulate(np.maximum(flow.t_due, self._t_latest))
        self._t_latest = float(t_due[-1])
        return flow._replace(t_due=t_due)
