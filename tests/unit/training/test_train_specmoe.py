"""SpecMoE's gate and head trained by the tool on synthetic people, judged, written and run."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.encoder.specmoe.checkpoint import write_decoder, write_expert
from rtbci.encoder.specmoe.hinet import SpecHiNet
from rtbci.encoder.specmoe.moe import SpecMoe, log_spectra
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_engine
from tests.training_samples import write_subject
from tools.train_specmoe import main
from tools.training.signals import LAYOUT, read_runs
from tools.training.specmoe.data import WINDOW, usable_trials
from tools.training.specmoe.experts import expert_files, experts_sha256, people_seen, read_experts
from tools.training.specmoe.features import Features, expert_features
from tools.training.specmoe.fold import Plan, new_decoder
from tools.training.specmoe.heads import HeadSettings, fit_head, head_margins, tune, tuned_margins
from tools.training.specmoe.shipping import write_spec_engine
from tools.training.specmoe.table import best_temperature

N_PEOPLE = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of five people, and three experts of random weights who have seen nobody."""
    folder = tmp_path_factory.mktemp("specmoe")
    (folder / "data" / "eegmmidb").mkdir(parents=True)
    for subject in range(1, N_PEOPLE + 1):
        write_subject(folder / "data" / "eegmmidb", subject, n_runs=1, n_trials=6)
    for i in range(3):
        torch.manual_seed(i)
        (folder / f"expert{i}").mkdir()
        notes = {"people": json.dumps(["S099"])}
        write_expert(
            folder / f"expert{i}" / "expert.safetensors", SpecHiNet("mini"), LAYOUT, "whitened", notes
        )
    return folder


def run(folder: Path, command: str, *more: str) -> int:
    experts = [str(folder / f"expert{i}") for i in range(3)]
    given = ["--data", str(folder / "data"), "--epochs", "4", "--experts", *experts]
    return main([command, "--work", str(folder / "work"), "--folds", "0", "1", *given, *more])


def test_judged_shipped_and_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "judge", "--ways", "specmoe", "gate_alone") == 0
    assert "specmoe: " in capsys.readouterr().out
    with np.load(folder / "work" / "specmoe" / "fold0.npz") as fold:
        assert set(fold["subjects"]) <= set(range(1, N_PEOPLE + 1))
        assert fold["margins"].shape == fold["classes"].shape
    shipped = ["--engine", str(folder / "engine"), "--profile", str(folder / "profile")]
    assert run(folder, "ship", *shipped) == 0
    engine, profile = read_engine(str(folder / "engine")), read_profile(folder / "profile")
    assert profile.branches[0].engine_id == engine.onnx_sha256
    assert (engine.kind, engine.input.n_samples, engine.output.meaning) == ("window", WINDOW, "logits")
    assert profile.accuracy is not None
    assert profile.weights["align.covariance"].shape == (31, 31)
    capsys.readouterr()
    kept = folder / "kept.json"
    assert main(["table", "--work", str(folder / "work"), "--folds", "0", "1", "--write", str(kept)]) == 0
    said = capsys.readouterr().out
    assert "frozen experts, electrodes weighed" in said
    assert "gate alone" in said
    assert main(["table", "--read", str(kept)]) == 0
    assert capsys.readouterr().out == said


def test_experts_that_have_seen_who_is_judged_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everybody = json.dumps([f"S{subject:03d}" for subject in range(1, N_PEOPLE + 1)])
    path = tmp_path / "expert.safetensors"
    write_expert(path, SpecHiNet("mini"), LAYOUT, "whitened", {"people": everybody})
    args = ["--data", str(folder / "data"), "--work", str(tmp_path / "work"), "--experts", str(tmp_path)]
    assert main(["judge", *args]) != 0
    assert "was pretrained on S" in capsys.readouterr().err


