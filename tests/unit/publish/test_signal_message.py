import msgspec
import numpy as np
import pytest

from rtbci.errors import MessageError
from rtbci.publish.signal_message import MAX_SIGNAL_BYTES, Signal, bins_of, decode_signal, encode_signal


def message(**changes: object) -> Signal:
    values = np.arange(6, dtype="<f4")
    fields: dict[str, object] = {
        "v": 1,
        "session": "s",
        "seq": 3,
        "t_sent": 10.0,
        "stream": "cap",
        "labels": ("C3", "C4"),
        "is_read": (True, False),
        "bad": {"C4": "flat"},
        "rate_hz": 1000.0,
        "n_per_bin": 4,
        "n_bins": 3,
        "t_first": 9.9,
        "t_last": 9.911,
        "follows": True,
        "mean": values.tobytes(),
        "low": (values - 1).tobytes(),
        "high": (values + 1).tobytes(),
    }
    return Signal(**(fields | changes))  # type: ignore[arg-type]


def test_what_is_sent_is_read() -> None:
    read = decode_signal(encode_signal(message()))
    assert read == message()
    mean, low, high = bins_of(read)
    np.testing.assert_array_equal(mean, [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(high - low, 2.0)


def test_with_one_sample_a_bin_there_is_one_array() -> None:
    read = decode_signal(encode_signal(message(n_per_bin=1, low=b"", high=b"")))
    mean, low, high = bins_of(read)
    assert mean is low is high


@pytest.mark.parametrize(
    ("payload", "match"),
    [
        (b"", "is no signal"),
        (b"\xc1", "is no signal"),
        (b"\x81\xa1v\x01", "is no signal"),
        (encode_signal(message(low=b"")), r"arrays of \[0, 24\] bytes, need 24"),
        (encode_signal(message(mean=b"123")), "need 24 for 3 bins of 2 channels"),
        (encode_signal(message(is_read=(True,))), "bins of 2 channels"),
        (encode_signal(message(labels=(), is_read=(), mean=b"", low=b"", high=b"")), "bins of 0 channels"),
        (b"\x00" * (MAX_SIGNAL_BYTES + 1), "need at most 65536"),
        (msgspec.msgpack.encode(msgspec.to_builtins(message()) | {"n_bins": -1}), "is no signal"),
    ],
)
def test_anything_else_is_refused(payload: bytes, match: str) -> None:
    with pytest.raises(MessageError, match=match):
        decode_signal(payload)
