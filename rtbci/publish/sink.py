"""What messages are given to: a socket, an LSL outlet, a recorder, a view in the terminal."""

from typing import Protocol, runtime_checkable

from rtbci.publish.messages import Message, Prediction

__all__ = ["Rehearses", "Sink"]


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


@runtime_checkable
class Rehearses(Protocol):
    """A sink that can get ready, and get its listeners ready, for a prediction that is about to come."""

    def rehearse(self, message: Prediction) -> None:
        """Do once what sending costs, but send it to nobody; called about 1.5 ms before a prediction. Never waits.

        Parameters
        ----------
        message : Prediction
            Much like the one that is about to come.
        """
        ...
