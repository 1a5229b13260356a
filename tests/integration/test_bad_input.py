"""What a user sees of bad input through the command line: one clear message, its exit status, no traceback."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from rtbci import cli
from rtbci.client import Client
from rtbci.publish.messages import Prediction
from rtbci.runtime import intake
from tests.data_paths import data_dir, needs_data
from tests.integration.live_runs import ANY_PORT, PATIENCE_S, SignalOutlet, rtbci_run
from tests.integration.lsl_outlets import marker_outlet, unique
from tests.tiny import write_paradigm, write_tiny_profile

pytestmark = pytest.mark.net


class Outcome(NamedTuple):
    """How a command ended."""

    status: object
    said: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command of the command line in this process, where what it imports is loaded already."""

    def call_cli(*args: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["rtbci", *args])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Outcome(end.value.code, captured.err)

    return call_cli


@pytest.fixture
def run(call: Call, tmp_path: Path) -> Call:
    """`rtbci run` with a small paradigm and free ports."""
    paradigm = str(write_paradigm(tmp_path / "tiny"))
    ports = ("--pub", ANY_PORT, "--control", ANY_PORT)

    def call_run(*args: str) -> Outcome:
        return call("run", "--paradigm", paradigm, "--markers", "none", "--no-record", *ports, *args)

    return call_run


# -- the stream ----------------------------------------------------------------------------------------


def test_no_stream(run: Call) -> None:
    name = unique("nobody")
    status, said = run("--stream", name, "--timeout", "0.3")
    assert status == 3
    assert f"error: LslSource: no stream of name '{name}' within 0.3 s" in said
    assert "see what is on the network with 'rtbci streams'" in said


def test_two_streams(run: Call) -> None:
    name = unique("twin")
    with SignalOutlet(name=name) as one, SignalOutlet(name=name) as other:
        status, said = run("--stream", name)
    assert status == 3
    assert f"error: LslSource: 2 streams of name '{name}', need one; choose by the option in its row" in said
    for outlet in (one, other):  # the table has both
        assert f"--stream name={name},source_id={outlet.source_id}\n" in said


def test_stream_of_text(run: Call) -> None:
    outlet = marker_outlet(unique("text"))
    status, said = run("--source-id", outlet.get_info().source_id())
    assert status == 3
    assert "holds text or has no steady rate, need numbers at a fixed rate" in said


def test_rate_too_low_for_the_band(run: Call) -> None:
    with SignalOutlet(rate_hz=50.0) as outlet:
        status, said = run("--source-id", outlet.source_id)
    assert status == 4
    assert (
        f"error: stream '{outlet.name}': has 50 Hz where the paradigm filters up to 30 Hz, need at least 63 Hz; "
        "set the amplifier to a higher rate" in said
    )


@pytest.mark.parametrize("stated_hz", [125.0, 260.0, 500.0])
def test_rate_that_the_stamps_contradict(
    run: Call, monkeypatch: pytest.MonkeyPatch, stated_hz: float
) -> None:
    monkeypatch.setattr(intake, "RATE_SETTLED_S", 1.5)  # ten seconds else
    with SignalOutlet(rate_hz=stated_hz, stamp_rate_hz=250.0) as outlet:
        status, said = run("--source-id", outlet.source_id, "--duration", "30")
    assert status == 4
    assert re.search(
        rf"error: stream '{outlet.name}': states {stated_hz:g} Hz but its stamps show (249.9|250.0)\d Hz, "
        "need agreement within 2 %; correct the rate in the program that sends it",
        said,
    )


def test_unknown_labels(run: Call) -> None:
    with SignalOutlet(labels=("EEG 1", "EEG 2", "EEG 3", "C4")) as outlet:
        status, said = run("--source-id", outlet.source_id)
    assert status == 4
    assert f"stream '{outlet.name}' lacks 2 of the 3 channels needed, at most 0 can be interpolated" in said
    rows = [line.split() for line in said.splitlines() if line.startswith("  ")]
    assert rows == [
        ["wanted", "in", "stream", "as", "state"],
        ["C3", "-", "missing"],
        ["CZ", "-", "missing"],
        ["C4", "C4", "found"],
    ]


def test_no_labels(run: Call) -> None:
    with SignalOutlet(labels=("", "", "")) as outlet:
        status, said = run("--source-id", outlet.source_id)
    assert status == 4
    assert "has 3 channels without labels, need the electrode names; switch on channel labels" in said


@pytest.mark.parametrize(
    ("unit", "scale", "remedy"),
    [
        ("microvolts", 1e-6, "in V it would be plausible"),  # volts, declared as microvolts
        ("V", 1.0, "in uV it would be plausible"),
        ("mV", 1.0, "in uV it would be plausible"),
        ("microvolts", 1e6, "no unit of V, mV, uV or nV fits"),  # counts of a converter
    ],
)
def test_wrong_unit(run: Call, unit: str, scale: float, remedy: str) -> None:
    with SignalOutlet(unit=unit, scale=scale) as outlet:
        status, said = run("--source-id", outlet.source_id, "--duration", "30")
    assert status == 4
    assert "error: check_spread: the signal's spread is" in said
    assert f"(declared as '{unit}'), scalp EEG has 0.3 to 1000 uV; " in said
    assert remedy in said


