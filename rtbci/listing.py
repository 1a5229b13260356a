"""The first of many, in one line for people."""

from collections.abc import Sequence

__all__ = ["first_of"]


def first_of(words: Sequence[str], n_most: int, between: str = ", ") -> str:
    """Join the first words, and say how many more there are.

    Examples
    --------
    >>> first_of(["C3", "CZ", "C4"], 2)
    'C3, CZ and 1 more'
    """
    more = f" and {len(words) - n_most} more" if len(words) > n_most else ""
    return between.join(words[:n_most]) + more
