import json

import pytest

from rtbci.errors import MessageError
from rtbci.web.page_messages import (
    MAX_BYTES,
    Clicks,
    Flashed,
    Frames,
    Pause,
    Pong,
    Shown,
    Start,
    Visible,
    encode,
    read_from_page,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type":"pong","id":3,"page_ms":12.5}', Pong(3, 12.5)),
        ('{"type":"shown","id":4,"frame_ms":20}', Shown(4, 20.0)),
        ('{"type":"frames","dt_ms":[16.6,17]}', Frames([16.6, 17.0])),
        ('{"type":"start"}', Start()),
        ('{"type":"visible","visible":false}', Visible(False)),
        ('{"type":"clicks","ms":[-30.5,12]}', Clicks([-30.5, 12.0])),
        (
            '{"type":"flashed","id":2,"i_flash":7,"frame_ms":20.5,"n_late":1,"sure":true}',
            Flashed(2, 7, 20.5, 1, True),
        ),
        ('{"type":"pause"}', Pause()),
    ],
)
def test_what_the_page_says(text: str, message: object) -> None:
    assert read_from_page(text) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"type":"stop"}',
        '{"type":"start","now":1}',
        '{"type":"pong","id":"x","page_ms":1}',
        '{"type":"pong","id":1,"page_ms":-1}',
        '{"type":"shown","id":1,"frame_ms":NaN}',
        '{"type":"flashed","id":2,"i_flash":-1,"frame_ms":20.5,"n_late":0,"sure":true}',
        json.dumps({"type": "frames", "dt_ms": [1] * 2001}),
        json.dumps({"type": "clicks", "ms": [1e5]}),
        '{"x":' + "[" * 20_000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MessageError, match=r"page: message .* need one of this rtbci"):
        read_from_page(text)


def test_long_messages_are_refused_unread() -> None:
    with pytest.raises(MessageError, match=f"of {MAX_BYTES + 1} bytes, need at most {MAX_BYTES}"):
        read_from_page(" " * (MAX_BYTES + 1))


def test_what_the_page_is_told() -> None:
    assert encode("x", a=1) == '{"type":"x","a":1}'
