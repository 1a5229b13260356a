import math
import threading
from collections.abc import Callable, Sequence

from rtbci.speller.session import Plan, Session
from rtbci.speller.shown import Shown
from rtbci.web.page_messages import Pause

GROUPS = {"r1": ("A", "B"), "r2": ("C", "D"), "c1": ("A", "C"), "c2": ("B", "D")}
SOA_S = 0.2


class PlayedPage:
    """A page on a clock that only waiting moves; `also` is called before each flash with its number over all sequences."""

    def __init__(self, also: Callable[[int], object] = lambda _i: None) -> None:
        self.items: tuple[str, ...] = ("A", "B", "C", "D")
        self.groups: dict[str, tuple[str, ...]] = {**GROUPS}
        self.t, self.generation, self.n_starts, self.n_flashes = 100.0, 1, 0, 0
        self.steps, self.texts = list[tuple[str, str | None]](), list[tuple[str, str]]()
        self.note = ""
        self._also, self._sequence, self._i = also, list[str](), 0
        self.pause_at = self.unsure_at = -1

    def clock(self) -> float:
        self.t += 0.05
        return self.t

    def wait_for_start(self, stop: threading.Event) -> bool:
        self.n_starts += 1
        return not stop.is_set()

    def show(self, step: str, item: str | None = None) -> float:
        self.steps.append((step, item))
        return self.t

    def flash(self, sequence: Sequence[str]) -> bool:
        self._sequence, self._i = list(sequence), 0
        return True

    def next_event(self, timeout_s: float) -> Shown | Pause | None:
        if self.n_flashes == self.pause_at:
            self.pause_at = -1
            return Pause()
        self._also(self.n_flashes)
        self.t += SOA_S
        is_sure = self.n_flashes != self.unsure_at
        self.n_flashes, self._i = self.n_flashes + 1, self._i + 1
        return Shown(self._i - 1, self.t if is_sure else math.nan)

    def write(self, text: str, wanted: str, note: str = "") -> None:
        self.texts.append((text, wanted))
        self.note = note


class Markers:
    def __init__(self) -> None:
        self.sent: list[tuple[str, float]] = []

    def push(self, text: str, t_lsl: float) -> None:
        self.sent.append((text, t_lsl))

    def of(self, begin: str) -> list[str]:
        return [text for text, _ in self.sent if text.startswith(begin)]


class Decides:
    """Decides for `item` after so many flashes of a selection."""

    def __init__(self, page: PlayedPage, items: Sequence[str], n_flashes: int) -> None:
        self._page, self._items, self._n = page, list(items), n_flashes
        self.trouble, self.is_idle = "", False

    def nobody(self, since_lsl: float) -> bool:
        return self.is_idle and since_lsl > 100.0

    def newest(self, since_lsl: float) -> str | None:
        if self._page._i < self._n or not self._items:
            return None
        self._page._i = 0
        return self._items.pop(0)


