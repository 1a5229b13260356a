"""Trials on a run that decodes: a cue goes out as a marker, predictions come back, and the trial has an answer or says why not.

Times are seconds of the run's LSL clock. A cue's time is the one at which the run heard it: that of our push, corrected where the run is on
another computer. So cue, windows and the session that the run records are on one clock, whatever computer this is.
"""

import bisect
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pylsl import local_clock

from rtbci import Client
from rtbci.errors import ConfigError, StreamError
from rtbci.publish.messages import Event, Message, Prediction, Status

__all__ = ["CUES", "Condition", "Row", "Screen", "Trials", "Yoke"]

CUES = "rtbci-experiment"
"""Name of the stream of markers."""
PING = "experiment/ping"
LATE_S = 0.2
"""The answer's window ends at most so long before the trial does; more is a gap."""
PATIENCE_S = 5.0
"""So long a trial waits for messages that are on their way, before it has no answer."""


class Screen(Protocol):
    """What the participant sees."""

    def say(self, text: str) -> None:
        """Words, or the cross."""

    def cue(self, asked: str, mark: Callable[[], None]) -> None:
        """Show what is asked for, and call `mark` when it is on the screen."""

    def bar(self, shown: float) -> None:
        """Feedback, 0 to 1: how much it looks like what is asked for."""


