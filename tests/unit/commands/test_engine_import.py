"""`rtbci engine import`, and what list, check and bench say of plug-ins; on stand-ins for braindecode."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtbci import cli
from rtbci.recipes import read_engine, read_paradigm
from rtbci.runtime.decoder import Decoder
from tests.braindecode_stand_in import install_stand_in
from tests.plugin_samples import LOUDER, install, write_plugin_engine
from tests.tiny import eeg, stream_info, write_paradigm

Call = Callable[..., tuple[object, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run `rtbci engine ARGUMENTS`; returns exit status, standard output and standard error."""
    install_stand_in(tmp_path / "site", monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))

    def run(*args: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["rtbci", "engine", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return end.value.code, " ".join(said.out.split()), " ".join(said.err.split())

    return run


def test_for_a_paradigm_that_then_decodes_with_it(call: Call, tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path / "tiny", meaning="logits")
    engine = tmp_path / "tiny" / "engine"
    status, said, told = call(
        "import", "--braindecode", "TinyNet", "--paradigm", paradigm, "--out", engine, "--torch"
    )
    assert status == 0, told
    assert "TinyNet: " in said
    assert "all weights are random: it decodes nothing until they are trained" in said
    recipe = read_engine(str(engine))
    assert (recipe.plugin, recipe.name, recipe.input.n_samples) == ("braindecode", "engine", 64)
    assert recipe.input.channels == read_paradigm(str(paradigm)).input.channels
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info())
        said_probs = [one.estimate.probs for one in decoder.push(eeg(500), np.arange(500) / 250.0)]
    assert sum(one is not None for one in said_probs) > 10
    status, said, _ = call("check", engine)
    assert status == 0
    assert "engine plugin fp32" in said
    assert "the plug-in, made once more" in said


def test_what_is_said_by_flags(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "own"
    flags = (
        "--channels",
        "c3,Cz,C4",
        "--rate",
        100,
        "--window",
        1.5,
        "--classes",
        3,
        "--set",
        "n_filters=6",
        "--scale",
        0.01,
    )
    status, said, told = call(
        "import",
        "--braindecode",
        "TinyNet",
        *flags,
        "--zscore",
        "--name",
        "mine",
        "--out",
        out,
        "--torch",
        "--json",
    )
    assert status == 0, told
    assert json.loads(said)["output_shape"] == [3]
    recipe = read_engine(str(out))
    assert (recipe.name, recipe.input.channels, recipe.input.n_samples) == ("mine", ("C3", "CZ", "C4"), 150)
    assert recipe.settings == {
        "model": "TinyNet",
        "options": {"n_filters": 6},
        "gain": 0.01,
        "zscore": True,
        "output": "logits",
        "n_outputs": 3,
    }


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rate", 100, "--window", 1, "--classes", 2), "needs --channels, or a --paradigm that says it"),
        (("--channels", "C3", "--rate", 100, "--classes", 2), "needs --window"),
        (("--channels", "C3,X9", "--rate", 100, "--window", 1, "--classes", 2), "X9 not in the 10-05 system"),
        (("--paradigm", "motor_imagery", "--set", "F1"), "need KEY=VALUE"),
        (("--paradigm", "motor_imagery", "--output", "both"), "output"),
        (("--paradigm", "motor_imagery", "--weights", "a", "--hub", "b/c"), "need one of them"),
        (("--paradigm", "motor_imagery", "--weights", "gone.pt"), "gone.pt: cannot be read"),
    ],
)
def test_what_cannot_be_imported(call: Call, tmp_path: Path, flags: tuple[object, ...], said: str) -> None:
    status, _, told = call("import", "--braindecode", "TinyNet", *flags, "--out", tmp_path / "own", "--torch")
    assert status not in (0, None)
    assert said in told
    assert not (tmp_path / "own").exists()


def test_list_and_bench(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "rtbci.encoders": {"louder": "listed_pkg:Louder"},
        "rtbci.engines": {"tiny_louder": "listed_pkg.engine"},
    }
    folder = install(tmp_path / "site", monkeypatch, "listed_pkg", LOUDER, points)
    write_plugin_engine(folder / "engine", "louder")
    status, said, _ = call("list", "--json")
    assert status == 0
    listed = json.loads(said)
    assert {
        "name": "louder",
        "value": "listed_pkg:Louder",
        "package": "listed_pkg",
        "version": "1.0",
    } in listed["plugins"]
    assert any(one["plugin"] == "louder" for one in listed["engines"])
    status, said, _ = call("list")
    assert status == 0
    assert "plug-in louder" in said
    status, _, told = call("bench", "tiny_louder")
    assert status == 2
    assert "is the plug-in 'louder', need an ONNX file to compare back ends on" in told
    status, _, told = call("build", "tiny_louder", "--backend", "tensorrt_rtx")
    assert status not in (0, None)
