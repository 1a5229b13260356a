"""What becomes of streams that liblsl finds and cannot connect to, and of others that have a lost one's name."""

from types import SimpleNamespace
from typing import Any

import pylsl
import pytest

from rtbci.commands.other_streams import OtherStreams
from rtbci.errors import StreamError, StreamNotFoundError
from rtbci.stream.lsl import LslSource
from rtbci.stream.lsl_markers import RESOLVE_S, MarkerInlet
from rtbci.stream.marker_choice import SeenMarkers
from rtbci.stream.source import Channel, StreamInfo

AMP = StreamInfo("amp", "serial-1", 250.0, (Channel("C3", "uV"),) * 3, hostname="lab1")


def found(name: str = "amp", source_id: str = "serial-1", rate_hz: float = 250.0) -> Any:
    nothing = SimpleNamespace(child_value=lambda _name: "", empty=lambda: True)
    nothing.child = lambda _name: nothing
    values = {
        "name": name,
        "type": "EEG",
        "source_id": source_id,
        "hostname": "lab1",
        "uid": f"{name} {source_id}",
        "channel_count": 3,
        "nominal_srate": rate_hz,
        "channel_format": pylsl.cf_float32,
        "desc": nothing,
    }
    return SimpleNamespace(**{key: lambda value=value: value for key, value in values.items()})


class Resolver:
    """Finds what a test says."""

    infos: tuple[Any, ...] = ()

    def __init__(self, pred: str) -> None:
        self.pred = pred

    def results(self) -> tuple[Any, ...]:
        return self.infos


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_settings: object) -> None:
        raise RuntimeError("could not create stream inlet.")

    monkeypatch.setattr(pylsl, "StreamInlet", refuse)
    monkeypatch.setattr(pylsl, "ContinuousResolver", Resolver)


def test_a_stream_of_the_name_and_another_source_id_is_told_once_and_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_args: object) -> None:
        raise StreamNotFoundError("none")

    monkeypatch.setattr("rtbci.stream.lsl.resolve_one", none)
    monkeypatch.setattr(Resolver, "infos", (found(source_id="serial-2"), found(), found(rate_hz=0.0)))
    others = OtherStreams()
    for _ in range(2):
        source = LslSource(
            "amp", source_id="serial-1", known_host="lab1", tell_other=lambda one: others.tell(AMP, one)
        )
        with pytest.raises(StreamNotFoundError):
            source.open()
    (told,) = others.news()
    assert (told.kind, told.value, told.data["source_id"]) == ("stream_other", "amp", "serial-2")
    assert "source id 'serial-2' on lab1, 3 channels at 250 Hz; need 'serial-1'" in str(told.data["reason"])
    with pytest.raises(StreamNotFoundError):  # at the start nothing is lost
        LslSource("amp", source_id="serial-1", tell_other=lambda one: others.tell(AMP, one)).open()
    assert not others.news()


def test_a_stream_that_cannot_be_connected_to_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbci.stream.lsl.resolve_one", lambda *_args: found())
    with pytest.raises(StreamError, match=r"cannot connect to stream 'amp' on lab1 .*limits of this program"):
        LslSource("amp").open()


def test_markers_that_cannot_be_connected_to_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Resolver, "infos", (found("stim", "", 0.0),))
    clock, told = SimpleNamespace(t_s=0.0), list[SeenMarkers]()
    markers = MarkerInlet(AMP, clock=lambda: clock.t_s, tell=told.append)
    markers.open()
    for _ in range(3):
        clock.t_s += RESOLVE_S
        assert markers.pull(0.0) == []
    (one,) = told
    assert (one.kind, one.stream.name) == ("markers_left", "stim")
    assert "cannot connect to it" in one.reason
    made = SimpleNamespace(open_stream=lambda _s: None, samples_available=lambda: 0)
    made.pull_chunk = lambda _s, _n: ([], [])
    monkeypatch.setattr(pylsl, "StreamInlet", lambda *_args, **_settings: made)
    clock.t_s += RESOLVE_S
    markers.pull(0.0)
    assert [one.kind for one in told] == ["markers_left", "markers_found"]
