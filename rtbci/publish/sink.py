"""What messages are given to: a socket, an LSL outlet, a recorder, a view in the terminal."""

from typing import Protocol

from rtbci.publish.messages import Message

__all__ = ["Sink"]


class Sink(Protocol):
    """Takes messages, all from one thread, and never keeps that thread waiting.

    Who derives from it need only say what `send` does: there is then nobody to greet and nothing to let go of.
    """

    def send(self, message: Message) -> None:
        """Take a message; drop it where it cannot be passed on at once.

        Parameters
        ----------
        message : Prediction, Status, Event or Hello
            Immutable, so it may be kept.
        """
        ...

    def poll(self) -> bool:
        """Look after the listeners; True when somebody new needs a `Hello`. Never waits."""
        return False

    def close(self) -> None:
        """Let go of everything; may be called more than once."""
        return
