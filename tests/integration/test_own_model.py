"""docs/own_model.md, as printed: windows, cross-validation, a pipeline as an engine, and that it says live what it said offline."""

import importlib
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtbci import Decoder, read_recordings, windows
from rtbci.commands.engine_check import check
from rtbci.commands.profile_output import Output
from rtbci.errors import ConfigError, EngineError
from rtbci.record.session_json import read_session_json
from rtbci.replay.recording import Recording
from rtbci.stream.recording import RecordingSource
from rtbci.verify.verify import verify
from tests.chaos_samples import scenario
from tests.data_paths import data_dir, needs_data
from tests.plugin_samples import install
from tools.simulated_session import record_session

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "own_model"
PAGE = (ROOT / "docs" / "own_model.md").read_text(encoding="utf-8")
FILES = {
    "own_model.py": "python",
    "pyproject.toml": "toml",
    "paradigm/recipe.toml": "toml",
    "engine/recipe.toml": "toml",
}
CODE = (EXAMPLE / "own_model.py").read_text(encoding="utf-8")
POINTS = {"rtbci.encoders": {"own_model": "own_model:OwnModel"}}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return found


def outputs() -> list[str]:
    """What the page shows that its code prints: indented blocks that are no commands."""
    lines = re.findall(r"^    (.+)$", PAGE, re.MULTILINE)
    return [one for one in lines if re.match(r"LabelledWindows|\(\)|[\d.]+ % of|largest", one)]


@pytest.mark.parametrize("name", FILES)
def test_the_page_prints_the_example(name: str) -> None:
    assert (EXAMPLE / name).read_text(encoding="utf-8") in blocks(FILES[name])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the example and three recordings, in which its package is installed."""
    shutil.copytree(EXAMPLE, tmp_path / "own_model", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (data_dir() / "eegmmidb" / "raw").glob("S007R*.edf"):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    install(tmp_path / "site", monkeypatch, "own_model", CODE, POINTS)
    yield tmp_path
    sys.modules.pop("own_model", None)


def trained(place: Path) -> dict[str, Any]:
    """Run the page up to where its engine has weights."""
    known: dict[str, Any] = {}
    for code in blocks("python"):
        if code != CODE:
            exec(compile(code, "docs/own_model.md", "exec"), known)
        if "np.savez" in code:
            break
    assert (place / "own_model" / "engine" / "training.npz").is_file()
    return known


@needs_data
@pytest.mark.data
def test_the_page_runs_as_printed_and_live_says_what_the_pipeline_says(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known: dict[str, Any] = {}
    printed = [code for code in blocks("python") if code != CODE]
    for code in printed:
        with warnings.catch_warnings():
            if "torch.onnx" in code:
                warnings.simplefilter("ignore")  # of the exporter about itself
            exec(compile(code, "docs/own_model.md", "exec"), known)
    said = capsys.readouterr().out.splitlines()
    *wanted, difference = outputs()
    assert said[: len(wanted)] == wanted
    assert difference.startswith("largest difference of a probability ")
    test, offline, live = known["test"], known["offline"], known["live"]
    assert len(test) == 15
    np.testing.assert_allclose(live, offline, atol=1e-6)
    assert np.abs(offline[:, 0] - 0.5).max() > 0.2  # it says something
    # Every window of a recording, not only those of cues.
    every = windows("own_model/paradigm", [known["recording"]])
    wanted_probs = known["pipeline"].predict_proba(every.x.astype(float))
    by_time = {one.estimate.t_window[1]: one.estimate.probs for one in known["verdicts"]}
    np.testing.assert_allclose([by_time[t] for t in every.t_newest], wanted_probs, atol=1e-6)
    check_network(place, known)


def check_network(place: Path, known: dict[str, Any]) -> None:
    """The page's network as an engine, as the page says: it says live what torch says."""
    torch = importlib.import_module("torch")
    recipe = place / "own_model" / "engine" / "recipe.toml"
    text = recipe.read_text(encoding="utf-8").replace(
        'plugin = "own_model"\nweights = "training.npz"', 'onnx = "network.onnx"'
    )
    recipe.write_text(text.replace('meaning = "probs"', 'meaning = "logits"'), encoding="utf-8")
    test = known["test"]
    with torch.inference_mode():
        wanted = torch.softmax(known["network"](torch.from_numpy(test.x)), dim=1).numpy()
    with Decoder("own_model/paradigm") as decoder:
        verdicts = decoder.decode(known["recording"])
    by_time = {one.estimate.t_window[1]: np.asarray(one.estimate.probs) for one in verdicts}
    np.testing.assert_allclose([by_time[t] for t in test.t_newest], wanted, atol=1e-4)


