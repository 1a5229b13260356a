"""A session whose network can be handed to another back end between two calls."""

import threading

from rtbci.backends.session import Session
from rtbci.backends.words import words_of
from rtbci.errors import EngineError
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array

__all__ = ["ChangeableSession"]


class ChangeableSession:
    """A `Session` that runs the same network on one back end now and on another one later.

    Branches hold this one, whoever computes behind it, so a change is one assignment: no branch is built anew and what
    they have computed stays.

    Parameters
    ----------
    session : Session
        Computes first, and again when the one that came after it fails. Closed with this one.

    Attributes
    ----------
    backend, network_id, engine_id, precision, device, input_shape, output_shape
        Of the session in use; see `Session`.
    failure : str
        Why the session in use before was given up; empty when none was.

    Notes
    -----
    Any thread may call any method: one call runs at a time, and its result is a copy. Lock and copy cost about 1
    microsecond, where the smallest shipped encoder takes 50.
    """

    def __init__(self, session: Session) -> None:
        self._lock = threading.Lock()
        self._first = session
        self.failure = ""
        self._take(session)

    def run(self, x: Float32Array) -> Float32Array:
        """Run the network; see `Session.run`. The result is a fresh array.

        When an exchanged session fails, in whatever way, the first one computes this result and all later ones, and
        `failure` says why.

        Raises
        ------
        EngineError
            When shape or dtype is not what the engine was built for, or the session is closed.
        """
        with self._lock:
            try:
                return self._session.run(x).copy()
            except Exception as error:
                if self._session is self._first:
                    raise
                y = self._first.run(x).copy()
                self._give_up(error)
                return y

    @property
    def first(self) -> Session:
        """The session that it began with."""
        return self._first

    def check(self, session: Session) -> None:
        """Refuse a session that could not stand in.

        Raises
        ------
        EngineError
            When it is of another network, or of other shapes.
        """
        for what, got, need in (
            ("is of network", session.network_id[:12], self.network_id[:12]),
            ("takes", session.input_shape, self.input_shape),
            ("gives", session.output_shape, self.output_shape),
        ):
            if got != need:
                raise EngineError(
                    f"engine on {session.backend}: {what} {got}, need {need} as in the one in use; build it from the "
                    "same recipe"
                )

    def exchange(self, session: Session) -> None:
        """Let `session` compute from the next call on; closed with this one, or by the next exchange.

        Raises
        ------
        EngineError
            When it could not stand in; see `check`.
        """
        self.check(session)
        with self._lock:
            earlier = self._session
            self._take(session)
            self.failure = ""
        if earlier not in (self._first, session):
            earlier.close()

    def close(self) -> None:
        """Close the sessions; may be called more than once."""
        with self._lock:
            if self._session is not self._first:
                self._session.close()
            self._first.close()

    def _give_up(self, error: Exception) -> None:
        failed = self._session
        self._take(self._first)
        self.failure = words_of(error)
        failed.close()

    def _take(self, session: Session) -> None:
        self._session = session
        self.backend = session.backend
        self.network_id, self.engine_id = session.network_id, session.engine_id
        self.precision: Precision = session.precision
        self.device = session.device
        self.input_shape, self.output_shape = session.input_shape, session.output_shape
