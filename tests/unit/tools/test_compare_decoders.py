import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rtbci.errors import ConfigError
from rtbci.probe.profile import read_profile
from tests.training_samples import write_subject
from tools.compare_decoders import main
from tools.training.baselines.comparing import compare_folds
from tools.training.baselines.few_trials import (
    KS,
)
from tools.training.baselines.table import page
from tools.training.judge import subject_accuracies
from tools.training.trials import ENDS_SLIDING


@pytest.fixture(autouse=True)
def torch_settings() -> Iterator[None]:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def arguments(data: Path, out: Path, *more: str) -> list[str]:
    return f"--data {data} --out {out} --folds 2 --epochs 1".split() + list(more)


def test_too_few_subjects_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, tmp_path / "out")) == 2
    assert "found 0 subjects" in capsys.readouterr().err


@pytest.mark.slow
def test_from_recordings_to_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "eegmmidb").mkdir()
    for subject in range(1, 5):
        write_subject(tmp_path / "eegmmidb", subject, n_runs=1, n_trials=16)
    out = tmp_path / "out"
    assert main(arguments(tmp_path, out, "--tracks", "B", "A", "--only", "0")) == 0
    assert "trials of 2 subjects; folds [0] of 2" in capsys.readouterr().out
    first = (out / "fold0_B.npz").read_bytes()
    assert main(arguments(tmp_path, out, "--tracks", "B")) == 0  # fold 0 is kept, fold 1 is made
    assert (out / "fold0_B.npz").read_bytes() == first
    assert "fold 0" not in capsys.readouterr().out
    results = json.loads((out / "compare.json").read_text())["tracks"]["B"]
    found = {(one["name"], one["k"]): one for one in results["scores"]}
    assert found["tangent_two_bands", 0]["n"] == 4
    assert found["tangent_two_bands", 0]["mean"] > 80.0
    assert {"frontal_eegnet", "frontal_csp_lda", "own_csp_lda", "eegnet"} <= {name for name, _ in found}
    assert ("own_tangent", 0) not in found
    text = (out / "compare.md").read_text()
    assert "control, frontal electrodes: EEGNet" in text
    assert "untrained eye rule" in text
    assert json.loads((out / "fold0_A.json").read_text())["track"] == "A"
    with np.load(out / "fold0_A.npz") as archive:
        assert {"eegnet_all", "eegnet_all_4_40"} <= set(archive.files)
    assert main(arguments(tmp_path, out, "--tracks", "B", "--seed", "1")) == 2
    assert "was made with other settings or subjects" in capsys.readouterr().err


