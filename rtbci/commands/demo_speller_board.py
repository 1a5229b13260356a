"""What `rtbci demo` shows of a speller: the grid, how sure it is of each item, and the text."""

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from rtbci.clock import Clock, now
from rtbci.commands.screen import Screen
from rtbci.publish.messages import Event, Latency, Message, Prediction, Status
from rtbci.speller.follow import LetterFollower
from rtbci.speller.markers import flash_of
from rtbci.speller.score import Letter, SpellingScore
from rtbci.speller.text import shown_as, written

__all__ = ["SpellerBoard"]

REDRAW_S = 0.1
BRIGHT = ((0.5, "bold black on green"), (0.1, "bold green"), (0.02, "green"))
"""Style of an item from this probability on."""


class SpellerBoard:
    """A live view; a `Sink` that draws itself ten times a second.

    Parameters
    ----------
    console : Console
        Without a terminal, letters are written as lines.
    rows : sequence of sequence of str
        Items of the grid.
    groups : mapping of str to sequence of str
        Items of each group that flashes.
    wanted : sequence of str
        Items that are asked for.
    score : SpellingScore
        Is given each letter.
    address : str
        Where the run publishes.
    on_letter : callable
        Is given each letter when it was counted.

    Attributes
    ----------
    text : str
        What was spelled.
    """

    def __init__(
        self,
        console: Console,
        rows: Sequence[Sequence[str]],
        groups: Mapping[str, Sequence[str]],
        wanted: Sequence[str],
        score: SpellingScore,
        address: str,
        on_letter: Callable[[Letter], None],
        clock: Clock = now,
    ) -> None:
        self._console, self._rows, self._groups = console, rows, groups
        self._wanted, self._score, self._address, self._clock = tuple(wanted), score, address, clock
        self._follower = LetterFollower(self._take)
        self._probs: dict[str, float] = {}
        self._lit: frozenset[str] = frozenset()
        self._status: Status | None = None
        self._t_start = clock()
        self.text = ""
        self._on_letter = on_letter
        self._screen = Screen(console, self.render, REDRAW_S, clock)

    @property
    def latency(self) -> Latency | None:
        """Percentiles of the age, from the newest status."""
        return self._status.latency_ms if self._status else None

    def send(self, message: Message) -> None:
        """Take a message; see `Sink.send`."""
        if isinstance(message, Status):
            self._status = message
        elif isinstance(message, Prediction) and message.probs is not None:
            self._probs = dict(zip(message.classes, message.probs, strict=True))
        elif isinstance(message, Event) and message.kind == "marker":
            group = flash_of(message.value)
            self._lit = frozenset(self._groups.get(group or "", ()))
        self._follower.send(message)

    def poll(self) -> bool:
        """Redraw when it is time."""
        self._screen.draw()
        return False

    def close(self) -> None:
        """Give the terminal back; a letter that is not decided counts as one without a decision."""
        self._follower.close()
        self._screen.close()

    def render(self) -> Group:
        """Everything that is on the screen now."""
        t_s = self._clock() - self._t_start
        head = Text(f"rtbci demo  {t_s:4.0f} s  ", "bold")
        head.append(self._address, "dim")
        return Group(head, self._grid(), *self._lines())

    def _grid(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        for row in self._rows:
            grid.add_row(*(self._cell(item) for item in row))
        return grid

    def _cell(self, item: str) -> Text:
        prob = self._probs.get(item, 0.0)
        style = next((style for least, style in BRIGHT if prob >= least), "dim")
        if item in self._lit:
            style = "bold white" if prob < BRIGHT[0][0] else style
        return Text(f" {shown_as(item)} ", style)

    def _lines(self) -> list[Text]:
        best = sorted(self._probs.items(), key=lambda one: -one[1])[:3]
        sure = "  ".join(f"{shown_as(item)} {prob:.2f}" for item, prob in best)
        wanted = "".join(shown_as(item) for item in self._wanted)
        return [
            Text(f"asked    {wanted}   now {shown_as(self._follower.wanted or '-')}", "cyan"),
            Text(f"flashes  {self._follower.n_flashes:3d}   {sure}"),
            Text(f"text     {self.text}", "bold"),
        ]

    def _take(self, letter: Letter) -> None:
        self._score.add(letter)
        self._probs = {}
        if letter.chosen is not None:
            self.text = written(self.text, letter.chosen)
        if not self._screen.is_live:
            verdict = "right" if letter.chosen == letter.wanted else "wrong"
            self._console.print(
                f"{self._clock() - self._t_start:6.1f} s  {letter.wanted}: {letter.chosen or 'no decision'} "
                f"({verdict}, {letter.n_flashes} flashes)",
                highlight=False,
            )
        self._on_letter(letter)
