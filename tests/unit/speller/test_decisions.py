"""What keeps a run from deciding ends a selection, and a short gap does not."""

from types import SimpleNamespace
from typing import Any

import pytest

from rtbci.speller.decisions import STALE_S, HeardDecisions

pytestmark = pytest.mark.sockets


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


def test_nobody_is_what_the_newest_window_says_until_an_item_is_decided_for() -> None:
    def window(t_end: float, why: str | None, decision: str | None = None) -> Any:
        return SimpleNamespace(decision=decision, why=why, t_window=(t_end - 1.0, t_end))

    heard = HeardDecisions("tcp://127.0.0.1:9", "AB", clock=lambda: 100.0)
    try:
        assert not heard.nobody(90.0)
        found = []
        for said in (
            window(91.0, "idle"),
            window(92.0, "below_threshold"),
            window(93.0, "idle"),
            window(94.0, "decided"),  # a flash behind the selection's end
            window(95.0, None, "A"),
        ):
            heard._take(said)
            found.append(heard.nobody(90.0))
        assert found == [True, False, True, True, False]
        assert not heard.nobody(96.0)
    finally:
        heard.close()