class Yoke:
    """Feedback that somebody else had: of each class their trials in their order, then from the first again."""

    def __init__(self, log: Path) -> None:
        trials: dict[str, dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
        for line in log.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            if one["shown"] is not None:
                trials[one["asked"]][one["trial"]].append((one["after_s"], one["shown"]))
        self._curves = {asked: list(curves.values()) for asked, curves in trials.items()}
        self._n_begun: dict[str, int] = defaultdict(int)

    def begin(self, asked: str) -> Callable[[float], float]:
        """What they saw in their next trial of a class, by time after the cue [s]."""
        if asked not in self._curves:
            raise ConfigError(
                f"Yoke: the log has no trial of {asked!r}, need feedback of this class; it has {sorted(self._curves)}"
            )
        curve = self._curves[asked][self._n_begun[asked] % len(self._curves[asked])]
        self._n_begun[asked] += 1
        return lambda after_s: curve[max(0, bisect.bisect(curve, (after_s, 2.0)) - 1)][1]


@dataclass(frozen=True)
class Condition:
    """What a trial asks for, and whether its feedback is turned round; `yoke`: shows that of somebody else."""

    asked: str
    feedback: str = "real"
    is_mirrored: bool = False
    yoke: Yoke | None = None


@dataclass(frozen=True)
class Row:
    """A trial in the table."""

    trial: int
    asked: str
    feedback: str
    is_mirrored: bool
    session: str
    t_cue: float | None
    answer: str
    p_asked: float | None
    decision: str
    decided_after_s: float | None
    n_predictions: int
    n_lost: int
    problem: str


class Trials:
    """Runs trials, one after another.

    Parameters
    ----------
    client : rtbci.Client
        With the topics ``prediction``, ``event`` and ``status``.
    outlet : pylsl.StreamOutlet
        Of text markers, called `CUES`.
    screen : Screen
        Of the participant.
    trial_s : float
        From the cue to the end of the answer's window [s]; all of that window is behind the cue.
    write : callable
        Is given a line of JSON for each prediction of a trial: what was decoded, and what was shown.
    """

    def __init__(
        self, client: Client, outlet: Any, screen: Screen, trial_s: float, write: Callable[[str], object]
    ) -> None:
        self._client, self._outlet, self._screen = client, outlet, screen
        self._trial_s, self._write = trial_s, write
        self._met: str | None = None

    def wait_ready(self) -> Status:
        """Wait, as long as it takes, until the run decodes, and has heard a marker of ours; return its newest status."""
        said = ""
        self._client.latest()  # what waits is from before
        while why := self._why_not():
            if why != said:
                self._screen.say(f"waiting: {why}")
            said = why
        status = self._client.latest("status")
        assert isinstance(status, Status)
        return status

    def run(self, trial: int, condition: Condition) -> Row:
        """Give the cue and feedback until the trial is over; ``problem`` of its row says why there is no answer."""
        asked, client = condition.asked, self._client
        session, n_lost = client.session or "", client.n_lost["prediction"]
        yoked = condition.yoke.begin(asked) if condition.yoke else None
        self._outlet.push_sample(
            [f"feedback/{condition.feedback}{'/mirrored' if condition.is_mirrored else ''}"]
        )
        self._screen.cue(asked, lambda: self._outlet.push_sample([asked]))
        t_cue: float | None = None
        seen: list[Prediction] = []
        for message in self._messages(local_clock() + self._trial_s + PATIENCE_S):
            if client.session != session:
                break
            if t_cue is None:  # predictions come from before the cue until the run has heard it
                if isinstance(message, Event) and message.kind == "marker" and message.value == asked:
                    t_cue = message.t_lsl
            elif isinstance(message, Prediction):
                after_s = message.t_window[1] - t_cue
                if after_s > self._trial_s:
                    break
                seen.append(message)
                decoded = message.probs[message.classes.index(asked)] if message.probs else None
                shown = decoded if yoked is None else yoked(after_s)
                if shown is not None:
                    shown = 1.0 - shown if condition.is_mirrored else shown
                    self._screen.bar(shown)
                self._write(_line(trial, asked, after_s, decoded, shown, message))
        self._outlet.push_sample(["rest"])
        problem = "the run has ended" if client.session != session else self._problem(t_cue, seen)
        answer = seen[-1] if not problem else None
        decided = next((one for one in seen if one.decision is not None), None)
        return Row(
            trial, asked, condition.feedback, condition.is_mirrored, session, t_cue,
            answer=answer.label or "" if answer else "",
            p_asked=answer.probs[answer.classes.index(asked)] if answer and answer.probs else None,
            decision=decided.decision or "" if decided else "",
            decided_after_s=decided.t_window[1] - t_cue if decided and t_cue is not None else None,
            n_predictions=len(seen),
            n_lost=client.n_lost["prediction"] - n_lost if client.session == session else 0,
            problem=problem,
        )  # fmt: skip

    def _problem(self, t_cue: float | None, seen: Sequence[Prediction]) -> str:
        """Why the last window is no answer; the rule is that of docs/analysis.md."""
        if t_cue is None:
            return "the run did not hear the cue"
        if not seen or seen[-1].t_window[1] < t_cue + self._trial_s - LATE_S:
            return "predictions stopped"
        if seen[-1].probs is None:
            return seen[-1].reason
        if seen[-1].t_window[0] < t_cue:
            return "the window is longer than the trial"
        return ""

    def _why_not(self) -> str:
        """Listen for a second: why no trial can begin; empty when one can."""
        client, why = self._client, "nothing comes; is `rtbci run` running?"
        if client.session is None or client.session != self._met:
            self._outlet.push_sample([PING])
        for message in self._messages(local_clock() + 1.0):
            if isinstance(message, Prediction):
                why = message.reason if message.probs is None else ""
            elif isinstance(message, Event) and message.kind == "marker" and message.value == PING:
                self._met = client.session
            if not why and client.session == self._met and client.latest("status"):
                return ""
        return why or "the run does not hear our markers; is its --markers the name of our stream?"

    def _messages(self, t_due: float) -> Iterator[Message]:
        """What comes until a time of our clock; a run that ends may come back in it."""
        while (left_s := t_due - local_clock()) > 0.0:
            try:
                yield self._client.receive(left_s)
            except StreamError:
                return


def _line(
    trial: int, asked: str, after_s: float, decoded: float | None, shown: float | None, one: Prediction
) -> str:
    about = {"trial": trial, "asked": asked, "after_s": after_s, "decoded": decoded, "shown": shown}
    sent = {"session": one.session, "seq": one.seq, "t_window": one.t_window, "probs": one.probs}
    return json.dumps(about | sent | {"decision": one.decision, "why": one.why})
