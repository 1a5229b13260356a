"""Encoders that somebody else wrote: found, made, run, and named when they fail."""

from pathlib import Path

import numpy as np
import pytest

from rtbci.backends.gate import reference_name
from rtbci.backends.open_engine import EngineRequest, open_engine
from rtbci.backends.plugin import find_plugin, list_plugins
from rtbci.backends.plugin_session import PluginSession, open_plugin
from rtbci.commands.engine_check import check
from rtbci.commands.profile_output import Output
from rtbci.errors import ConfigError, EngineError
from rtbci.recipes import read_engine
from rtbci.runtime.engine_opener import open_checked
from tests.plugin_samples import LOUDER, install, write_plugin_engine

X = np.random.default_rng(0).standard_normal((1, 3, 64)).astype(np.float32)
POINTS = {"rtbci.encoders": {"louder": "loud_pkg:Louder"}}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path / "site", monkeypatch, "loud_pkg", LOUDER, POINTS)
    return write_plugin_engine(tmp_path / "engine", "louder")


def opened(engine: Path) -> PluginSession:
    return open_plugin(read_engine(str(engine)))


def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, version: str = "1.0") -> None:
    code = f"import numpy as np\nclass Louder:\n    n = 0\n    def __init__(self, contract): pass\n{body}"
    install(tmp_path / "site", monkeypatch, "loud_pkg", code, POINTS, version=version)


def test_it_is_found_by_name_with_package_and_version(engine: Path) -> None:
    found = find_plugin("louder")
    assert (found.value, found.package, found.version) == ("loud_pkg:Louder", "loud_pkg", "1.0")
    assert str(found) == "louder of loud_pkg 1.0"
    assert found in list_plugins()


def test_it_runs_as_an_engine(engine: Path) -> None:
    session = opened(engine)
    wanted = np.log((X.astype(np.float64) ** 2).mean(axis=2) + 1e-6)[:, [0, 2]]
    np.testing.assert_allclose(session.run(X), wanted, rtol=1e-6)
    assert (session.backend, session.precision, session.device) == ("plugin", "fp32", "cpu")
    assert (session.input_shape, session.output_shape) == ((1, 3, 64), (1, 2))
    assert session.run(np.repeat(X, 4, axis=0)).shape == (4, 2)
    with pytest.raises(EngineError, match=r"louder of loud_pkg 1.0: input is \(1, 2, 64\) float32, need"):
        session.run(X[:, :2])
    session.close()
    session.close()
    with pytest.raises(EngineError, match="session is closed"):
        session.run(X)


def test_whatever_back_end_is_named_it_runs_as_itself(engine: Path) -> None:
    recipe, told = read_engine(str(engine)), list[str]()
    assert open_checked(recipe, "openvino", 1).backend == "plugin"
    assert open_engine(recipe, EngineRequest("openvino"), told.append).backend == "plugin"
    assert told == ["engine 'tiny': is the plug-in 'louder', which runs as itself"]
    assert reference_name(recipe) == "the plug-in, made once more"


