"""`rtbci latency`: percentiles of decoded predictions, for each engine that computed."""

import json
import sys
from pathlib import Path

import msgspec
import pytest

from rtbci import cli
from rtbci.publish.messages import EngineRef, Prediction, Trace
from rtbci.record.items import Item, Opened
from rtbci.record.streams import SessionStreams
from tests.unit.record.samples import INFO, START, event, prediction

OTHER = EngineRef(name="tiny", id="f", backend="openvino", precision="bf16", device="cpu")
STALE = {"probs": None, "label": None, "decision": None, "why": "stream_lost"}


def aged(seq: int, age_ms: float, **changes: object) -> Prediction:
    trace = Trace(wait=age_ms - 4.0, filter=1.0, encode=1.0, probe=1.0, send=1.0)
    return msgspec.structs.replace(prediction(seq, 1.0 + seq), age_ms=age_ms, trace_ms=trace, **changes)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    items: list[Item] = [Opened(INFO, "")]
    items += [aged(i, 5.0 + i) for i in range(3)]
    items += [aged(3, 20.0, engine=OTHER), aged(4, 9e4, **STALE)]  # no data: an age of nothing
    items += [msgspec.structs.replace(event(0, "foreign_clock", 1.0), data={"offset_s": -3600.5})]
    streams = SessionStreams(START, clock=lambda: 20.0)
    (tmp_path / "session.xdf").write_bytes(streams.encode(items) + streams.end())
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *args: str | Path) -> object:
    monkeypatch.setattr(sys, "argv", ["rtbci", "latency", *map(str, args)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_each_engine_by_itself(
    session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, session) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert " ".join(lines[0]) == "3 of 5 predictions, decoded by tiny"
    assert lines[2] == ["age", "6.00", "6.90", "6.98", "7.00"]
    assert lines[3] == ["wait", "2.00", "2.90", "2.98", "3.00"]
    assert " ".join(lines[8]) == "1 of 5 predictions, decoded by tiny (openvino, bf16, cpu)"
    assert lines[10] == ["age", *["20.00"] * 4]
    assert " ".join(lines[-1]).startswith("age and wait are off by -3600.5 s")


def test_for_machines(
    session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, session / "session.xdf", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["n_predictions"], [one["n"] for one in told["engines"]]) == (5, [3, 1])
    assert told["engines"][1]["engine"]["backend"] == "openvino"
    assert told["engines"][0]["ms"]["send"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0}


def test_nothing_was_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    streams = SessionStreams(START, clock=lambda: 20.0)
    (tmp_path / "session.xdf").write_bytes(streams.encode([Opened(INFO, ""), aged(0, 9e4, **STALE)]))
    assert call(monkeypatch, tmp_path) == 5
    assert "holds 1 predictions of rtbci, none of which was decoded" in " ".join(
        capsys.readouterr().err.split()
    )
