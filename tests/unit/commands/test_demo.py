"""What `rtbci demo` says of decisions."""

import io

from rich.console import Console

from rtbci.commands.demo import _say_trials
from rtbci.commands.demo_night import demo_night
from rtbci.config import MonitorSettings, RunConfig
from rtbci.publish.messages import Quality
from rtbci.publish.outbox import Decoded, Outbox
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.score import Score
from rtbci.runtime.telemetry import hello_of


def test_without_a_decision_it_says_why_in_plain_words() -> None:
    file, score = io.StringIO(), Score()
    with Decoder("motor_imagery_rest") as decoder:
        outbox = Outbox(hello_of(decoder), [score], clock=lambda: 0.0)

        def window(t_end: float, p_hand: float, decision: str | None) -> None:
            why = None if decision else "idle" if p_hand < 0.5 else "below_threshold"
            probs = (p_hand, 1.0 - p_hand)
            outbox.prediction(
                Decoded(probs, decision, why, (t_end - 2.0, t_end), Quality(score=1.0), 0, 0, 0, 0, 0.0)  # type: ignore[arg-type]
            )

        outbox.event("marker", 10.0, "right_hand", {"class": "hand"})
        for i, p_hand in enumerate((0.25, 0.25, 0.25, 0.75)):
            window(13.0 + 0.25 * i, p_hand, None)
        _say_trials(Console(file=file, width=400), score, decoder)
        said = file.getvalue()
        assert "decisions    0 right, 0 wrong, 1 trial without one" in said
        assert "75 % looked most like 'rest', which is never decided for" in said
        assert "25 % were not at probability 0.85, held for 1 s (of the profile)" in said
        assert "motor_imagery_rest/CARD.md" in said.replace("\\", "/")
        window(13.9, 0.9, "hand")
        file.truncate(0)
        _say_trials(Console(file=file, width=400), score, decoder)
        assert "why none" not in file.getvalue()


def test_the_pause_after_a_decision_is_not_called_restraint() -> None:
    file, score = io.StringIO(), Score()
    with Decoder("motor_imagery") as decoder:
        outbox = Outbox(hello_of(decoder), [score], clock=lambda: 0.0)
        outbox.event("marker", 10.0, "right_hand", {"class": "right_hand"})
        for i in range(4):
            window = Decoded(
                (0.9, 0.1),
                None,
                "below_threshold",
                (11.0 + i / 4, 13.0 + i / 4),
                Quality(score=1.0),
                0,
                0,
                0,
                0,
                0.0,
            )
            outbox.prediction(window._replace(refractory=True))
        _say_trials(Console(file=file, width=400), score, decoder)
        said = file.getvalue()
    assert "100 % were within 1 s of a decision before, the pause after each" in said
    assert "refractory" not in said
    assert "keeps still" not in said


def test_a_simulated_night_says_that_it_has_no_page() -> None:
    file = io.StringIO()
    config = RunConfig(paradigm="sleep", monitor=MonitorSettings(enabled=True))
    demo_night(config, read_paradigm("sleep"), Console(file=file, width=400), seconds=1.0, seed=0)
    assert "no live page: a simulated night goes by in about a minute" in file.getvalue()
    assert "rtbci amp --paradigm sleep  |  rtbci run --paradigm sleep --monitor" in file.getvalue()
