"""Which class comes when: balanced blocks, shuffled, seeded; rejected trials come again at the end."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.calibrate.protocol import ProtocolSettings
from rtbci.errors import ConfigError

__all__ = ["Progress", "Schedule", "ScheduledTrial", "draw_order"]


@dataclass(frozen=True, slots=True)
class ScheduledTrial:
    """One trial to be shown.

    Parameters
    ----------
    i_trial : int
        Its number; a repeated trial gets a number of its own.
    i_class : int
        An index into the schedule's classes.
    pause_s : float
        Pause after it, in seconds.
    starts_block : bool
        Whether a break comes before it; never for the first.
    """

    i_trial: int
    i_class: int
    pause_s: float
    starts_block: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a schedule is.

    Parameters
    ----------
    n_shown, n_accepted, n_rejected : int
        Trials; those before a resumption count as accepted only.
    n_left : int
        Still without a verdict, as far as is known now: to be shown, and the one that is shown or comes behind a break.
    minutes_left : float
        What those to be shown and the breaks between them take, in minutes.
    per_class : tuple of int
        Accepted trials of each class.
    """

    n_shown: int
    n_accepted: int
    n_rejected: int
    n_left: int
    minutes_left: float
    per_class: tuple[int, ...]


def draw_order(
    counts: Sequence[int], max_in_a_row: int, rng: np.random.Generator, before: Sequence[int] = ()
) -> list[int]:
    """Draw a shuffled order of classes without long runs.

    Parameters
    ----------
    counts : sequence of int
        Trials of each class.
    max_in_a_row : int
        Longest run of one class; longer only where the counts leave no other way.
    rng : Generator
    before : sequence of int
        Classes that came before, whose run goes on.

    Returns
    -------
    list of int
        Classes, as many as `counts` in all.
    """
    left = np.array(counts, dtype=np.intp)
    order: list[int] = []
    while left.sum():
        fits = [i for i in range(len(left)) if left[i] and _fits(left, i, max_in_a_row, [*before, *order])]
        # With counts that cannot be mixed the most frequent class goes first: the longest runs stay shortest.
        choices = np.array(fits or [int(left.argmax())])
        i_class = int(rng.choice(choices, p=left[choices] / left[choices].sum()))
        order.append(i_class)
        left[i_class] -= 1
    return order


def _fits(left: npt.NDArray[np.intp], i_class: int, max_in_a_row: int, order: Sequence[int]) -> bool:
    """Whether `i_class` may come next, and what is left after it can still be mixed."""
    run = 1
    for one in reversed(order):
        if one != i_class:
            break
        run += 1
    if run > max_in_a_row:
        return False
    after = left.copy()
    after[i_class] -= 1
    # The n trials of other classes leave n + 1 gaps for runs; the first of these is already in use by this class.
    room = max_in_a_row * (after.sum() - after + 1)
    room[i_class] -= run
    return bool((after <= room).all())


