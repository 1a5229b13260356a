"""What the page asks its user for, in which order, and the markers that say so."""

import math
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from rtbci.clock import Clock, now, wait_on
from rtbci.probe.flicker_clock import FLICKER_AT, FLICKER_ON
from rtbci.stream.source import UNSEEN, MarkerSink

__all__ = ["Page", "mark_phase", "order_of", "run_session"]

REST_S = 2.5
TRIAL_S = 4.0
POLL_S = 0.25
AWAY = "flicker page: gone, hidden or stopped; waiting for the start key again"
COUNT_S = 2.0
"""So often the flicker's own time is told: displays refresh a little faster or slower than they say."""


class Page(Protocol):
    """What shows the targets; `rtbci.flicker.page.flicker_page.FlickerPage` is one."""

    targets: dict[str, float]
    flicker_s: float

    @property
    def generation(self) -> int: ...  # noqa: D102

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait for the start key; False when stopped."""
        ...

    def show(self, step: str, target: str | None = None) -> float:
        """Show something; when it was seen, NaN when it was not."""
        ...


def order_of(targets: Sequence[str], n_trials: int, seed: int) -> list[str]:
    """Each target `n_trials` times, shuffled in blocks of one each."""
    rng = np.random.default_rng(seed)
    return [str(name) for _ in range(n_trials) for name in rng.permutation(list(targets))]


def run_session(
    page: Page,
    markers: MarkerSink,
    n_trials: int,
    seed: int,
    trial_s: float | None,
    stop: threading.Event,
    tell: Callable[[str], None],
    clock: Clock = now,
) -> None:
    """Let the targets flicker, and ask for them one after the other.

    Parameters
    ----------
    page : Page
    markers : MarkerSink
        Gets ``flicker_on`` with the time of frame 0, from then on ``flicker_at/SECONDS``, names of targets, ``rest``, and ``unseen`` where the page was away or
        stopped during a trial, which comes again after the start key.
    n_trials : int
        Of each target; 0: nothing is asked for, until `stop`.
    seed : int
    trial_s : float or None
        How long a target is asked for; None: 4 s.
    stop : threading.Event
    tell : callable
        Takes a line for the person at the terminal.
    clock : callable
    """
    while (generation := _begin(page, markers, stop, tell)) is not None:
        tell(f"flickering: {', '.join(f'{name} {hz:g} Hz' for name, hz in page.targets.items())}")
        if n_trials:
            order = order_of(list(page.targets), n_trials, seed)
            while order and not stop.is_set():
                if _ask(page, markers, order[0], trial_s or TRIAL_S, generation, stop, clock):
                    order.pop(0)
                    continue
                tell(AWAY)
                if (again := _begin(page, markers, stop, tell)) is not None:
                    generation = again
            wait_on(clock() + REST_S, stop, clock)
            page.show("done")
            return
        t_count = clock() + COUNT_S
        while page.generation == generation:
            if stop.wait(POLL_S):
                page.show("done")
                return
            if clock() >= t_count:
                mark_phase(page, markers, page.show("count"))
                t_count = clock() + COUNT_S
        tell(AWAY)


def mark_phase(page: Page, markers: MarkerSink, t_lsl: float) -> None:
    """Say how long targets had flickered when the newest step was shown, where they do."""
    if not math.isnan(t_lsl) and not math.isnan(page.flicker_s):
        markers.push(f"{FLICKER_AT}{page.flicker_s:.6f}", t_lsl)


def _begin(page: Page, markers: MarkerSink, stop: threading.Event, tell: Callable[[str], None]) -> int | None:
    """Wait for the start key and have all targets flicker; the page's generation then, None when stopped."""
    while page.wait_for_start(stop):
        generation, t_on = page.generation, page.show("flicker")
        if not math.isnan(t_on):
            markers.push(FLICKER_ON, t_on)
            return generation
        tell("flicker page: went away before it flickered; waiting for the start key again")
    return None


def _ask(
    page: Page,
    markers: MarkerSink,
    target: str,
    trial_s: float,
    generation: int,
    stop: threading.Event,
    clock: Clock,
) -> bool:
    """Ask for a target after a rest; whether the page was there all the time."""
    wait_on(clock() + REST_S, stop, clock)
    t_cue = page.show("cue", target)
    if not math.isnan(t_cue):
        markers.push(target, t_cue)
        mark_phase(page, markers, t_cue)
    wait_on(clock() + trial_s, stop, clock)
    t_rest = page.show("rest") if page.generation == generation else math.nan
    is_seen = page.generation == generation and not math.isnan(t_cue + t_rest)
    markers.push("rest" if is_seen else UNSEEN, t_rest if is_seen else clock())
    if is_seen:
        mark_phase(page, markers, t_rest)
    return is_seen
