"""What keeps a run from deciding ends a selection, and a short gap does not."""

from types import SimpleNamespace
from typing import Any

import pytest

from rtbci.speller.decisions import STALE_S, HeardDecisions

pytestmark = pytest.mark.net


def status(state: str) -> Any:
    return SimpleNamespace(state=state)


def test_only_a_state_without_decisions_is_trouble() -> None:
    t_now = [100.0]
    heard = HeardDecisions("tcp://127.0.0.1:9", "AB", clock=lambda: t_now[0])
    try:
        assert heard.trouble == ""  # a run that was never heard was told of before
        found = {}
        for state in ("waiting", "warming_up", "running", "stale", "recovering", "lost", "stopped"):
            heard._note(status(state))
            found[state] = heard.trouble
        assert {state for state, why in found.items() if why} == {"waiting", "lost", "stopped"}
        assert found["lost"] == "the run has lost its stream"
        heard._note(status("stale"))
        t_now[0] += STALE_S - 0.1
        heard._note(status("stale"))
        assert heard.trouble == ""
        t_now[0] += 0.2
        assert heard.trouble == "the run gets no data"
    finally:
        heard.close()
