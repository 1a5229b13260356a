import errno
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer
import zmq
from rich.text import Text

from rtbci import cli
from rtbci.commands import error_lines
from rtbci.errors import ConfigError, FileFormatError, MissingPackageError, RtbciError
from rtbci.system.limits import OpenFiles

COMMANDS = (
    "run",
    "calibrate",
    "record",
    "replay",
    "amp",
    "chaos",
    "verify",
    "listen",
    "publish",
    "osc",
    "demo",
    "streams",
    "doctor",
    "monitor",
    "report",
    "latency",
    "eval",
    "control",
    "engine",
    "feedback",
    "flicker",
    "keys",
    "night",
    "profile",
    "session",
    "speller",
)


def call(monkeypatch: pytest.MonkeyPatch, *args: str) -> object:
    monkeypatch.setattr(sys, "argv", ["rtbci", *args])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_the_commands() -> None:
    group: Any = typer.main.get_command(cli.app)
    assert tuple(group.commands) == COMMANDS


def test_help_documents_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    for command in COMMANDS:
        assert f" {command} " in said
    assert "Exit status: 0 done, 2 wrong usage or configuration, 3 no stream" in said


def all_errors() -> list[type[RtbciError]]:
    found, left = [], [RtbciError]
    while left:
        found.append(left.pop())
        left += found[-1].__subclasses__()
    return found


@pytest.mark.parametrize("error", all_errors())
def test_every_exit_status_is_in_the_help(error: type[RtbciError]) -> None:
    assert f" {error.exit_code} " in f" {cli.EPILOG}".replace("status: ", "status:  ")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_a_text_for_every_option(command: str) -> None:
    group: Any = typer.main.get_command(cli.app)
    for parameter in group.commands[command].params:
        assert getattr(parameter, "help", None), f"{command} {parameter.name}"


def all_parameters() -> Iterator[tuple[str, Any]]:
    left: list[tuple[str, Any]] = [("rtbci", typer.main.get_command(cli.app))]
    while left:
        path, command = left.pop()
        left += [(f"{path} {name}", one) for name, one in getattr(command, "commands", {}).items()]
        yield from ((f"{path} {one.name}", one) for one in command.params)


def test_help_shows_all_of_every_text() -> None:
    """Words in square brackets would be taken for markup, and left out."""
    paths = []
    for path, parameter in all_parameters():
        assert parameter.help, path
        assert Text.from_markup(parameter.help).plain == parameter.help, path
        paths.append(path)
    assert {"rtbci run stream", "rtbci engine cache clear yes", "rtbci session list root"} <= set(paths)


