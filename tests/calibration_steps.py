"""A short protocol, a clock that tests move, and a presenter that only remembers."""

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rtbci.calibrate.presenter import Feedback, Step
from rtbci.calibrate.protocol import ProtocolSettings
from rtbci.calibrate.schedule import ScheduledTrial
from rtbci.settings import check_settings

__all__ = ["CLASSES", "FakeClock", "FakePresenter", "protocol", "values"]

CLASSES = ("left_hand", "right_hand")


def values(**tables: Any) -> dict[str, Any]:
    """A protocol as it is read from TOML; `tables` replace whole keys."""
    cues = {
        "left_hand": {"symbol": "left", "text": "left hand"},
        "right_hand": {"symbol": "right", "text": "right hand"},
    }
    return {"schema": 1, "cues": cues, **tables}


def protocol(**tables: Any) -> ProtocolSettings:
    """A checked protocol."""
    tables.setdefault("stopping", {"min_per_class": 2} if "trials" in tables else {})
    return check_settings(ProtocolSettings, values(**tables), "test")


class FakeClock:
    """Time that passes only when somebody waits."""

    def __init__(self, t_s: float = 1000.0) -> None:
        self.t_s = t_s

    def __call__(self) -> float:
        return self.t_s


class FakePresenter:
    """Remembers what it was to show; `late_s` after the order everything is seen.

    Parameters
    ----------
    clock : FakeClock
    late_s : callable
        Delay of a step; NaN for one that is not seen.
    stop_at : float
        When somebody sets `stop`.
    """

    def __init__(
        self,
        clock: FakeClock,
        late_s: Callable[[Step, ScheduledTrial | None], float] = lambda _step, _trial: 0.0,
        stop_at: float = math.inf,
    ) -> None:
        self.clock, self._late_s, self._stop_at = clock, late_s, stop_at
        self.shown: list[tuple[float, Step, int | None]] = []
        self.told: list[Feedback] = []
        self.t_starts: list[float] = []

    def wait_for_start(self, stop: threading.Event) -> bool:
        self.t_starts.append(self.clock())
        return not stop.is_set()

    def present(self, step: Step, trial: ScheduledTrial | None) -> float:
        late_s = self._late_s(step, trial)
        if math.isnan(late_s):
            self.clock.t_s += 0.5
            return math.nan
        self.clock.t_s += late_s
        self.shown.append((self.clock(), step, trial.i_trial if trial is not None else None))
        return self.clock()

    def wait_until(self, t_lsl: float, stop: threading.Event) -> bool:
        if t_lsl > self._stop_at:
            stop.set()
            return False
        self.clock.t_s = max(self.clock.t_s, t_lsl)
        return not stop.is_set()

    def tell(self, feedback: Feedback) -> None:
        self.told.append(feedback)

    def measured(self) -> dict[str, float]:
        return {"shown": float(len(self.shown))}

    def close(self) -> None:
        pass

    def times(self, step: Step) -> list[float]:
        """When a step was shown, each time."""
        return [t for t, name, _ in self.shown if name == step]

    def steps(self) -> Sequence[Step]:
        """What was shown, in order."""
        return [name for _, name, _ in self.shown]
