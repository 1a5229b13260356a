"""SpecMoE, DARE and the baselines beside one another: paired on the same trials, kept by person."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rtbci.errors import ConfigError
from tools.training.fusing import nested_fusion
from tools.training.judge import compare, score, subject_accuracies
from tools.training.specmoe.table import judged, page, read_judged, write_judged
from tools.training.trials import END_TRACK_B, ENDS_SLIDING

N_TRIALS, I_TRACK_B = 20, ENDS_SLIDING.index(END_TRACK_B)
Floats = npt.NDArray[np.float64]


def identity(fold: int) -> dict[str, npt.NDArray[np.int64]]:
    """Four people of a fold, of whom each has both classes."""
    return {
        "subjects": np.repeat(4 * fold + np.arange(4), N_TRIALS),
        "classes": np.tile(np.arange(N_TRIALS) % 2, 4),
    }


def margins(strength: float, fold: int, seed: int, n_windows: int) -> Floats:
    classes = identity(fold)["classes"]
    noise = np.random.default_rng([seed, fold]).standard_normal((len(classes), n_windows))
    return noise + strength * (2.0 * classes[:, None] - 1.0)


def write_all(folder: Path) -> dict[str, Path]:
    """Folders as the three tools leave them, of folds 0 and 1."""
    work, compared, dare = folder / "work", folder / "compare", folder / "dare"
    for fold in (0, 1):
        same = identity(fold)
        for name, strength in (("specmoe", 0.5), ("frontal_specmoe", 0.0)):
            (work / name).mkdir(parents=True, exist_ok=True)
            one = margins(strength, fold, 1, 1)[:, 0]
            np.savez(work / name / f"fold{fold}.npz", **same, margins=one)  # type: ignore[arg-type]
        compared.mkdir(exist_ok=True)
        nets = {
            name: np.stack([margins(s, fold, 2, 1)[:, 0]] * 2)
            for name, s in (("eegnet", 0.8), ("tangent_two_bands", 0.6))
        }
        np.savez(compared / f"fold{fold}_B.npz", **same, **nets)  # type: ignore[arg-type]
        dare.mkdir(exist_ok=True)
        ours = {
            name: margins(s, fold, i, len(ENDS_SLIDING))
            for i, (name, s) in enumerate((("encoder", 1.0), ("tangent", 0.7), ("frontal_tangent", 0.0)), 3)
        }
        np.savez(dare / f"fold{fold}.npz", **same, **ours)  # type: ignore[arg-type]
    return {"work": work, "baselines": compared, "dare": dare}


def test_all_decoders_are_paired_and_the_shipped_fusion_is_that_of_other_folds(tmp_path: Path) -> None:
    results = judged(folds=[0, 1], **write_all(tmp_path))
    found = {one["name"]: np.array(one["accuracies"]) for one in results["decoders"]}
    assert {"specmoe", "frontal_specmoe", "eegnet", "dare_encoder", "dare_fused"} <= set(found)
    assert {len(one) for one in found.values()} == {8}
    of_fold = np.repeat([0, 1], 4 * N_TRIALS)
    subjects, classes = (
        np.concatenate([identity(i)[name] for i in (0, 1)]) for name in ("subjects", "classes")
    )
    parts = [
        np.concatenate([margins(s, i, seed, len(ENDS_SLIDING)) for i in (0, 1)])
        for seed, s in ((3, 1.0), (4, 0.7))
    ]
    fused = nested_fusion(parts, classes, [of_fold == 0, of_fold == 1])[:, I_TRACK_B]
    np.testing.assert_allclose(found["dare_fused"], subject_accuracies(subjects, classes, fused), atol=1e-4)
    said = page(results)
    mean = score("", found["dare_encoder"])
    assert f"| DARE nano with its probe | {mean.mean:.1f} ({mean.se:.1f}) |" in said
    less = compare("", found["dare_encoder"], found["eegnet"])
    assert (
        f"{less['difference']:+.1f} ({less['se']:.1f}); {less['p_t']:.4f}, {less['p_wilcoxon']:.4f}" in said
    )
    assert "160 trials of 8 people, folds 0, 1 of 5" in said


@pytest.mark.parametrize("which", ["dare/fold1.npz", "compare/fold1_B.npz", "work/frontal_specmoe/fold1.npz"])
def test_other_trials_are_refused(tmp_path: Path, which: str) -> None:
    folders = write_all(tmp_path)
    with np.load(tmp_path / which) as archive:
        content = dict(archive)
    content["classes"] = 1 - content["classes"]
    np.savez(tmp_path / which, **content)
    with pytest.raises(ConfigError, match="was judged on other trials"):
        judged(folds=[0, 1], **folders)


def test_what_was_kept_by_person_gives_the_same_page_and_a_broken_file_is_refused(tmp_path: Path) -> None:
    results = judged(folds=[0], **write_all(tmp_path))
    path = tmp_path / "kept.json"
    write_judged(path, results)
    assert page(read_judged(path)) == page(results)
    results["decoders"][0]["accuracies"].pop()
    path.write_text(json.dumps(results))
    with pytest.raises(ConfigError, match="need one of each of 4 people"):
        read_judged(path)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="need what `table --write` wrote"):
        read_judged(path)
