import msgspec

from rtbci.publish.messages import Event, Message, Prediction, Quality
from rtbci.publish.outbox import Decoded, Outbox
from rtbci.runtime.score import Score
from tests.message_samples import HELLO, STATUS


class Session:
    """An outbox into a score."""

    def __init__(self) -> None:
        self.score = Score()
        self.outbox = Outbox(HELLO, [self.score], clock=lambda: 0.0)

    def cue(self, t_lsl: float, class_name: str | None) -> Event:
        return self.outbox.event("marker", t_lsl, "text", {"class": class_name})

    def window(self, t_end: float, p_left: float | None, decision: str | None = None) -> Prediction:
        probs = None if p_left is None else (p_left, 1 - p_left)
        why = None if decision else "gap" if p_left is None else "below_threshold"
        quality = Quality(score=1.0)
        decoded = Decoded(probs, decision, why, (t_end - 3.0, t_end), quality, 0, 0, 0, 0, 0.0)  # type: ignore[arg-type]
        return self.outbox.prediction(decoded)


def test_a_trial_is_labelled_by_the_mean_over_its_settled_windows() -> None:
    session = Session()
    session.cue(10.0, "left")
    session.window(11.0, 0.0)  # holds mostly what was before the cue
    session.window(13.0, 0.9)
    session.window(13.5, 0.4)
    session.window(13.9, None)
    session.window(14.5, 0.0)  # the cue is over
    assert session.score.confusion() == {("left", "left"): 1}
    session.cue(20.0, "right")
    session.window(23.0, 0.8)
    assert session.score.confusion() == {("left", "left"): 1, ("right", "left"): 1}


def test_a_cue_that_was_not_seen_to_its_end_does_not_count() -> None:
    session = Session()
    for t_cue, text in ((10.0, "unseen"), (20.0, "rest")):
        session.cue(t_cue, "left")
        session.window(t_cue + 3.0, 0.9)
        session.outbox.event("marker", t_cue + 5.0, text, {})
    session.outbox.event("marker", 26.0, "unseen", {})  # takes back a cue, not a rest
    assert session.score.confusion() == {("left", "left"): 1}
    assert session.score.cue == "left"


def test_the_first_decision_counts_also_shortly_after_the_trial() -> None:
    session = Session()
    session.cue(10.0, "left")
    session.window(13.0, 0.9)
    session.window(14.9, 0.9, "left")
    session.cue(20.0, "right")
    session.window(23.0, 0.9, "left")
    session.window(23.5, 0.1, "right")
    session.cue(30.0, "right")
    session.window(33.0, 0.4)
    session.window(35.5, 0.1, "right")  # too late
    assert session.score.decided() == (1, 1, 1)


def test_another_marker_ends_a_trial() -> None:
    session = Session()
    session.cue(10.0, "left")
    session.cue(13.0, None)  # rest
    assert session.score.trials[0].t_end == 13.0
    assert session.score.cue == "left"
    session.window(13.5, 0.0)
    assert session.score.confusion() == {}
    assert session.score.decided() == (0, 0, 0)  # no window: does not count


def test_a_decision_goes_to_the_trial_that_its_window_ends_in() -> None:
    session = Session()
    session.cue(10.0, "left")
    session.cue(14.0, "right")
    session.window(13.9, 0.9, "left")  # comes after the next marker
    assert session.score.trials[0].decisions == ["left"]
    assert session.score.trials[1].decisions == []


def test_idle_is_no_answer_to_a_cue() -> None:
    score = Score()
    hello = msgspec.structs.replace(HELLO, classes=("left", "rest", "right"))
    outbox = Outbox(hello, [score], clock=lambda: 0.0)

    def window(t_end: float, p_left: float, p_rest: float, decision: str | None = None) -> None:
        probs = (p_left, p_rest, 1 - p_left - p_rest)
        why = None if decision else "idle"
        outbox.prediction(
            Decoded(probs, decision, why, (t_end - 3.0, t_end), Quality(score=1.0), 0, 0, 0, 0, 0.0)  # type: ignore[arg-type]
        )

    outbox.event("marker", 10.0, "text", {"class": "left"})
    window(13.0, 0.25, 0.5)  # looks idle, right ahead of left
    window(13.5, 0.375, 0.5)  # looks idle, left further ahead of right: the label is left
    outbox.event("marker", 14.0, "text", {"class": "rest"})
    window(17.0, 0.25, 0.5, "left")  # asked for nothing: not a trial
    outbox.event("marker", 18.0, "text", {"class": "right"})
    window(21.0, 0.125, 0.25, "right")
    assert score.confusion() == {("left", "left"): 1, ("right", "right"): 1}
    assert score.decided() == (1, 0, 1)


def test_a_switch_is_judged_by_its_rest_too_and_tells_why_nothing_was_decided() -> None:
    """That a hand was meant where only a hand can be meant would be right by itself."""
    score = Score()
    outbox = Outbox(msgspec.structs.replace(HELLO, classes=("hand", "rest")), [score], clock=lambda: 0.0)
    for t_cue, cue, p_hand in ((10.0, "hand", 0.25), (14.0, "rest", 0.25), (18.0, "hand", 0.75)):
        outbox.event("marker", t_cue, "text", {"class": cue})
        for t_end in (t_cue + 3.0, t_cue + 3.5):
            why = "idle" if p_hand < 0.5 or t_end > 21.25 else "below_threshold"
            window, good = (t_end - 3.0, t_end), Quality(score=1.0)
            decoded = Decoded((p_hand, 1 - p_hand), None, why, window, good, 0, 0, 0, 0, 0.0)  # type: ignore[arg-type]
            outbox.prediction(decoded)
    assert score.confusion() == {("hand", "rest"): 1, ("rest", "rest"): 1, ("hand", "hand"): 1}
    assert score.decided() == (0, 0, 2)
    assert score.undecided() == {"idle": 0.75, "below_threshold": 0.25}
    outbox.prediction(Decoded((0.9, 0.1), "hand", None, (18.8, 21.8), Quality(score=1.0), 0, 0, 0, 0, 0.0))
    assert score.undecided() == {"idle": 1.0}


def test_other_messages_and_the_rest_of_a_sink() -> None:
    session = Session()
    messages: list[Message] = [session.outbox.status(STATUS), session.outbox.event("gap", 1.0)]
    assert len(messages) == 2
    assert session.score.trials == []
    assert session.score.cue is None
    assert session.score.poll() is False
    session.score.close()


def test_a_mark_by_hand_ends_no_trial_unless_it_is_a_cue() -> None:
    session = Session()
    session.cue(10.0, "left")
    session.outbox.event("marker", 11.0, "level-2", {"class": None, "source": "control"})
    session.window(13.0, 0.9, "left")
    assert session.score.decided() == (1, 0, 0)
    session.outbox.event("marker", 13.5, "right", {"class": "right", "source": "control"})
    assert session.score.cue == "right"
    assert session.score.trials[0].t_end == 13.5