def test_the_ids_say_what_runs(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = opened(engine), opened(engine)
    assert (first.network_id, first.engine_id) == (again.network_id, again.engine_id)
    install(tmp_path / "site", monkeypatch, "loud_pkg", LOUDER + "\n# changed\n", POINTS)
    changed = opened(engine)
    assert changed.network_id == first.network_id
    assert changed.engine_id != first.engine_id
    install(tmp_path / "site", monkeypatch, "loud_pkg", LOUDER, POINTS, version="1.1")
    assert opened(engine).network_id != first.network_id
    install(tmp_path / "site", monkeypatch, "loud_pkg", LOUDER, POINTS)
    assert opened(write_plugin_engine(engine, "louder", "a = 1")).network_id != first.network_id


def test_weights_are_handed_over_and_checked(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = engine / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('kind = "window"', 'kind = "window"\nweights = "w.bin"'))
    with pytest.raises(EngineError, match=r"w.bin: No such file.*need its weights"):
        opened(engine)
    (engine / "w.bin").write_bytes(b"1")
    first = opened(engine).network_id
    (engine / "w.bin").write_bytes(b"2")
    assert opened(engine).network_id != first
    recipe.write_text(recipe.read_text().replace('w.bin"', f'w.bin"\nweights_sha256 = "{"0" * 64}"'))
    with pytest.raises(EngineError, match=r"w.bin has sha256 .* its recipe says 000000000000"):
        opened(engine)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "    def run(self, x): return np.zeros((len(x), 3), np.float32)\n",
            r"gives \(1, 3\) float32, need \(1, 2\)",
        ),
        ("    def run(self, x): return np.zeros((len(x), 2), int)\n", r"gives \(1, 2\) int64"),
        ("    def run(self, x): return None\n", r"gives \(\) object"),
        ("    def run(self, x): raise ValueError('no signal')\n", "ValueError: no signal"),
        ("    def run(self, x): raise SystemExit(3)\n", "SystemExit: 3"),
        (
            "    def run(self, x): x[:] = 0; return x[:, :2, 0]\n",
            "ValueError: assignment destination is read-only",
        ),
        ("    x = 1\n", "has no method run"),
        (
            "    def run(self, x): pass\nraise OSError('gone')\n",
            r"cannot be imported from loud_pkg:Louder \(OSError: gone\)",
        ),
    ],
)
def test_what_fails_at_once_is_refused_by_name(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    broken(tmp_path, monkeypatch, body)
    with pytest.raises(EngineError, match=f"plug-in louder of loud_pkg 1.0: .*{said}"):
        opened(engine)


SILENT_FAILS = (
    "    def run(self, x):\n        if not x.any(): raise np.linalg.LinAlgError('singular\\n\\na page of advice')\n"
    "        return np.full((len(x), 2), 0.5, np.float32)\n"
)
"""As of many a pipeline: a covariance of zeros has no logarithm."""


def test_what_fails_on_silence_alone_is_opened(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(tmp_path, monkeypatch, SILENT_FAILS)
    session = opened(engine)
    assert session.run(X).tolist() == [[0.5, 0.5]]
    with pytest.raises(
        EngineError, match=r"^plug-in louder of loud_pkg 1.0: LinAlgError: singular; mend that"
    ) as told:
        session.run(0 * X)
    assert "\n" not in str(told.value)


def test_it_is_checked_on_what_looks_like_eeg(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken(tmp_path, monkeypatch, SILENT_FAILS)
    assert check([str(engine)], (), (), Output(json=False))
    printed = capsys.readouterr()
    said = " ".join((printed.out + printed.err).split())
    assert "passed" in said
    assert "fails on 8 windows that are silent, saturated or not a number (LinAlgError: singular)" in said
    now_and_then = SILENT_FAILS.replace("not x.any()", "x[0, 0, 0] > 20")
    broken(tmp_path, monkeypatch, now_and_then, version="1.1")
    assert not check([str(engine)], (), (), Output(json=False))
    assert "FAILED tiny on plugin in fp32: plug-in louder of loud_pkg 1.1: LinAlgError: singular" in " ".join(
        capsys.readouterr().out.split()
    )


def test_numpy_does_not_warn_of_silence_at_every_hop(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    body = "    def run(self, x):\n        return np.log(np.abs(x).max(axis=-1))[:, :2] * 0\n"
    broken(tmp_path, monkeypatch, body)
    with np.errstate(all="warn"):
        assert np.isnan(opened(engine).run(0 * X)).all()
        with pytest.warns(RuntimeWarning, match="divide by zero"):  # its own code elsewhere does as before
            np.log(np.zeros(1))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("gives", "meaning", "said"),
    [
        ("[0.4, 0.9]", "probs", r"gives \[0.4 0.9\] for noise, its recipe says probs; need .* the sum 1"),
        ("[-0.5, 1.5]", "probs", r"gives \[-0.5  1.5\] for noise"),
        (
            "[np.nan, 0.0]",
            "logits",
            r"gives \[nan  0.\] for noise, its recipe says logits; need finite numbers",
        ),
    ],
)
def test_numbers_that_are_not_what_the_recipe_says(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gives: str, meaning: str, said: str
) -> None:
    broken(tmp_path, monkeypatch, f"    def run(self, x): return np.tile(np.float32({gives}), (len(x), 1))\n")
    recipe = engine / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('"logits"', f'"{meaning}"'))
    with pytest.raises(EngineError, match=f"plug-in louder of loud_pkg 1.0: {said}"):
        opened(engine)


def test_what_is_not_a_number_is_a_failure_of_a_run(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(
        tmp_path,
        monkeypatch,
        "    def run(self, x):\n        self.n += 1\n        y = np.zeros((len(x), 2), np.float32)\n"
        "        return y if self.n < 2 else y / np.zeros_like(y)\n",  # numpy warns of it
    )
    session = opened(engine)
    session.tolerant = True
    assert np.isnan(session.run(np.full_like(X, np.nan))).all()
    assert session.n_failures == 0  # not-a-number in, not-a-number out
    assert np.isnan(session.run(X)).all()
    assert (session.n_failures, session.failure) == (1, "gives what is not a number")


def test_what_its_class_refuses_is_told(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "class Louder:\n    def __init__(self, contract): raise KeyError('frequencies_hz')\n    def run(self, x): pass\n"
    install(tmp_path / "site", monkeypatch, "loud_pkg", code, POINTS)
    with pytest.raises(EngineError, match=r"refuses engine 'tiny' \(KeyError: 'frequencies_hz'\)"):
        opened(engine)


def test_a_failure_while_it_runs(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(
        tmp_path,
        monkeypatch,
        "    def run(self, x):\n        self.n += 1\n        if self.n > 2: raise ValueError('lost')\n"
        "        return np.zeros((len(x), 2), np.float32)\n",
    )
    session = opened(engine)
    session.run(X)
    with pytest.raises(EngineError, match=r"louder of loud_pkg 1.0: ValueError: lost; mend that package"):
        session.run(X)
    session.tolerant = True
    assert np.isnan(session.run(X)).all()
    assert (session.n_failures, session.failure) == (2, "ValueError: lost")


def test_names_that_mean_nothing_or_two_things(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        ConfigError, match=r"plug-in 'quieter': is not installed, have .*louder.*rtbci.encoders"
    ):
        find_plugin("quieter")
    install(
        tmp_path / "site",
        monkeypatch,
        "other_pkg",
        LOUDER,
        {"rtbci.encoders": {"louder": "other_pkg:Louder"}},
    )
    with pytest.raises(ConfigError, match=r"brought by .*_pkg and .*_pkg, need one"):
        find_plugin("louder")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('plugin = "louder"', "", "neither onnx nor plugin"),
        ('plugin = "louder"', 'plugin = "louder"\nonnx = "a.onnx"', "need one of the two"),
        ('plugin = "louder"', 'onnx = "a.onnx"', "settings are for a plug-in"),
        ('plugin = "louder"', 'plugin = "a/b"', "plugin"),
    ],
)
def test_recipes_that_name_no_network_or_two(engine: Path, old: str, new: str, said: str) -> None:
    write_plugin_engine(engine, "louder", "a = 1")
    path = engine / "recipe.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=said):
        read_engine(str(engine))


def test_how_many_channels_must_be_said(engine: Path) -> None:
    path = engine / "recipe.toml"
    path.write_text(path.read_text().replace("n_channels = 3\n", ""))
    with pytest.raises(EngineError, match="neither channels nor n_channels"):
        opened(engine)
