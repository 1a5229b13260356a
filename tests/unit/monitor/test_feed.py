from collections.abc import Iterator

import msgspec
import pytest

from rtbci.monitor.feed import Feed
from rtbci.publish.codec import encode
from rtbci.publish.messages import Message
from rtbci.publish.signal_message import SIGNAL_TOPIC, Signal, encode_signal
from tests.unit.publish.test_signal_message import message
from tests.unit.record.samples import event, hello, prediction

NOBODY = "tcp://127.0.0.1:9"


class Heard(Feed):
    """A feed of nobody, given messages by hand."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        super().__init__(NOBODY, lambda _message: None, self.signals.append, clock=lambda: 1.0)

    def take(self, seq: int, follows: bool = True) -> None:
        self._take([SIGNAL_TOPIC.encode(), encode_signal(message(seq=seq, follows=follows))])


@pytest.fixture
def feed() -> Iterator[Heard]:
    one = Heard()
    yield one
    one.close()


def test_signal_behind_lost_messages_does_not_follow(feed: Heard) -> None:
    for seq in (3, 4, 6, 7):
        feed.take(seq)
    assert [one.follows for one in feed.signals] == [True, True, False, True]
    assert feed.n_lost == 1


def test_what_the_run_says_is_missing_stays_so_and_what_is_not_asked_for_is_not_lost(feed: Heard) -> None:
    feed.take(3, follows=False)
    feed.want_signal(False)
    feed.take(9)
    assert [one.follows for one in feed.signals] == [False, True]
    assert feed.n_lost == 0


def test_lost_predictions_leave_the_signal_alone(feed: Heard) -> None:
    feed.take(3)
    for i in (0, 2):
        one = msgspec.structs.replace(prediction(i, i / 16), session="s")
        feed._take([one.topic.encode(), encode(one)])
    feed.take(4)
    assert [one.follows for one in feed.signals] == [True, True]
    assert feed.n_lost == 1


def test_of_a_night_all_of_it_is_kept_and_otherwise_the_newest_half_minute_or_so(feed: Heard) -> None:
    def say(one: Message) -> None:
        feed._take([one.topic.encode(), encode(one)])

    for hop_s, n_kept in ((5.0, 900), (0.0625, 600), (5.0, 900)):
        say(msgspec.structs.replace(hello(), session=f"s{hop_s}", hop_s=hop_s))
        for i in range(900):
            say(msgspec.structs.replace(prediction(i, i * hop_s), session=f"s{hop_s}"))
        assert (len(feed.rows), feed.rows[-1][0]) == (n_kept, 899 * hop_s)
    assert feed.rows.maxlen == 8640


def test_flashes_do_not_push_other_events_out(feed: Heard) -> None:
    told: list[Message] = []
    feed._on_message = told.append
    for i in range(200):
        part, value = ("flash", "flash/r1") if i else ("cue", "cue/R")
        one = msgspec.structs.replace(event(i, "marker", i / 5, value), data={"part": part})
        feed._take([one.topic.encode(), encode(one)])
    assert [one.value for one in feed.events] == ["cue/R"]
    assert len(told) == 200  # pages draw them into the signal
