"""How often a run is right, where markers say what the user was asked to do."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rtbci.publish.control_messages import MARK_SOURCE
from rtbci.publish.messages import Event, Message, Prediction
from rtbci.publish.sink import Sink
from rtbci.recipes import idle_class
from rtbci.stream.source import UNSEEN

__all__ = ["SETTLED_S", "Score", "Trial"]

IMAGERY_S = 4.0
"""How long a cue holds when no other marker ends it (EEGMMIDB and Graz: about 4 s)."""
SETTLED_S = 2.5
"""Windows that end earlier after the cue hold mostly what was before it."""
REACTION_S = 1.0
"""Decisions may come this long after the end of a trial: dwell, smoothing and delay."""


@dataclass(slots=True)
class Trial:
    """One cue, and what the decoder said until the next.

    Parameters
    ----------
    t_lsl : float
        Time of the cue, in seconds.
    cue : str
        Class asked for.
    t_end : float
        End of the trial, in seconds.
    probs : list of tuple
        Probabilities of the windows that count.
    decisions : list of str
        Decisions in the trial.
    whys : list of str
        Of the windows that count, why there was no decision.
    is_selection : bool
        Whether an item is selected by flashes: each window's probabilities are then those of all flashes so far, so
        the newest count alone.
    """

    t_lsl: float
    cue: str
    t_end: float
    probs: list[tuple[float, ...]] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    whys: list[str] = field(default_factory=list)
    is_selection: bool = False


class Score(Sink):
    """Compares predictions with cues; a `Sink` that sends nothing.

    A trial's label is the class of the highest mean probability over its windows, an idle class left out as in
    the cue-locked numbers of `rtbci eval`: a trial asks which class, not whether. Its decision is the first one
    made between cue and end; windows that are idle make none, so a trial that looks idle throughout is one
    without a decision. Where only one class is not idle, that a trial asks which is no question: there the idle class
    is a label, and trials that ask for it have labels too. Trials without a window (warming up, a gap) do not count, nor do those that ask for
    the idle class, or that were not seen to their end (`UNSEEN`).

    Notes
    -----
    Markers that arrive after their samples are no problem within a trial: a prediction is given to the trial
    that its window ends in when it comes.
    """

    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self._asks = False  # whether the newest marker was a cue
        self._classes: tuple[str, ...] = ()

    def send(self, message: Message) -> None:
        """Take a message; see `Sink.send`."""
        if isinstance(message, Event) and message.kind == "marker":
            self._mark(message)
        elif isinstance(message, Prediction):
            self._classes = message.classes
            self._judge(message)

    @property
    def cue(self) -> str | None:
        """Class of the newest cue."""
        return self.trials[-1].cue if self.trials else None

    def confusion(self) -> Mapping[tuple[str, str], int]:
        """Number of trials by cue and label."""
        counts: dict[tuple[str, str], int] = {}
        idle = idle_class(self._classes)
        active = [i for i in range(len(self._classes)) if i != idle]
        is_switch = len(active) == 1
        labels = list(range(len(self._classes))) if is_switch else active
        for trial in self.trials if is_switch else self._counted:
            if not trial.probs:
                continue
            label = self._classes[labels[int(np.mean(trial.probs, axis=0)[labels].argmax())]]
            counts[trial.cue, label] = counts.get((trial.cue, label), 0) + 1
        return counts

    def decided(self) -> tuple[int, int, int]:
        """Trials whose first decision was right, wrong, and that had none."""
        counted = self._counted
        right = sum(trial.decisions[:1] == [trial.cue] for trial in counted)
        none = sum(not trial.decisions for trial in counted)
        return right, len(counted) - right - none, none

    def undecided(self) -> Mapping[str, float]:
        """Why the trials without a decision had none: share of their windows by `Prediction.reason`, the most frequent first."""
        whys = [why for trial in self._counted if not trial.decisions for why in trial.whys]
        return {why: n / len(whys) for why, n in Counter(whys).most_common()}

    @property
    def _counted(self) -> list[Trial]:
        idle = idle_class(self._classes)
        idle_name = None if idle is None else self._classes[idle]
        return [trial for trial in self.trials if trial.probs and trial.cue != idle_name]

    def _mark(self, event: Event) -> None:
        cue = event.data.get("class")
        if (part := event.data.get("part")) is not None and part != "cue":
            if part == "end" and self.trials:
                self.trials[-1].t_end = min(self.trials[-1].t_end, event.t_lsl)
            return  # flashes belong to the selection that goes on
        if cue is None and event.data.get("source") == MARK_SOURCE:
            return  # a note that somebody took: the user goes on with what was asked for
        if self.trials:
            self.trials[-1].t_end = min(self.trials[-1].t_end, event.t_lsl)
        if event.value == UNSEEN and self._asks:
            del self.trials[-1]
        self._asks = isinstance(cue, str)
        if isinstance(cue, str):
            t_end = event.t_lsl + IMAGERY_S if part is None else math.inf
            self.trials.append(Trial(event.t_lsl, cue, t_end, is_selection=part is not None))

    def _judge(self, prediction: Prediction) -> None:
        t_end = prediction.t_window[1]
        for trial in reversed(self.trials[-2:]):
            if not trial.t_lsl < t_end <= trial.t_end + REACTION_S:
                continue
            if trial.is_selection:
                trial.decisions += [] if prediction.decision is None else [prediction.decision]
                trial.probs = trial.probs if prediction.probs is None else [prediction.probs]
                return
            if prediction.decision is not None and t_end >= trial.t_lsl + SETTLED_S:
                trial.decisions.append(prediction.decision)
            if prediction.probs is not None and trial.t_lsl + SETTLED_S <= t_end <= trial.t_end:
                trial.probs.append(prediction.probs)
                trial.whys += [] if prediction.decision else [prediction.reason]
            return
