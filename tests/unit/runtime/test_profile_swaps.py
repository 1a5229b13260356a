from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rtbci.errors import ProfileError, RtbciError
from rtbci.probe.profile import Profile, read_profile, write_generation
from rtbci.publish.messages import Hello
from rtbci.publish.outbox import Outbox
from rtbci.runtime import profile_swaps
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.profile_swaps import ProfileSwaps
from rtbci.runtime.profile_watch import ProfileWatch
from rtbci.runtime.profiles import profiles_root
from rtbci.runtime.telemetry import hello_of
from tests.tiny import Kept, eeg, stream_info, write_paradigm, write_tiny_profile


class Swapping:
    """Swaps with everything around them, and a clock that is set by hand."""

    def __init__(self, paradigm: Path, root: Path) -> None:
        self.t_now = 100.0
        self.kept = Kept()
        self.decoder = Decoder(str(paradigm))
        outbox = Outbox(hello_of(self.decoder), [self.kept], clock=self.clock)
        self.swaps = ProfileSwaps(
            self.decoder, outbox, self.clock, ProfileWatch(root, "ada", lambda: self.t_now)
        )
        self.replies: list[Mapping[str, Any] | RtbciError] = []

    def clock(self) -> float:
        return self.t_now

    def play(self, seconds: float = 1.0) -> None:
        if self.decoder.info is None:
            self.decoder.open(stream_info())
        data = eeg(round(seconds * 250))
        self.decoder.push(data, data[:, 0] * 0.0)

    def look(self) -> None:
        """What a second of the run does for profiles."""
        self.t_now += 1.0
        self.swaps.prepare()
        self.swaps.advance()

    @property
    def generation(self) -> int:
        return 0 if self.decoder.profile is None else self.decoder.profile.generation


@pytest.fixture
def paradigm(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path / "tiny")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return profiles_root("tiny")


@pytest.fixture
def profile(tmp_path: Path, paradigm: Path) -> Profile:
    return read_profile(write_tiny_profile(tmp_path / "profile", paradigm))


@pytest.fixture
def swapping(paradigm: Path, root: Path) -> Iterator[Swapping]:
    one = Swapping(paradigm, root)
    yield one
    one.decoder.close()


def test_a_new_generation_is_used(swapping: Swapping, root: Path, profile: Profile) -> None:
    swapping.play()
    swapping.look()
    assert not swapping.kept.events("profile_swapped")
    for generation in (1, 2):
        write_generation(root, profile)
        swapping.look()
        assert swapping.generation == generation
    told = [(one.value, one.data["generation"]) for one in swapping.kept.events("profile_swapped")]
    assert told == [("ada", 1), ("ada", 2)]
    hellos = [one.profile.generation for one in swapping.kept.messages if isinstance(one, Hello)]
    assert hellos == [0, 1, 2]


def test_a_broken_generation_is_told_once_and_the_old_one_stays(
    swapping: Swapping, root: Path, profile: Profile
) -> None:
    write_generation(root, profile)
    swapping.play()
    swapping.look()
    broken = write_generation(root, profile)
    (broken / "weights.safetensors").write_bytes(b"cut short")
    for _ in range(3):
        swapping.look()
    (event,) = swapping.kept.events("profile_refused")
    assert (event.value, event.data["generation"]) == ("ada", 2)
    assert "has sha256" in str(event.data["reason"])
    assert swapping.generation == 1
    write_generation(root, msgspec.structs.replace(profile, montage=["C3"]))
    swapping.look()
    assert "it adds CZ, C4" in str(swapping.kept.events("profile_refused")[1].data["reason"])
    write_generation(root, profile)
    swapping.look()
    assert swapping.generation == 4


def test_nothing_is_touched_until_it_is_warm(
    swapping: Swapping, profile: Profile, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hops after each decision and no more, when the time is up at once."""
    monkeypatch.setattr(profile_swaps, "BUDGET_S", 0.0)
    write_generation(root, profile)
    swapping.play(3.0)
    swapping.t_now += 1.0
    swapping.swaps.prepare()
    n_calls = 0
    while not swapping.kept.events("profile_swapped"):
        assert swapping.decoder.profile is None
        swapping.swaps.advance()
        n_calls += 1
        assert n_calls < 100
    # 1.5 s of hops of 1/16 s are held; two of them in a call.
    assert n_calls == 12
    assert swapping.generation == 1
    (warming,), (swapped,) = (swapping.kept.events(f"profile_{what}") for what in ("warming", "swapped"))
    assert warming.seq < swapped.seq
    assert (warming.value, warming.data) == (swapped.value, swapped.data)


def test_previous_is_the_profile_before_the_swap(swapping: Swapping, profile: Profile, root: Path) -> None:
    with pytest.raises(
        ProfileError, match=r"'previous': nothing was swapped .* need one of both; give a user"
    ):
        ask(swapping, "previous")
    write_generation(root, profile)
    swapping.look()
    assert swapping.generation == 1
    assert ask(swapping, "previous") == {"user": "", "id": "", "generation": 0}
    assert ask(swapping, "previous")["generation"] == 1


def test_previous_without_a_swap_is_the_generation_before(
    paradigm: Path, profile: Profile, root: Path
) -> None:
    folders = [write_generation(root, profile) for _ in range(3)]
    one = Swapping(paradigm, root)
    one.decoder.swap_profile(folders[2])
    assert ask(one, "previous")["generation"] == 2
    one.decoder.close()


def test_what_was_not_ready_in_time_is_not_used(swapping: Swapping, tmp_path: Path, paradigm: Path) -> None:
    swapping.swaps.ask(str(tmp_path / "profile"), swapping.replies.append)
    write_tiny_profile(tmp_path / "profile", paradigm)
    swapping.swaps.prepare()
    swapping.t_now += 5.0
    swapping.swaps.advance()
    (reply,) = swapping.replies
    assert isinstance(reply, ProfileError)
    assert "was not ready within 4 s" in str(reply)
    assert swapping.decoder.profile is None


def ask(swapping: Swapping, name: str) -> Mapping[str, Any]:
    swapping.swaps.ask(name, swapping.replies.append)
    swapping.swaps.prepare()
    swapping.swaps.advance()
    reply = swapping.replies.pop()
    if isinstance(reply, RtbciError):
        raise reply
    return reply
