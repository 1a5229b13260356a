"""Sessions that are recorded in simulated time, with faults in the stream and clients that ask for things.

Used by tools/verify_sessions.py, tools/golden_sessions.py and the tests.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rtbci.backends.session import Session
from rtbci.chaos.scenario import Scenario
from rtbci.chaos.simulate import Outcome, simulate
from rtbci.clock import Clock
from rtbci.config import RunConfig
from rtbci.publish.control import Handler
from rtbci.publish.control_messages import Request
from rtbci.recipes import EngineRecipe
from rtbci.record.disk import OpenDisk, SyncedFile
from rtbci.record.recorder import SessionRecorder
from rtbci.record.session_json import describe_session
from rtbci.runtime.configured import decoder_of, recipe_of
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import EngineChange, PreparedEngine, Told
from rtbci.runtime.engine_opener import open_checked
from rtbci.runtime.plugin_watch import watch_plugins
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Source

__all__ = ["START", "LateEngine", "ScriptedClient", "record_session"]

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Act = Request | Callable[[], object]


class ScriptedClient:
    """Asks for things at stated times; stands for the control socket.

    Parameters
    ----------
    acts : iterable of (float, Request or callable)
        Seconds from the start of the run, and what is asked for, or what is done.
    clock : Clock
        Of the run.
    """

    def __init__(self, acts: Iterable[tuple[float, Act]], clock: Clock) -> None:
        t_start = clock()
        self._acts = [(t_start + t_s, act) for t_s, act in acts]
        self._clock = clock

    def answer(self, handler: Handler) -> None:
        """Ask for what is due."""
        while self._acts and self._acts[0][0] <= self._clock():
            _, act = self._acts.pop(0)
            if not callable(act):
                result = handler(act)
                if callable(result):
                    result(lambda _told: None)
                continue
            act()

    def close(self) -> None:
        """Nothing to let go of."""


class LateEngine(EngineChange):
    """An engine that is ready when it is told to be.

    Parameters
    ----------
    decoder : Decoder
    backend : str
        What takes over.
    """

    def __init__(self, decoder: Decoder, backend: str) -> None:
        self._backend, self._due = backend, threading.Event()
        super().__init__(decoder, self)

    def come(self) -> None:
        """Let it be ready; returns when it is."""
        self._due.set()
        self.wait(60.0)

    def prepare(self, recipe: EngineRecipe, told: Told) -> PreparedEngine:
        """Wait until it is due."""
        told(f"{recipe.name}: waiting")
        self._due.wait(600.0)
        return PreparedEngine(backend=self._backend, precision="fp32", engine_id="")

    def open(self, recipe: EngineRecipe, prepared: PreparedEngine) -> Session:
        """Open it."""
        return open_checked(recipe, prepared.backend, 1)

    def stop(self) -> None:
        """Wait no longer."""
        self._due.set()


def record_session(
    folder: Path,
    scenario: Scenario,
    make_source: Callable[[SimulatedClock], Source],
    settings: dict[str, Any],
    *,
    profile: Path | None = None,
    acts: Sequence[tuple[float, Act]] = (),
    backend: str = "",
    change_s: float | None = None,
    max_bytes: int = 256 * 2**20,
    open_disk: OpenDisk = SyncedFile,
    made: Callable[[SessionRecorder], object] = id,
) -> Outcome:
    """Record a run in simulated time.

    Parameters
    ----------
    folder : Path
        Of the session, to be made.
    scenario : Scenario
        Its faults and its length.
    make_source : callable
        Makes the stream without faults.
    settings : dict
        Of the run.
    profile : Path, optional
        What decodes first; default: the population.
    acts : sequence
        See `ScriptedClient`.
    backend : str
        What takes over `change_s` seconds after the start.
    change_s : float, optional
    max_bytes, open_disk
        Of the recorder.
    made : callable
        Gets the recorder.
    """
    config = RunConfig.model_validate(settings)
    with decoder_of(config, recipe_of(config), profile) as decoder:

        def record(clock: Clock) -> SessionRecorder:
            about = describe_session(config, decoder, START, clock())
            recorder = SessionRecorder(
                folder, about, START, max_bytes=max_bytes, clock=clock, open_disk=open_disk
            )
            made(recorder)
            return recorder

        if not backend or change_s is None:
            return simulate(
                scenario,
                decoder,
                make_source,
                config,
                record=record,
                control=lambda clock: ScriptedClient(acts, clock),
                change=watch_plugins(decoder, None),
            )
        with LateEngine(decoder, backend) as late:
            all_acts = sorted([*acts, (change_s, late.come)], key=lambda act: act[0])
            return simulate(
                scenario,
                decoder,
                make_source,
                config,
                record=record,
                control=lambda clock: ScriptedClient(all_acts, clock),
                change=late,
            )
