"""Arguments are looked at before anything starts, and all that are wrong are told."""

import socket
from pathlib import Path

import pytest
from rich.console import Console

from rtbci.commands import run as run_module
from rtbci.commands.amp import synthetic_amp
from rtbci.commands.calibrate import calibrate
from rtbci.commands.calibrate_base import Request
from rtbci.commands.checking import Checks, check_run
from rtbci.commands.eval import plan_of
from rtbci.commands.replay import replay
from rtbci.config import RunConfig
from rtbci.errors import ConfigError, FileFormatError, ProfileError, RtbciError
from tests.tiny import write_paradigm


def wrong_run(tmp_path: Path, **more: object) -> RunConfig:
    if not (tmp_path / "tiny").exists():
        write_paradigm(tmp_path / "tiny")
    values: dict[str, object] = {
        "paradigm": str(tmp_path / "tiny" / "paradigm"),
        "profile": "nobody@3",
        "stream": {"map": ["T1", "T2=foot", "T3=left_hand", "T3=right_hand"]},
        "engine": {"recipe": "no-such-engine"},
        "publish": {"address": "tcp://nowhere", "control": "http://127.0.0.1:1", "key": "no-such-key"},
        "monitor": {"enabled": True, "address": "5580"},
    }
    return RunConfig.model_validate(values | more)


def test_one_error_is_itself_and_many_are_a_line_each() -> None:
    def refuse(error: RtbciError) -> None:
        raise error

    checks, first = Checks(), ProfileError("a: b")
    checks.take(lambda: refuse(first))
    with pytest.raises(ProfileError) as caught:
        checks.end()
    assert caught.value is first
    checks.need(False, "c: d")
    checks.need(False, "c: d")
    with pytest.raises(ProfileError, match=r"\Aa: b\nc: d\Z"):
        checks.end()
    Checks().end()
    with pytest.raises(ZeroDivisionError):  # no error of ours, so none of the user's
        checks.take(lambda: 1 / 0)


def test_all_that_is_wrong_of_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_run(wrong_run(tmp_path))
    told = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in told] == [
        "--map",
        "--map",
        "--map",
        "engines",
        "--pub",
        "--control",
        "key 'no-such-key'",
        "live page",
    ]


def test_a_profile_is_looked_for_where_the_paradigm_is_right(tmp_path: Path) -> None:
    with pytest.raises(
        ProfileError, match=r"profile 'nobody@3': is neither .*\nengines: no recipe 'no-such-engine'"
    ):
        check_run(wrong_run(tmp_path, stream={}))
    with pytest.raises(ConfigError, match=r"\A[^\n]*'no-such'[^\n]*\nengines"):
        check_run(wrong_run(tmp_path, stream={}, paradigm="no-such"))


def test_a_run_that_is_wrong_binds_no_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def bound(*_args: object) -> None:
        raise AssertionError("a port was bound first")

    monkeypatch.setattr(run_module, "open_sockets", bound)
    with pytest.raises(ConfigError, match="--map: got 'T1', need TEXT=CLASS"):
        run_module.run(wrong_run(tmp_path), Console(quiet=True))


@pytest.mark.sockets
def test_a_taken_port_is_still_told_before_a_decoder_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_args: object) -> None:
        raise AssertionError("loaded first")

    monkeypatch.setattr(run_module, "decoder_of", loaded)
    config = {"paradigm": str(write_paradigm(tmp_path / "tiny")), "record": {"enabled": False}}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        publish = {"address": f"tcp://127.0.0.1:{taken.getsockname()[1]}", "control": "tcp://127.0.0.1:0"}
        with pytest.raises(OSError, match="is in use by"):
            run_module.run(RunConfig.model_validate(config | {"publish": publish}), Console(quiet=True))


def test_replay_tells_all_before_it_reads(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        replay(
            tmp_path / "none.edf",
            "eegbci:7",
            Console(quiet=True),
            speed_text="fast",
            loop=False,
            start_s=-1.0,
            chunk=0,
            name=None,
            wait=False,
        )
    told = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in told[:4]] == ["replay", "--chunk", "--start", "--speed"]
    assert "none.edf" in told[4]
    assert len(told) == 5


def test_an_amplifier_tells_all_before_it_streams() -> None:
    with pytest.raises(ConfigError) as caught:
        synthetic_amp(
            Console(quiet=True),
            channels=[],
            rate_hz=3.0,
            seed=0,
            line_hz=50.0,
            keys=False,
            chunk=0,
            name="x",
            maps=["T1=left_hand"],
        )
    told = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in told] == ["--map", "--chunk", "SyntheticAmp"]


def test_an_evaluation_tells_all_before_it_reads(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(
            paradigm=str(write_paradigm(tmp_path / "tiny")),
            places=[str(tmp_path / "none")],
            track="C",
            ks="0,-5",
            profile="nobody",
            folds=tmp_path / "no-folds",
            allow_seen=False,
            data_set="",
            subjects="",
            calibrator="magic",
            remaining="some",
            n_jobs=0,
            ray="",
            backend="onnxruntime",
            channels=",",
            maps=["T1"],
        )
    told = str(caught.value)
    for option in (
        "--remaining",
        "--jobs",
        "--k",
        "--channels",
        "--calibrator",
        "--track",
        "--map",
    ):
        assert f"{option}: got" in told, option
    assert "profile 'nobody'" in told
    assert "none" in told.splitlines()[-1]


def test_a_calibration_tells_all_before_it_opens_anything(tmp_path: Path) -> None:
    config = RunConfig.model_validate(
        {"profile": "nobody", "engine": {"recipe": "no-such-engine"}, "stream": {"map": []}}
    )
    request = Request(
        files=[tmp_path / "none.edf"],
        cues="smoke",
        resume=True,
        report=tmp_path / "a" / "b.html",
        n_trials=1,
        protocol=tmp_path / "none.toml",
    )
    with pytest.raises(ConfigError) as caught:
        calibrate(config, request, Console(quiet=True))
    told = str(caught.value)
    for words in (
        "--cues: got 'smoke'",
        "got --from and --resume",
        "none.edf",
        "--report: got",
        "no recipe 'no-such-engine'",
        "profile 'nobody'",
        "--trials: got 1",
        "none.toml: no such file",
    ):
        assert words in told, words


def test_a_recording_that_is_not_there_keeps_its_exit_status(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"none\.edf"):
        calibrate(RunConfig(), Request(files=[tmp_path / "none.edf"]), Console(quiet=True))
