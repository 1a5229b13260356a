"""Many things in one line for people: the first of them, or how many."""

from collections.abc import Sequence

__all__ = ["counted", "first_of"]


def counted(n: int, one: str) -> str:
    """Say how many, with the plural where it is due.

    Examples
    --------
    >>> counted(1, "channel"), counted(0, "gap"), counted(2, "trial")
    ('1 channel', '0 gaps', '2 trials')
    """
    return f"{n} {one}{'' if n == 1 else 's'}"


def first_of(words: Sequence[str], n_most: int, between: str = ", ") -> str:
    """Join the first words, and say how many more there are.

    Examples
    --------
    >>> first_of(["C3", "CZ", "C4"], 2)
    'C3, CZ and 1 more'
    """
    more = f" and {len(words) - n_most} more" if len(words) > n_most else ""
    return between.join(words[:n_most]) + more
