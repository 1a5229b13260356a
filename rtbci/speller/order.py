"""In which order groups of items flash."""

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["FlashOrder", "families"]

APART = 2
"""A group comes again after two others at the earliest."""


def families(groups: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Groups put together that have no item in common: of a grid its rows, and its columns.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        Items of each.

    Examples
    --------
    >>> families({"r1": "ab", "r2": "cd", "c1": "ac", "c2": "bd"})
    [['r1', 'r2'], ['c1', 'c2']]
    """
    found: list[tuple[list[str], set[str]]] = []
    for name, items in groups.items():
        for names, taken in found:
            if not taken.intersection(items):
                names.append(name)
                taken.update(items)
                break
        else:
            found.append(([name], set(items)))
    return [names for names, _ in found]


class FlashOrder:
    """Pseudo-random repetitions: in each every group flashes once.

    Families flash one after the other, shuffled, and in turns from the first and from the last: so an item flashes twice in
    direct succession only where two families meet inside a repetition (one item of the grid, once in a repetition; of
    rows and columns in any other order that are several), and no group does.

    Parameters
    ----------
    groups : mapping of str to sequence of str
        Items of each.
    rng : Generator
    """

    def __init__(self, groups: Mapping[str, Sequence[str]], rng: np.random.Generator) -> None:
        self._families, self._rng = families(groups), rng
        self._newest: list[str] = []
        self._forwards = bool(rng.integers(2))

    def repetition(self) -> list[str]:
        """Names of all groups, in the order of the next repetition."""
        order: list[str] = []
        for family in self._families if self._forwards else self._families[::-1]:
            order += self._shuffled(family, [*self._newest, *order])
        self._forwards = not self._forwards
        self._newest = order
        return order

    def repetitions(self, n: int) -> list[str]:
        """The next `n` repetitions in one."""
        return [name for _ in range(n) for name in self.repetition()]

    def _shuffled(self, family: Sequence[str], before: Sequence[str]) -> list[str]:
        """A shuffled family whose first groups are none of those that flashed right before."""
        barred = before[-min(APART, len(family) - 1) :] if len(family) > 1 else []
        order = [str(name) for name in self._rng.permutation(list(family))]
        for i in range(len(barred)):
            left = barred[i:]
            if order[i] in left:
                j = next(j for j in range(i + 1, len(order)) if order[j] not in left)
                order[i], order[j] = order[j], order[i]
        return order