def test_a_unit_given_by_hand_wins(tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path)
    with (
        SignalOutlet(unit="microvolts", scale=1e-6) as outlet,
        rtbci_run("--paradigm", paradigm, "--source-id", outlet.source_id, "--unit", "V") as run,
        Client(run.address) as client,
    ):
        run.wait_line("state: running")
        # The unit is looked at after a second: go on for longer than that.
        ends = [client.receive(PATIENCE_S) for _ in range(24)]
        status, said = run.end()
    assert status == 0, said
    assert isinstance(ends[-1], Prediction)
    assert ends[-1].quality.score == 1.0


def test_flat_signal(run: Call) -> None:
    with SignalOutlet(scale=0.0) as outlet:
        status, said = run("--source-id", outlet.source_id, "--duration", "30")
    assert status == 4
    assert "every channel is flat (C3, CZ, C4), need a signal; check that the amplifier is on" in said


def test_unknown_unit_by_hand(run: Call) -> None:
    status, said = run("--unit", "volts")
    assert status == 2
    assert "command line: stream.unit: got 'volts', input should be '', 'V', 'mV', 'uV' or 'nV'" in said


# -- addresses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--pub", "--control"])
def test_port_in_use(run: Call, flag: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        status, said = run(flag, address)
    assert status == 7
    assert f"{address} is in use by process" in said
    assert f"choose another port with {flag}" in said


@pytest.mark.parametrize("flag", ["--pub", "--control"])
def test_address_off_loopback(run: Call, flag: str) -> None:
    status, said = run(flag, "tcp://0.0.0.0:0")
    assert status == 2
    assert "tcp://0.0.0.0:0 can be reached from the network" in said
    assert "use tcp://127.0.0.1:PORT, or say insecure = true" in said


def test_address_that_is_none(run: Call) -> None:
    status, said = run("--pub", "localhost")
    assert status == 2
    assert "--pub: address is 'localhost', need tcp://HOST:PORT" in said


# -- recipes, configuration, profiles ------------------------------------------------------------------


def test_unknown_paradigm_names_the_known(call: Call) -> None:
    status, said = call("run", "--paradigm", "moter_imagery", "--pub", ANY_PORT, "--control", ANY_PORT)
    assert status == 2
    assert re.search(
        r"error: paradigms: no recipe 'moter_imagery', have [^;]*motor_imagery.*; give one of these \(motor_imagery\?\), or the path",
        said,
    )


def test_unknown_engine(run: Call) -> None:
    status, said = run("--engine-recipe", "no_such_engine")
    assert status == 2
    assert "engines: no recipe 'no_such_engine', have " in said


def test_unknown_back_end(run: Call) -> None:
    status, said = run("--engine", "tensorflow")
    assert status == 2
    assert (
        "engine.backend: got 'tensorflow', input should be 'auto', 'onnxruntime', 'openvino', 'torch', 'onnxruntime-cuda', 'tensorrt' or 'tensorrt_rtx'"
        in said
    )


def test_misspelt_keys_are_told_all_at_once(call: Call, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text(
        'paradigmm = "motor_imagery"\n[stream]\nsorce_id = "x"\ntimeout_s = -1\n[watch]\nlost_s = 0.5\nzzzzz = 1\n'
    )
    status, said = call("run", "--config", str(config))
    assert status == 2
    lines = {line.removeprefix("error: ").removeprefix(f"{config}: ") for line in said.splitlines()}
    assert lines == {
        "paradigmm: unknown key; did you mean 'paradigm'?",
        "stream.sorce_id: unknown key; did you mean 'source_id'?",
        "stream.timeout_s: got -1, input should be greater than 0",
        "watch.zzzzz: unknown key; remove it",
    }


def test_configuration_that_is_not_toml(call: Call, tmp_path: Path) -> None:
    config = tmp_path / "my.toml"
    config.write_text("paradigm = motor_imagery\n")
    status, said = call("run", "--config", str(config))
    assert status == 2
    assert f"{config}: is not valid TOML: " in said
    assert "line 1" in said


def test_missing_configuration(call: Call, tmp_path: Path) -> None:
    status, said = call("run", "--config", str(tmp_path / "none.toml"))
    assert status == 2
    assert f"{tmp_path / 'none.toml'}: no such file, need a TOML file; check the path" in said


def test_misspelt_key_in_a_recipe(call: Call, tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path)
    recipe = paradigm / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("low_hz", "lo_hz").replace("hop_s = 0.0625", "hop_s = 2.0"))
    status, said = call(
        "run", "--paradigm", str(paradigm), "--no-record", "--pub", ANY_PORT, "--control", ANY_PORT
    )
    assert status == 2
    assert f"{recipe}: stages.0.lo_hz: unknown key; did you mean 'low_hz'?" in said
    assert f"{recipe}: stages.0.low_hz: missing, need a value" in said
    assert f"{recipe}: window: hop_s is 2, must not exceed length_s = 0.5" in said


def test_missing_profile(run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    status, said = run("--profile", "nobody")
    assert status == 6
    folder = tmp_path / "data" / "rtbci" / "profiles" / "tiny"
    assert (
        f"profile 'nobody': is neither a folder with a profile.json nor a user with a profile in {folder}"
        in said
    )


def test_profile_of_another_paradigm(run: Call, tmp_path: Path) -> None:
    other = write_paradigm(tmp_path / "other", window_s=1.0, labels=("C3", "C4"))
    profile = write_tiny_profile(tmp_path / "profile", other)
    status, said = run("--profile", str(profile))
    assert status == 6
    assert (
        "profile of 'ada', generation 1: does not fit paradigm 'tiny': channels ('C3', 'C4'), need ('C3', 'CZ', 'C4'); "
        "window_s 1.0, need 0.5; calibrate again, or use another profile" in said
    )


def test_profile_that_was_cut_short(run: Call, tmp_path: Path) -> None:
    profile = write_tiny_profile(tmp_path / "profile", tmp_path / "tiny" / "paradigm")
    weights = profile / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    status, said = run("--profile", str(profile))
    assert status == 6
    assert "the file was changed or cut short; take the previous generation, or calibrate again" in said


def test_engine_file_that_is_missing(run: Call, tmp_path: Path) -> None:
    (tmp_path / "tiny" / "engine" / "engine.onnx").unlink()
    status, said = run()
    assert status == 6
    assert "engine.onnx: No such file or directory, need an ONNX file; export or install it again" in said


# -- replay --------------------------------------------------------------------------------------------


def test_replay_of_no_file(call: Call, tmp_path: Path) -> None:
    status, said = call("replay", str(tmp_path / "S001R04.edf"))
    assert status == 5
    assert f"error: {tmp_path / 'S001R04.edf'}: no such file" in said.replace("replay: ", "")


def test_replay_of_something_else(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "recording.edf"
    path.write_bytes(b"%PDF-1.7 this is a letter" * 100)
    status, said = call("replay", str(path))
    assert status == 5
    assert str(path) in said


def test_replay_of_an_unknown_kind(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "letter.docx"
    path.write_bytes(b"PK\x03\x04")
    status, said = call("replay", str(path))
    assert status == 5
    assert str(path) in said


@pytest.mark.data
@needs_data
def test_replay_of_a_truncated_file(call: Call, tmp_path: Path) -> None:
    whole = (data_dir() / "eegmmidb" / "raw" / "S007R12.edf").read_bytes()
    path = tmp_path / "S007R12.edf"
    path.write_bytes(whole[:9000])  # the header is longer
    status, said = call("replay", str(path))
    assert status == 5
    assert str(path) in said
    assert "cut" in said or "truncated" in said or "ends" in said


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "nan", ""])
def test_replay_at_an_impossible_speed(call: Call, speed: str) -> None:
    status, said = call("replay", "x.edf", f"--speed={speed}")
    assert status == 2
    assert f"--speed: got '{speed}', need a number above 0 or 'max'; 1 is real time" in said


def test_unknown_dataset(call: Call) -> None:
    status, said = call("replay", "--dataset", "nonsense:7")
    assert status == 2
    assert "nonsense" in said
    assert "eegbci" in said  # names the known ones


def test_replay_of_nothing(call: Call) -> None:
    status, said = call("replay")
    assert status == 2
    assert "replay: need either a FILE or --dataset NAME:SUBJECT, one of them; see --help" in said


# -- the command line itself ---------------------------------------------------------------------------


def test_unknown_option(call: Call) -> None:
    status, said = call("run", "--paradigma", "x")
    assert status == 2
    assert "No such option: --paradigma" in said
    assert "--paradigm" in said


def test_from_outside_it_is_one_message_and_a_status() -> None:
    command = [sys.executable, "-m", "rtbci.cli", "run", "--paradigm", "nothing_like_it"]
    command += ["--pub", ANY_PORT, "--control", ANY_PORT]
    end = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert end.returncode == 2
    assert end.stdout == ""
    assert end.stderr.startswith("error: paradigms: no recipe 'nothing_like_it'")
    assert len(end.stderr.splitlines()) == 1


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from rtbci.errors import ConfigError

    monkeypatch.setattr(
        sys, "argv", ["rtbci", "--debug", "run", "--paradigm", "nothing_like_it", "--pub", ANY_PORT]
    )
    with pytest.raises(ConfigError, match="no recipe 'nothing_like_it'"):
        cli.main()


# -- samples that are not finite -----------------------------------------------------------------------


def test_nan_is_told_and_counted(tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path)
    with SignalOutlet() as outlet, rtbci_run("--paradigm", paradigm, "--source-id", outlet.source_id) as run:
        run.wait_line("state: running")
        outlet.spoil(12)
        run.wait_line("samples that are not finite (NaN or Inf), left out")
        run.wait_line("state: running", n=2)
        status, said = run.end()
    assert status == 0, said
    states = re.findall(r"state: (\w+)", said)
    assert states == ["waiting", "warming_up", "running", "recovering", "running", "stopped"]
    assert "12 samples not finite" in said