class Schedule:
    """The order of a calibration's trials.

    Parameters
    ----------
    protocol : ProtocolSettings
    classes : sequence of str
        Classes to be shown; each has a cue in the protocol.
    accepted : sequence of int, optional
        How many of each class are accepted already, when a calibration is resumed.
    i_first : int
        Number of the first trial; when resumed, how many were shown before.

    Raises
    ------
    ConfigError
        When a class has no cue, or `accepted` is not a count for each class.

    Notes
    -----
    The same arguments give the same schedule. All methods may be called from any thread.
    """

    def __init__(
        self,
        protocol: ProtocolSettings,
        classes: Sequence[str],
        accepted: Sequence[int] | None = None,
        i_first: int = 0,
    ) -> None:
        self.protocol, self.classes = protocol, tuple(classes)
        self.cues = protocol.cues_of(classes)
        done = tuple(accepted) if accepted is not None else (0,) * len(self.classes)
        if len(done) != len(self.classes) or any(n < 0 for n in done) or i_first < 0:
            raise ConfigError(
                f"Schedule: accepted is {list(done)} and the first trial {i_first}, need a count from 0 for each "
                f"of {list(self.classes)} and a number from 0; give those of the calibration that is resumed"
            )
        # Seeded by both, so that a resumed calibration does not begin like the first one did.
        self._rng, self._pause_rng = (np.random.default_rng((protocol.seed, i_first, k)) for k in (0, 1))
        self._lock = threading.Lock()
        self._i_next, self._i_first = i_first, i_first
        self._open: dict[int, int] = {}
        self._accepted, self._n_rejected = list(done), 0
        self._replaced, self._again = [0] * len(self.classes), [0] * len(self.classes)
        self._last: list[int] = []
        self._finished = False
        self._queue: deque[tuple[int, bool]] = deque()
        self._fill([max(protocol.trials.per_class - n, 0) for n in done])

    @property
    def n_unjudged(self) -> int:
        """Trials that were shown, without a verdict yet."""
        with self._lock:
            return len(self._open)

    def next_trial(self) -> ScheduledTrial | None:
        """Take the next trial, or None when there is none (see `n_unjudged`: a verdict may bring one more)."""
        with self._lock:
            if not self._queue and any(self._again):
                counts, self._again = self._again, [0] * len(self.classes)
                self._fill(counts)
            if not self._queue:
                return None
            i_class, starts_block = self._queue.popleft()
            trial = ScheduledTrial(self._i_next, i_class, self._draw_pause(), starts_block)
            self._open[self._i_next] = i_class
            self._i_next += 1
            return trial

    def judge(self, i_trial: int, accepted: bool, *, seen: bool = True) -> bool:
        """Say whether a trial is used; one that is not comes again at the end.

        Parameters
        ----------
        i_trial : int
        accepted : bool
        seen : bool
            False when the cue never reached the user: such a trial is always shown again.

        Returns
        -------
        bool
            Whether the verdict counts: the first one on each trial that was shown does.
        """
        with self._lock:
            i_class = self._open.pop(i_trial, None)
            if i_class is None:
                return False
            if accepted:
                self._accepted[i_class] += 1
                return True
            self._n_rejected += 1
            self._repeat(i_class, counted=seen)
            return True

    def replace(self, i_class: int) -> bool:
        """Show one more trial of a class at the end; False when as many as allowed were replaced already."""
        with self._lock:
            return self._repeat(i_class, counted=True)

    def finish(self) -> None:
        """Show no more trials: what there is is enough."""
        with self._lock:
            self._queue.clear()
            self._again = [0] * len(self.classes)
            self._finished = True

    @property
    def progress(self) -> Progress:
        """How far it is."""
        with self._lock:
            n_to_show = len(self._queue) + sum(self._again)
            n_breaks = sum(starts for _, starts in self._queue) + self._is_worth_a_break(sum(self._again))
            seconds = n_to_show * self.protocol.timing.trial_s + n_breaks * self.protocol.breaks.rest_s
            return Progress(
                n_shown=self._i_next - self._i_first,
                n_accepted=sum(self._accepted),
                n_rejected=self._n_rejected,
                n_left=n_to_show + len(self._open),
                minutes_left=seconds / 60,
                per_class=tuple(self._accepted),
            )

    def _repeat(self, i_class: int, counted: bool) -> bool:
        if self._finished:
            return False
        if counted:
            if self._replaced[i_class] >= self.protocol.trials.extra_per_class:
                return False
            self._replaced[i_class] += 1
        self._again[i_class] += 1
        return True

    def _fill(self, counts: Sequence[int]) -> None:
        """Put blocks into the queue: each class is spread over them as evenly as its count allows."""
        trials = self.protocol.trials
        n_blocks = -(-max(counts) // trials.per_class_in_block)
        for i_block in range(n_blocks):
            block = [n * (i_block + 1) // n_blocks - n * i_block // n_blocks for n in counts]
            order = draw_order(block, trials.max_in_a_row, self._rng, self._last)
            starts = bool(self._last) and self._is_worth_a_break(sum(block))
            self._queue.extend((i_class, starts and i == 0) for i, i_class in enumerate(order))
            self._last = order[-trials.max_in_a_row :] or self._last

    def _is_worth_a_break(self, n_trials: int) -> bool:
        """Whether a block is long enough; a trial or two that are repeated follow without a break."""
        return 2 * n_trials > len(self.classes) * self.protocol.trials.per_class_in_block

    def _draw_pause(self) -> float:
        return float(self._pause_rng.uniform(*self.protocol.timing.pause_s))
