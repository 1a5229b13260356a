"""When a search for streams ends: liblsl goes on for 5 s where that is the moment at which it asks its known peers."""

import inspect

import pytest

from rtbci.commands.run import RETRY_TIMEOUT_S
from rtbci.config import StreamSettings
from rtbci.stream.lsl_list import list_streams
from rtbci.stream.lsl_resolve import SETTLE_S

FIRST_S, EVERY_S = 0.5, 1.25
"""It asks them when nobody can answer the multicast any more (MulticastMinRTT), and again UnicastMinRTT after the next one."""
WAITS_S = {
    "settle": SETTLE_S,
    "retry": RETRY_TIMEOUT_S,
    "run": StreamSettings().timeout_s,
    "list": inspect.signature(list_streams).parameters["wait_s"].default,
}


@pytest.mark.parametrize("wait_s", WAITS_S.values(), ids=WAITS_S)
def test_no_search_ends_when_known_peers_are_asked(wait_s: float) -> None:
    since_s = (wait_s - FIRST_S) % EVERY_S
    assert min(since_s, EVERY_S - since_s) > 0.09