def test_experts_out_of_a_shipped_decoder_are_those_that_it_was_made_of(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experts = expert_files([folder / f"expert{i}" for i in range(3)])
    decoder = new_decoder(Plan(experts, HeadSettings()), len(LAYOUT))
    write_spec_engine(decoder, tmp_path / "engine", "made", people_seen(experts))
    (shipped,) = expert_files([tmp_path / "engine"])
    assert people_seen([shipped]) == ("S099",)
    for one, other in zip(read_experts([shipped]), read_experts(experts), strict=True):
        for name, weight in one.state_dict().items():
            torch.testing.assert_close(weight, other.state_dict()[name], rtol=0, atol=0)
    assert experts_sha256([shipped]) == experts_sha256(experts) != experts_sha256(experts[1:])
    again = new_decoder(Plan((shipped,), HeadSettings()), len(LAYOUT)).state_dict()
    assert all(torch.equal(again[name], one) for name, one in decoder.state_dict().items())
    judge = ["judge", "--data", str(folder / "data"), "--work", str(tmp_path / "work"), "--experts"]
    assert main([*judge, str(tmp_path / "engine"), str(folder / "expert0")]) != 0
    assert "need it alone" in capsys.readouterr().err
    write_decoder(shipped, decoder, LAYOUT, "whitened", WINDOW, {})
    assert main([*judge, str(tmp_path / "engine")]) != 0
    assert "does not say on whom its experts were pretrained" in capsys.readouterr().err


def test_the_engine_that_is_shipped_says_whom_its_experts_have_seen() -> None:
    seen = people_seen(expert_files([read_engine("specmoe_mini").onnx_path.parent]))
    assert len(seen) == 45
    assert not {"S003", "S091"} & set(seen)  # of fold 0 and of fold 1


def test_files_of_other_folds_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "judge", "--ways", "specmoe") == 0
    assert run(folder, "judge", "--ways", "specmoe", "--folds", "3") != 0
    assert "holds other people or folds" in capsys.readouterr().err
    assert run(folder, "judge", "--ways", "specmoe", "--epochs", "5") != 0
    assert "of other experts or settings" in capsys.readouterr().err


def test_trials_are_those_of_the_other_decoders(folder: Path) -> None:
    (one,) = read_runs(folder / "data" / "eegmmidb" / "S001.npz")
    assert usable_trials(one).tolist() == [True] * 6


def test_features_from_the_graph_are_those_of_torch() -> None:
    torch.manual_seed(1)
    decoder, x = (
        SpecMoe("mini", 3).eval(),
        np.random.default_rng(0).standard_normal((2, 3, 600)).astype(np.float32),
    )
    found = expert_features(decoder, x, lambda _: None)
    with torch.inference_mode():
        torch.testing.assert_close(found.experts, decoder.features(torch.from_numpy(x)), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.spectra, log_spectra(torch.from_numpy(x)), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            torch.from_numpy(head_margins(decoder, found)),
            torch.from_numpy(tuned_margins(decoder, x)),
            atol=1e-4,
            rtol=0,
        )


def test_the_head_learns_which_side_is_weaker_and_the_described_readout_cannot() -> None:
    rng = np.random.default_rng(2)
    classes = np.arange(128) % 2
    spectra = rng.normal(3.0, 0.1, (128, 4, 201)).astype(np.float32)
    spectra[np.arange(128), np.where(classes == 1, 0, 3)] -= 2.0
    features = Features(torch.ones(128, 4, 3, 32), torch.from_numpy(spectra))
    right = {}
    for readout in ("electrodes", "max"):
        torch.manual_seed(0)
        decoder = SpecMoe("mini", 4, readout=readout)
        fit_head(
            decoder, features, classes, [3, 2, 1, 0], HeadSettings(epochs=8, batch=32), 0, lambda _: None
        )
        right[readout] = float(((head_margins(decoder, features) > 0) == (classes == 1)).mean())
    assert right["electrodes"] > 0.95
    assert right["max"] < 0.75


def test_tuning_changes_experts_of_a_copy_alone_and_keeps_statistics() -> None:
    torch.manual_seed(3)
    decoder = SpecMoe("mini", 2).eval()
    before = {name: one.clone() for name, one in decoder.state_dict().items()}
    x, classes = np.random.default_rng(1).standard_normal((8, 2, 400)).astype(np.float32), np.arange(8) % 2
    tuned = tune(decoder, x, classes, [1, 0], HeadSettings(tune_epochs=1, tune_batch=4), 0, lambda _: None)
    assert all(torch.equal(one, before[name]) for name, one in decoder.state_dict().items())
    changed = {name for name, one in tuned.state_dict().items() if not torch.equal(one, before[name])}
    assert any(name.startswith("experts.0.down") for name in changed)
    assert not any("running" in name for name in changed)


def test_the_temperature_undoes_a_scale() -> None:
    rng = np.random.default_rng(4)
    margins = rng.normal(0.0, 2.0, 4000)
    classes = (rng.random(4000) < 1 / (1 + np.exp(-margins))).astype(np.int64)
    assert best_temperature(3.0 * margins, classes) == pytest.approx(3.0, rel=0.15)
