"""Nights that people scored: files as Sleep-EDF has them, judged, and fitted."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rtbci.cli import app
from rtbci.errors import ConfigError, FileFormatError
from rtbci.night.fit import fit_stages, transitions
from rtbci.night.hypnogram import STAGES
from rtbci.night.judge import agreement, from_confusion
from rtbci.night.scored import find_nights, read_night, stages_of
from rtbci.night.windows import decode_night, features_of
from rtbci.probe.epoch_features import FEATURES
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from rtbci.replay.recording import Recording
from tests.night_samples import night_of, short_course, write_night
from tools.train_sleep import main as train

RECIPE = read_paradigm("sleep")


def test_a_recording_and_its_hypnogram_belong_together(tmp_path: Path) -> None:
    write_night(tmp_path)
    write_night(tmp_path, "SC4002", seed=1)
    nights = find_nights(tmp_path)
    assert [(one.name, one.signal.name, one.stages and one.stages.name) for one in nights] == [
        ("SC4001E", "SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf"),
        ("SC4002E", "SC4002E0-PSG.edf", "SC4002EC-Hypnogram.edf"),
    ]
    assert find_nights(nights[0].signal) == nights[:1]
    night = read_night(nights[0], RECIPE)
    assert night.hypnogram.stages == short_course().stages
    assert night.recording.duration_s == pytest.approx(short_course().duration_s)


def test_stages_inside_a_recording_are_read(tmp_path: Path) -> None:
    write_night(tmp_path, "mine", beside=False)
    (night,) = find_nights(tmp_path)
    assert night.stages is None
    assert read_night(night, RECIPE).hypnogram.stages == short_course().stages


def test_only_so_much_wakefulness_is_kept(tmp_path: Path) -> None:
    write_night(tmp_path)
    night = read_night(find_nights(tmp_path)[0], RECIPE, around_s=30.0)
    assert night.hypnogram.stages == short_course().stages[3:-1]
    assert night.hypnogram.t0_s == 90.0
    whole, _ = night_of(0, ("EEG Fpz-Cz", "EOG horizontal"))
    np.testing.assert_allclose(night.recording.data[:500], whole.data[9000:9500], atol=0.05)


def test_nothing_and_nonsense_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        find_nights(tmp_path / "nowhere")
    with pytest.raises(FileFormatError, match="holds no recording"):
        find_nights(tmp_path)
    write_night(tmp_path)
    (tmp_path / "SC4001EC-Hypnogram.edf").write_bytes(b"0       nonsense")
    with pytest.raises(
        FileFormatError, match=r"SC4001EC-Hypnogram.edf: (cannot be read|its annotations say nothing)"
    ):
        read_night(find_nights(tmp_path)[0], RECIPE)
    with pytest.raises(FileFormatError, match="say lights out"):
        stages_of([(0.0, 30.0, "lights out")], RECIPE, "here")


def test_what_was_not_scored_is_a_hole() -> None:
    spans = [(30.0, 90.0, "Sleep stage W"), (90.0, 120.0, "Movement time"), (150.0, 210.0, "Sleep stage 3")]
    found = stages_of(spans, RECIPE, "here")
    assert found.t0_s == 30.0
    assert found.stages == ("W", "W", None, None, "N3", "N3")


def test_agreement_by_hand() -> None:
    found = agreement(("W", "W", "N2", "N2", None, "REM"), ("W", "N1", "N2", "N2", "N2", None))
    assert (found.n_epochs, found.n_unscored) == (4, 1)
    assert found.accuracy == 0.75
    assert found.f1 == {"W": pytest.approx(2 / 3), "N1": 0.0, "N2": 1.0, "N3": None, "REM": None}
    assert found.macro_f1 == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert found.kappa == pytest.approx((0.75 - 0.375) / 0.625)
    assert from_confusion(np.zeros((5, 5)), 0).kappa == 0.0


def test_transitions_skip_holes() -> None:
    found = transitions([("W", "W", "N1", None, "N1", "N1")], ("W", "N1"))
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.0, 1.0]], atol=2e-3)
    assert (found > 0).all()


def test_every_stage_must_occur() -> None:
    values = np.random.default_rng(0).random((3, len(FEATURES)))
    with pytest.raises(ConfigError, match="no epoch of N1, N2, N3, REM"):
        fit_stages([(values, ("W", "W", "W"))], STAGES)


def test_features_are_of_whole_epochs() -> None:
    recording, hypnogram = night_of()
    values = features_of(RECIPE, recording).values
    assert values.shape == (len(hypnogram.stages), len(FEATURES))
    # the last epoch ends with the recording: the filters have not given its last samples yet
    assert np.isfinite(values[:-1]).all()


def test_every_hop_gives_the_hypnogram_of_windows_end_to_end() -> None:
    recording, _ = night_of()
    recording = recording.crop(0.0, 305.0)
    fast, live = (decode_night(RECIPE, None, recording, every_hop=one) for one in (False, True))
    assert fast.stages == live.stages
    np.testing.assert_array_equal(fast.probs, live.probs)


def test_a_minute_that_is_not_a_number_is_not_scored() -> None:
    recording, _ = night_of()
    recording = recording.crop(0.0, 245.0)
    i = round(60.0 * recording.info.rate_hz)
    data = recording.data.copy()
    data[2 * i : 3 * i] = np.nan
    lost = decode_night(RECIPE, None, Recording(recording.info, data))
    whole = decode_night(RECIPE, None, recording)
    assert [k for k, stage in enumerate(lost.stages) if stage is None] == [4, 5]
    assert lost.stages[:4] == whole.stages[:4]


def test_eval_judges_a_folder(tmp_path: Path) -> None:
    write_night(tmp_path)
    out = tmp_path / "out" / "found.json"
    out.parent.mkdir()
    asked = [
        "eval",
        "--paradigm",
        "sleep",
        "--data",
        str(tmp_path),
        "--json",
        str(out),
        "--plots",
        str(out.parent),
    ]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    (night, everything) = json.loads(out.read_text())["nights"]
    assert night["night"] == "SC4001E"
    assert night["n_epochs"] + night["n_unscored"] == len(short_course().stages)
    assert {**everything, "night": ""} == {**night, "night": ""}
    assert night["kappa"] > 0.5  # a simulated night, by a decoder of simulated nights
    assert out.with_suffix(".md").read_text().count("| SC4001E |") == 1
    assert (out.parent / "SC4001E.png").is_file()


def test_a_decoder_that_was_trained_is_used_and_not_judged_on_its_nights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, made = tmp_path / "nights", tmp_path / "made"
    data.mkdir()
    for seed in range(2):
        write_night(data, f"SC400{seed}", seed)
    monkeypatch.setattr("sys.argv", ["train", "--data", str(data), "--out", str(made)])
    train()
    said = capsys.readouterr().out
    assert "2 nights" in said
    assert "SC4000E: accuracy" in said
    profile = read_profile(made)
    assert profile.trained_on == ["nights/SC4000E", "nights/SC4001E"]
    asked = ["eval", "--paradigm", "sleep", "--data", str(data), "--profile", str(made)]
    refused = CliRunner().invoke(app, asked)
    assert isinstance(refused.exception, ConfigError)
    assert "trained on 2 of the 2 nights" in str(refused.exception)
    found, drawn = tmp_path / "results" / "found.json", tmp_path / "drawn"
    judged = CliRunner().invoke(app, [*asked, "--seen", "--json", str(found), "--plots", str(drawn)])
    assert judged.exit_code == 0, judged.output
    assert "all epochs" in judged.output
    assert json.loads(found.read_bytes())["paradigm"] == "sleep"
    assert "all epochs" in found.with_suffix(".md").read_text()
    assert sorted(path.name for path in drawn.iterdir()) == ["SC4000E.png", "SC4001E.png"]
    assert judged.output.count("written: ") == 3
    refused = CliRunner().invoke(app, [*asked, "--seen", "--json", str(found / "below.json")])
    assert isinstance(refused.exception, FileFormatError)
    assert "cannot be written" in str(refused.exception)