def write_fold(folder: Path, i: int, names: Sequence[str], **extra: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(i)
    subjects, classes = np.repeat(np.arange(3) + 1 + 3 * i, 8), np.tile([0, 1], 12)
    margins = {name: rng.standard_normal((1, 24)) + classes - 0.5 for name in names}
    few = np.vstack([margins["tangent_two_bands"], np.full((len(KS) - 1, 24), np.nan)])
    few[1, 2:] = 3.0 * few[0, 2:]
    columns: dict[str, Any] = {
        "subjects": subjects,
        "classes": classes,
        **margins,
        "tangent_two_bands": few,
        **extra,
    }
    np.savez(folder / f"fold{i}_B.npz", **columns)
    record = {"eye_rule": [50.0, 51.0, 49.0], "minutes": 1.0}
    (folder / f"fold{i}_B.json").write_text(json.dumps(record))
    return columns


def test_our_own_folds_are_compared_trial_by_trial(tmp_path: Path) -> None:
    names = ("tangent_two_bands", "frontal_tangent_two_bands", "eegnet", "frontal_eegnet")
    ours = tmp_path / "ours"
    ours.mkdir()
    i_b = ENDS_SLIDING.index(1024)
    for i in range(2):
        columns = write_fold(tmp_path, i, names)
        margins = np.zeros((24, len(ENDS_SLIDING)))
        margins[:, i_b] = 2.0 * columns["classes"] - 1.0  # right in track B's window alone
        identity = {name: columns[name] for name in ("subjects", "classes")}
        np.savez(ours / f"fold{i}.npz", **identity, power=margins, tangent_a=margins[:, :1], minutes=1.0)  # type: ignore[arg-type]
    results = compare_folds(tmp_path, ["B", "A"], 2, ours)
    assert list(results["tracks"]) == ["B"]
    found = {(one["name"], one["k"]): one for one in results["tracks"]["B"]["scores"]}
    assert found["ours_power", 0]["mean"] == 100.0
    assert ("ours_tangent_a", 0) not in found
    tests = {one["name"]: one for one in results["tracks"]["B"]["tests"]}
    by_hand = 100.0 - found["tangent_two_bands", 0]["mean"]
    assert tests["ours_power - tangent_two_bands"]["difference"] == pytest.approx(by_hand)
    assert "eegnet - frontal_eegnet" in tests
    gain = results["tracks"]["B"]["gains"][0]
    assert (gain["name"], gain["k"], gain["difference"]) == ("tangent_two_bands", 1, 0.0)
    both_folds = write_fold(tmp_path, 0, names), write_fold(tmp_path, 1, names)
    signed = np.stack(
        [(2.0 * one["classes"] - 1.0) * one["tangent_two_bands"][0] for one in both_folds]
    ).reshape(6, 8)
    by_subject = [
        (np.logaddexp(0.0, -3.0 * one[start:]) - np.logaddexp(0.0, -one[start:])).mean()
        for one, start in zip(signed, (2, 0, 0, 2, 0, 0), strict=True)  # each fold's first two are not judged
    ]
    assert gain["log_loss_difference"] == pytest.approx(np.mean(by_subject))
    assert results["tracks"]["B"]["n_judged"] == [48, 44, 0, 0, 0, 0]
    assert "ours, power - tangent space + LR, 8-13 and 13-30 Hz" in page(results)


def test_our_branches_are_judged_together_with_the_folds_own_weights(tmp_path: Path) -> None:
    names = ("tangent_two_bands", "frontal_tangent_two_bands", "eegnet", "frontal_eegnet")
    population = Path(__file__).resolve().parents[3] / "paradigms" / "motor_imagery" / "population"
    profile = read_profile(population)
    weights = {entry.name: entry.weight for entry in profile.branches}
    joined = []
    for i in range(2):
        columns = write_fold(tmp_path, i, names)
        rng = np.random.default_rng(10 + i)
        said = {name: rng.standard_normal(24) + 0.3 * columns["classes"] for name in weights}
        identity = {name: columns[name] for name in ("subjects", "classes")}
        np.savez(tmp_path / f"fold{i}.npz", **identity, **said)  # type: ignore[arg-type]
        shutil.copytree(population, tmp_path / f"fold{i}" / "profile")
        margins = np.sum([weights[name] * one for name, one in said.items()], axis=0)
        joined.append(subject_accuracies(columns["subjects"], columns["classes"], margins))
    results = compare_folds(tmp_path, ["B"], 2, tmp_path)["tracks"]["B"]
    found = {(one["name"], one["k"]): one for one in results["scores"]}
    assert found["ours_fused", 0]["mean"] == pytest.approx(np.concatenate(joined).mean())
    added = {one["name"]: one for one in results["added"]}
    assert set(added) == {"tangent_two_bands", "eegnet"}
    assert all(one["difference"] > 0 for one in added.values())  # they know the classes, and ours hardly does
    text = page({"tracks": {"B": results}, "ks": list(KS), "n_folds": 2})
    assert "trials a class" in text
    assert "| EEGNet | +" in text.split("as one more part of ours")[1]
    uncalibrated = results | {"n_judged": [48, 0, 0, 0, 0, 0]}
    assert "trials a class" not in page({"tracks": {"B": uncalibrated}, "ks": list(KS), "n_folds": 2})
    tests = [one["name"] for one in results["tests"]]
    assert len(tests) == len(set(tests))
    assert {"ours_fused - eegnet", "ours_fused - tangent_two_bands", "ours_fused - ours_encoder"} <= set(
        tests
    )


def test_folds_of_other_trials_are_not_compared(tmp_path: Path) -> None:
    ours = tmp_path / "ours"
    ours.mkdir()
    with pytest.raises(ConfigError, match="holds no finished fold"):
        compare_folds(tmp_path, ["B"], 2, None)
    columns = write_fold(tmp_path, 0, ("tangent_two_bands",))
    with pytest.raises(ConfigError, match=r"fold0\.npz is not there"):
        compare_folds(tmp_path, ["B"], 2, ours)
    np.savez(ours / "fold0.npz", subjects=columns["subjects"], classes=1 - columns["classes"])
    with pytest.raises(ConfigError, match=r"holds other trials .* \(classes differ\)"):
        compare_folds(tmp_path, ["B"], 2, ours)
