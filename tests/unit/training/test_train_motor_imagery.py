from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.backends.registry import open_session
from rtbci.encoder.checkpoint import write_checkpoint
from rtbci.encoder.dare import DareEncoder
from rtbci.errors import EngineError
from rtbci.probe.open_branches import open_branches
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_engine
from tests.training_samples import write_subject
from tools.train_motor_imagery import main
from tools.training.signals import LAYOUT


@pytest.fixture(autouse=True)
def torch_settings() -> Iterator[None]:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def test_too_few_subjects_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--folds", "3"]) == 2
    assert "found 0 subjects" in capsys.readouterr().err


def test_folds_that_there_are_not_and_starts_that_cannot_be_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "eegmmidb"
    data.mkdir()
    for subject in (1, 2):
        write_subject(data, subject, n_trials=4)
    given = f"--data {tmp_path} --folds 2 --work {tmp_path / 'work'} --encoder-only"
    assert main([*given.split(), "--only-fold", "2"]) == 2
    assert "got --only-fold [2], need numbers from 0 to 1" in capsys.readouterr().err
    assert (
        main([*given.split(), "--only-fold", "1", "--start", str(tmp_path / "none")]) == EngineError.exit_code
    )
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.slow
def test_one_fold_of_another_size_from_a_pretrained_start_becomes_a_decoder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data" / "eegmmidb"
    data.mkdir(parents=True)
    for subject in range(1, 5):
        write_subject(data, subject, n_runs=1, n_trials=6, trial_s=8.5)
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    given = f"--folds 2 --only-fold 0 --epochs 1 --power-epochs 1 --data {tmp_path / 'data'}".split()
    assert main([*given, "--work", str(whole), "--folds-only"]) == 0
    assert main([*given, "--work", str(alone), "--encoder-only"]) == 0
    assert "track B" in capsys.readouterr().out
    with np.load(whole / "fold0.npz") as one, np.load(alone / "fold0.npz") as two:
        np.testing.assert_array_equal(one["encoder"], two["encoder"])  # the very same network
    assert main([*given, "--work", str(tmp_path / "both"), "--branches-only"]) == 0
    with np.load(whole / "fold0.npz") as one, np.load(tmp_path / "both" / "fold0.npz") as two:
        for name in ("subjects", "classes", "encoder", "tangent", "frontal_tangent"):
            np.testing.assert_array_equal(one[name], two[name])
        assert two["frontal_encoder"].shape == two["encoder"].shape
        assert not np.array_equal(two["frontal_encoder"], two["encoder"])
    torch.manual_seed(0)
    write_checkpoint(tmp_path / "start.safetensors", DareEncoder("light"), LAYOUT, "mV")
    given += f"--size light --start {tmp_path / 'start.safetensors'} --adapter-start electrodes".split()
    given += f"--path-dropout 0.75 --branches-from {whole} --work {tmp_path / 'light'}".split()
    out = tmp_path / "dare_light", tmp_path / "motor_imagery_light" / "population"
    assert main([*given, "--engine", str(out[0]), "--profile", str(out[1])]) == 0
    profile, engine = read_profile(out[1]), read_engine(str(out[0]))
    assert (profile.paradigm, engine.size) == ("motor_imagery_light", "light")
    assert profile.branches[0].engine_id == engine.onnx_sha256
    assert not (tmp_path / "motor_imagery_idle").exists()
    card = (out[0] / "CARD.md").read_text()
    for text in (
        "DARE light",
        "fold 0 of 2",
        "against the encoder of `motor_imagery`",
        "--start",
        "4 subjects",
    ):
        assert text in card
    assert (tmp_path / "light" / "results.md").exists()  # and not in docs/


@pytest.mark.slow
def test_from_recordings_to_a_decoder_that_runs(tmp_path: Path) -> None:
    data = tmp_path / "data" / "eegmmidb"
    data.mkdir(parents=True)
    for subject in range(1, 5):
        write_subject(data, subject, n_runs=2, n_trials=4, trial_s=8.5)

    def train(out: Path) -> None:
        arguments = (
            f"--folds 2 --epochs 1 --power-epochs 6 --data {tmp_path / 'data'} --work {tmp_path / 'work'}"
        )
        arguments += (
            f" --engine {out / 'dare_nano'} --profile {out / 'mi' / 'population'} --results {out / 'docs'}"
        )
        assert main(arguments.split()) == 0

    train(tmp_path / "a")
    engine = read_engine(str(tmp_path / "a" / "dare_nano"))
    profile = read_profile(tmp_path / "a" / "mi" / "population")
    session = open_session(engine.onnx_path)
    try:
        branches = open_branches(profile, {"encoder": session})
        signal = np.random.default_rng(0).standard_normal((1024, 31))
        for branch in branches:
            assert np.isfinite(branch.logits_of(signal)).all()
    finally:
        session.close()
    idle = read_profile(tmp_path / "a" / "motor_imagery_idle" / "population")
    assert idle.classes == ["left_hand", "right_hand", "idle"]
    assert idle.branches[0].engine_id == profile.branches[0].engine_id
    assert profile.accuracy is not None
    assert profile.accuracy.n == 4
    for card in ("dare_nano/CARD.md", "mi/CARD.md"):
        text = (tmp_path / "a" / card).read_text()
        assert "ODC-BY" in text
        assert "Schalk" in text
    assert "Track B" in (tmp_path / "a" / "docs" / "results.md").read_text()
    train(tmp_path / "b")  # the folds are kept; the shipped weights are trained again, to the same bytes
    for file in ("dare_nano/encoder.onnx", "mi/population/weights.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
