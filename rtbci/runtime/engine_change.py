"""Engines put in use while a run decodes: built and checked beside it, warmed and exchanged between two hops."""

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

import msgspec
import numpy as np

from rtbci.backends.cache_entry import EngineKey
from rtbci.backends.session import Session
from rtbci.backends.words import words_of
from rtbci.clock import Clock, now
from rtbci.errors import RtbciError
from rtbci.publish.messages import Scalar
from rtbci.publish.outbox import Outbox
from rtbci.recipes import EngineRecipe, Precision
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.telemetry import hello_of

__all__ = ["Changes", "EngineChange", "EnginePreparer", "PreparedEngine", "Told"]

BUDGET_S = 3e-3
"""Time for warming a new session after one decision; a hop of motor imagery is 62.5 ms."""
N_WARM = 5
"""Runs by the decoding thread before the first that counts: a thread's first call of a library sets things up."""
PROGRESS_S = 5.0
"""Progress is an event this often at most."""
END_S = 10.0
"""The thread is waited for so long at the end: a library may be loading an engine, which nothing can interrupt."""

Told = Callable[[str], None]
"""Takes a line about what is being done."""


class PreparedEngine(msgspec.Struct, frozen=True, tag="prepared"):
    """An engine that is built, checked and ready to be opened.

    Parameters
    ----------
    backend, precision, engine_id : str
        See `rtbci.backends.session.Session`; not always what was wished, for it may have fallen back.
    key : EngineKey or None
        What a compiled one is found by in the cache.
    why_other : str
        Why it is not what was wished; empty when it is.
    """

    backend: str
    precision: Precision
    engine_id: str
    key: EngineKey | None = None
    why_other: str = ""


class EnginePreparer(Protocol):
    """Makes the engines that are wished for; `rtbci.runtime.engine_process` has the real one."""

    def prepare(self, recipe: EngineRecipe, told: Told) -> PreparedEngine:
        """Build the engine and check its numbers; takes the time that it takes, minutes for some.

        Raises
        ------
        RtbciError
            When there is none that could be used, or after `stop`.
        """
        ...

    def open(self, recipe: EngineRecipe, prepared: PreparedEngine) -> Session:
        """Open what was prepared, in this process; short, and without disturbing other threads.

        Raises
        ------
        RtbciError
            When it cannot be opened after all.
        """
        ...

    def stop(self) -> None:
        """End `prepare` soon; any thread may call it."""
        ...


class _Outcome(NamedTuple):
    """What came of one branch's engine: a session with why it is no better one, or why there is none."""

    branch: str
    session: Session | None
    reason: str


class Changes(Protocol):
    """What is done to a decoder's engines between two hops."""

    def advance(self, outbox: Outbox) -> bool:
        """Do a little of it and tell of it; whether there is more to do at once."""
        ...


