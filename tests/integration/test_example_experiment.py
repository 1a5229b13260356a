"""examples/experiment on a run that records: trials, a stream that is lost in one, and times that are those of the session."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import pyxdf
from pylsl import local_clock

from examples.experiment.experiment import Terminal, options_of, plan, run, table
from rtbci.errors import ConfigError
from tests.integration.live_runs import SignalOutlet, rtbci_run
from tests.integration.lsl_outlets import marker_outlet, unique
from tests.tiny import write_paradigm

pytestmark = [pytest.mark.net, pytest.mark.clock]


class Lossy(Terminal):
    """A screen in front of an amplifier that is silent for a second of the second trial."""

    def __init__(self, amplifier: SignalOutlet) -> None:
        self._amplifier = amplifier
        self.t_marked: list[float] = []
        self.bars: list[float] = []

    def cue(self, asked: str, mark: Any) -> None:
        self.t_marked.append(local_clock())
        mark()

    def bar(self, shown: float) -> None:
        self.bars.append(shown)
        if len(self.t_marked) == 2 and local_clock() - self.t_marked[1] > 0.3:
            self._amplifier.be_silent(True)

    def say(self, text: str) -> None:
        self._amplifier.be_silent(False)


def test_trials_outlive_a_lost_stream_and_their_times_are_the_sessions(tmp_path: Path) -> None:
    outlet = marker_outlet(unique("experiment"))
    stream = outlet.get_info().name()
    with (
        SignalOutlet() as amplifier,
        rtbci_run(
            "--paradigm", write_paradigm(tmp_path / "tiny"), "--source-id", amplifier.source_id,
            "--markers", stream, "--record", tmp_path / "sessions",
        ) as decoder,
    ):  # fmt: skip
        told = (
            "--address",
            decoder.address,
            "--trials",
            "2",
            "--trial-s",
            "1.5",
            "--rest-s",
            "0.3",
            "--feedback",
            "sham",
        )
        screen = Lossy(amplifier)
        rows = run(options_of([*told, "--out", str(tmp_path)]), outlet, screen)
        status, said = decoder.end()
    assert status == 0, said
    lost = rows[1]
    assert lost.problem
    assert (lost.answer, lost.p_asked) == ("", None)
    # A computer that is busy may lose others, too: what has no answer comes again.
    planned = plan(("left_hand", "right_hand"), 2, "sham", 0, None)
    done = [one for one in rows if not one.problem]
    assert sorted((one.asked, one.is_mirrored) for one in done) == sorted(
        (one.asked, one.is_mirrored) for one in planned
    )
    assert all(one.answer for one in done)
    assert len([one for one in table(rows) if "_hand" in one]) == 4  # two classes, each mirrored and not

    [session] = (tmp_path / "sessions").iterdir()
    streams, _ = pyxdf.load_xdf(session / "session.xdf", dejitter_timestamps=False)
    by_name = {one["info"]["name"][0]: one for one in streams}
    heard = [one for one in rows if one.t_cue is not None]
    assert len(heard) == len(rows)
    markers = [
        (text, t)
        for t, (text,) in zip(
            *(by_name["rtbci-markers"][what] for what in ("time_stamps", "time_series")), strict=True
        )
    ]
    assert [(text, t) for text, t in markers if text.endswith("_hand")] == [
        (one.asked, one.t_cue) for one in heard
    ]
    shown = [text for text, _ in markers if text.startswith("feedback/")]
    assert shown == [f"feedback/sham{'/mirrored' if one.is_mirrored else ''}" for one in rows]
    for one, t_marked in zip(rows, screen.t_marked, strict=True):
        assert one.t_cue == pytest.approx(t_marked, abs=0.05)

    lines = [json.loads(line) for line in next(tmp_path.glob("*.jsonl")).read_text().splitlines()]
    t_decoded = set(by_name["rtbci-probabilities"]["time_stamps"])
    decoded = [one for one in lines if one["probs"] is not None]
    assert {one["t_window"][1] for one in decoded} <= t_decoded
    for line in decoded:
        mirrored = rows[line["trial"] - 1].is_mirrored
        assert line["shown"] == pytest.approx(1.0 - line["decoded"] if mirrored else line["decoded"])
    assert screen.bars == [one["shown"] for one in decoded]
    for one in rows:
        mine = [line for line in decoded if line["trial"] == one.trial]
        if one.answer:
            assert mine[-1]["after_s"] == pytest.approx(1.5, abs=0.2)
            assert mine[-1]["t_window"][0] >= (one.t_cue or 0.0)
    with next(tmp_path.glob("*.csv")).open() as file:
        assert [float(one["t_cue"]) for one in csv.DictReader(file)] == [one.t_cue for one in rows]


def test_a_run_that_records_nothing_is_refused(tmp_path: Path) -> None:
    outlet = marker_outlet(unique("experiment"))
    stream = outlet.get_info().name()
    paradigm = write_paradigm(tmp_path / "tiny")
    with (
        SignalOutlet() as amplifier,
        rtbci_run("--paradigm", paradigm, "--source-id", amplifier.source_id, "--markers", stream) as decoder,
        pytest.raises(ConfigError, match="records nothing, need a session"),
    ):
        run(options_of(["--address", decoder.address, "--out", str(tmp_path)]), outlet, Terminal())