def test_options_of_the_synthetic_amplifier_are_no_boards(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--brainflow", "cyton", "--channels", "C3,C4", "--seed", "1", "--name", "mine")
    assert call(monkeypatch, "amp", *given) == 2
    assert "amp: got --channels, --seed with --brainflow, need options of a board" in capsys.readouterr().err
    every = ("--seed", "0", "--rate", "250", "--line", "50", "--chunk", "8")  # as they are without
    assert call(monkeypatch, "amp", "--brainflow", "cyton", *every) == 2
    assert "got --rate, --seed, --line, --chunk with --brainflow" in " ".join(capsys.readouterr().err.split())


def test_a_board_takes_its_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    from rtbci.commands import amp as command

    seen: list[Any] = []
    monkeypatch.setattr(command, "brainflow_amp", lambda *given, **more: seen.append((given[1:], more)))
    given = ("--param", "serial_port=/dev/x", "--name", "mine", "--source-id", "7", "--duration", "2")
    assert call(monkeypatch, "amp", "--brainflow", "cyton", *given) == 0
    assert seen == [(("cyton", {"serial_port": "/dev/x"}, "mine", "7", 2.0), {"not_its": []})]


@pytest.mark.parametrize("seconds", ["-1", "0", "inf"])
def test_streams_are_not_looked_for_without_an_end(
    seconds: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "streams", "--timeout", seconds) == 2
    assert "Invalid value for '--wait' / '--timeout'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["demo", "doctor", "run", "amp", "listen", "chaos", "osc"])
def test_how_long_is_asked_by_one_word(command: str) -> None:
    group: Any = typer.main.get_command(cli.app)
    assert any("--duration" in one.opts for one in group.commands[command].params)


def test_what_an_interruption_broke_is_an_interruption(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As pybind11 tells of one while it loads a library, and as the back ends tell of that."""

    def interrupted() -> None:
        unloaded = ImportError("initialization failed")
        unloaded.__cause__ = KeyboardInterrupt()
        raise MissingPackageError("open_session: needs onnxruntime (initialization failed)") from unloaded

    monkeypatch.setattr(cli, "app", interrupted)
    assert call(monkeypatch, "run") == 130
    assert capsys.readouterr().err == ""


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.strip() == metadata.version("rtbci")


def rtbci_into(output: Any, *args: str) -> tuple[int, str]:
    """Exit status, and what is said on standard error, of a command whose standard output goes there."""
    command = [sys.executable, "-m", "rtbci.cli", *args]
    ended = subprocess.run(
        command, stdout=output, stderr=subprocess.PIPE, text=True, timeout=120, check=False
    )
    return ended.returncode, ended.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk by name, as Linux has it")
@pytest.mark.parametrize("args", [["session", "list"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_a_full_disk_behind_standard_output_is_one_line(args: list[str]) -> None:
    with open("/dev/full", "w") as full:
        status, said = rtbci_into(full, *args)
    assert (status, said) == (
        5,
        "error: standard output: No space left on device; free some, or write elsewhere\n",
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a full disk by name, as Linux has it")
@pytest.mark.parametrize(("args", "status"), [(["doctor", "--help"], 0), (["verify", "nothing-like-it"], 5)])
def test_standard_error_that_takes_nothing_changes_nothing(args: list[str], status: int) -> None:
    command = [sys.executable, "-m", "rtbci.cli", *args]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=full, timeout=120, check=False)
    assert ended.returncode == status


@pytest.mark.parametrize("args", [["session", "list"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_a_reader_that_has_gone_is_no_error(args: list[str]) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "w") as gone:
        assert rtbci_into(gone, *args) == (1, "")


def test_a_cache_that_cannot_be_written_is_no_warning_of_ours(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install '.[eval]'")
    (tmp_path / "file").touch()
    program = (
        "import sys; from rtbci import cli; cli._options(debug='--debug' in sys.argv); "
        "import matplotlib; matplotlib.get_cachedir()"
    )
    env = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    env |= {"XDG_CACHE_HOME": str(tmp_path / "file"), "XDG_CONFIG_HOME": str(tmp_path / "file")}

    def said(*args: str) -> str:
        command = [sys.executable, "-c", program, *args]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True, env=env
        ).stderr

    assert said() == ""
    assert "MPLCONFIGDIR" in said("--debug")


def test_no_arguments_is_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch) in (0, 2)
    captured = capsys.readouterr()
    assert "doctor" in captured.out + captured.err


@pytest.mark.parametrize(
    ("error", "status"), [(ConfigError("[/bold] x: y"), 2), (RtbciError("x"), 1), (KeyboardInterrupt(), 130)]
)
def test_how_errors_end(
    error: BaseException,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert call(monkeypatch, "run") == status
    captured = capsys.readouterr()
    assert captured.out == ""
    if isinstance(error, RtbciError):
        assert captured.err == f"error: {error}\n"  # brackets are no markup


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/[b]"), "a/[b]: No space left on device, need "),
        (
            OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"),
            "b: Invalid cross-device link, need ",
        ),
        (OSError("odd"), "system: odd, need "),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert call(monkeypatch, "run") == 5
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {said}")
    monkeypatch.setattr(sys, "argv", ["rtbci", "--debug", "run"])
    with pytest.raises(type(error)):
        cli.main()


def test_what_a_pipe_cannot_encode_is_no_traceback() -> None:
    """As under a locale of Latin-1, or in a pipe on Windows."""
    done = subprocess.run(
        [sys.executable, "-c", "from rtbci import cli; cli.app = lambda: print('5 \\xb5V'); cli.main()"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.strip() == b"5 ?V"


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("can't start new thread"), "threads"),
        (OSError(errno.ENFILE, "Too many open files in system", "session.xdf"), "open files and sockets"),
    ],
)
def test_what_there_is_no_more_of_is_one_line(
    error: Exception, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert call(monkeypatch, "run") == 1
    assert capsys.readouterr().err.startswith(
        f"error: system: no more {what} for this program, need more; close"
    )


@pytest.mark.parametrize(
    "error",
    [
        zmq.ZMQError(errno.EMFILE),
        OSError(errno.EMFILE, "Too many open files", "session.xdf"),
        FileFormatError("recipe.toml: cannot be read; check the path and its permissions"),
    ],
)
def test_of_open_files_the_limit_is_told_whoever_met_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        if isinstance(error, FileFormatError):
            raise error from OSError(errno.EMFILE, "Too many open files", "recipe.toml")
        raise error

    monkeypatch.setattr(error_lines, "open_files", lambda: OpenFiles(256, None))
    monkeypatch.setattr(cli, "app", fail)
    assert call(monkeypatch, "run") == 1
    assert capsys.readouterr().err == (
        "error: system: no more open files and sockets for this program, which may have 256, need more; `ulimit -n 1024` in the "
        "shell that it is started from\n"
    )


LOADED = """
import sys

class Pressed:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Pressed())
from importlib.metadata import EntryPoint
EntryPoint("rtbci", sys.argv[1], "").load()()
"""


def test_ctrl_c_while_it_is_being_loaded_is_no_traceback() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    command = [sys.executable, "-c", LOADED, project["scripts"]["rtbci"]]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "argv", ["rtbci", "run"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_flags_reach_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    from rtbci.commands import run as command

    seen = []
    monkeypatch.setattr(command, "run", lambda config, console: seen.append(config))
    flags = ["--paradigm", "p", "--user", "ada", "--profile", "q", "--stream", "s", "--source-id", "i"]
    flags += [
        "--markers",
        "none",
        "--unit",
        "mV",
        "--ignore",
        "C5, t7",
        "--wait",
        "--timeout",
        "3",
        "--duration",
        "4",
    ]
    flags += ["--engine", "tensorrt_rtx", "--precision", "fp16", "--wait-engine", "--engine-recipe", "e"]
    flags += ["--pub", "tcp://127.0.0.1:1"]
    flags += ["--control", "tcp://127.0.0.1:2", "--format", "msgpack", "--lsl-outlet", "--insecure"]
    flags += ["--follow", "--adapt", "--record", "d", "--no-record"]
    assert call(monkeypatch, "run", *flags) == 0
    (config,) = seen
    assert (config.paradigm, config.user, config.profile, config.duration_s) == ("p", "ada", "q", 4.0)
    assert config.follow
    assert config.adapt is not None
    assert config.adapt.enabled
    stream = config.stream
    assert (stream.name, stream.source_id, stream.markers, stream.unit) == ("s", "i", "none", "mV")
    assert stream.ignore == ("C5", "t7")
    assert (stream.wait, stream.timeout_s) == (True, 3.0)
    engine = config.engine
    assert (engine.backend, engine.precision, engine.wait) == ("tensorrt_rtx", "fp16", True)
    assert engine.recipe == "e"
    assert (config.record.folder, config.record.enabled) == ("d", False)
    publish = config.publish
    assert (publish.address, publish.control) == ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2")
    assert (publish.format, publish.lsl_outlet, publish.insecure) == ("msgpack", True, True)


def test_threads_of_the_blas_are_limited_before_numpy_is_loaded() -> None:
    script = (
        "import os, sys\n"
        "from rtbci import cli\n"
        "assert 'numpy' not in sys.modules\n"
        "cli._options()\n"
        "import numpy\n"
        "from threadpoolctl import threadpool_info\n"
        "print([pool['num_threads'] for pool in threadpool_info()])\n"
    )
    env = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    end = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert end.returncode == 0, end.stderr
    assert set(end.stdout.strip()) <= set("[1, ]")


class NoLibrary:
    """Finds pylsl, which then finds no liblsl: its wheel for this system brings none."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pylsl":
            raise RuntimeError("LSL binary library file was not found.\n Please make sure")


def test_without_liblsl_no_command_runs_and_what_to_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [NoLibrary(), *sys.meta_path])
    for name in [one for one in sys.modules if one.split(".")[0] == "pylsl"] + ["rtbci.stream.lsl_log"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(
        MissingPackageError, match=r"not found. Please make sure\), need liblsl 1.16.*PYLSL_LIB"
    ):
        cli.app(["streams"], standalone_mode=False)
