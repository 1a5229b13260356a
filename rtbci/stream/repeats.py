"""Cues that come twice, because two marker streams of one experiment tell them."""

from collections.abc import Callable, Sequence

from rtbci.stream.source import Marker

__all__ = ["REPEAT_S", "Repeats", "without_repeats"]

REPEAT_S = 0.5
"""Two cues of one class that are nearer than this are one: no trial is so short."""


class Repeats:
    """Knows which cues were told already, as a trigger box and the stimulus program both tell them.

    A trial that counts twice would be in the training part and in the part that it is judged by.

    Attributes
    ----------
    n : int
        Repeated cues so far.
    """

    def __init__(self) -> None:
        self.n = 0
        self._t_last: dict[str, float] = {}

    def is_repeat(self, t_lsl: float, name: str) -> bool:
        """Whether a cue of a class was told less than `REPEAT_S` before or after this one; otherwise it is the next one's measure."""
        before = self._t_last.get(name)
        if before is not None and abs(t_lsl - before) < REPEAT_S:
            self.n += 1
            return True
        self._t_last[name] = t_lsl
        return False


def without_repeats(markers: Sequence[Marker], class_of: Callable[[str], str | None]) -> list[Marker]:
    """Markers in time order, without the cues that repeat another.

    Parameters
    ----------
    markers : sequence of Marker
    class_of : callable
        Class that a text stands for, or None.
    """
    repeats = Repeats()
    ordered = sorted(markers, key=lambda one: one.t_lsl)  # at one time: as they came
    return [
        one
        for one in ordered
        if (name := class_of(one.value)) is None or not repeats.is_repeat(one.t_lsl, name)
    ]
