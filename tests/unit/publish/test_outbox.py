import math

import msgspec
import pytest

from rtbci.errors import MessageError
from rtbci.publish.messages import Hello, Message, Prediction, ProfileRef, Quality
from rtbci.publish.outbox import Decoded, Outbox, new_session_id
from tests.message_samples import HELLO, STATUS

DECODED = Decoded(
    probs=(0.25, 0.75),
    decision="right",
    why=None,
    t_window=(96.5, 99.5),
    quality=Quality(score=1.0),
    wait_ms=400.0,
    filter_ms=20.0,
    encode_ms=30.0,
    probe_ms=40.0,
    t_decided=99.99,
)


class RehearsingSink:
    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.rehearsed: list[Prediction] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def rehearse(self, message: Prediction) -> None:
        self.rehearsed.append(message)

    def poll(self) -> bool:
        return False

    def close(self) -> None:
        pass


class ListSink:
    def __init__(self, *, refuses: bool = False) -> None:
        self.messages: list[Message] = []
        self.hello_is_due = False
        self.n_polls = 0
        self.is_closed = False
        self.refuses = refuses

    def send(self, message: Message) -> None:
        if self.refuses and not isinstance(message, Hello):
            raise MessageError("ListSink: refused")
        self.messages.append(message)

    def poll(self) -> bool:
        self.n_polls += 1
        return self.hello_is_due

    def close(self) -> None:
        self.is_closed = True


def make_outbox(*sinks: ListSink) -> Outbox:
    return Outbox(HELLO, sinks, session="s1", clock=lambda: 100.0)


def test_prediction_is_numbered_stamped_and_filled_in_from_the_hello() -> None:
    sink = ListSink()
    prediction = make_outbox(sink).prediction(DECODED)
    assert sink.messages[-1] is prediction
    assert (prediction.v, prediction.session, prediction.seq, prediction.t_sent) == (1, "s1", 0, 100.0)
    assert (prediction.classes, prediction.label, prediction.decision) == (
        ("left", "right"),
        "right",
        "right",
    )
    assert (prediction.engine, prediction.profile) == (HELLO.engine, HELLO.profile)
    assert prediction.age_ms == pytest.approx(500.0)


def test_parts_of_the_trace_add_up_to_the_age() -> None:
    trace = make_outbox().prediction(DECODED).trace_ms
    assert trace.send == pytest.approx(10.0)
    assert sum(msgspec.structs.astuple(trace)) == pytest.approx(500.0)


def test_every_topic_counts_from_zero_without_gaps() -> None:
    sink = ListSink()
    outbox = make_outbox(sink)
    for _ in range(3):
        outbox.prediction(DECODED)
        outbox.status(STATUS)
        outbox.event("marker", 1.0, "left")
        outbox.announce(HELLO)
    for topic, n_messages in (("prediction", 3), ("status", 3), ("event", 3), ("hello", 4)):
        assert [m.seq for m in sink.messages if m.topic == topic] == list(range(n_messages))
        assert outbox.n_sent[topic] == n_messages


def test_all_sinks_get_the_same_message() -> None:
    sinks = ListSink(), ListSink()
    outbox = make_outbox(*sinks)
    outbox.prediction(DECODED)
    assert sinks[0].messages == sinks[1].messages
    assert sinks[0].messages[-1] is sinks[1].messages[-1]


@pytest.mark.parametrize(
    "bad",
    [
        DECODED._replace(probs=(math.nan, 1.0)),
        DECODED._replace(t_window=(0.0, math.inf)),
        DECODED._replace(encode_ms=math.nan),
        DECODED._replace(probs=(1.0,)),
        DECODED._replace(why="gap"),
    ],
)
def test_a_bad_prediction_is_not_sent_and_uses_no_number(bad: Decoded) -> None:
    sink = ListSink()
    outbox = make_outbox(sink)
    with pytest.raises(MessageError, match="need"):
        outbox.prediction(bad)
    assert [m.topic for m in sink.messages] == ["hello"]
    assert outbox.prediction(DECODED).seq == 0


def test_a_number_is_used_up_once_one_sink_has_it() -> None:
    first, second = ListSink(), ListSink(refuses=True)
    outbox = make_outbox(first, second)
    for _ in range(2):
        with pytest.raises(MessageError, match="refused"):
            outbox.event("marker", 1.0)
    assert [m.seq for m in first.messages if m.topic == "event"] == [0, 1]


def test_one_hello_serves_all_sinks_with_newcomers() -> None:
    sinks = ListSink(), ListSink(), ListSink()
    outbox = make_outbox(*sinks)
    outbox.poll()
    assert [len(sink.messages) for sink in sinks] == [1, 1, 1]
    sinks[0].hello_is_due = sinks[2].hello_is_due = True
    outbox.poll()
    assert [[m.seq for m in sink.messages] for sink in sinks] == [[0, 1]] * 3
    assert [sink.n_polls for sink in sinks] == [2, 2, 2]


def test_announcing_changes_the_predictions_that_follow() -> None:
    outbox = make_outbox()
    swapped = msgspec.structs.replace(
        HELLO, profile=ProfileRef(user="p07", id="q", generation=1), classes=("up", "down")
    )
    outbox.announce(swapped)
    prediction = outbox.prediction(DECODED._replace(decision="down"))
    assert prediction.profile.user == "p07"
    assert prediction.label == "down"


def test_a_window_that_could_not_be_decoded_has_no_probabilities() -> None:
    prediction = make_outbox().prediction(DECODED._replace(probs=None, decision=None, why="warming_up"))
    assert (prediction.probs, prediction.label, prediction.why) == (None, None, "warming_up")


def test_closing_closes_every_sink() -> None:
    sinks = ListSink(), ListSink()
    with make_outbox(*sinks):
        pass
    assert all(sink.is_closed for sink in sinks)


def test_session_ids_differ() -> None:
    assert len({new_session_id() for _ in range(100)}) == 100


def test_a_rehearsal_composes_the_newest_prediction_and_sends_nothing() -> None:
    rehearsing, other = RehearsingSink(), ListSink()
    outbox = Outbox(HELLO, [other, rehearsing], clock=lambda: 100.0)
    outbox.rehearse()
    assert rehearsing.rehearsed == []  # nothing to rehearse with yet
    outbox.prediction(DECODED)
    outbox.rehearse()
    (rehearsed,) = rehearsing.rehearsed
    assert (rehearsed.probs, rehearsed.decision, rehearsed.seq) == ((0.25, 0.75), "right", 1)
    assert outbox.n_sent["prediction"] == 1
    assert [message.topic for message in rehearsing.sent] == ["hello", "prediction"]


def test_nothing_is_rehearsed_that_another_hello_announced() -> None:
    rehearsing = RehearsingSink()
    outbox = Outbox(HELLO, [rehearsing], clock=lambda: 100.0)
    outbox.prediction(DECODED)
    outbox.announce(msgspec.structs.replace(HELLO, classes=("left", "right", "rest")))
    outbox.rehearse()  # two probabilities would not fit three classes
    assert rehearsing.rehearsed == []
