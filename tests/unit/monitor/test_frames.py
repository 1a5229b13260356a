import json
import struct
from typing import Any

import msgspec
import numpy as np
import pytest

from rtbci.errors import MessageError
from rtbci.monitor.desk import Order, View, read_from_page
from rtbci.monitor.frames import row_of, signal_frame, spectrum_frame, text_of
from tests.unit.publish.test_signal_message import message
from tests.unit.record.samples import hello, prediction


def read(frame: bytes, n_arrays: int) -> tuple[Any, ...]:
    """As the page reads it."""
    kind, flags, n_channels, n_rows, begin, step = struct.unpack("<BBHIdd", frame[:24])
    arrays = np.frombuffer(frame[24:], "<f4").reshape(n_arrays, n_rows, n_channels)
    return kind, flags, begin, step, arrays


def test_a_frame_of_bins_has_smallest_and_largest() -> None:
    kind, flags, begin, step, (low, high) = read(signal_frame(message()), 2)
    assert (kind, flags, begin, step) == (1, 1 | 4, 9.9, 0.004)
    np.testing.assert_array_equal(high - low, 2.0)


def test_a_frame_of_single_samples_or_filtered_ones_has_one_array() -> None:
    kind, flags, *_, (values,) = read(signal_frame(message(n_per_bin=1, low=b"", high=b"", follows=False)), 1)
    assert (kind, flags) == (1, 0)
    np.testing.assert_array_equal(values, [[0, 1], [2, 3], [4, 5]])
    _, flags, *_, (values,) = read(signal_frame(message(), np.full((3, 2), 7.0, np.float32)), 1)
    assert flags == 1 | 2
    np.testing.assert_array_equal(values, 7.0)


def test_a_spectrum() -> None:
    kind, _, begin, step, (values,) = read(spectrum_frame(np.arange(6.0).reshape(3, 2), 0.5, 12.0), 1)
    assert (kind, begin, step) == (2, 12.0, 0.5)
    np.testing.assert_array_equal(values, np.arange(6.0).reshape(3, 2))


def test_messages_travel_whole_and_rows_shortened() -> None:
    text = json.loads(text_of(hello()))
    assert (text["topic"], text["message"]["classes"]) == ("hello", ["left_hand", "right_hand"])
    row = row_of(prediction(3, 5.12345678, decided=False))
    assert row == (5.1235, 10.0, (1.0, 1.0, 1.0, 1.0, 6.0), (0.75, 0.25), None, "below_threshold", 1.0, None)


def test_the_pause_after_a_decision_has_a_name_of_its_own_on_the_page() -> None:
    pause = msgspec.structs.replace(prediction(3, 5.0, decided=False), refractory=True)
    assert row_of(pause)[5] == pause.reason == "refractory"
    assert row_of(prediction(3, 5.0, decided=True))[4:6] == ("left_hand", None)
    assert msgspec.structs.replace(pause, why="idle").reason == "idle"


def test_what_a_page_says_is_checked() -> None:
    assert read_from_page('{"type":"view","signal":true,"filtered":false}') == View(
        signal=True, filtered=False
    )
    assert read_from_page('{"type":"order","id":3,"cmd":"mark","text":"x"}') == Order(
        id=3, cmd="mark", text="x"
    )
    for text in (
        "", "{", "null", '{"type":"order","id":1,"cmd":"rm"}', '{"type":"view","signal":1,"filtered":false}',
        '{"type":"order","id":1,"cmd":"mark","text":"' + "x" * 513 + '"}', '{"type":"order","id":1,"cmd":"stop","x":1}',
    ):  # fmt: skip
        with pytest.raises(MessageError, match="a page sent what is no order"):
            read_from_page(text)
    with pytest.raises(MessageError, match="need at most 4096"):
        read_from_page("x" * 5000)
