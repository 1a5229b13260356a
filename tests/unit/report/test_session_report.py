"""Reports of sessions: whole, cut short, without description, without a signal or markers."""

import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from rtbci.errors import FileFormatError
from rtbci.publish.messages import Event, Prediction, State, Status, Why
from rtbci.record.items import Item, Opened
from rtbci.record.session_json import Ended, write_session_json
from rtbci.record.streams import SessionStreams
from rtbci.report.latencies import read_latency
from rtbci.report.session import write_session_report
from rtbci.report.session_facts import read_facts
from rtbci.report.session_plots import STATE_COLORS, age_svg, ages_in_time_svg
from rtbci.report.session_words import WHYS, words_of_session
from rtbci.stream.source import Chunk
from tests.unit.record.samples import (
    CLASSES,
    INFO,
    START,
    event,
    hello,
    make_session,
    prediction,
    record,
    write_session,
)

ENDED = Ended(utc=START.isoformat(), n_samples=3000, n_samples_lost=0, n_messages_lost=0, n_bytes=1)


def status(seq: int, t: float, state: State, *, paused: bool = False) -> Status:
    return Status(
        v=1, session="s-1", seq=seq, t_sent=t, state=state, paused=paused, stream=None, rate_hz=None,
        latency_ms=None, cpu_percent=4.0, uptime_s=t, n_predictions=0, n_gaps=1, n_skipped=2, n_overflow=3,
    )  # fmt: skip


def cue(seq: int, t: float, name: str) -> Event:
    return Event(
        v=1, session="s-1", seq=seq, t_sent=t, kind="marker", t_lsl=t, value=name, data={"class": name}
    )


def write_trials(folder: Path, ahead_s: float = 0.0, from_s: float = 0.0, until_s: float = 1e3) -> Path:
    """Twelve seconds: a gap, a flat second, two cues of which one is answered rightly, a stream that was lost.

    `ahead_s`: the stream's stamps are of a clock that is so far ahead of this computer's.
    """
    t_lsl = 100.0 + np.arange(3000) / INFO.rate_hz
    t_lsl[2000:] += 0.5
    data = 20.0 * np.random.default_rng(0).normal(size=(3000, 3))
    data[1000:2000, 0] = 1.0
    items: list[Item] = [Opened(INFO, ""), hello(), status(0, 100.0, "waiting"), status(1, 100.5, "running")]
    items += [Chunk(data[i : i + 500], t_lsl[i : i + 500]) for i in range(0, 3000, 500)]
    items += [cue(0, 101.0, CLASSES[0]), cue(1, 106.0, CLASSES[1])]
    items += [prediction(i, 100.5 + i / 4, decided=i == 14) for i in range(48)]
    items += [
        msgspec.structs.replace(cue(3, 108.0, "level-2"), data={"source": "control"}),
        status(2, 109.0, "lost"), event(2, "stream_lost", 109.0, "<b>amp</b>"),
        status(3, 110.0, "running", paused=True), status(4, 112.5, "stopped"),
    ]  # fmt: skip
    if ahead_s:
        items = [*(_later(one, ahead_s, from_s, until_s) for one in items)]
        items.append(msgspec.structs.replace(event(4, "foreign_clock", 101.0), data={"offset_s": ahead_s}))
    streams = SessionStreams(START, clock=lambda: 100.0)
    folder.mkdir()
    (folder / "session.xdf").write_bytes(streams.encode(items) + streams.end())
    write_session_json(folder, record(ended=ENDED, versions={"numpy": "2.9"}))
    return folder


def _later(item: Item, ahead_s: float, from_s: float, until_s: float) -> Item:
    """What came between two times is of another clock."""
    came = item.t_lsl[-1] if isinstance(item, Chunk) else getattr(item, "t_sent", 0.0)
    return of_another_clock(item, ahead_s) if from_s < came < until_s else item


def of_another_clock(item: Item, ahead_s: float) -> Item:
    """What a stream says, with its stamps off; what a run says of itself stays."""
    if isinstance(item, Chunk):
        return item._replace(t_lsl=item.t_lsl + ahead_s)
    if isinstance(item, Event):
        return msgspec.structs.replace(item, t_lsl=item.t_lsl + ahead_s)
    if not isinstance(item, Prediction):
        return item
    first, last = item.t_window
    trace = msgspec.structs.replace(item.trace_ms, wait=item.trace_ms.wait - 1e3 * ahead_s)
    return msgspec.structs.replace(
        item, t_window=(first + ahead_s, last + ahead_s), age_ms=item.age_ms - 1e3 * ahead_s, trace_ms=trace
    )


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trials(tmp_path_factory.mktemp("trials") / "session")


