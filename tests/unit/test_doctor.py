import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import save_file

from rtbci import doctor
from rtbci.backends.golden import golden_difference
from rtbci.backends.registry import open_session
from rtbci.commands import doctor as command
from rtbci.commands.profile_output import Output
from rtbci.config import RunConfig
from rtbci.doctor import Finding, examine
from rtbci.errors import EngineError
from rtbci.installing import pip_extra, pip_install
from rtbci.recipes import find, read_engine
from tests.tiny import write_engine


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing of this computer's own but Python; recipes in an empty folder."""
    found = Finding("LSL on this computer", "ok", "not looked at")
    monkeypatch.setattr(doctor, "_lsl_loopback", lambda: found)
    monkeypatch.setattr(find, "recipes_root", lambda: tmp_path)
    return tmp_path


def with_golden(engine: Path, error: float = 0.0) -> Path:
    session = open_session(engine / "engine.onnx")
    x = np.random.default_rng(0).standard_normal((2, *session.input_shape[1:])).astype(np.float32)
    y = np.concatenate([session.run(one[None]) for one in x]) + np.float32(error)
    session.close()
    save_file({"input": x, "output": y.astype(np.float32)}, engine / "golden.safetensors")
    recipe = engine / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("onnx =", 'golden = "golden.safetensors"\nonnx ='))
    return engine


def findings(addresses: dict[str, str] | None = None) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(addresses or {})}


def test_every_finding_is_one_line_and_bad_ones_have_a_remedy(quick: Path) -> None:
    found = findings({"publish": "tcp://127.0.0.1:1"})
    assert {"Python", "liblsl", "clock", "ONNX Runtime", "cache", "address publish", "torch"} <= set(found)
    for finding in found.values():
        assert "\n" not in finding.detail
        assert finding.detail
        assert finding.remedy or finding.verdict in ("ok", "absent")


@pytest.mark.net
def test_a_free_port_and_one_in_use(quick: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = findings({"publish": f"tcp://127.0.0.1:{port}", "control": "ipc:///tmp/x"})
    assert found["address publish"].verdict == "warning"
    assert "cannot be bound" in found["address publish"].detail
    assert "another `rtbci run`?" in found["address publish"].remedy
    assert found["address control"].verdict == "ok"
    with socket.create_server(("127.0.0.1", 0)) as freed:
        port = freed.getsockname()[1]
    assert findings({"publish": f"tcp://127.0.0.1:{port}"})["address publish"].verdict == "ok"


def test_engines_are_run(quick: Path) -> None:
    with_golden(write_engine(quick / "engines" / "good"))
    with_golden(write_engine(quick / "engines" / "off", gain=2.0), error=1e-3)
    write_engine(quick / "engines" / "without")
    broken = with_golden(write_engine(quick / "engines" / "broken"))
    (broken / "engine.onnx").write_bytes(b"no engine")
    found = findings()
    assert found["engine good"].verdict == "ok"
    assert "golden output reproduced within 0.0e+00 (limit 1e-05)" in found["engine good"].detail
    assert found["engine off"].verdict == "failure"
    assert "reproduced within 1.0e-03" in found["engine off"].detail
    assert "names no golden numbers" in found["engine without"].detail
    assert "cannot load it" in found["engine broken"].detail


def test_golden_numbers_that_cannot_be_read(tmp_path: Path) -> None:
    engine = with_golden(write_engine(tmp_path / "engine"))
    save_file({"x": np.zeros(1, np.float32)}, engine / "golden.safetensors")
    with pytest.raises(EngineError, match=r"golden\.safetensors: cannot be read .*; install it again"):
        golden_difference(read_engine(str(engine)))
    (engine / "golden.safetensors").unlink()
    with pytest.raises(EngineError, match="cannot be read"):
        golden_difference(read_engine(str(engine)))


def test_an_old_liblsl(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    import pylsl

    monkeypatch.setattr(pylsl, "library_version", lambda: 113)
    finding = findings()["liblsl"]
    assert (finding.verdict, finding.remedy) == (
        "warning",
        f"{pip_install('--upgrade', 'pylsl')} (it brings liblsl)",
    )
    assert "liblsl 1.13" in finding.detail


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=5e8))
    finding = findings()["cache"]
    assert (finding.verdict, finding.remedy) == ("warning", "free some disk space")


def test_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    monkeypatch.setattr(doctor, "OPTIONAL", {"no_such_package": ("nothing", "train")})
    finding = findings()["no_such_package"]
    assert (finding.verdict, finding.detail) == (
        "absent",
        f"not installed (only for nothing: {pip_extra('train')})",
    )


def test_a_check_that_breaks_is_a_failure(monkeypatch: pytest.MonkeyPatch, quick: Path) -> None:
    def _clock() -> Finding:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(doctor, "_clock", _clock)
    finding = findings()["clock"]
    assert (finding.verdict, finding.detail) == ("failure", "ZeroDivisionError: a bug")


@pytest.mark.net
def test_it_finds_its_own_outlet() -> None:
    finding = doctor._lsl_loopback()
    assert finding.verdict == "ok", finding
    assert "own outlet found in" in finding.detail


def test_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, quick: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console(soft_wrap=True)
    assert command.doctor(RunConfig(), console, Output(json=False))
    broken = with_golden(write_engine(quick / "engines" / "broken"), error=1.0)
    assert not command.doctor(RunConfig(), console, Output(json=False))
    said = capsys.readouterr().out
    assert "rtbci can run here: 0 failures" in said
    assert f"FAIL engine {broken.name}: golden output" in said
    assert "     -> install rtbci again: the engine is damaged" in said
    assert "rtbci cannot run here: 1 failure," in said
