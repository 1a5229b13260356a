import io
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rtbci.commands import feedback_baseline
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError, ConfigError
from rtbci.probe.profile import read_profile
from rtbci.runtime.profiles import find_profile, profiles_root
from rtbci.stream.source import FloatArray, StreamInfo
from tests.tiny import MemorySource, chunks_of, stream_info
from tests.value_samples import RATE_HZ, alpha, write_value_paradigm


@pytest.fixture
def paradigm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return write_value_paradigm(tmp_path / "calm")


def measure(paradigm: Path, data: FloatArray, monkeypatch: pytest.MonkeyPatch) -> str:
    sources: Iterator[MemorySource] = iter(
        [MemorySource(stream_info(rate_hz=RATE_HZ), chunks_of(data, np.arange(len(data)) / RATE_HZ, 16))]
    )

    def make(_lost: StreamInfo | None) -> MemorySource:
        for source in sources:
            return source
        raise EOFError

    monkeypatch.setattr(feedback_baseline, "lsl_factory", lambda _config: make)
    console = Console(file=io.StringIO(), width=200)
    config = RunConfig.model_validate({"paradigm": str(paradigm), "user": "anna"})
    feedback_baseline.measure(config, console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_it_is_kept_in_the_users_next_profile_and_measured_anew(
    paradigm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = measure(paradigm, alpha(8.0, 99.0), monkeypatch)
    assert "rest for 3 s: eyes open" in said
    found = find_profile("calm", "", "anna")
    assert found == profiles_root("calm") / "anna" / "0001"
    assert found is not None
    first = read_profile(found)
    assert first.baseline is not None
    assert (first.user, first.baseline.length_s) == ("anna", 3.0)
    measure(paradigm, 3.0 * alpha(8.0, 99.0), monkeypatch)
    second = read_profile(profiles_root("calm") / "anna" / "0002")
    assert second.baseline is not None
    shift = np.diff(second.baseline.centre) - np.diff(first.baseline.centre)
    assert shift == pytest.approx(2 * np.log(3.0), abs=0.02)  # not measured against the first


def test_too_little_signal_keeps_nothing(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CalibrationError, match=r"2 s of usable signal, need 3; see to the electrodes"):
        measure(paradigm, alpha(2.0, 99.0), monkeypatch)
    stop = threading.Event()
    stop.set()
    monkeypatch.setattr(feedback_baseline, "stop_on_signals", lambda: nullcontext(stop))
    with pytest.raises(
        CalibrationError, match="0 s of usable signal, need 3; stopped too early, begin again"
    ):
        measure(paradigm, alpha(2.0, 99.0), monkeypatch)
    assert not (profiles_root("calm") / "anna").exists()


def test_a_paradigm_without_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = write_value_paradigm(tmp_path / "plain", baseline="")
    with pytest.raises(ConfigError, match=r"compares with no baseline.*add \[value.baseline\]"):
        measure(plain, alpha(1.0, 9.0), monkeypatch)