def test_a_whole_session(trials: Path, tmp_path: Path) -> None:
    page = write_session_report(trials, tmp_path / "r.html").read_text()
    for said in (
        "1 of 2 trials with the right label",
        "It ended properly. Everything was recorded.",
        "numpy",
        "2.9",
    ):
        assert said in page
    assert page.count("<svg") == 5
    assert "<b>amp" not in page
    assert "&lt;b&gt;amp" in page
    assert not re.search(r"<script|src=\"(?!data:)|https?://(?!www\.w3\.org|purl\.org|creativecommons)", page)


def test_samples_that_are_infinite(tmp_path: Path) -> None:
    """A look with one says nothing of its electrode, and there is no warning (which is an error here)."""
    data = 20.0 * np.random.default_rng(0).normal(size=(1000, 3))
    data[::100, 1] = np.inf
    streams = SessionStreams(START, clock=lambda: 100.0)
    items: list[Item] = [Opened(INFO, ""), hello(), Chunk(data, 100.0 + np.arange(1000) / INFO.rate_hz)]
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "session.xdf").write_bytes(streams.encode(items) + streams.end())
    write_session_json(tmp_path / "s", record(ended=ENDED))
    facts = read_facts(tmp_path / "s")
    assert facts.spread is not None
    assert np.isfinite(facts.spread.spread_uv).all(axis=1).tolist() == [True, False]
    assert write_session_report(tmp_path / "s", tmp_path / "r.html").is_file()


def test_what_is_found_in_it(trials: Path) -> None:
    facts = read_facts(trials)
    gap = msgspec.structs.replace(event(9, "gap", 112.0), data={"gap_s": 0.0029149748986378706})
    with_gap = replace(facts, events=(*facts.events, gap))
    words = words_of_session(facts, list(facts.predictions))
    assert [(one.state, one.t_stop - one.t_start) for one in facts.periods] == [
        ("waiting", 0.5), ("running", 8.5), ("lost", 1.0), ("paused", 2.5), ("stopped", 0.0),
    ]  # fmt: skip
    assert [(round(t, 3), round(gap_s, 3)) for t, gap_s in facts.gaps] == [(108.5, 0.5)]
    assert words["decided"] == (1, 0, 1)
    assert words["whys"] == [("not sure enough", "47", "97.9 %"), ("decided: left hand", "1", "2.1 %")]
    assert words["latency"][0] == ("age", "10.00", "10.00", "10.00", "10.00")
    assert dict(words["counts"])["windows skipped"] == "2"
    ((label, spread_uv, share, _),) = words["channels"]
    assert (label, share) == ("FC5", "flat 33 %")
    assert 15.0 < float(spread_uv) < 25.0
    told = {what for _, what, _ in words["events"]}
    assert words_of_session(with_gap, [])["events"][-1][2] == "gap_s 0.002915"
    assert "marker: level-2" in told  # set by hand; cues are too many
    assert not any(CLASSES[0] in what for what in told)
    assert dict(words["hashes"])["session.xdf"] == facts.sha256


def test_latency_in_time_of_few_windows(trials: Path) -> None:
    """Of 23, as of two minutes of sleep, each is a point of the area; of one there was nothing to see."""
    facts = read_facts(trials)
    drawn = ages_in_time_svg(facts, facts.predictions[:23])
    areas = re.findall(r'FillBetween[^>]*>\s*<path d="([^"]*)"', drawn)
    assert [area.count("L") for area in areas] == [2 * 23 + 1] * 5


def test_a_session_that_was_cut_short(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "cut", cut=-700)
    page = write_session_report(folder, folder / "report.html").read_text()
    assert "It was cut short" in page
    assert "nothing to compare with" in page


def test_a_file_alone_with_a_gap_and_no_messages(tmp_path: Path) -> None:
    made = make_session(gap=True)
    streams = SessionStreams(START, clock=lambda: 20.0)
    path = tmp_path / "alone.xdf"
    path.write_bytes(streams.encode([Opened(INFO, ""), Chunk(made.data, made.t_lsl)]) + streams.end())
    page = write_session_report(path, tmp_path / "alone.html").read_text()
    for said in (
        "without a prediction",
        "No window was decoded",
        "There are no markers",
        "+3.0",
        "read from a file alone",
    ):
        assert said in page


def test_messages_without_a_signal(tmp_path: Path) -> None:
    streams = SessionStreams(START, clock=lambda: 20.0)
    (tmp_path / "session.xdf").write_bytes(streams.encode([hello(), status(0, 5.0, "waiting")]))
    page = write_session_report(tmp_path, tmp_path / "r.html").read_text()
    assert "There is no signal of two seconds" in page


