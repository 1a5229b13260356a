"""How a continuous output goes with what the user was asked to do."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rtbci.publish.messages import Event, Message, Prediction
from rtbci.publish.sink import Sink

__all__ = ["ValueNumbers", "ValueScore"]

MIN_WINDOWS = 2


class ValueNumbers(NamedTuple):
    """What there is to tell.

    Parameters
    ----------
    n : int
        Windows that count: they hold only what was asked for last.
    mean_of, mean_else : float
        Of the value while the class was asked for, and while another one was.
    auc : float
        How often the value is higher in a window of the class than in another one.
    correlation : float
        Pearson's, of the value with whether the class was asked for, over all windows that have a value, also those that
        begin before a cue.
    """

    n: int
    mean_of: float
    mean_else: float
    auc: float
    correlation: float


@dataclass(slots=True)
class ValueScore(Sink):
    """Compares values with cues; a `Sink` that sends nothing.

    Parameters
    ----------
    of : str
        Class that the value grows with.
    settled_s : float
        A window counts for the means from so long after the cue on: as long as it is, and what smoothing takes.
    """

    of: str
    settled_s: float
    _cues: list[tuple[float, str]] = field(default_factory=list)
    _values: list[tuple[float, float]] = field(default_factory=list)

    def send(self, message: Message) -> None:
        """Take a message; see `Sink.send`."""
        if isinstance(message, Prediction) and message.value is not None:
            self._values.append((message.t_window[1], message.value))
        elif isinstance(message, Event) and message.kind == "marker" and message.data.get("class"):
            self._cues.append((message.t_lsl, str(message.data["class"])))

    def numbers(self) -> ValueNumbers | None:
        """What was found; None until both kinds of window have been seen."""
        cues = sorted(self._cues)
        if not cues or not self._values:
            return None
        t, value = np.array(self._values).T
        at = np.searchsorted([one for one, _ in cues], t, side="right") - 1
        known = at >= 0
        t, value, at = t[known], value[known], at[known]
        is_of = np.array([cues[i][1] == self.of for i in at], dtype=bool)
        settled = t - np.array([cues[i][0] for i in at]) >= self.settled_s
        high, low = value[settled & is_of], value[settled & ~is_of]
        if min(len(high), len(low)) < MIN_WINDOWS:
            return None
        above = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
        correlation = float(np.corrcoef(value, is_of)[0, 1])
        return ValueNumbers(
            int(settled.sum()), float(high.mean()), float(low.mean()), float(above), correlation
        )
