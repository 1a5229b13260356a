"""Callbacks for messages: a client whose messages are received in a thread of its own."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from rtbci.client import Client
from rtbci.clock import now
from rtbci.errors import ConfigError, StreamError

__all__ = ["Listener"]

WAIT_S = 0.1
"""How long closing may take while nothing comes."""


class Listener:
    """Calls functions with the messages of a client, in the thread ``rtbci-listen``; a context manager.

        def show(prediction):
            print(prediction.decision, prediction.probs)

        with Listener(Client(), prediction=show) as listener:
            ...  # your program; now and then
            listener.check()

    Parameters
    ----------
    client : Client
        Belongs to the listener from now on and is closed with it. That nothing comes is no error here: ask `silent_s`.
    **callbacks : callable
        By topic: is given each message of it, one after another. While one runs, messages wait; when too many do,
        some are lost, and the client counts them.

    Raises
    ------
    ConfigError
        When a topic is not one of the client's, or there is no callback.
    """

    def __init__(self, client: Client, **callbacks: Callable[[Any], object]) -> None:
        if not callbacks or not client.topics.issuperset(callbacks):
            client.close()
            raise ConfigError(
                f"Listener: callbacks for {', '.join(sorted(callbacks)) or 'nothing'}, need some of "
                f"{', '.join(sorted(client.topics))}; give the client the topics: Client(topics=(...))"
            )
        self._client = client
        self._callbacks: Mapping[str, Callable[[Any], object]] = callbacks
        self._failure: BaseException | None = None
        self._t_heard: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtbci-listen", daemon=True)

    @property
    def n_lost(self) -> dict[str, int]:
        """Messages that did not arrive, by topic; see `Client`."""
        return dict(self._client.n_lost)

    @property
    def silent_s(self) -> float | None:
        """Seconds since the newest message; None when none has come yet."""
        t_heard = self._t_heard
        return None if t_heard is None else now() - t_heard

    def check(self) -> None:
        """Raise what a callback raised; the thread has ended then."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """End the thread and close the client; a callback that runs is waited for. May be called more than once."""
        self._stop.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._client.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    message = self._client.receive(WAIT_S)
                except StreamError:  # nothing came for a while
                    continue
                self._t_heard = now()
                if (callback := self._callbacks.get(message.topic)) is not None:
                    callback(message)
        except BaseException as error:
            self._failure = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self.close()
        if kind is None:
            self.check()
