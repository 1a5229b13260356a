from pathlib import Path
from typing import get_args

import pytest

from rtbci.backends.registry import BACKENDS
from rtbci.config import EngineSettings, RunConfig, read_config
from rtbci.errors import ConfigError


def test_nothing_given_is_the_defaults() -> None:
    config = read_config(None, {"user": None, "stream.name": None})
    assert config == RunConfig()
    assert config.paradigm == "motor_imagery"
    assert config.publish.address == "tcp://127.0.0.1:5571"
    assert (config.stream.type, config.stream.markers, config.duration_s) == ("EEG", "auto", None)


def test_flags_go_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text('user = "ada"\n[stream]\nname = "amp"\ntimeout_s = 3\n[decision]\nthreshold = 0.9\n')
    config = read_config(str(path), {"stream.name": "other", "engine.threads": 2, "user": None})
    assert (config.user, config.stream.name, config.stream.timeout_s) == ("ada", "other", 3.0)
    assert config.engine.threads == 2
    assert config.decision is not None
    assert (config.decision.threshold, config.decision.dwell_s) == (0.9, 0.25)


def test_recording_is_on_and_its_memory_has_bounds(tmp_path: Path) -> None:
    record = read_config(None, {}).record
    assert (record.enabled, record.folder, record.memory_mb) == (True, "", 64)
    assert not read_config(None, {"record.enabled": False}).record.enabled
    with pytest.raises(ConfigError, match=r"record\.memory_mb: got 0"):
        read_config(None, {"record.memory_mb": 0})


def test_a_shipped_one_by_name() -> None:
    assert read_config("lab", {}).stream.wait
    assert read_config("lab", {"stream.wait": False}).stream.wait is False


def test_a_file_of_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab").write_text('user = "mine"\n')
    monkeypatch.chdir(tmp_path)
    assert read_config("lab", {}).user == "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[watch]\nstale_s = 5\nlost_s = 1\n", "watch: lost_s is 1, must exceed stale_s = 5"),
        (
            "stream = 'amp'\n",
            "stream: got 'amp', input should be a valid dictionary or instance of StreamSettings",
        ),
        (
            "user = '../../etc'\n",
            "user: got '../../etc', need letters of A to Z, digits, and any of _ . - (no blanks)",
        ),
        ("duration_s = 0\n", "duration_s: got 0, input should be greater than 0"),
        ("[publish]\nformat = 'xml'\n", "publish.format: got 'xml', input should be 'json' or 'msgpack'"),
        ("[publish]\nadress = 'x'\n", "publish.adress: unknown key; did you mean 'address'?"),
        ("[engine]\nthreads = 1.5\n", "engine.threads: got 1.5"),
        ("[engine]\nbackend = 'tpu'\n", "engine.backend: got 'tpu', input should be 'auto', 'onnxruntime',"),
        (
            "[engine]\nbackend = 'openvino'\nprecision = 'fp16'\n",
            "engine: precision is fp16, need auto, fp32 or bf16 on openvino; only tensorrt and tensorrt_rtx compute in",
        ),
        (
            "[engine]\nbackend = 'auto'\nprecision = 'bf16'\n",
            "engine: precision is bf16, need auto or fp32 on auto; only tensorrt and tensorrt_rtx compute in any, openvino",
        ),
        (
            "[decision]\nthreshold = 70\n",
            "decision.threshold: got 70, input should be less than or equal to 1",
        ),
    ],
)
def test_bad_values(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text)
    # A flag into a table that the file has a plain value for must not hide that.
    with pytest.raises(ConfigError) as error:
        read_config(str(path), {"stream.name": "amp"})
    assert f"{path}: {said}" in str(error.value)


def test_no_such_configuration() -> None:
    with pytest.raises(ConfigError, match="nothing_like_it: no such file, need a TOML file"):
        read_config("nothing_like_it", {})


def test_every_back_end_can_be_wished_for() -> None:
    """They are named in the configuration again, so that it can be read without importing them."""
    assert set(get_args(EngineSettings.model_fields["backend"].annotation)) == {"auto", *BACKENDS}
