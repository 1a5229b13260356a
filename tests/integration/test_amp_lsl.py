"""Amplifiers over real LSL outlets and inlets."""

import threading
import uuid

import numpy as np
import pylsl
import pytest

from rtbci.amp.outlet import AmpOutlet
from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.clock import now
from tests.integration.test_replay_lsl import Receiver

pytestmark = pytest.mark.net


def test_the_amplifier_arrives_as_it_was_made() -> None:
    name = f"rtbci-test-{uuid.uuid4().hex[:12]}"
    amp = SyntheticAmp(["C3", "CZ", "C4"], 200.0, 11, name=name, cues=False)
    outlet, stop = AmpOutlet(AmpSource(amp, chunk=10)), threading.Event()
    errors: list[BaseException] = []
    sent: list[int] = []

    def run() -> None:
        try:
            outlet.run(stop, sent.append)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="test-amp")
    thread.start()
    try:
        receiver = Receiver(outlet.stream.source_id)
        receiver.pull_for(3.0, 200)
        amp.set_state("left_hand")
        receiver.pull_for(0.5)
        xml = receiver.samples.info(5.0)
    finally:
        stop.set()
        thread.join(5.0)
    assert not thread.is_alive()
    assert errors == []
    received = receiver.everything()
    expected, _ = SyntheticAmp(["C3", "CZ", "C4"], 200.0, 11, name=name, cues=False).generate(sent[-1])
    # the inlet joined a running stream: find where
    first = int(np.flatnonzero(expected[:, 0].astype(np.float32) == received[0, 0])[0])
    n_before = 150  # the state was set later than this
    np.testing.assert_array_equal(received[:n_before], expected[first : first + n_before].astype(np.float32))
    np.testing.assert_allclose(np.diff(receiver.stamps), 1 / 200, atol=1e-9)
    assert abs(receiver.stamps[-1] - now()) < 5.0
    assert [value for _, value in receiver.marks] == ["left_hand"]
    assert np.isclose(np.array(receiver.stamps), receiver.marks[0][0], atol=1e-6).any()
    assert (xml.name(), xml.get_channel_labels()) == (name, ["C3", "CZ", "C4"])
    assert xml.desc().child("acquisition").child_value("manufacturer") == "rtbci (synthetic)"
    assert xml.desc().child("reference").child_value("label") == "A1+A2"


def test_markers_that_it_was_told_are_not_sent_again() -> None:
    source_id = f"rtbci-test-{uuid.uuid4().hex[:12]}"
    source = AmpSource(SyntheticAmp(["C3", "CZ", "C4"], 200.0, 11, cues=False), chunk=10)
    outlet, stop = AmpOutlet(source, source_id=source_id, marks=False), threading.Event()
    thread = threading.Thread(target=outlet.run, args=(stop,), name="test-amp")
    thread.start()
    try:
        (stream,) = pylsl.resolve_byprop("source_id", source_id, timeout=10.0)
        others = pylsl.resolve_byprop("source_id", f"{source_id}-markers", timeout=1.0)
    finally:
        stop.set()
        thread.join()
    assert stream.channel_count() == 3
    assert others == []


def test_it_has_the_source_id_that_it_is_given_and_ends_when_it_is_told() -> None:
    source_id = f"rtbci-test-{uuid.uuid4().hex[:12]}"
    amp = SyntheticAmp(["C3", "CZ", "C4"], 200.0, 11, cues=False)
    outlet = AmpOutlet(AmpSource(amp, chunk=10), source_id=source_id, duration_s=0.5)
    sent: list[int] = []
    t_begin = now()
    outlet.run(threading.Event(), sent.append)
    assert outlet.stream.source_id == source_id != amp.info.source_id
    assert sent[-1] == 100
    assert now() - t_begin >= 0.45
