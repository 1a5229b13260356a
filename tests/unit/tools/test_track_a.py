import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.errors import ConfigError, FileFormatError
from rtbci.stages.stage import FloatArray
from tests.training_samples import write_subject
from tools import track_a
from tools.training.cue_locked import fit_weights, lateral_trials, side_pairs, slow_features
from tools.training.levels_net import LevelsNet
from tools.training.nesting import Answer, Nested, Rows, fused, loosely_nested, nested_margins
from tools.training.networks import EncoderNet, logits_of_windows
from tools.training.signals import FRONTAL, LAYOUT, RATE_HZ, Run, alignment, read_runs, reference_signal
from tools.training.trials import CONTEXT, FIRST_END, LAST_END, Trials, usable

N_FOLDS = 4
SUBJECTS = np.repeat(np.arange(8), 10)
FOLDS: list[Rows] = [np.equal(SUBJECTS % N_FOLDS, i) for i in range(N_FOLDS)]
CLASSES = np.tile(np.arange(2), 40)
RNG = np.random.default_rng(3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return read_runs(write_subject(tmp_path, 1))[0]


def everything(run: Run) -> Rows:
    return np.ones(len(run.classes), dtype=bool)


def test_pairs_are_named_by_their_right_electrode() -> None:
    assert side_pairs(FRONTAL) == ["FP2", "F4", "F8"]
    assert len(side_pairs((*FRONTAL, *LAYOUT))) == 16


def test_a_saccade_to_the_cue_shows_in_its_pair_and_no_other(run: Run) -> None:
    right = ["F8", "O2"]
    trials = lateral_trials(run, right, everything(run))
    assert trials.shape == (6, 2, 32 + 512)
    features = slow_features(trials, (0.25, 0.5)).reshape(6, 2, 2).mean(axis=2)
    assert np.array_equal(features[:, 0] > 0.15, run.classes == 1)
    assert np.array_equal(features[:, 0] < -0.15, run.classes == 0)
    assert np.abs(features[:, 1]).max() < 0.15


def test_what_comes_after_the_window_and_what_all_electrodes_share_do_not_count(run: Run) -> None:
    keep = np.arange(6) == 2
    trials = lateral_trials(run, ["F8"], keep)
    later = run.data_uv.copy()
    later[run.i_cue[2] + round(4.0 * run.rate_hz) :] = 1e4
    np.testing.assert_array_equal(lateral_trials(replace(run, data_uv=later), ["F8"], keep), trials)
    shared = run.data_uv + 50.0 * RNG.standard_normal((len(run.data_uv), 1))
    np.testing.assert_allclose(lateral_trials(replace(run, data_uv=shared), ["F8"], keep), trials, atol=1e-3)


def test_a_mirrored_trial_gets_the_other_answer(run: Run) -> None:
    trials = lateral_trials(run, ["F8"], everything(run))
    features = slow_features(trials, (0.0, 1.0))
    weights = fit_weights(features, run.classes.astype(np.int64))
    assert np.array_equal(features @ weights > 0, run.classes == 1)
    np.testing.assert_array_equal(slow_features(-trials, (0.0, 1.0)), -features)
    mirrored = fit_weights(-features, 1 - run.classes.astype(np.int64))
    np.testing.assert_allclose(mirrored, weights, rtol=1e-3)


def test_imagery_is_read_behind_a_geometric_mean(tmp_path: Path) -> None:
    path = write_subject(tmp_path, 1, n_runs=1)
    trials = track_a.read_trials([path])
    signal = reference_signal(read_runs(path)[0], LAYOUT)
    aligned = alignment(len(LAYOUT), RATE_HZ, mean="riemann").push(signal.data)
    i_cue = signal.i_cue[usable(signal)]
    assert trials.x.shape == (len(i_cue), len(LAYOUT), CONTEXT + LAST_END)
    assert trials.covariances.shape == (len(i_cue), 4, len(LAYOUT), len(LAYOUT))
    for x, i in zip(trials.x, i_cue, strict=True):
        np.testing.assert_array_equal(x, aligned[i - CONTEXT : i + LAST_END].T.astype(np.float32))


@pytest.mark.parametrize("part", track_a.NESTINGS)
def test_imagery_gives_a_mirrored_trial_the_other_answer(tmp_path: Path, part: str) -> None:
    one = track_a.read_trials([write_subject(tmp_path, subject, n_runs=1) for subject in (1, 2)])
    columns = track_a.MIRROR
    both = replace(
        one,
        subjects=np.concatenate([one.subjects, one.subjects + 2]),
        classes=np.tile(one.classes, 2),
        covariances=np.concatenate([one.covariances, one.covariances[..., columns, :][..., columns]]),
        x=np.concatenate([one.x, one.x[:, columns]]),
    )
    answer = getattr(both, part)(both.subjects == 1)
    straight, mirrored = answer(both.subjects == 2), answer(both.subjects == 4)
    tolerance = 1e-9 if part == "tangent" else 1e-4  # the encoder is in single precision
    np.testing.assert_allclose(mirrored, -straight, atol=tolerance * np.abs(straight).max())


def test_levels_at_half_the_rate_are_those_of_the_encoder_without_its_transformer(tmp_path: Path) -> None:
    trials = track_a.read_trials([write_subject(tmp_path, 1, n_runs=1)])
    torch.manual_seed(0)
    whole = EncoderNet("nano", LAYOUT, gain=0.0)  # what its transformer adds is zero
    half = LevelsNet("nano", LAYOUT)
    half.load_state_dict(whole.state_dict())
    windows = Trials(trials.x, trials.classes, trials.subjects).windows(FIRST_END, CONTEXT)
    wanted, found = (logits_of_windows(net, windows)[:, 1] for net in (whole, half))
    np.testing.assert_allclose(found, wanted, atol=0.05 * np.abs(wanted).max())


def test_nobody_is_answered_for_by_what_was_fitted_on_them() -> None:
    asked = []

    def fit(known: Rows) -> Answer:
        def answer(rows: Rows) -> FloatArray:
            assert not (known & rows).any()
            asked.append((set(SUBJECTS[known]), set(SUBJECTS[rows])))
            return np.full(rows.sum(), float(known.sum()))

        return answer

    found = nested_margins(fit, FOLDS)
    assert (found.outer == 60.0).all()
    for i, test in enumerate(FOLDS):
        assert np.isnan(found.inner[i, test]).all()
        assert (found.inner[i, ~test] == 40.0).all()
    assert len(asked) == N_FOLDS + N_FOLDS * (N_FOLDS - 1)


def test_loosely_nested_answers_are_of_the_other_folds_own_decoders() -> None:
    found = loosely_nested(
        lambda known: lambda rows: np.full(rows.sum(), float(SUBJECTS[~known].min())), FOLDS
    )
    of_fold = (SUBJECTS % N_FOLDS).astype(float)
    np.testing.assert_array_equal(found.outer, of_fold)
    for i, test in enumerate(FOLDS):
        assert np.isnan(found.inner[i, test]).all()
        np.testing.assert_array_equal(found.inner[i, ~test], of_fold[~test])


def _branch(noise: float) -> Nested:
    margins = (2.0 * CLASSES - 1.0) + noise * RNG.standard_normal(len(CLASSES))
    inner = np.stack([np.where(test, np.nan, margins) for test in FOLDS])
    return Nested(margins, inner)


def test_a_fusion_leaves_out_what_knows_nothing_and_never_reads_its_test_labels() -> None:
    good, noise = _branch(1.0), replace(_branch(1.0), outer=RNG.standard_normal(80))
    noise = replace(noise, inner=np.stack([np.where(test, np.nan, noise.outer) for test in FOLDS]))
    margins, weights = fused([good, noise], CLASSES, FOLDS)
    assert all(one[0] > 5 * one[1] for one in weights)
    flipped = np.where(FOLDS[0], 1 - CLASSES, CLASSES)
    again, weights_again = fused([good, noise], flipped, FOLDS)
    assert np.array_equal(again[FOLDS[0]], margins[FOLDS[0]])
    assert weights_again[0] == weights[0]
    assert weights_again[1] != weights[1]


def _arguments(folder: Path, *more: str) -> list[str]:
    return ["--data", str(folder), "--work", str(folder / "work"), "--out", str(folder / "a.json"), *more]


@pytest.mark.slow
def test_gaze_is_found_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "eegmmidb").mkdir()
    for subject in range(1, 7):
        write_subject(tmp_path / "eegmmidb", subject)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{track_a.BEGIN}\nstale table\n{track_a.END}\nafter\n")
    assert track_a.main(_arguments(tmp_path, "--folds", "3", "--page", str(page))) == 0
    found = json.loads((tmp_path / "a.json").read_text())
    means = {one["name"]: one["mean"] for one in found["scores"]}
    assert min(means["F7 F8"], means["frontal"], means["eye rule"]) > 95.0
    assert means["all"] > 85.0
    assert max(means["not frontal"], means["posterior"]) < 75.0
    text = page.read_text()
    assert text.startswith(f"before\n{track_a.BEGIN}\n| read after the cue |")
    assert text.endswith(f"\n{track_a.END}\nafter\n")
    assert "stale table" not in text
    assert track_a.section(found) in capsys.readouterr().out
    finished = (tmp_path / "work" / "tangent.npz").stat().st_mtime_ns
    assert track_a.main(_arguments(tmp_path, "--folds", "3")) == 0
    assert (tmp_path / "work" / "tangent.npz").stat().st_mtime_ns == finished
    assert track_a.main(_arguments(tmp_path, "--folds", "2")) == ConfigError.exit_code
    assert "give another --work" in capsys.readouterr().err
    limited = _arguments(tmp_path, "--folds", "3", "--subjects-limit", "5")
    assert track_a.main(limited) == ConfigError.exit_code


def test_without_data_or_marks_it_says_what_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert track_a.main(_arguments(tmp_path)) == 2
    assert "found 0 subjects" in capsys.readouterr().err
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    with pytest.raises(FileFormatError, match="has not both"):
        track_a.write_page(page, {})
