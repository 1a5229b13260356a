import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pyxdf

from rtbci.record.items import ClockOffset, Item, Opened, bytes_of
from rtbci.record.streams import CLOCK_NAME, OWN_TYPE, PROBS_NAME, SessionStreams, topic_stream
from rtbci.record.xdf_headers import header_of
from rtbci.record.xdf_scan import CHECKSUM_NAME, survey
from rtbci.stream.source import Chunk, Marker
from tests.unit.record.samples import INFO, START, event, hello, prediction


def load(content: bytes) -> dict[str, dict[str, Any]]:
    assert not survey(content, "x").damages
    streams, _ = pyxdf.load_xdf(io.BytesIO(content), dejitter_timestamps=False)
    return {one["info"]["name"][0]: one for one in streams}


def chunk(n: int, t0: float = 1.0) -> Chunk:
    return Chunk(np.arange(3.0 * n).reshape(n, 3), t0 + np.arange(n) / 250.0)


def content(*batches: list[Item]) -> bytes:
    streams = SessionStreams(START, clock=lambda: 9.0)
    return streams.encode(()) + b"".join(map(streams.encode, batches)) + streams.end()


def test_messages_are_kept_as_published() -> None:
    messages = [prediction(0, 2.0), prediction(1, 2.5, decided=False)]
    streams = load(content([hello(), *messages, event(0, "gap", 3.0)]))
    rows = streams[topic_stream("prediction")]["time_series"]
    assert [json.loads(row[0])["seq"] for row in rows] == [0, 1]
    assert json.loads(rows[0][0])["t_window"] == [1.5, 2.0]
    assert list(streams[topic_stream("prediction")]["time_stamps"]) == [2.01, 2.51]
    assert json.loads(streams[topic_stream("event")]["time_series"][0][0])["kind"] == "gap"
    assert json.loads(streams[topic_stream("hello")]["time_series"][0][0])["paradigm"] == "tiny"


def test_probabilities_are_a_numeric_stream_with_the_classes_as_labels() -> None:
    stream = load(content([hello(), prediction(0, 2.0), prediction(1, 2.5, decided=False)]))[PROBS_NAME]
    described = stream["info"]["desc"][0]["channels"][0]["channel"]
    assert [one["label"][0] for one in described] == ["left_hand", "right_hand", "decision"]
    np.testing.assert_array_equal(stream["time_series"], [[0.75, 0.25, 0.0], [0.75, 0.25, -1.0]])
    np.testing.assert_array_equal(stream["time_stamps"], [2.0, 2.5])


def test_the_description_of_the_lsl_stream_is_kept_whole_and_its_format_too() -> None:
    xml = header_of(INFO, "float32").replace("</desc>", "<cap><name>easycap</name></cap></desc>")
    stream = load(content([Opened(INFO, xml), chunk(4)]))["amp"]
    assert stream["info"]["desc"][0]["cap"][0]["name"] == ["easycap"]
    assert stream["time_series"].dtype == np.float32
    np.testing.assert_array_equal(stream["time_series"], chunk(4).data)


def test_a_stream_that_comes_back_goes_on_and_a_changed_one_is_new() -> None:
    renamed = replace(INFO, name="amp2")
    streams = SessionStreams(START, clock=lambda: 9.0)
    written = streams.encode(()) + streams.encode([Opened(INFO, ""), chunk(2)])
    written += streams.encode([Opened(INFO, "no xml"), chunk(3, 50.0), Opened(renamed, ""), chunk(4, 60.0)])
    written += streams.encode([Opened(INFO, ""), chunk(1, 70.0)]) + streams.end()
    found = load(written)
    assert len(found["amp"]["time_stamps"]) == 6
    assert len(found["amp2"]["time_stamps"]) == 4
    assert (streams.opened, streams.n_samples) == (["amp", "amp2"], 10)


def test_clock_offsets_are_kept() -> None:
    stream = load(content([Opened(INFO, ""), ClockOffset(1.0, 0.125), chunk(2), ClockOffset(2.0, 0.25)]))
    np.testing.assert_array_equal(stream[CLOCK_NAME]["time_series"], [[0.125], [0.25]])
    assert stream[CLOCK_NAME]["info"]["type"] == [OWN_TYPE]


def test_every_batch_ends_with_a_checksum_and_an_empty_one_adds_nothing() -> None:
    streams = SessionStreams(START, clock=lambda: 9.0)
    first = streams.encode(())
    assert streams.encode(()) == b""
    second = streams.encode([Marker(1.0, "a")])
    written = first + second + streams.end()
    texts = [row[0] for row in load(written)[CHECKSUM_NAME]["time_series"]]
    spans = [tuple(map(int, text.split()[:2])) for text in texts]
    assert len(spans) == 3
    assert spans[0][0] == 0
    assert [stop for _, stop in spans[:-1]] == [start for start, _ in spans[1:]]
    assert survey(written, "x").n_vouched > len(first) + len(second)


@pytest.mark.parametrize(
    ("item", "least"),
    [
        (chunk(100), 3200),
        (Marker(1.0, "x" * 1000), 1000),
        (prediction(0, 1.0), 1000),
        (ClockOffset(1, 2), 50),
    ],
)
def test_memory_of_items(item: Item, least: int) -> None:
    assert least < bytes_of(item) < least + 5000
