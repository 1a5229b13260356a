"""examples/experiment: the plan, the table, the yoke, and what a trial makes of what comes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from examples.experiment.experiment import Terminal, options_of, plan, show_cues, table
from examples.experiment.trials import PING, Condition, Row, Trials, Yoke
from rtbci.errors import ConfigError, StreamLostError
from rtbci.publish.messages import Event, Message, Prediction, Status
from tools.write_schema import samples

HANDS = ("left_hand", "right_hand")


def row(
    asked: str, answer: str, *, mirrored: bool = False, decision: str = "", after_s: float | None = None
) -> Row:
    return Row(
        1, asked, "sham", mirrored, "s", 10.0, answer, 0.7 if answer else None, decision, after_s, 60, 0, "" if answer else "gap"
    )  # fmt: skip


def test_sham_is_balanced_within_each_class_and_the_seed_gives_the_order() -> None:
    trials = plan(HANDS, 6, "sham", 3, None)
    for asked in HANDS:
        assert [one.is_mirrored for one in trials if one.asked == asked].count(True) == 3
        assert [one.asked for one in trials].count(asked) == 6
    assert trials == plan(HANDS, 6, "sham", 3, None) != plan(HANDS, 6, "sham", 4, None)
    assert not any(one.is_mirrored for one in plan(HANDS, 6, "real", 3, None))


def test_the_table_counts_answers_and_decisions_apart() -> None:
    lines = list(
        table(
            [
                row("left_hand", "left_hand", decision="left_hand", after_s=2.0),
                row("left_hand", "right_hand", decision="right_hand", after_s=3.0),
                row("left_hand", ""),
                row("left_hand", "left_hand", mirrored=True),
            ]
        )
    )
    assert [line.split() for line in lines[1:]] == [
        ["left_hand", "sham", "3", "2", "1", "2", "1", "2.50", "s"],
        ["left_hand", "sham", "mirrored", "1", "1", "1", "0", "0", "-"],
    ]


def test_a_yoke_shows_what_was_shown_at_the_same_time_of_the_same_class(tmp_path: Path) -> None:
    log = tmp_path / "other.jsonl"
    told = [
        (4, "left_hand", 0.0, 0.3),
        (4, "left_hand", 0.5, 0.4),
        (4, "left_hand", 1.0, None),
        (7, "left_hand", 0.0, 0.9),
    ]
    names = ("trial", "asked", "after_s", "shown")
    log.write_text("".join(json.dumps(dict(zip(names, one, strict=True))) + "\n" for one in told))
    yoke = Yoke(log)
    first, second, again = (yoke.begin("left_hand") for _ in range(3))
    assert [first(after_s) for after_s in (-0.1, 0.0, 0.49, 0.5, 9.0)] == [0.3, 0.3, 0.3, 0.4, 0.4]
    assert (second(1.0), again(0.0)) == (0.9, 0.3)
    with pytest.raises(ConfigError, match="no trial of 'right_hand', need feedback of this class; it has"):
        yoke.begin("right_hand")


SAMPLES = samples()
T_CUE = 100.0


def window(
    t_end: float, p_right: float | None = 0.8, session: str = "s", *, length_s: float = 1.0
) -> Prediction:
    sample = SAMPLES["prediction"]
    assert isinstance(sample, Prediction)
    if p_right is None:
        sample = msgspec.structs.replace(sample, probs=None, label=None, decision=None, why="gap")
    else:
        label = HANDS[p_right > 0.5]
        sample = msgspec.structs.replace(
            sample,
            classes=HANDS,
            probs=(1.0 - p_right, p_right),
            label=label,
            decision=None,
            why="below_threshold",
        )
    return msgspec.structs.replace(sample, classes=HANDS, session=session, t_window=(t_end - length_s, t_end))


def marker(text: str, t_lsl: float = T_CUE, session: str = "s") -> Event:
    sample = SAMPLES["event"]
    assert isinstance(sample, Event)
    return msgspec.structs.replace(sample, kind="marker", value=text, t_lsl=t_lsl, session=session)


class Scripted:
    """A client that is given what it receives, and then nothing more."""

    def __init__(self, messages: list[Message]) -> None:
        self.left = messages
        self._newest: dict[str, Message] = {}
        self.session: str | None = "s"
        self.n_lost = {"prediction": 0}

    def receive(self, _timeout_s: float) -> Message:
        if not self.left:
            raise StreamLostError("nothing more")
        message = self.left.pop(0)
        self.session = message.session
        self._newest[message.topic] = message
        return message

    def latest(self, topic: str = "prediction") -> Message | None:
        return self._newest.get(topic)


class Outlet:
    """Keeps what is pushed."""

    def __init__(self) -> None:
        self.pushed: list[str] = []

    def push_sample(self, sample: list[str]) -> None:
        self.pushed += sample


class Silent:
    """A screen that keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def say(self, text: str) -> None:
        self.shown.append(text)

    def cue(self, _asked: str, mark: Any) -> None:
        mark()

    def bar(self, shown: float) -> None:
        self.shown.append(shown)


