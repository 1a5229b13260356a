"""Whether two decodings of a session are the same, and where they part first."""

from typing import Any, NamedTuple

import msgspec

from rtbci.publish.messages import Prediction
from rtbci.runtime.digests import DIGITS
from rtbci.verify.replay import Replayed

__all__ = ["Comparison", "Divergence", "Tolerance"]

FIELDS = ("t_window", "classes", "probs", "label", "decision", "why", "value", "quality", "profile")
"""Of a prediction: all that the samples decide. Its number, times and engine are not."""
NEAR = 1
"""Decisions may fall so many predictions apart where numbers may differ."""


class Tolerance(NamedTuple):
    """How far numbers may be apart; None in place of it: not at all.

    Parameters
    ----------
    features : float
        Of an engine's outputs, as its recipe allows; told, not compared.
    prob : float
        Of a probability. Where two classes are closer than this, either may be the most probable one.
    """

    features: float
    prob: float


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """Where two decodings part first.

    Parameters
    ----------
    part : str
        What is the first to differ: a stage, a branch's features or logits, the fusion, or a field of the prediction.
    t_lsl : float
        End of the window, or when its samples came, in seconds.
    seq : int or None
        Number of the prediction; None where none was published.
    recorded, replayed : str
        The two values, or their checksums.
    """

    part: str
    t_lsl: float
    seq: int | None
    recorded: str
    replayed: str


class Comparison:
    """Compares take by take.

    Parameters
    ----------
    tolerance : Tolerance or None
        None: every bit.

    Attributes
    ----------
    n_compared, n_identical : int
        Predictions that were compared, and those that are the same to the last bit.
    n_windows, n_windows_identical : int
        The same of windows, by their checksums; those that were skipped or not sent count too.
    n_unsure : int
        Predictions that cannot be compared, because what the decoder was given is not known.
    why_unsure : list of str
        Each reason once.
    n_out : int
        Predictions beyond the tolerance.
    max_prob : float
        Largest difference of a probability.
    first : Divergence or None
        The first difference; beyond the tolerance, where there is one.
    """

    def __init__(self, tolerance: Tolerance | None) -> None:
        self.tolerance = tolerance
        self.n_compared = self.n_identical = self.n_unsure = self.n_out = 0
        self.n_windows = self.n_windows_identical = 0
        self.max_prob = 0.0
        self.first: Divergence | None = None
        self.why_unsure: list[str] = []
        self._unsure = ""
        self._t_taken = 0.0
        self._decided: tuple[list[tuple[int, str]], list[tuple[int, str]]] = ([], [])

    @property
    def n_decisions(self) -> int:
        """Decisions in the session that were compared."""
        return len(self._decided[0])

    @property
    def n_decisions_differ(self) -> int:
        """Decisions that one decoding has and the other has not, at the same prediction or beside it."""
        theirs, ours = self._decided
        return sum(_lacks(ours, one) for one in theirs) + sum(_lacks(theirs, one) for one in ours)

    @property
    def is_same(self) -> bool:
        """Whether all that was compared is the same, or near enough."""
        return self.first is None and not self.n_out and not self.n_decisions_differ

    def push(self, replayed: Replayed) -> None:
        """Compare what the next take gave."""
        take = replayed.take
        self._t_taken = take.t_taken
        if take.unsure:
            self._unsure = take.unsure
            if take.unsure not in self.why_unsure:
                self.why_unsure.append(take.unsure)
        elif take.info is not None:
            self._unsure = ""  # everything begins anew with a connection
        if self._unsure:
            self.n_unsure += len(take.predictions)
            return
        self._compare_windows(replayed)
        theirs, ours = take.predictions, replayed.predictions
        if len(theirs) != len(ours):
            self._differ("number of predictions", take.t_taken, theirs, len(theirs), len(ours))
            self.n_out += abs(len(theirs) - len(ours))
        for one, other in zip(theirs, ours, strict=False):
            self._compare(one, other)

    def refuse(self, reason: str) -> None:
        """Take note that the decoder refuses what it decoded in the session."""
        self.n_out += 1
        self._differ("the run ends", self._t_taken, [], "went on", reason)

    def _compare_windows(self, replayed: Replayed) -> None:
        take = replayed.take
        theirs, ours = take.windows, replayed.windows
        self.n_windows += len(theirs)
        self.n_windows_identical += sum(a == b for a, b in zip(theirs, ours, strict=False))
        if self.tolerance is not None or theirs == ours:
            return
        if len(theirs) != len(ours):
            self._differ("number of windows", take.t_taken, take.predictions, len(theirs), len(ours))
            return
        one, other = next((a, b) for a, b in zip(theirs, ours, strict=True) if a != b)
        part, a, b = _first_part(one, other, replayed.part_names)
        self._differ(part, take.t_taken, take.predictions, f"checksum {a}", f"checksum {b}")

    def _compare(self, theirs: Prediction, ours: Prediction) -> None:
        for decided, prediction in zip(self._decided, (theirs, ours), strict=True):
            if prediction.decision is not None:
                decided.append((self.n_compared, prediction.decision))
        self.n_compared += 1
        differing = [name for name in FIELDS if getattr(theirs, name) != getattr(ours, name)]
        self.n_identical += not differing
        apart = _max_apart(theirs, ours)
        self.max_prob = max(self.max_prob, apart)
        if not differing or (self.tolerance is not None and self._is_near(theirs, ours, apart)):
            return
        self.n_out += 1
        name = differing[0]
        self._differ(name, theirs.t_window[1], [theirs], getattr(theirs, name), getattr(ours, name))

    def _is_near(self, theirs: Prediction, ours: Prediction, apart: float) -> bool:
        """Whether the window is the same and its probabilities are within the tolerance; decisions count by themselves."""
        allowed = 0.0 if self.tolerance is None else self.tolerance.prob
        return (
            theirs.t_window == ours.t_window
            and theirs.classes == ours.classes
            and (theirs.probs is None) == (ours.probs is None)
            and (theirs.value is None) == (ours.value is None)
            and apart <= allowed
            and theirs.quality.bad_channels == ours.quality.bad_channels
        )

    def _differ(self, part: str, t_lsl: float, said: list[Prediction], recorded: Any, replayed: Any) -> None:
        if self.first is not None:
            return
        self.first = Divergence(
            part=part,
            t_lsl=said[0].t_window[1] if said else t_lsl,
            seq=said[0].seq if said else None,
            recorded=_said(recorded),
            replayed=_said(replayed),
        )


def _lacks(decided: list[tuple[int, str]], one: tuple[int, str]) -> bool:
    return not any(abs(i - one[0]) <= NEAR and name == one[1] for i, name in decided)


def _max_apart(theirs: Prediction, ours: Prediction) -> float:
    if theirs.probs is None or ours.probs is None:
        return 0.0
    return max((abs(a - b) for a, b in zip(theirs.probs, ours.probs, strict=False)), default=0.0)


def _first_part(theirs: str, ours: str, names: list[str]) -> tuple[str, str, str]:
    if len(theirs) != len(ours) or len(ours) != DIGITS * len(names):
        return "number of parts", str(len(theirs) // DIGITS), str(len(ours) // DIGITS)
    places = range(0, len(theirs), DIGITS)
    at = next(i for i in places if theirs[i : i + DIGITS] != ours[i : i + DIGITS])
    return names[at // DIGITS], theirs[at : at + DIGITS], ours[at : at + DIGITS]


def _said(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
