"""From flashes to an item: which one the user attends to, and when that is sure enough."""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError, SignalError
from rtbci.stages.stage import FloatArray

__all__ = ["ItemDecision", "ItemPolicy"]

SAME_S = 1e-6
"""Markers this close are of one moment: a flash at the begin of its trial belongs to it."""


class ItemDecision(NamedTuple):
    """What is known after a flash.

    Parameters
    ----------
    decision : str or None
        Item decided for.
    why : {'below_threshold', 'idle', 'decided'} or None
        None when there is a decision. ``idle``: that nobody attends is more probable than any item. ``decided``: this
        selection is over, the next has not begun.
    probs : tuple of float, length n_items
        Posterior over the items, given the flashes of this selection so far and that one of them is attended to.
    """

    decision: str | None
    why: Literal["below_threshold", "idle", "decided"] | None
    probs: tuple[float, ...]


class ItemPolicy:
    """Add up the evidence of flashes and decide as soon as one item is sure enough; deterministic.

    The evidence of a flash is the logarithm of the likelihood ratio of its window, target against nontarget. Where
    flashes are independent given the item, the log posterior of an item is the sum of the evidence of the flashes that
    it was in, up to a constant (Bayes, uniform prior; see Throckmorton et al. 2013, doi 10.1109/TNSRE.2013.2253125).
    Where nobody attends all flashes are nontargets, which is the sum 0: one hypothesis more, of prior `p_nobody`.

    A selection (trial) is decided

    1. as soon as an item's posterior, nobody taken into account, is at least `threshold`, after at least `min_flashes`;
    2. otherwise when it is over: `max_flashes` have been, or its end is known and no flash of it is waited for.
       Then the most probable item is decided for; none where `abstains`, or where nobody is more probable than it.

    After that there is no decision until the next selection begins. Which selection a flash belongs to is told by the
    markers' times, not by the order in which they come. Without markers of begin and end, one begins with the first flash
    that is at least `pause_s` after a decision, or later than that after the flash before it.

    Parameters
    ----------
    items : sequence of str
        Names in the order of the probabilities.
    groups : mapping of str to sequence of str
        Items of each group that flashes.
    threshold : float
        Least posterior, above 0 and at most 1.
    pause_s : float
        At least 0.
    min_flashes, max_flashes : int
        Flashes of a selection; those whose window was lost count for `max_flashes`.
    abstains : bool
        Whether nothing is decided at the end of a selection that is not sure enough.
    p_nobody : float
        Prior probability that nobody attends to any item of a selection, at least 0 and below 1; 0: somebody always does.

    Raises
    ------
    ConfigError
        When a setting is out of its range; names all that are.
    """

    def __init__(
        self,
        items: Sequence[str],
        groups: Mapping[str, Sequence[str]],
        threshold: float = 0.95,
        pause_s: float = 2.0,
        min_flashes: int = 1,
        max_flashes: int = 120,
        *,
        abstains: bool = False,
        p_nobody: float = 0.0,
    ) -> None:
        self.items, self.threshold, self.pause_s = tuple(items), threshold, pause_s
        self.min_flashes, self.max_flashes, self.abstains = min_flashes, max_flashes, abstains
        self.p_nobody = p_nobody
        self._check_settings()
        self._flashed = {
            name: np.isin(np.asarray(self.items, dtype=object), list(group)) for name, group in groups.items()
        }
        self._sums: FloatArray = np.zeros(len(self.items))
        self._trial: float | None = None  # its begin; None: without markers
        self._n_seen = self._n_used = 0
        self._is_over = False
        self._t_last = self._t_decided = -math.inf
        self.reset()

    def reset(self) -> None:
        """Forget everything, the markers too: another stream."""
        self._begins: list[float] = []
        self._ends: list[float] = []
        self._waiting: list[float] = []  # flashes whose window has not come yet
        self._t_void = -math.inf
        self._begin(None)
        self._t_decided = -math.inf

    def restart(self) -> None:
        """Go on behind a gap: what complete windows said is kept."""

    def succeed(self, earlier: "ItemPolicy") -> None:
        """Take over from the policy in use so far, in the middle of a selection: evidence is evidence."""
        self._begins, self._ends, self._waiting = earlier._begins, earlier._ends, earlier._waiting
        self._t_void = earlier._t_void
        self._trial, self._sums, self._n_seen = earlier._trial, earlier._sums, earlier._n_seen
        self._n_used, self._is_over = earlier._n_used, earlier._is_over
        self._t_last, self._t_decided = earlier._t_last, earlier._t_decided

    @property
    def n_flashes(self) -> int:
        """Flashes of this selection that gave evidence."""
        return self._n_used

    @property
    def posterior(self) -> FloatArray:
        """Probability of each item so far, given that one is attended to, shape (n_items,), a fresh array."""
        shifted = np.exp(self._sums - self._sums.max())
        return np.asarray(shifted / shifted.sum())

    @property
    def nobody(self) -> float:
        """Probability so far that nobody attends to any item."""
        if not self.p_nobody:
            return 0.0
        somebody = np.logaddexp.reduce(self._sums) - math.log(len(self.items)) + math.log1p(-self.p_nobody)
        return float(1.0 / (1.0 + np.exp(min(somebody - math.log(self.p_nobody), 700.0))))

    @property
    def n_groups(self) -> int:
        """Groups that flash."""
        return len(self._flashed)

    @property
    def groups(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._flashed)

    def holds(self, group: str) -> npt.NDArray[np.bool_]:
        """Which items are in a group, shape (n_items,)."""
        return self._flashed[group]

    def begin(self, t_lsl: float) -> None:
        """A selection begins at this time; may be told before or after its flashes' windows are there."""
        insort(self._begins, t_lsl)

    def end(self, t_lsl: float) -> None:
        """A selection ends at this time."""
        insort(self._ends, t_lsl)

    def void(self, t_lsl: float) -> None:
        """The selection that goes on at this time was not seen to its end: nothing is decided in it."""
        self._t_void = max(self._t_void, t_lsl)

    def expect(self, t_lsl: float) -> None:
        """Something flashed; its window is waited for."""
        insort(self._waiting, t_lsl)

    def drop(self, t_lsl: float) -> None:
        """The window of a flash is lost; it counts, and says nothing."""
        self._take_up(t_lsl)
        if self._belongs(t_lsl):
            self._n_seen += 1

    def push(self, evidence: float, group: str | None, t_flash: float, t_end: float) -> ItemDecision:
        """Decide after a flash.

        Parameters
        ----------
        evidence : float
            Log-likelihood ratio of its window, target against nontarget.
        group : str or None
            What flashed; None when that is not known: then it says nothing of the items.
        t_flash : float
            Time of its marker [s].
        t_end : float
            Stamp of the newest sample of its window [s].

        Raises
        ------
        SignalError
            When the evidence is not a finite number.
        """
        if not math.isfinite(evidence):
            raise SignalError(
                f"ItemPolicy: evidence of flash '{group}' at {t_flash:.3f} s is {evidence}, need a finite number; "
                "train or calibrate again"
            )
        self._take_up(t_flash)
        if not self._belongs(t_flash):
            return ItemDecision(None, "decided", self._probs())
        self._n_seen += 1
        if group is not None:
            self._sums = self._sums + evidence * self._flashed[group]
            self._n_used += 1
        self._t_last = max(self._t_last, t_flash)
        return self._decide(t_end)

    def _decide(self, t_end: float) -> ItemDecision:
        probs = self._probs()
        best, nobody = probs.index(max(probs)), self.nobody
        sure = probs[best] * (1.0 - nobody)
        is_idle = self._n_used > 0 and nobody > sure
        is_sure = sure >= self.threshold and self._n_used >= self.min_flashes
        is_last = self._n_seen >= self.max_flashes or self._has_all()
        self._is_over = is_sure or is_last
        if self._is_over:
            self._t_decided = t_end
        if is_sure or (is_last and self._n_used and not (self.abstains or is_idle)):
            return ItemDecision(self.items[best], None, probs)
        return ItemDecision(None, "idle" if is_idle else "below_threshold", probs)

    def _take_up(self, t_flash: float) -> None:
        """Look which selection a flash belongs to, and begin it where it is another than before."""
        i = bisect_left(self._waiting, t_flash)
        if i < len(self._waiting) and self._waiting[i] == t_flash:
            del self._waiting[i]
        i = bisect_right(self._begins, t_flash + SAME_S)
        if i:
            if self._trial is None or self._begins[i - 1] > self._trial:
                self._begin(self._begins[i - 1])
                del self._begins[: i - 1]
            return
        pause = t_flash - (self._t_decided if self._is_over else self._t_last)
        if self._trial is None and pause >= self.pause_s:
            self._begin(None)

    def _belongs(self, t_flash: float) -> bool:
        """Whether a flash is of the selection that is open."""
        if self._is_over or t_flash <= self._t_void:
            return False
        if self._trial is None:
            return True
        t_end = self._end_of(self._trial)
        return t_flash >= self._trial - SAME_S and (t_end is None or t_flash <= t_end + SAME_S)

    def _has_all(self) -> bool:
        """Whether the selection's end is known, and no flash of it is waited for."""
        t_end = None if self._trial is None else self._end_of(self._trial)
        if self._trial is None or t_end is None:
            return False
        return bisect_left(self._waiting, self._trial - SAME_S) == bisect_right(self._waiting, t_end + SAME_S)

    def _end_of(self, t_begin: float) -> float | None:
        del self._ends[: bisect_left(self._ends, t_begin)]
        return self._ends[0] if self._ends else None

    def _begin(self, t_begin: float | None) -> None:
        self._trial, self._sums = t_begin, np.zeros(len(self.items))
        self._n_seen = self._n_used = 0
        self._is_over, self._t_last = False, -math.inf

    def _probs(self) -> tuple[float, ...]:
        return tuple(self.posterior.tolist())

    def _check_settings(self) -> None:
        problems = [
            f"{name} is {value!r}, need {need}"
            for name, value, fits, need in (
                (
                    "items",
                    self.items,
                    len(set(self.items)) == len(self.items) > 1,
                    "two or more, all different",
                ),
                ("threshold", self.threshold, 0 < self.threshold <= 1, "above 0 and at most 1"),
                ("pause_s", self.pause_s, 0 <= self.pause_s < math.inf, "at least 0 s"),
                ("min_flashes", self.min_flashes, self.min_flashes >= 0, "0 or more"),
                ("max_flashes", self.max_flashes, self.max_flashes >= 1, "1 or more"),
                ("p_nobody", self.p_nobody, 0 <= self.p_nobody < 1, "at least 0 and below 1"),
            )
            if not fits
        ]
        if problems:
            raise ConfigError(f"ItemPolicy: {'; '.join(problems)}")
