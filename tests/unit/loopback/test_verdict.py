"""The verdict on a computer, on runs that are made up."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from rtbci.commands import doctor_timing as command
from rtbci.commands.profile_output import Output
from rtbci.config import RunConfig
from rtbci.errors import ConfigError
from rtbci.loopback import certify
from rtbci.loopback.certify import Observed, Wanted, labels_for
from rtbci.loopback.computer import Busy, Computer, Load
from rtbci.loopback.hops import Span
from rtbci.loopback.verdict import Timing, timing_of
from rtbci.recipes import read_paradigm
from tests.loopback_samples import hop
from tests.tiny import HOP_S, LABELS, write_paradigm

IDLE = Load(n_cores=4, cpu_percent=10.0, cpu_max_percent=30.0, others=())
BUSY = Load(n_cores=4, cpu_percent=95.0, cpu_max_percent=100.0, others=(Busy("updater", 180.0),))


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Wanted:
    folder = write_paradigm(tmp_path_factory.mktemp("verdict") / "tiny")
    return Wanted(RunConfig.model_validate({"paradigm": str(folder)}), seconds=125.0)


def seen(n: int = 2000, gone: int = 0, late: int = 0, **more: object) -> Observed:
    observed = Observed(span=Span(10.0, 10.0 + n * HOP_S), cpu_percent=[8.0, 10.0], rss_mb=[100.0, 101.0])
    for i in range(n + 1):
        if not 100 <= i < 100 + gone:
            observed.log.push(hop(i, 10.0 + i * HOP_S, age_ms=70.0 if 500 <= i < 500 + late else 5.0))
    for name, value in more.items():
        setattr(observed, name, value)
    return observed


@pytest.mark.parametrize(
    ("observed", "verdict", "what"),
    [
        (seen(), "pass", ""),
        (seen(late=2), "pass", ""),
        (seen(late=3), "marginal", "hops late"),
        (seen(late=30), "fail", "hops late"),
        (seen(gone=1), "marginal", "hops missed"),
        (seen(gone=3), "fail", "hops missed"),
        (seen(n_lost=3), "fail", "hops missed"),
        (seen(cpu_percent=[70.0]), "marginal", "CPU of the run"),
        (seen(cpu_percent=[90.0]), "fail", "CPU of the run"),
        (seen(n_not_recorded=0), "pass", ""),
        (seen(n_not_recorded=1), "fail", "not recorded"),
    ],
)
def test_verdicts(wanted: Wanted, observed: Observed, verdict: str, what: str) -> None:
    timing = timing_of(wanted, observed, IDLE)
    assert timing.verdict == verdict
    assert [one.what for one in timing.checks if one.verdict != "pass"] == ([what] if what else [])
    assert [bool(one.advice) for one in timing.checks] == [one.verdict != "pass" for one in timing.checks]


def test_what_is_told(wanted: Wanted) -> None:
    timing = timing_of(wanted, seen(gone=1, n_skipped=1), BUSY)
    assert (timing.n_due, timing.n_missed, timing.n_skipped) == (2000, 1, 1)
    assert (timing.n_channels, timing.cpu_percent, timing.rss_mb) == (3, 9.0, 101.0)
    assert timing.age_ms.p50 == timing.age_ms.max == 5.0
    assert sum(timing.parts_ms[part].p50 for part in ("wait", "filter", "encode", "probe", "send")) == 5.0
    assert "close updater (180 %)" in timing.checks[0].advice
    assert msgspec.json.decode(msgspec.json.encode(timing), type=Timing) == timing


def test_what_is_shown(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "observe", lambda *_: seen(gone=3))
    assert not command.doctor_timing(wanted, Console(stderr=True, width=200), Output(json=False))
    shown = capsys.readouterr()
    assert "tiny: 3 channels, 250 Hz, chunks of 8, a hop every 62.5 ms; 125 s, not recorded" in shown.out
    assert "engine:   none needed" in shown.out
    assert "-> hops missed: " in shown.out
    assert "FAIL: this computer does not keep up with this configuration" in shown.err
    monkeypatch.setattr(command, "observe", lambda *_: seen())
    assert command.doctor_timing(wanted, Console(stderr=True, width=200), Output(json=True))
    shown = capsys.readouterr()
    assert msgspec.json.decode(shown.out, type=Timing).verdict == "pass"
    assert "PASS: " in shown.err


def test_channels_of_the_stream(wanted: Wanted) -> None:
    recipe = read_paradigm(wanted.config.paradigm)
    assert labels_for(recipe, None) == LABELS
    assert labels_for(recipe, 64)[:3] == LABELS
    assert len(set(labels_for(recipe, 200))) == 200
    for n in (2, 4000):
        with pytest.raises(ConfigError, match=rf"--channels: got {n}, need 3 \(of the paradigm 'tiny'\) to"):
            labels_for(recipe, n)


def test_a_paradigm_that_decodes_at_markers_is_refused(tmp_path: Path) -> None:
    folder = write_paradigm(tmp_path / "tiny", policy="marker")
    config = RunConfig.model_validate({"paradigm": str(folder)})
    with pytest.raises(ConfigError, match="--timing: the paradigm 'tiny' decodes at markers"):
        certify.observe(Wanted(config), Computer(), lambda _text: None)


def test_a_computer_is_looked_at() -> None:
    computer = Computer()
    computer.begin()
    sum(np.sqrt(np.arange(200_000.0)))
    computer.look()
    load = computer.load()
    assert load.n_cores >= 1
    assert 0.0 <= load.cpu_percent <= load.cpu_max_percent <= 100.0
    assert all(one.cpu_percent > 0 for one in load.others)
