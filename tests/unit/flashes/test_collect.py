"""Cued items taken from a running stream, and what the command line makes of them."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rtbci.commands.calibrate_base import Request
from rtbci.commands.calibrate_flashes import calibrate_flashes
from rtbci.commands.eval import judge
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError, ConfigError
from rtbci.evaluate.data import FileReader
from rtbci.evaluate.plan import Plan
from rtbci.flashes.collect import FlashCollector
from rtbci.flashes.epochs import cut_epochs
from rtbci.probe.profile import read_profile, write_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from tests.flash_samples import attended, fitted, write_flash_paradigm


@pytest.fixture
def paradigm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    folder = write_flash_paradigm(tmp_path / "tiny_flash", population=True)
    write_profile(folder / "population", fitted(folder))
    return folder


def played(collector: FlashCollector, recording: Recording, n_chunk: int = 32) -> int:
    """Push a recording with its markers until there is enough; how many samples that took."""
    collector.open(recording.info)
    t_s, markers = recording.sample_times(), list(recording.markers)
    for i in range(0, len(t_s), n_chunk):
        while markers and markers[0].t_lsl <= t_s[min(i + n_chunk, len(t_s)) - 1]:
            collector.mark(markers.pop(0))
        collector.push(recording.data[i : i + n_chunk], t_s[i : i + n_chunk])
        if collector.enough.is_set():
            return i + n_chunk
    return len(t_s)


def test_it_has_enough_when_the_last_windows_are_there(paradigm: Path) -> None:
    recording, lines = attended("dab", seed=4), list[str]()
    recipe = read_paradigm(str(paradigm))
    with FlashCollector(recipe, 2, lines.append) as collector:
        n = played(collector, recording)
        found = collector.collected()
    assert lines == ["item 1 of 2: d, 24 flashes", "item 2 of 2: a, 24 flashes"]
    (t_end,) = [one.t_lsl for one in recording.markers if one.value == "trial/end"][1:2]
    assert t_end < n / 128.0 < t_end + 1.0
    expected = cut_epochs([recording], recipe)
    assert found.flashes == expected.flashes[:48]
    assert abs(found.epochs - expected.epochs[:48]).max() < 1e-9


def test_nothing_with_a_cue_is_told(paradigm: Path) -> None:
    with FlashCollector(read_paradigm(str(paradigm)), 2) as collector:
        played(collector, attended("d", with_cues=False))
        with pytest.raises(CalibrationError, match=r"no flash with a cue has come, markers were flash/c1"):
            collector.collected()


def calibrated(
    paradigm: Path, monkeypatch: pytest.MonkeyPatch, recording: Recording, **more: Any
) -> tuple[Path, str]:
    monkeypatch.setattr("rtbci.commands.calibrate_flashes.read_recordings", lambda _path: [recording])
    shown = Console(file=io.StringIO(), width=80)
    request = Request(files=(Path("mine.xdf"),), **more)
    config = RunConfig(paradigm=str(paradigm), user="ada")
    folder = calibrate_flashes(config, request, read_paradigm(str(paradigm)), shown)
    assert isinstance(shown.file, io.StringIO)
    return folder, shown.file.getvalue()


def test_a_profile_is_written_and_decodes(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, text = calibrated(paradigm, monkeypatch, attended("abcd", seed=5))
    assert "4 of 4 [51, 100 %]" in text
    assert "generation 1" in text
    assert read_profile(folder).montage == ["CZ", "PZ", "OZ"]
    assert read_profile(folder).user == "ada"


def test_at_chance_no_profile_is_written(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = attended("abcdabcd", seed=5, height_uv=0.0)
    with pytest.raises(CalibrationError, match=r"told with AUC 0\.\d+ .*cannot be told from chance"):
        calibrated(paradigm, monkeypatch, recording)
    folder, _ = calibrated(paradigm, monkeypatch, recording, anyway=True)
    assert folder.name == "0001"  # the first one: nothing was written before


@pytest.mark.parametrize(
    ("request_", "match"),
    [
        (Request(cues="terminal"), "--cues: got 'terminal', need page or markers where items flash"),
        (
            Request(cues="markers", resume=True),
            "got --resume, --map, which flashes have no use for",
        ),
    ],
)
def test_what_flashes_have_no_use_for_is_refused(paradigm: Path, request_: Request, match: str) -> None:
    recipe: ParadigmRecipe = read_paradigm(str(paradigm))
    config = RunConfig.model_validate({"paradigm": str(paradigm), "stream": {"map": ["a=b"]}})
    with pytest.raises(ConfigError, match=match):
        calibrate_flashes(config, request_, recipe, Console(file=io.StringIO()))


def test_eval_judges_flashes(paradigm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = attended("abcd", seed=5)
    monkeypatch.setattr("rtbci.evaluate.data._read_file", lambda _path: [recording])
    reader = FileReader("mine", "here", {"s1": (tmp_path / "s1.xdf",)})
    shown = Console(file=io.StringIO(), width=200)
    plan = Plan(paradigm=str(paradigm), reader=reader, track="B")
    judge(plan, shown, json=tmp_path / "found.json", markdown_file=None, plots=tmp_path / "figures")
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    assert "| s1 | 48 of 96 | 0 |" in text
    assert "4 selections of 4 items" in text
    assert (tmp_path / "found.md").read_text().startswith("# Flashes of mine")
    assert sorted(one.name for one in (tmp_path / "figures").iterdir()) == [
        "s1_posterior.png",
        "s1_stopping.png",
    ]
    with pytest.raises(ConfigError, match="got --k, but paradigm 'tiny_flash' is judged by its flashes"):
        judge(
            Plan(paradigm=str(paradigm), reader=reader, track="B", ks=(0, 5)),
            shown,
            json=None,
            markdown_file=None,
            plots=None,
        )