class EngineChange:
    """Prepares engines in a thread of its own and puts them in use without making a decision late.

    The decoder's engines are open already, on a back end that opens at once. What is prepared replaces what computes
    behind them; what a branch has computed before stays, since both agree within the recipe's tolerance.

    Parameters
    ----------
    decoder : Decoder
        Whose engines are to be changed. Must live until `close`.
    preparer : EnginePreparer
        Makes what is wished for.
    clock : Clock
        Time in seconds of the local LSL clock.

    Attributes
    ----------
    progress : str
        The newest line about what is being done.

    Notes
    -----
    A context manager, which holds the thread ``rtbci-engine``. `advance` belongs to whoever holds the decoder; all else
    may be called from any thread. The two share a deque; adding at one end and taking from the other are atomic.
    """

    def __init__(self, decoder: Decoder, preparer: EnginePreparer, clock: Clock = now) -> None:
        self._decoder, self._preparer, self._clock = decoder, preparer, clock
        self._outcomes: deque[_Outcome] = deque()
        self._stopping, self._finished = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="rtbci-engine", daemon=True)
        self.progress = ""
        self._told_progress, self._t_progress = "", -math.inf
        self._n_warmed = 0
        self._failed: set[str] = set()  # branches that the first engine computes again

    def wait(self, timeout_s: float) -> bool:
        """Wait until everything is prepared or refused, at most so long; whether it is."""
        return self._finished.wait(timeout_s)

    def advance(self, outbox: Outbox) -> bool:
        """Do a few milliseconds' work, and put an engine in use when that was the last of it.

        To be called between two hops, best right after a decision.

        Parameters
        ----------
        outbox : Outbox
            Tells of it: `hello`, and the event ``engine_changed``, ``engine_refused`` or ``engine_failed``.

        Returns
        -------
        bool
            Whether there is more to do at once.
        """
        self._tell_failures(outbox)
        if not self._outcomes:
            self._tell_progress(outbox)
            return False
        branch, session, reason = self._outcomes[0]
        if session is not None:
            try:
                if not self._warm(session):
                    return True
                self._decoder.sessions[branch].check(session)
            except Exception as error:  # whatever a library raises: the first engine computes on
                session.close()
                session, reason = None, words_of(error)
        self._outcomes.popleft()
        if session is None or reason:
            self._event(outbox, "engine_refused", branch, {"reason": reason})
        if session is not None:
            self._use(branch, session, outbox)
        self._n_warmed = 0
        return bool(self._outcomes)

    def start(self) -> None:
        """Begin to prepare."""
        self._thread.start()

    def close(self) -> None:
        """Give up what is not in use yet; may be called more than once."""
        self._stopping.set()
        self._preparer.stop()
        if self._thread.is_alive():
            self._thread.join(END_S)
        while self._outcomes:
            if (session := self._outcomes.popleft().session) is not None:
                session.close()

    def _work(self) -> None:
        try:
            for branch, recipe in self._decoder.engines.items():
                if self._stopping.is_set():
                    return
                outcome = self._prepare(branch, recipe)
                if outcome is not None:
                    self._outcomes.append(outcome)
        finally:
            self._finished.set()

    def _prepare(self, branch: str, recipe: EngineRecipe) -> _Outcome | None:
        """Prepare and open; None when that is what computes already."""
        in_use = self._decoder.sessions[branch]
        try:
            prepared = self._preparer.prepare(recipe, self._note)
            if (prepared.backend, prepared.engine_id) == (in_use.backend, in_use.engine_id):
                return _Outcome(branch, None, prepared.why_other) if prepared.why_other else None
            session = self._preparer.open(recipe, prepared)
        except RtbciError as error:
            return _Outcome(branch, None, str(error))
        except Exception as error:
            # A run that decodes does not end because a library cannot be had: it is told.
            return _Outcome(branch, None, f"engine '{recipe.name}': {type(error).__name__}: {error}")
        return _Outcome(branch, session, prepared.why_other)

    def _note(self, line: str) -> None:
        self.progress = line

    def _warm(self, session: Session) -> bool:
        """Run it on zeros in this thread; whether that was often enough."""
        t_stop = self._clock() + BUDGET_S
        idle = np.zeros(session.input_shape, np.float32)
        while self._n_warmed < N_WARM:
            session.run(idle)
            self._n_warmed += 1
            if self._n_warmed < N_WARM and self._clock() >= t_stop:
                return False
        return True

    def _use(self, branch: str, session: Session, outbox: Outbox) -> None:
        slot = self._decoder.sessions[branch]
        earlier = slot.backend
        slot.exchange(session)
        self._failed.discard(branch)
        outbox.announce(hello_of(self._decoder))
        self._event(outbox, "engine_changed", branch, {"from": earlier})

    def _tell_failures(self, outbox: Outbox) -> None:
        """Tell of an engine that failed while it was in use; the first one has computed since."""
        for branch, slot in self._decoder.sessions.items():
            if slot.failure and branch not in self._failed:
                self._failed.add(branch)
                outbox.announce(hello_of(self._decoder))
                self._event(outbox, "engine_failed", branch, {"reason": slot.failure})

    def _tell_progress(self, outbox: Outbox) -> None:
        line, t_now = self.progress, self._clock()
        if line == self._told_progress or t_now - self._t_progress < PROGRESS_S:
            return
        self._told_progress, self._t_progress = line, t_now
        outbox.event("engine_progress", t_now, line)

    def _event(self, outbox: Outbox, kind: str, branch: str, data: dict[str, Scalar]) -> None:
        """Tell of a branch's engine, as it computes now."""
        engine = self._decoder.engine_of(branch)
        now_in_use: dict[str, Scalar] = {
            "branch": branch,
            "id": engine.id,
            "backend": engine.backend,
            "precision": engine.precision,
            "device": engine.device,
        }
        outbox.event(kind, self._clock(), engine.name, now_in_use | data)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
