"""How far a build has come: TensorRT's phases within phases as one share of the whole."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["BuildShares", "Progress", "progress_monitor"]

Progress = Callable[[str, float], None]
"""Called from the builder's threads with the name of a phase and the share of the whole that is done, 0 to 1."""


def progress_monitor(trt: Any, progress: Progress | None) -> Any:
    """Make an ``IProgressMonitor`` of the package `trt`.

    Its `failure` is what `progress` raised, or None; after that the build is told to stop.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Passes on what the builder tells."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)  # pybind11 wants it called by name
            self.failure: BaseException | None = None
            self._shares = BuildShares()

        def phase_start(self, name: str, parent: str | None, n_steps: int) -> None:
            """Begin a phase."""
            self._tell(name, self._shares.start(name, parent, n_steps))

        def phase_finish(self, name: str) -> None:
            """End a phase."""
            self._tell(name, self._shares.finish(name))

        def step_complete(self, name: str, i_step: int) -> bool:
            """One step is done; False ends the build."""
            self._tell(name, self._shares.step(name, i_step))
            return self.failure is None

        def _tell(self, name: str, share: float) -> None:
            if progress is None or self.failure is not None:
                return
            try:
                progress(name, share)
            except BaseException as error:  # raised again when the builder has stopped
                self.failure = error

    return Monitor()


@dataclass
class _Phase:
    begin: float  # as shares of the whole build
    end: float
    n_steps: int
    parent: str | None
    at: float


class BuildShares:
    """From phases that begin and end, in steps and inside each other, to a share that never goes back.

    A phase lies in the current step of its parent; as nobody says how many more will come in that step, it is
    given half of what is left of it. Any thread may call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._furthest = 0.0

    def start(self, name: str, parent: str | None, n_steps: int) -> float:
        """Begin a phase; returns the share that is done, as all of these do."""
        with self._lock:
            around = self._phases.get(parent or "")
            if around is None:
                begin, end = 0.0, 1.0
            else:
                width = (around.end - around.begin) / around.n_steps
                # A phase that came late into a step got nothing of it, and its own phases get nothing either.
                i_step = int((around.at - around.begin) / width + 1e-9) if width else 0
                i_step = min(i_step, around.n_steps - 1)
                begin = around.at
                end = begin + (around.begin + (i_step + 1) * width - begin) / 2
            self._phases[name] = _Phase(begin, end, max(n_steps, 1), parent, begin)
            return self._reach(begin)

    def step(self, name: str, i_step: int) -> float:
        """Step `i_step`, counted from 0, of a phase is done."""
        with self._lock:
            if (phase := self._phases.get(name)) is None:
                return self._furthest
            done = min(i_step + 1, phase.n_steps) / phase.n_steps
            phase.at = max(phase.at, phase.begin + done * (phase.end - phase.begin))
            return self._reach(phase.at)

    def finish(self, name: str) -> float:
        """A phase is over."""
        with self._lock:
            if (phase := self._phases.pop(name, None)) is None:
                return self._furthest
            if (around := self._phases.get(phase.parent or "")) is not None:
                around.at = max(around.at, phase.end)
            return self._reach(phase.end)

    def _reach(self, share: float) -> float:
        self._furthest = max(self._furthest, min(share, 1.0))
        return self._furthest
