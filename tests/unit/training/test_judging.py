from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.training_samples import write_subject
from tools.training.eye_rule import EARLY_S, LATE_S, eye_rule
from tools.training.folds import MARGINS
from tools.training.fusing import fit_fusion, nested_fusion
from tools.training.judge import calibration_error, compare, score, subject_accuracies, subject_folds
from tools.training.results import BEGIN, END, folds_text, read_folds, results_of, write_results
from tools.training.tangent_fit import fit_tangent, riemannian_mean, tangent_margins
from tools.training.trials import ENDS_SLIDING

RNG = np.random.default_rng(7)


def test_balanced_accuracy_is_the_mean_recall_of_each_subject() -> None:
    subjects = np.array([1, 1, 1, 1, 2, 2])
    classes = np.array([0, 0, 0, 1, 0, 1])
    margins = np.array([-1.0, -1.0, 1.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(subject_accuracies(subjects, classes, margins), [100 * (2 / 3 + 1) / 2, 50.0])
    twice = np.stack([margins, -margins], axis=1)
    np.testing.assert_allclose(subject_accuracies(subjects, classes, twice), [50.0, 50.0])


def test_no_subject_is_on_both_sides_of_a_fold() -> None:
    subjects = np.repeat(np.arange(11), 3)
    folds = subject_folds(subjects, 4, seed=0)
    np.testing.assert_array_equal(np.sum(folds, axis=0), 1)
    for test in folds:
        assert not set(subjects[test]) & set(subjects[~test])


def test_scores_and_paired_tests() -> None:
    first = 60.0 + RNG.standard_normal(50)
    found = score("x", first)
    assert found.low < found.mean < found.high
    assert found.se == pytest.approx(first.std(ddof=1) / np.sqrt(50))
    second = first - 1.0 + 0.5 * RNG.standard_normal(50)
    test = compare("x", first, second)
    assert test["p_t"] == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert test["p_t"] < 1e-6  # type: ignore[operator]
    assert compare("same", first, first)["p_t"] == 1.0


def test_calibration_error_of_sure_and_wrong_is_large() -> None:
    classes = np.array([0, 1] * 50)
    sure = np.tile([1.0, 0.0], (100, 1))
    assert calibration_error(sure, classes) == pytest.approx(0.5)
    assert calibration_error(np.full((100, 2), 0.5), classes) == pytest.approx(0.0)


def test_fusion_drops_noise_and_calibrates() -> None:
    classes = RNG.integers(0, 2, 4000)
    logit = (2.0 * classes - 1.0) + RNG.standard_normal(4000)  # its true log odds are twice this
    noise = RNG.standard_normal(4000)
    weights, temperature = fit_fusion([logit[:, None], noise[:, None]], classes)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[1] < 0.1
    assert temperature == pytest.approx(0.5, rel=0.15)


def test_nested_fusion_never_sees_the_labels_of_its_fold() -> None:
    classes = RNG.integers(0, 2, 60)
    margins = [RNG.standard_normal((60, 2)) + classes[:, None], RNG.standard_normal((60, 2))]
    folds = [np.arange(60) < 30, np.arange(60) >= 30]
    changed = classes.copy()
    changed[folds[0]] = 1 - changed[folds[0]]
    before, after = nested_fusion(margins, classes, folds), nested_fusion(margins, changed, folds)
    np.testing.assert_array_equal(before[folds[0]], after[folds[0]])
    assert np.abs(before[folds[1]] - after[folds[1]]).max() > 0


def spd(n: int) -> np.ndarray:
    x = RNG.standard_normal((n, 12, 4))
    return x.transpose(0, 2, 1) @ x / 12


def test_riemannian_mean_matches_pyriemann() -> None:
    mean = pytest.importorskip("pyriemann.utils.mean")
    many = spd(20)
    np.testing.assert_allclose(riemannian_mean(many, 20), mean.mean_riemann(many, tol=1e-12), atol=1e-7)


def test_tangent_fit_finds_power_and_mirrors_it() -> None:
    mirror = [1, 0, 3, 2]
    classes = np.arange(200) % 2
    covariances = np.stack([spd(200), spd(200)], axis=1)
    for i, side in enumerate(classes):
        covariances[i, 0, :, side] *= 0.4
        covariances[i, 0, side, :] *= 0.4
    probe = fit_tangent(covariances[:150], classes[:150], mirror)
    margins = tangent_margins(probe, covariances[150:])
    assert ((margins > 0) == classes[150:]).mean() > 0.8
    mirrored = covariances[150:][:, :, mirror][:, :, :, mirror]
    np.testing.assert_allclose(tangent_margins(probe, mirrored), -margins, atol=0.1)
    one = probe.logits(covariances[150])
    assert one[1] - one[0] == pytest.approx(margins[0])


def test_eye_rule_finds_a_saccade(tmp_path: Path) -> None:
    paths = [write_subject(tmp_path, subject) for subject in (1, 2)]
    np.testing.assert_array_equal(eye_rule(paths, EARLY_S), [100.0, 100.0])
    np.testing.assert_array_equal(eye_rule(paths, LATE_S), [100.0, 100.0])


def test_results_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    paths = [write_subject(tmp_path, subject) for subject in range(1, 7)]
    for fold in range(2):
        subjects = np.repeat(np.arange(3) + 1 + 3 * fold, 12)
        classes = np.tile([0, 1], 18)
        margins = {
            name: RNG.standard_normal((36, 1 if name == "tangent_a" else len(ENDS_SLIDING)))
            + classes[:, None]
            - 0.5
            for name in MARGINS
        }
        idle: dict[str, Any] = {f"idle_{name}": RNG.standard_normal(36) for name in ("encoder", "tangent")}
        idle |= {f"idle_margin_{name}": RNG.standard_normal(36) for name in ("encoder", "tangent")}
        idle["idle_labels"] = np.tile([0, 1, 2], 12)
        columns: dict[str, Any] = {
            "subjects": subjects,
            "classes": classes,
            "minutes": 1.0,
            **margins,
            **idle,
        }
        np.savez(tmp_path / f"fold{fold}.npz", **columns)
    plan = {"plan": {"size": "light", "seed": 0}, "n_folds": 2}
    results: dict[str, Any] = (
        results_of(read_folds(tmp_path, [0, 1]), paths) | plan | {"judged_folds": [0, 1]}
    )
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "results.md").write_text(f"# Ours\n\nbefore\n\n{BEGIN}\nstale numbers\n{END}\n\nafter\n")
    write_results(results, docs)
    text = (docs / "results.md").read_text()
    assert text.startswith("# Ours\n\nbefore\n")
    assert text.endswith("\nafter\n")
    assert "stale numbers" not in text
    assert "control: untrained eye rule" in text
    assert "DARE light encoder" in text
    assert "2 folds by subject, seed 0" in text
    assert results["n_subjects"] == 6
    assert {one["name"] for one in results["scores"]["B"]} >= {"encoder", "tangent", "power", "frontal_power"}
    alone = read_folds(tmp_path, [1])
    assert set(alone.subjects) == {4, 5, 6}
    np.testing.assert_array_equal(
        np.sum(alone.folds, axis=0), 1
    )  # its fusion is judged on parts of its subjects
    one_fold = results_of(alone, paths)
    assert {one["n"] for track in one_fold["scores"].values() for one in track} == {3}
    assert folds_text(plan | {"judged_folds": [1]}) == "fold 1 of 2 by subject, counted from 0"