@needs_data
@pytest.mark.data
def test_it_is_checked_recorded_verified_and_its_session_trained_on(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(place)
    assert check(["own_model/engine"], (), (), Output(json=False))
    assert "says" not in capsys.readouterr().out
    shown = read_recordings("S007R12.edf")[0].crop(0.0, 21.0)

    def played(folder: str, recording: Recording = shown) -> Any:
        return record_session(
            place / folder,
            scenario(duration_s=20.0),
            lambda clock: RecordingSource(
                recording.info,
                recording.data,
                recording.markers,
                realtime=True,
                clock=clock,
                sleep_until=clock.sleep_until,
            ),
            {"paradigm": "own_model/paradigm"},
        )

    assert played("session").error is None
    found = verify(place / "session")
    assert (found.verdict, found.exact, found.first) == ("identical", True, None)
    again = windows("own_model/paradigm", read_recordings(place / "session"))
    direct = windows("own_model/paradigm", [shown.crop(0.0, 20.0)])
    assert again.y.tolist() == direct.y[: len(again)].tolist()
    assert len(again) > 0

    failing = CODE.replace(
        "        return np.asarray(",
        "        if x[0, 0, 0] > 3: raise ValueError('lost')\n        return np.asarray(",
    )
    (place / "own_model" / "own_model.py").write_text(
        failing, encoding="utf-8"
    )  # the page's code put it first on the path
    install(place / "site", monkeypatch, "own_model", failing, POINTS)
    outcome = played("failing")
    assert outcome.error is None
    told = [one for one in outcome.messages if getattr(one, "kind", "") == "plugin_failed"]
    assert [one.data["reason"] for one in told][:1] == ["ValueError: lost"]
    ended = [read_session_json(place / name).ended for name in ("session", "failing")]
    assert ended[0] is not None
    assert ended[1] is not None
    assert ended[0].n_samples == ended[1].n_samples > 3000


@needs_data
@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "old", "new", "error", "said"),
    [
        (
            "paradigm/recipe.toml", '"FC3", "FC1",', '"FC1", "FC3",', ConfigError,
            r"engine 'own_model': is compiled for \['FC3', 'FC1', .* need the same channels in the same order",
        ),
        (
            "paradigm/recipe.toml", '"right_hand"]', '"right_hand", "feet"]', ConfigError,
            r"engine 'own_model': gives 2 numbers, paradigm 'own_model_hands' has 3 classes \(left_hand, right_hand, feet\)",
        ),
        (
            "engine/recipe.toml", "shape = [2]", "shape = [3]", EngineError,
            r"plug-in own_model of own_model 1.0: gives \(1, 2\) float64, need \(1, 3\) float32",
        ),
        (
            "engine/recipe.toml", '"training.npz"', '"other.npz"', EngineError,
            r"other.npz: No such file or directory, need its weights",
        ),
        (
            "engine/recipe.toml", "rate_hz = 128.0", "rate_hz = 256.0", EngineError,
            r"refuses engine 'own_model' \(ValueError: was trained on FC3, FC1, .* at 128.0 Hz\)",
        ),
        (
            "engine/recipe.toml", 'plugin = "own_model"', 'plugin = "own_modl"', ConfigError,
            r"plug-in 'own_modl': is not installed, have .*own_model",
        ),
    ],
    ids=["order", "classes", "shape", "weights", "rate", "name"],
)  # fmt: skip
def test_mistakes_are_refused_at_the_start_in_one_line(
    place: Path, file: str, old: str, new: str, error: type[Exception], said: str
) -> None:
    trained(place)
    path = place / "own_model" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(error, match=said) as told:
        Decoder("own_model/paradigm")
    assert "\n" not in str(told.value)
