"""What a run has decided, as the speller hears it."""

from collections.abc import Sequence
from typing import Self

from rtbci.client import Client
from rtbci.clock import Clock, now
from rtbci.errors import ConfigError
from rtbci.listener import Listener
from rtbci.publish.messages import Hello, Prediction, Status

__all__ = ["HeardDecisions"]

SILENT_S = 4.0
"""A run that says nothing for so long has gone: it tells its state once a second."""
TROUBLES = {
    "waiting": "the run has no stream yet",
    "stale": "the run gets no data",
    "lost": "the run has lost its stream",
    "stopped": "the run has ended",
}
"""States in which nothing is decided."""
STALE_S = 3.0
"""A gap that is shorter costs its flashes, and not the letter."""


class HeardDecisions:
    """Listens to a run; a context manager.

    Parameters
    ----------
    address : str
        Where it publishes.
    items : sequence of str
        What it must decide between.
    key, server_key : str or None
        See `rtbci.client.Client`.
    clock : callable
    """

    def __init__(
        self,
        address: str,
        items: Sequence[str],
        key: str | None = None,
        server_key: str | None = None,
        *,
        clock: Clock = now,
    ) -> None:
        self.address, self._items, self._clock = address, tuple(items), clock
        self._hello: Hello | None = None
        self._newest: tuple[float, str] | None = None
        self._said: tuple[float, str] | None = None  # of the newest window that is not of a decided selection
        self._state, self._t_state = "", 0.0
        client = Client(address, ("prediction", "hello", "status"), key=key, server_key=server_key)
        self._listener = Listener(client, prediction=self._take, hello=self._greet, status=self._note)

    @property
    def is_there(self) -> bool:
        """Whether the run has been heard.

        Raises
        ------
        ConfigError
            When it decides between other items.
        """
        self._listener.check()
        if self._hello is not None and set(self._hello.classes) != set(self._items):
            raise ConfigError(
                f"speller: the run at {self.address} decides between {' '.join(self._hello.classes)} "
                f"(paradigm '{self._hello.paradigm}'), need {' '.join(self._items)}; name the same --paradigm for both"
            )
        return self._hello is not None

    @property
    def trouble(self) -> str:
        """Why nothing can be decided now; empty where nothing is known to be wrong."""
        silent_s = self._listener.silent_s
        if silent_s is not None and silent_s > SILENT_S:
            return "the run is not heard any more"
        if self._state == "stale" and self._clock() - self._t_state < STALE_S:
            return ""
        return TROUBLES.get(self._state, "")

    def newest(self, since_lsl: float) -> str | None:
        """Item that was decided for from windows that end after a time, in seconds of the LSL clock; or None."""
        self._listener.check()
        newest = self._newest
        return newest[1] if newest is not None and newest[0] >= since_lsl else None

    def nobody(self, since_lsl: float) -> bool:
        """Whether the newest window that ends after a time said that nobody attends, and no item was decided for since."""
        said = self._said
        return (
            said is not None and said[0] >= since_lsl and said[1] == "idle" and self.newest(since_lsl) is None
        )

    def close(self) -> None:
        """End listening; may be called more than once."""
        self._listener.close()

    def __enter__(self) -> Self:
        self._listener.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _take(self, prediction: Prediction) -> None:
        if prediction.decision is not None:
            self._newest = (prediction.t_window[1], prediction.decision)
        elif prediction.why != "decided":
            self._said = (prediction.t_window[1], prediction.why or "")

    def _note(self, status: Status) -> None:
        if status.state != self._state:
            self._state, self._t_state = status.state, self._clock()

    def _greet(self, hello: Hello) -> None:
        self._hello = hello
