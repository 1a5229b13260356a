"""`rtbci doctor --timing`: a real loop-back run, with a small decoder and for two seconds."""

from pathlib import Path

import pytest

from rtbci.config import RunConfig
from rtbci.errors import StreamError
from rtbci.keys.curve import DEFAULT_KEY, new_key
from rtbci.loopback import certify
from rtbci.loopback.certify import Wanted, observe
from rtbci.loopback.child import RtbciProcess
from rtbci.loopback.computer import Computer
from rtbci.loopback.verdict import timing_of
from tests.integration.live_runs import ANY_PORT
from tests.tiny import write_paradigm

pytestmark = [pytest.mark.net, pytest.mark.clock]


def test_a_run_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certify, "SETTLE_S", 0.3)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    new_key()
    paradigm = str(write_paradigm(tmp_path / "tiny"))
    config = RunConfig.model_validate(
        {
            "paradigm": paradigm,
            "record": {"folder": str(tmp_path / "kept")},
            "publish": {"key": DEFAULT_KEY},  # encrypted: the run's own key is trusted
        }
    )
    args = ["--paradigm", paradigm, "--key", DEFAULT_KEY]
    wanted, computer, told = Wanted(config, args, 2.0), Computer(), list[str]()
    seen = observe(wanted, computer, told.append)
    timing = timing_of(wanted, seen, computer.load())
    # How many are missed and late hangs on what else this computer does.
    assert 25 <= timing.n_due <= 40
    assert timing.n_due - timing.n_missed > 10
    assert 0.0 < timing.age_ms.p50 <= timing.age_ms.max
    assert (timing.engine.name, timing.engine.backend) == ("tiny", "onnxruntime")
    assert timing.n_not_recorded == 0
    assert timing.rss_mb > 20.0
    assert timing.cpu_percent > 0.0
    assert told[-1] == "decoding; counting for 2 s"
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_command_that_ends_says_why() -> None:
    with (
        RtbciProcess(
            ["run", "--paradigm", "nothing of the kind", "--pub", ANY_PORT, "--control", ANY_PORT]
        ) as process,
        pytest.raises(StreamError, match=r"rtbci run: has ended; it said: .*no recipe 'nothing of the kind'"),
    ):
        process.wait_line("publish:", 30.0)
