"""The LSL outlet, read back with pylsl."""

import math
import uuid

import msgspec
import pylsl
import pytest

from rtbci.clock import now
from rtbci.publish.lsl_outlet import LslOutlet
from rtbci.publish.messages import ValueRef
from rtbci.publish.outbox import Outbox
from tests.integration.publish_fixtures import HELLO, window

pytestmark = pytest.mark.net


def open_inlet(source_id: str) -> pylsl.StreamInlet:
    found = pylsl.resolve_byprop("source_id", source_id, timeout=10.0)
    assert len(found) == 1
    inlet = pylsl.StreamInlet(found[0])
    inlet.open_stream(timeout=10.0)
    return inlet


def labels_of(info: pylsl.StreamInfo) -> list[str]:
    channel = info.desc().child("channels").child("channel")
    labels = []
    while not channel.empty():
        labels.append(channel.child_value("label"))
        channel = channel.next_sibling()
    return labels


def test_predictions_come_back_with_labels_stamps_and_decisions() -> None:
    source_id = f"test-{uuid.uuid4()}"
    with Outbox(HELLO, [LslOutlet(HELLO, source_id=source_id)]) as outbox:
        inlet = open_inlet(source_id)
        info = inlet.info(timeout=5.0)
        assert labels_of(info) == ["left", "right", "decision"]
        assert (info.type(), info.nominal_srate()) == ("Predictions", pylsl.IRREGULAR_RATE)
        assert info.desc().child_value("paradigm") == "motor_imagery"
        t_end = now()
        outbox.prediction(window(t_end, 0.25))
        outbox.prediction(window(t_end + 0.0625, 0.25)._replace(probs=None, why="gap"))
        outbox.prediction(window(t_end + 0.125, 0.125)._replace(decision="right", why=None))
        outbox.prediction(window(t_end + 0.1875, 0.875)._replace(decision="left", why=None))
        received = [inlet.pull_sample(timeout=5.0) for _ in range(3)]
        inlet.close_stream()
    assert [sample for sample, _ in received] == [
        [0.25, 0.75, -1.0],
        [0.125, 0.875, 1.0],
        [0.875, 0.125, 0.0],
    ]
    assert [stamp for _, stamp in received] == pytest.approx([t_end, t_end + 0.125, t_end + 0.1875], abs=1e-6)


def test_decisions_are_offered_as_markers_when_asked_for() -> None:
    source_id = f"test-{uuid.uuid4()}"
    outlet = LslOutlet(HELLO, source_id=source_id, decisions=True)
    with Outbox(HELLO, [outlet]) as outbox:
        inlet = open_inlet(f"{source_id}-decisions")
        t_lsl = now()
        outbox.event("marker", t_lsl - 1, "cue")
        outbox.event("decision", t_lsl, "left")
        sample, stamp = inlet.pull_sample(timeout=5.0)
        inlet.close_stream()
    assert sample == ["left"]
    assert stamp == pytest.approx(t_lsl, abs=1e-6)
    assert outlet.poll() is False


def test_closing_takes_the_stream_off_the_network() -> None:
    source_id = f"test-{uuid.uuid4()}"
    outlet = LslOutlet(HELLO, source_id=source_id)
    outlet.close()
    outlet.close()
    assert pylsl.resolve_byprop("source_id", source_id, timeout=0.4) == []


def test_a_value_has_a_channel_of_its_own() -> None:
    source_id = f"test-{uuid.uuid4()}"
    hello = msgspec.structs.replace(HELLO, value=ValueRef(of="right", smoothing_s=4.0, baseline_s=60.0))
    with Outbox(hello, [LslOutlet(hello, source_id=source_id)]) as outbox:
        inlet = open_inlet(source_id)
        assert labels_of(inlet.info(timeout=5.0)) == ["left", "right", "decision", "value"]
        outbox.prediction(window(now(), 0.25)._replace(value=0.625))
        outbox.prediction(window(now(), 0.25))
        received = [inlet.pull_sample(timeout=5.0)[0] or [] for _ in range(2)]
        inlet.close_stream()
    assert received[0] == [0.25, 0.75, -1.0, 0.625]
    assert math.isnan(received[1][3])