def test_what_is_no_session(tmp_path: Path, trials: Path) -> None:
    (tmp_path / "x.xdf").write_bytes(b"nothing of the kind")
    with pytest.raises(FileFormatError, match=r"x\.xdf"):
        write_session_report(tmp_path / "x.xdf", tmp_path / "r.html")
    (tmp_path / "empty.xdf").write_bytes(SessionStreams(START, clock=lambda: 20.0).encode([]))
    with pytest.raises(FileFormatError, match="neither a signal nor messages"):
        write_session_report(tmp_path / "empty.xdf", tmp_path / "r.html")
    with pytest.raises(FileFormatError, match="cannot be written"):
        write_session_report(trials, tmp_path / "no" / "such" / "r.html")


def test_every_state_and_reason_has_its_words_or_colour() -> None:
    assert set(STATE_COLORS) == {*get_args(State), "paused"}
    assert set(WHYS) == {*get_args(Why), "refractory"}


@pytest.mark.parametrize("ahead_s", [-3600.0, 1.7e9])
def test_stamps_of_another_clock(trials: Path, tmp_path: Path, ahead_s: float) -> None:
    """Ages mean nothing, and are not shown; what happened when is told as it is of a stream with the right stamps."""
    off = read_facts(write_trials(tmp_path / "s", ahead_s))
    right = read_facts(trials)
    assert off.clock_offset_s == ahead_s
    assert off.t_span == pytest.approx(right.t_span)
    np.testing.assert_allclose([t for t, _ in off.gaps], [t for t, _ in right.gaps], atol=1e-5)
    windows = [one.t_window for one in off.predictions]
    np.testing.assert_allclose(windows, [one.t_window for one in right.predictions], atol=1e-5)
    assert [one.t_lsl for one in off.events[:-1]] == [one.t_sent for one in right.events]
    assert off.score.confusion() == right.score.confusion()
    assert off.spread is not None
    assert off.spread.t_s[0] == pytest.approx(100.0)
    words = words_of_session(off, list(off.predictions))
    assert [row[0] for row in words["latency"]] == ["filter", "encode", "probe", "send"]
    page = write_session_report(tmp_path / "s", tmp_path / "r.html").read_text()
    assert (
        f"Age and wait are off by {ahead_s:+.1f} s: the stream's stamps were of another clock"
        in page.replace("&#39;", "'")
    )
    assert page.count("<svg") == 3


@pytest.mark.parametrize("ahead_s", [-3600.0, 1.7e9, -6.0])
@pytest.mark.parametrize("comes", ["goes over", "comes back"])
def test_stamps_that_are_of_another_clock_for_a_part_of_it(
    trials: Path, tmp_path: Path, ahead_s: float, comes: str
) -> None:
    """Only these are taken back; ages are told of the rest, and how many have none."""
    off = read_facts(
        write_trials(tmp_path / "s", ahead_s, from_s=108.0, until_s=1e3 if comes == "goes over" else 110.5)
    )
    right = read_facts(trials)
    assert off.clock_offset_s == ahead_s
    assert off.t_span == pytest.approx(right.t_span)
    windows = [one.t_window for one in off.predictions]
    np.testing.assert_allclose(windows, [one.t_window for one in right.predictions], atol=1e-5)
    assert off.spread is not None
    assert right.spread is not None
    np.testing.assert_allclose(off.spread.t_s, right.spread.t_s, atol=1e-5)
    is_off = [108.0 < one.t_sent < (1e3 if comes == "goes over" else 110.5) for one in right.predictions]
    assert off.foreign == {one.seq for one, is_it in zip(right.predictions, is_off, strict=True) if is_it}
    words = words_of_session(off, list(off.predictions))
    assert [row[0] for row in words["latency"]][:2] == ["age", "wait"]
    page = write_session_report(tmp_path / "s", tmp_path / "r.html").read_text()
    said = f"{sum(is_off)} predictions are left out: there the stream's stamps were of another clock"
    assert said in page.replace("&#39;", "'")
    assert page.count("<svg") == 5
    told = read_latency(tmp_path / "s")
    assert told.n_left_out == sum(is_off)
    assert told.engines[0][2]["age"].max < 1e3


@pytest.mark.parametrize("off_ms", [-400.0, -2.6e11, 1.8e12, 0.0])
@pytest.mark.filterwarnings("error")
def test_ages_of_another_clock_are_drawn(tmp_path: Path, off_ms: float) -> None:
    """Stamps of a clock that is ahead, or of the calendar: ages are negative, or large, or all the same."""
    facts = read_facts(write_trials(tmp_path / "s"))
    told = []
    for one in facts.predictions:
        trace = msgspec.structs.replace(one.trace_ms, wait=off_ms)
        told.append(msgspec.structs.replace(one, age_ms=off_ms, trace_ms=trace))
    assert "<svg" in age_svg(told)
    assert "<svg" in ages_in_time_svg(facts, told)
