from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rtbci.errors import MessageError, ProfileError, RtbciError
from rtbci.publish.control_messages import Mark, Pause, Request, Resume, StatusRequest, Stop, SwapProfile
from rtbci.publish.messages import Hello
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.intake import Intake
from rtbci.runtime.profile_swaps import ProfileSwaps
from rtbci.runtime.quality import SignalQuality
from rtbci.runtime.requests import RequestHandler
from rtbci.runtime.telemetry import Telemetry, hello_of
from rtbci.runtime.teller import Teller
from rtbci.runtime.use_watch import UseWatch
from rtbci.runtime.watch import StreamWatch
from tests.tiny import Kept, eeg, stream_info, write_paradigm, write_tiny_profile

T_NOW = 123.0


class Asked:
    """A handler with everything around it."""

    def __init__(self, paradigm: Path) -> None:
        self.kept = Kept()
        self.decoder = Decoder(str(paradigm))
        self.outbox = Outbox(hello_of(self.decoder), [self.kept], clock=lambda: T_NOW)
        self.swaps = ProfileSwaps(self.decoder, self.outbox, lambda: T_NOW)
        self.teller = Teller(
            self.decoder,
            self.outbox,
            Telemetry(100.0),
            StreamWatch(1.0, 3.0),
            UseWatch(self.decoder, self.outbox),
            lambda: self.handler.paused,
            lambda: T_NOW,
        )
        self.handler = RequestHandler(
            self.decoder, self.outbox, self.swaps, lambda: self.teller.status(T_NOW), lambda: T_NOW
        )

    def ask(self, request: Request) -> dict[str, object]:
        """What is replied in the end, whichever thread does its part when."""
        result = self.handler(request)
        if not callable(result):
            return dict(result)
        replies: list[Mapping[str, object] | RtbciError] = []
        result(replies.append)
        assert not replies
        self.swaps.prepare()
        assert not replies
        self.swaps.advance()
        (reply,) = replies
        if isinstance(reply, RtbciError):
            raise reply
        return dict(reply)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    one = Asked(write_paradigm(tmp_path / "tiny"))
    yield one
    one.decoder.close()


def test_status(asked: Asked) -> None:
    reply = asked.ask(StatusRequest())
    assert reply["state"] == "waiting"
    assert reply["uptime_s"] == 23.0
    assert reply["stream"] is None
    asked.decoder.open(stream_info())
    asked.teller.opened(Intake(stream_info(), asked.decoder.read, T_NOW), SignalQuality(asked.decoder))
    assert asked.ask(StatusRequest())["stream"] == {"name": "tiny", "source_id": "tiny-id"}


def test_pause_and_resume_may_be_repeated(asked: Asked) -> None:
    for _ in range(2):
        assert asked.ask(Pause()) == {"paused": True}
    assert asked.handler.paused
    assert asked.kept.statuses[-1].paused
    for _ in range(2):
        assert asked.ask(Resume()) == {"paused": False}
    assert not asked.handler.paused
    assert not asked.kept.statuses[-1].paused


@pytest.mark.parametrize("is_open", [False, True])
def test_mark(asked: Asked, is_open: bool) -> None:
    if is_open:
        asked.decoder.open(stream_info())
    assert asked.ask(Mark(value=" T2 ")) == {"t_lsl": T_NOW}
    (event,) = asked.kept.events("marker")
    assert (event.t_lsl, event.value, event.data) == (
        T_NOW,
        " T2 ",
        {"class": "right_hand", "source": "control"},
    )


@pytest.mark.parametrize("t_lsl", [T_NOW - 10.0, T_NOW, T_NOW + 1.0])
def test_a_mark_may_say_when_it_was(asked: Asked, t_lsl: float) -> None:
    assert asked.ask(Mark(value="hit", t_lsl=t_lsl)) == {"t_lsl": t_lsl}
    assert asked.kept.events("marker")[0].t_lsl == t_lsl


@pytest.mark.parametrize("t_lsl", [T_NOW - 10.1, T_NOW + 1.1, 0.0, 1.7e9, float("nan"), float("inf")])
def test_a_mark_of_another_clock_is_refused(asked: Asked, t_lsl: float) -> None:
    with pytest.raises(MessageError, match=r"mark: t_lsl is .* where the decoder's clock shows 123.000 s"):
        asked.ask(Mark(value="hit", t_lsl=t_lsl))
    assert not asked.kept.events("marker")


def test_swap_announces_the_new_profile(asked: Asked, tmp_path: Path) -> None:
    profile = write_tiny_profile(tmp_path / "ada", tmp_path / "tiny" / "paradigm")
    asked.decoder.open(stream_info())
    data = eeg(500)
    asked.decoder.push(data, data[:, 0] * 0.0)
    reply = asked.ask(SwapProfile(profile=str(profile)))
    assert (reply["user"], reply["generation"]) == ("ada", 1)
    hellos = [one for one in asked.kept.messages if isinstance(one, Hello)]
    assert [one.profile.user for one in hellos] == ["", "ada"]
    (event,) = asked.kept.events("profile_swapped")
    assert event.data["generation"] == 1
    assert asked.ask(SwapProfile(profile="population")) == {"user": "", "id": "", "generation": 0}


def test_a_profile_that_is_not_there_changes_nothing(asked: Asked) -> None:
    with pytest.raises(ProfileError, match="profile 'nobody-like-that': is neither"):
        asked.ask(SwapProfile(profile="nobody-like-that"))
    assert asked.decoder.profile is None
    assert not asked.kept.events("profile_swapped")


def test_stop(asked: Asked) -> None:
    assert not asked.handler.stopped
    assert asked.ask(Stop()) == {"state": "stopped"}
    assert asked.handler.stopped
