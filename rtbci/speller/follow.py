"""A run's messages put together to letters."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rtbci.publish.messages import Event, Message, Prediction
from rtbci.publish.sink import Sink
from rtbci.recipes.flashes import BEGIN
from rtbci.speller.markers import cue_of, flash_of
from rtbci.speller.score import Letter

__all__ = ["LetterFollower"]


@dataclass
class _Open:
    """A selection that is not decided."""

    wanted: str | None
    flashes: list[float] = field(default_factory=list)


class LetterFollower(Sink):
    """Tells each selection as soon as it is decided, or once the next begins; a `Sink` that sends nothing.

    Parameters
    ----------
    on_letter : callable
        Is given each `Letter`.

    Attributes
    ----------
    wanted : str or None
        Item that is asked for now.
    n_flashes : int
        In the selection so far.
    """

    def __init__(self, on_letter: Callable[[Letter], None]) -> None:
        self.wanted: str | None = None
        self._on_letter = on_letter
        self._open: _Open | None = None

    @property
    def n_flashes(self) -> int:
        """Flashes of the selection that is open; 0 where none is."""
        return 0 if self._open is None else len(self._open.flashes)

    def send(self, message: Message) -> None:
        """Take a message; see `Sink.send`."""
        if isinstance(message, Event) and message.kind == "marker":
            self._mark(message.value, message.t_lsl)
        elif isinstance(message, Prediction) and message.decision is not None and self._open is not None:
            self._end(message.decision, message.t_window[1])

    def close(self) -> None:
        """A selection that is open has no decision."""
        if self._open is not None and self._open.flashes:
            self._end(None, self._open.flashes[-1])
        self._open = None

    def _mark(self, text: str, t_lsl: float) -> None:
        if (item := cue_of(text)) is not None:
            self.close()
            self.wanted = item
        elif text == BEGIN:
            self.close()
            self._open = _Open(self.wanted)
        elif flash_of(text) is not None and self._open is not None:
            self._open.flashes.append(t_lsl)

    def _end(self, chosen: str | None, t_end: float) -> None:
        one, self._open = self._open, None
        if one is not None and one.flashes:
            self._on_letter(Letter(one.wanted, chosen, len(one.flashes), t_end - one.flashes[0]))
