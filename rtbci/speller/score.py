"""What was spelled: right and wrong letters, repetitions, time."""

from typing import NamedTuple

from rtbci.evaluate.metrics import itr_bits_per_min

__all__ = ["Letter", "SpellingScore"]


class Letter(NamedTuple):
    """One selection.

    Parameters
    ----------
    wanted : str or None
        Item that was asked for; None when the user was free.
    chosen : str or None
        Item decided for; None when there was no decision.
    n_flashes : int
        That were shown until the decision, or the end.
    seconds : float
        From the first flash to the decision, or the end.
    """

    wanted: str | None
    chosen: str | None
    n_flashes: int
    seconds: float


class SpellingScore:
    """Adds up selections.

    Parameters
    ----------
    n_items, n_groups : int
        Items to choose from, and groups that flash in a repetition.
    pause_s : float
        Between two selections, in seconds; part of what a letter takes.

    Examples
    --------
    >>> score = SpellingScore(36, 12, 2.0)
    >>> score.add(Letter("A", "A", 36, 6.3))
    >>> score.add(Letter("B", None, 120, 21.0))
    >>> score.n_right, score.n_asked, round(score.repetitions, 1)
    (1, 2, 6.5)
    """

    def __init__(self, n_items: int, n_groups: int, pause_s: float) -> None:
        self._n_items, self._n_groups, self._pause_s = n_items, n_groups, pause_s
        self.letters: list[Letter] = []

    def add(self, letter: Letter) -> None:
        """Count a selection."""
        self.letters.append(letter)

    @property
    def n_asked(self) -> int:
        """Selections in which it is known what was wanted."""
        return sum(one.wanted is not None for one in self.letters)

    @property
    def n_right(self) -> int:
        """Of these, those that chose it."""
        return sum(one.wanted is not None and one.wanted == one.chosen for one in self.letters)

    @property
    def repetitions(self) -> float:
        """Mean number of repetitions of a selection."""
        n_flashes = sum(one.n_flashes for one in self.letters)
        return n_flashes / self._n_groups / max(len(self.letters), 1)

    @property
    def letter_s(self) -> float:
        """Mean time that a selection takes with the pause after it, in seconds."""
        return sum(one.seconds for one in self.letters) / max(len(self.letters), 1) + self._pause_s

    @property
    def bits_per_min(self) -> float | None:
        """Information transfer rate (Wolpaw), pauses counted; None where nothing was asked for."""
        if not self.n_asked:
            return None
        return itr_bits_per_min(self._n_items, self.n_right / self.n_asked, self.letter_s)

    def words(self) -> str:
        """One line."""
        if not self.letters:
            return "no letter was spelled"
        undecided = sum(one.chosen is None for one in self.letters)
        parts = [f"{len(self.letters)} selections"]
        if self.bits_per_min is not None:
            parts = [f"{self.n_right} of {self.n_asked} letters right"]
        parts += [f"{undecided} without a decision"] * bool(undecided)
        parts.append(
            f"{self.repetitions:.1f} repetitions and {self.letter_s:.1f} s a letter, pauses included"
        )
        if self.bits_per_min is not None:
            parts.append(f"{self.bits_per_min:.1f} bit/min")
        return ", ".join(parts)