def trial(
    *messages: Message, mirrored: bool = False
) -> tuple[Row, list[Any], list[str], list[dict[str, Any]]]:
    client, outlet, screen = Scripted(list(messages)), Outlet(), Silent()
    lines: list[str] = []
    trials = Trials(client, outlet, screen, 4.0, lines.append)  # type: ignore[arg-type]
    row = trials.run(1, Condition("right_hand", "sham", mirrored))
    return row, screen.shown, outlet.pushed, [json.loads(line) for line in lines]


def test_an_answer_is_the_last_window_before_the_end_and_both_decoded_and_shown_are_kept() -> None:
    decided = msgspec.structs.replace(window(T_CUE + 3.0), decision="right_hand", why=None)
    row, shown, pushed, lines = trial(
        window(T_CUE - 0.1, 0.1), marker("right_hand"), window(T_CUE + 0.1, 0.6), decided, window(T_CUE + 3.9, 0.7), window(T_CUE + 4.1, 0.2),
        mirrored=True,
    )  # fmt: skip
    assert (row.answer, row.p_asked, row.problem, row.t_cue) == ("right_hand", 0.7, "", T_CUE)
    assert (row.decision, row.decided_after_s, row.n_predictions) == ("right_hand", 3.0, 3)
    assert shown == pytest.approx([0.4, 0.2, 0.3])
    assert [one["decoded"] for one in lines] == [0.6, 0.8, 0.7]
    assert [one["shown"] for one in lines] == shown
    assert pushed == ["feedback/sham/mirrored", "right_hand", "rest"]


@pytest.mark.parametrize(
    ("problem", "messages"),
    [
        ("the run did not hear the cue", [window(T_CUE + 1.0), window(T_CUE + 3.9)]),
        ("predictions stopped", [marker("right_hand")]),
        ("predictions stopped", [marker("right_hand"), window(T_CUE + 3.7), window(T_CUE + 4.3)]),
        ("gap", [marker("right_hand"), window(T_CUE + 3.8), window(T_CUE + 3.9, None), window(T_CUE + 4.1)]),
        ("the window is longer than the trial", [marker("right_hand"), window(T_CUE + 3.9, length_s=5.0)]),
        (
            "the run has ended",
            [marker("right_hand"), window(T_CUE + 3.9), window(T_CUE + 3.95, session="another")],
        ),
    ],
)
def test_a_trial_without_an_answer_says_why(problem: str, messages: list[Message]) -> None:
    row, *_ = trial(*messages)
    assert (row.problem, row.answer, row.p_asked) == (problem, "", None)


def test_it_waits_until_the_run_decodes_has_heard_a_marker_and_told_its_state() -> None:
    status = SAMPLES["status"]
    assert isinstance(status, Status)
    status = msgspec.structs.replace(status, session="s")
    client, outlet, screen = Scripted([window(1.0), status, window(1.1, None)]), Outlet(), Silent()
    trials = Trials(client, outlet, screen, 4.0, print)  # type: ignore[arg-type]

    def say(text: str) -> None:
        screen.shown.append(text)
        client.left += [window(2.0)] if "gap" in text else [marker(PING), window(2.1)]

    screen.say = say  # type: ignore[method-assign]
    assert trials.wait_ready() == status
    assert [one.partition(";")[0] for one in screen.shown] == [
        "waiting: gap",
        "waiting: the run does not hear our markers",
    ]
    assert outlet.pushed == [PING, PING, PING]
    client.left.append(window(3.0))
    assert trials.wait_ready() == status  # of the same run nothing more is asked
    assert outlet.pushed == [PING, PING, PING]


def test_nobody_who_listens_is_told_at_once_and_waited_for_in_short_pieces(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """liblsl's wait cannot be ended by Ctrl-C."""
    waited: list[float] = []

    class Nobody:
        def wait_for_consumers(self, timeout_s: float) -> bool:
            waited.append(timeout_s)
            return False

    with pytest.raises(ConfigError, match="nobody listens, need `rtbci calibrate"):
        show_cues(options_of(["--calibrate", "--patience-s", "0"]), Nobody(), Terminal())
    assert "waiting for `rtbci calibrate --user NAME --cues markers" in capsys.readouterr().out
    assert max(waited) <= 0.5
