import math
import threading
from collections import Counter

import numpy as np
import pytest

from rtbci.flicker.session import order_of, run_session


class PlayedPage:
    """A page that shows everything a frame after it is ordered, on a clock that only waiting moves."""

    def __init__(self) -> None:
        self.targets = {"left": 12.0, "right": 15.0}
        self.t, self.generation, self.steps = 100.0, 1, list[tuple[str, str | None]]()
        self.away_at: set[int] = set()
        self.flicker_s = math.nan

    def clock(self) -> float:
        self.t += 0.5
        return self.t

    def wait_for_start(self, stop: threading.Event) -> bool:
        return not stop.is_set()

    def show(self, step: str, target: str | None = None) -> float:
        self.steps.append((step, target))
        if len(self.steps) in self.away_at:
            self.generation += 1
            return math.nan
        return self.t + 1 / 60


class Markers:
    def __init__(self) -> None:
        self.sent: list[tuple[str, float]] = []

    def push(self, text: str, t_lsl: float) -> None:
        self.sent.append((text, t_lsl))


class Waited(threading.Event):
    """An event whose waiting takes no time; set after `n_left` waits."""

    def __init__(self, n_left: int = 10**9) -> None:
        super().__init__()
        self.n_left = n_left

    def wait(self, timeout: float | None = None) -> bool:
        self.n_left -= 1
        if self.n_left < 0:
            self.set()
        return self.is_set()


def run(page: PlayedPage, n_trials: int, stop: threading.Event) -> tuple[list[tuple[str, float]], list[str]]:
    markers, said = Markers(), list[str]()
    run_session(page, markers, n_trials, 0, 3.0, stop, said.append, page.clock)
    return markers.sent, said


def test_every_target_is_asked_for_as_often_in_an_order_of_the_seed() -> None:
    order = order_of(["a", "b", "c"], 4, seed=1)
    assert Counter(order) == {"a": 4, "b": 4, "c": 4}
    assert all(len(set(order[i : i + 3])) == 3 for i in range(0, 12, 3))
    assert order == order_of(["a", "b", "c"], 4, seed=1) != order_of(["a", "b", "c"], 4, seed=2)


def test_markers_are_the_frames_that_showed_it() -> None:
    page = PlayedPage()
    sent, said = run(page, 2, Waited())
    texts = [text for text, _ in sent]
    assert texts[0] == "flicker_on"
    assert texts[2::2] == ["rest"] * 4
    assert Counter(texts[1::2]) == {"left": 2, "right": 2}
    assert np.all(np.diff([t for _, t in sent]) > 0)
    assert page.steps[-1] == ("done", None)
    assert said == ["flickering: left 12 Hz, right 15 Hz"]


def test_a_trial_that_was_not_seen_to_its_end_is_marked_so() -> None:
    page = PlayedPage()
    page.away_at = {3}  # the first rest
    sent, _ = run(page, 1, Waited())
    texts = [text for text, _ in sent]
    assert texts[2:4] == ["unseen", "flicker_on"]
    assert texts[4:6] == [texts[1], "rest"]  # it comes again, once the start key was pressed


def test_a_trial_that_its_user_stopped_shows_nothing_until_the_start_key() -> None:
    class Stopped(PlayedPage):
        def show(self, step: str, target: str | None = None) -> float:
            if step == "cue" and self.generation == 1:
                self.generation += 1  # stopped as soon as it was asked
            return super().show(step, target)

    page = Stopped()
    sent, said = run(page, 1, Waited())
    assert [step for step, _ in page.steps[:4]] == ["flicker", "cue", "flicker", "cue"]
    assert [text for text, _ in sent][2:4] == ["unseen", "flicker_on"]
    assert "gone, hidden or stopped" in said[1]


def test_free_use_goes_on_until_it_is_stopped_and_begins_again_when_the_page_comes_back() -> None:
    page = PlayedPage()
    page.away_at = {1}
    sent, said = run(page, 0, Waited(4))
    assert [text for text, _ in sent] == ["flicker_on"]
    assert "went away before it flickered" in said[0]
    assert page.steps[-1] == ("done", None)


def test_stopping_ends_it() -> None:
    page, stop = PlayedPage(), threading.Event()
    stop.set()
    assert run(page, 3, stop) == ([], [])


def test_the_flickers_own_time_is_told_again_and_again() -> None:
    class Counting(PlayedPage):
        def show(self, step: str, target: str | None = None) -> float:
            self.flicker_s = self.t - 100.0
            return super().show(step, target)

    page = Counting()
    sent, _ = run(page, 0, Waited(12))
    assert sent[0][0] == "flicker_on"
    assert len(sent) > 2
    for text, t_lsl in sent[1:]:
        assert float(text.removeprefix("flicker_at/")) == pytest.approx(t_lsl - 1 / 60 - 100.0)
    assert ("count", None) in page.steps
