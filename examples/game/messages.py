"""What the decoder sends, read without ever waiting, and how the line to it is."""

from typing import Literal, Self

from rtbci.client import Client
from rtbci.clock import Clock, now
from rtbci.errors import StreamError
from rtbci.publish.addresses import is_local
from rtbci.publish.messages import Hello, Prediction, Status

__all__ = ["LINK_WORDS", "Feed", "Link"]

Link = Literal["nobody", "silent", "stopped", "lost", "waiting", "paused", "filling", "stale", "running"]
"""How the line is. Only with ``running``, ``stale`` and ``filling`` can the game go on."""

LINK_WORDS: dict[Link, str] = {
    "nobody": "Nothing is publishing",
    "silent": "The decoder has fallen silent",
    "stopped": "The decoder has stopped",
    "lost": "The EEG stream is lost",
    "waiting": "The decoder looks for an amplifier",
    "paused": "The decoder is paused",
    "filling": "The decoder fills its window",
    "stale": "No samples come",
    "running": "Connected",
}
SILENT_S = 2.5
"""A decoder sends its status once a second, whatever happens to the stream."""
MAX_MESSAGES = 500
"""Read in one frame; what is beyond comes with the next."""


class Feed:
    """The newest messages of a decoder; a context manager.

    Parameters
    ----------
    address : str
        Where it publishes.
    server_key, key : str or None
        See `rtbci.Client`.
    clock : Clock

    Attributes
    ----------
    hello, status, prediction : message or None
        The newest of each in this session of the decoder.
    n_predictions : int
        Predictions read.

    Raises
    ------
    ConfigError
        When the address is not one.
    """

    def __init__(
        self, address: str, server_key: str | None = None, key: str | None = None, *, clock: Clock = now
    ) -> None:
        self.address = address
        self.hello: Hello | None = None
        self.status: Status | None = None
        self.prediction: Prediction | None = None
        self.n_predictions = 0
        self._clock = clock
        self._session: str | None = None
        self._t_heard = self._t_prediction = clock()
        self._client = Client(
            address, ("prediction", "status", "hello"), server_key=server_key, key=key, clock=clock
        )

    @property
    def n_lost(self) -> int:
        """Predictions of this session that did not arrive."""
        return self._client.n_lost["prediction"]

    @property
    def same_clock(self) -> bool:
        """Whether times in messages are of this computer's clock."""
        return is_local(self.address)

    @property
    def silent_s(self) -> float:
        """How long no prediction has come, seconds."""
        return self._clock() - self._t_prediction

    @property
    def link(self) -> Link:
        """How the line is."""
        if self._session is None:
            return "nobody"
        if self.status is not None and self.status.state == "stopped":
            return "stopped"  # nothing more comes of this session
        if self._clock() - self._t_heard > SILENT_S:
            return "silent"
        if self.status is not None:
            if self.status.state in ("lost", "waiting", "stale"):
                return self.status.state
            if self.status.paused:
                return "paused"
        if self.hello is None or self.prediction is None or self.prediction.probs is None:
            return "filling"
        return "running"

    def read(self) -> list[Prediction]:
        """Return the predictions that came since the last call."""
        predictions: list[Prediction] = []
        for _ in range(MAX_MESSAGES):
            n_malformed = self._client.n_malformed
            try:
                message = self._client.receive(0.0)
            except StreamError:
                if self._client.n_malformed > n_malformed:
                    continue
                break  # nothing more is there
            if message.session != self._session:  # the first, or the decoder was started again
                self._session = message.session
                self.hello = self.status = self.prediction = None
                predictions = []
            self._t_heard = self._clock()
            if isinstance(message, Prediction):
                predictions.append(message)
                self.prediction, self._t_prediction = message, self._t_heard
            elif isinstance(message, Status):
                self.status = message
            elif isinstance(message, Hello):
                self.hello = message
        self.n_predictions += len(predictions)
        return predictions

    def close(self) -> None:
        """Close the socket; may be called more than once."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