class Waited(threading.Event):
    """An event whose waiting takes no time."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def session(page: PlayedPage, decisions: Decides | None, plan: Plan) -> tuple[Session, Markers, list[str]]:
    markers, said = Markers(), list[str]()
    return Session(page, markers, decisions, plan, said.append, page.clock), markers, said


def test_a_decision_ends_the_flashes_and_writes_the_letter() -> None:
    page = PlayedPage()
    one, markers, said = session(page, Decides(page, ["A", "C"], 6), Plan(["A", "B"], repetitions=5))
    assert one.run(Waited())
    assert one.text == "AC"
    assert (one.score.n_right, one.score.n_asked) == (1, 2)
    assert [letter.n_flashes for letter in one.score.letters] == [6, 6]
    texts = [text for text, _ in markers.sent]
    assert texts[:2] == ["cue/A", "trial/begin"]
    assert texts[8:11] == ["trial/end", "cue/B", "trial/begin"]
    assert markers.of("flash/")[:4] != sorted(markers.of("flash/")[:4])
    times = [t for _, t in markers.sent]
    assert times == sorted(times)
    assert ("chosen", "A") in page.steps
    assert page.texts[-1] == ("AC", "AB")
    assert said == ["A: A after 6 flashes; text 'A'", "B: C after 6 flashes; text 'AC'"]


def test_without_a_decision_nothing_is_written_and_the_end_is_behind_the_last_flash() -> None:
    page = PlayedPage()
    one, markers, said = session(page, Decides(page, [], 6), Plan(["A"], repetitions=3, decision_s=1.0))
    assert one.run(Waited())
    assert len(markers.of("flash/")) == 12
    assert markers.sent[-1][0] == "trial/end"
    assert markers.sent[-1][1] > markers.sent[-2][1]
    assert ("unsure", None) in page.steps
    assert one.text == ""
    assert said == ["A: no decision after 12 flashes; text ''"]


def test_where_nobody_attended_the_page_and_the_terminal_say_so() -> None:
    page = PlayedPage()
    decides = Decides(page, [], 6)
    decides.is_idle = True
    one, _, said = session(page, decides, Plan(["A"], repetitions=3, decision_s=1.0))
    assert one.run(Waited())
    assert ("nobody", None) in page.steps
    assert ("unsure", None) not in page.steps
    assert page.note.startswith("no letter: nobody attended; ")
    assert said == ["A: no letter: nobody attended after 12 flashes; text ''"]


def test_a_run_that_loses_its_stream_ends_the_selection_and_the_letter_comes_again() -> None:
    noted = list[str]()

    def also(i_flash: int) -> None:
        noted.append(page.note)
        decides.trouble = "the run has lost its stream" if i_flash == 3 else ""

    page = PlayedPage(also)
    decides = Decides(page, ["A"], 6)
    one, markers, said = session(page, decides, Plan(["A"], repetitions=5))
    assert one.run(Waited())
    texts = [text for text, _ in markers.sent]
    assert texts.count("trial/begin") == texts.count("cue/A") == 2
    assert texts[texts.index("unseen") + 1] == "trial/end"
    assert page.n_starts == 2
    assert said[0] == (
        "speller page: the run has lost its stream; this letter comes again, waiting for the start key"
    )
    assert [(letter.wanted, letter.chosen) for letter in one.score.letters] == [("A", "A")]
    assert len(noted) > 4
    assert not any(noted)  # what is over is not said while letters flash again


def test_in_a_calibration_nobody_decides() -> None:
    page = PlayedPage()
    one, markers, said = session(page, None, Plan(["A", "D"], repetitions=2, decision_s=0.0))
    assert one.run(Waited())
    assert markers.of("cue/") == ["cue/A", "cue/D"]
    assert len(markers.of("flash/")) == 16
    assert not said
    assert page.steps[-1] == ("done", None)


def test_a_flash_whose_time_is_not_certain_has_no_marker() -> None:
    page = PlayedPage()
    page.unsure_at = 3
    one, markers, _ = session(page, None, Plan(["A"], repetitions=2))
    assert one.run(Waited())
    assert len(markers.of("flash/")) == 7
    assert all(math.isfinite(t) for _, t in markers.sent)


def test_a_pause_or_a_page_that_goes_away_makes_the_letter_come_again() -> None:
    page = PlayedPage(lambda i: setattr(page, "generation", 2 if i >= 9 else 1))
    page.pause_at = 5
    one, markers, said = session(page, None, Plan(["A"], repetitions=3))
    assert one.run(Waited())
    assert markers.of("cue/") == ["cue/A"] * 3
    assert markers.of("unseen") == ["unseen"] * 2
    after = [markers.sent[i + 1][0] for i, (text, _) in enumerate(markers.sent) if text == "unseen"]
    assert after == ["trial/end"] * 2
    assert page.n_starts == 3
    assert ["pause" in line for line in said] == [True, False]
    assert len(one.score.letters) == 1


def test_the_user_is_free_until_it_is_stopped() -> None:
    stop = Waited()
    page = PlayedPage(lambda i: stop.set() if i > 20 else None)
    one, markers, _ = session(page, Decides(page, ["A", "backspace", "D"], 6), Plan(repetitions=5))
    assert not one.run(stop)
    assert not markers.of("cue/")
    assert one.text == "D"
    assert page.steps[-1] == ("done", None)
