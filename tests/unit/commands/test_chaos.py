import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rtbci.chaos.consumers import Consumers
from rtbci.chaos.flow import Injected
from rtbci.chaos.scenario import Consumer, list_scenarios
from rtbci.commands import chaos
from rtbci.errors import ConfigError, FileFormatError

RECORD = Injected(kind="flat", fault=0, number=2, t_lsl=7.5, t_s=1.0, length_s=None, data={"channels": "C3"})


def written() -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, width=300), text


def test_the_list_names_every_scenario() -> None:
    console, text = written()
    chaos.show_scenarios(console)
    for name in list_scenarios():
        assert f" {name} " in text.getvalue()


def test_records_are_lines_of_json_on_the_console_and_in_a_file(tmp_path: Path) -> None:
    console, text = written()
    with chaos._Log(tmp_path / "log.jsonl", console) as log:
        log.tell(RECORD)
        said = (tmp_path / "log.jsonl").read_text()  # at once, not at the end
    assert said == text.getvalue()
    assert json.loads(said) == {
        "kind": "flat", "fault": 0, "number": 2, "t_lsl": 7.5, "t_s": 1.0, "length_s": None, "data": {"channels": "C3"},
    }  # fmt: skip


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--log: .* cannot be written"), chaos._Log(tmp_path, written()[0]):
        pass


def test_sources() -> None:
    amp = chaos.source_of("amp", 3)
    assert amp.info.n_channels == 38
    with pytest.raises(ConfigError, match=r"--from and --name are both 'x', need two names"):
        chaos.source_of("x", 0, "x")
    with pytest.raises(FileFormatError, match=r"nothing\.edf"):
        chaos.source_of("nothing.edf", 0)


def test_a_recording_is_a_source(tmp_path: Path) -> None:
    import mne

    info = mne.create_info(["C3", "C4"], 100.0, "eeg", verbose="error")
    raw = mne.io.RawArray(1e-6 * np.arange(400.0).reshape(2, 200), info, verbose="error")
    path = tmp_path / "one_raw.fif"
    raw.save(path, verbose="error")
    source = chaos.source_of(str(path), 0)
    assert source.info.labels == ("C3", "C4")
    assert source.info.rate_hz == 100.0


def test_an_address_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"cannot connect to 'nowhere'"), Consumers([Consumer()], "nowhere"):
        pass
