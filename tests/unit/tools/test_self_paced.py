"""Baselines over whole recordings: same windows as the live decoder's, same scores as `rtbci eval`'s."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from rtbci.errors import ConfigError
from rtbci.evaluate.assign import Assignment
from rtbci.evaluate.data import SubjectReader, open_data
from rtbci.evaluate.decode import HopDecoder, decode_run
from rtbci.evaluate.subject import Task, judge_subject
from rtbci.evaluate.trials import Trial, find_trials
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import mirror_columns
from tests.training_samples import aligned_signals, write_subject
from tools.compare_decoders import main
from tools.training.baselines.eegnet import EegNet, eegnet_margins, net_tensors
from tools.training.baselines.few_trials import linear_margins
from tools.training.baselines.linear import LINEAR, fit_linear
from tools.training.baselines.prepare import Track, prepare
from tools.training.baselines.self_paced import (
    METRICS,
    judge_streamed,
    met_at,
    recentred,
    score_subject,
    streamed_path,
)
from tools.training.baselines.self_paced_table import self_paced_page
from tools.training.baselines.streamed import FUSED, StreamedRun, read_streamed, write_streamed
from tools.training.baselines.streaming import GridDecoder, baseline_margins
from tools.training.signals import (
    LAYOUT,
    Signal,
    align_signals,
    mean_covariance,
)
from tools.training.trials import HOP, WINDOW

ROOT = Path(__file__).resolve().parents[3]
POPULATION = ROOT / "paradigms" / "motor_imagery" / "population"
ENGINE = ROOT / "engines" / "dare_nano"


@pytest.fixture(autouse=True)
def torch_settings() -> Iterator[None]:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


def reader_of(folder: Path, subjects: range, n_runs: int = 2) -> SubjectReader:
    folder.mkdir(exist_ok=True)
    for subject in subjects:
        write_subject(folder, subject, n_runs, n_trials=4, trial_s=7.0)
    return open_data([str(folder)], "eegmmidb")


def test_a_window_of_the_stream_is_judged_as_the_same_window_of_a_trial() -> None:
    signals = aligned_signals(2, 6)
    signals = [Signal(one.subject, one.data, one.i_cue // HOP * HOP, one.classes) for one in signals]
    track = Track("B", (256, 1024), (1.0, 4.0))
    data = prepare(signals, np.array([9]), track)
    decoders = {
        name: fit_linear(name, data.covariances, data.classes, mirror_columns(LAYOUT)) for name in LINEAR
    }
    torch.manual_seed(0)
    net = EegNet(len(LAYOUT), WINDOW // 2).eval()
    tensors = {name: one.tensors() for name, one in decoders.items()} | {"eegnet": net_tensors(net)}
    wanted = {
        name: linear_margins(one.features(data.covariances), one.coef, one.intercept)
        for name, one in decoders.items()
    } | {"eegnet": eegnet_margins(net, data.x, mirror_columns(LAYOUT))}
    aligned = align_signals(signals[:1], mean_covariance(signals))[0]
    for every in (1, 4):
        found = baseline_margins(tensors, aligned.data, every)
        i_end = (aligned.i_cue + 1024) // HOP - WINDOW // HOP  # the first window ends with its 48th hop
        on_grid = i_end % every == 0
        assert on_grid.any()
        for name, margins in found.items():
            assert len(margins) == (len(aligned.data) // HOP - WINDOW // HOP) // every + 1
            np.testing.assert_allclose(
                margins[i_end[on_grid] // every], wanted[name][:6][on_grid], rtol=1e-3, atol=2e-4
            )


def test_the_grids_windows_are_those_of_the_live_decoder(tmp_path: Path) -> None:
    run = reader_of(tmp_path / "data", range(901, 902), 1).read("S901")[0]
    recipe, profile = read_paradigm("motor_imagery"), read_profile(POPULATION)
    with HopDecoder(recipe, profile=profile) as decoder:
        every_hop = decode_run(decoder, run)
        said = [np.array(branch[WINDOW // HOP - 1 :]) for branch in decoder.branch_logits]
        hops = np.concatenate(decoder.hops)
    with GridDecoder(recipe, profile, str(ENGINE), 4) as decoder:
        grid = decode_run(decoder, run)
        np.testing.assert_array_equal(np.concatenate(decoder.hops), hops)
        assert not grid.full[:47].any()
        np.testing.assert_array_equal(np.flatnonzero(grid.full), np.arange(47, len(grid.full), 4))
        np.testing.assert_array_equal(grid.t_newest, every_hop.t_newest)
        for of_branch, wanted in zip(decoder.branch_logits, said, strict=True):
            assert all(one is None for one in of_branch[:11])
            np.testing.assert_array_equal(np.array(of_branch[11:]), wanted[::4])
    with pytest.raises(ConfigError, match="--every: got 5, need a divisor of the 48 hops"):
        GridDecoder(recipe, profile, str(ENGINE), 5)


def test_scores_are_those_of_rtbci_eval(tmp_path: Path) -> None:
    reader = reader_of(tmp_path / "data", range(901, 902))
    recipe, profile = read_paradigm("motor_imagery"), read_profile(POPULATION)
    assignment = Assignment("", str(POPULATION), "", "no")
    task = Task(reader, "S901", "motor_imagery", assignment, "B", (0,), "scale_bias", "later", "onnxruntime")
    wanted = judge_subject(task).record.scores["k0"]
    runs = reader.read("S901")
    trials = find_trials(runs, recipe, "")
    judged = []
    with GridDecoder(recipe, profile, str(ENGINE), 1) as decoder:
        for i_run, run in enumerate(runs):
            windows = decode_run(decoder, run)
            said = [
                np.array([np.full(2, np.nan) if one is None else one for one in branch])
                for branch in decoder.branch_logits
            ]
            total: FloatArray = sum(
                (entry.weight * one for entry, one in zip(profile.branches, said, strict=True)),
                np.zeros(2),
            )
            mine = tuple(trial for trial in trials if trial.i_run == i_run)
            streamed = StreamedRun("S901", i_run, windows.t_first, windows.t_newest, {}, mine)
            judged.append((streamed, recentred(total, recipe, 1)))
    found = score_subject(judged, profile.temperature, recipe, 1, [0.5, recipe.decision.threshold])
    assert wanted.metrics["true_activation"] is not None
    for name, value in zip(METRICS, found[1].tolist(), strict=True):
        assert value == pytest.approx(wanted.metrics[name], nan_ok=True)
    true, false = METRICS.index("true_activation"), METRICS.index("false_per_min")
    assert found[0, true] == pytest.approx(wanted.sweep_true[0])  # the sweep's first threshold is chance
    assert found[0, false] == pytest.approx(wanted.sweep_false[0])


def streamed_run(subject: str, rng: np.random.Generator, **gains: float) -> StreamedRun:
    """A minute with six trials; each decoder's margin is its gain times the class while it is imagined, and noise."""
    t_newest = np.arange(0.25, 60.0, 0.25)
    trials = tuple(Trial(0, 3.0 + 9.0 * i, 7.0 + 9.0 * i, i % 2) for i in range(6))
    side = np.zeros(len(t_newest))
    for trial in trials:
        side[(t_newest > trial.t_cue + 0.5) & (t_newest <= trial.t_end)] = 2 * trial.i_class - 1
    logits = {}
    for name, gain in gains.items():
        margins = gain * (side + 0.7 * rng.standard_normal(len(side)))
        margins[:11] = np.nan
        logits[name] = np.stack([-margins / 2, margins / 2], axis=1)
    return StreamedRun(subject, 0, t_newest - 3.0, t_newest, logits, trials)


def write_two_folds(folder: Path, gain: float) -> None:
    rng = np.random.default_rng(0)
    for i in range(2):
        runs = [
            streamed_run(f"S{10 * i + j}", rng, **{FUSED: 3.0, "tangent": gain if i else 2.0, "eegnet": 1e-6})
            for j in range(3)
        ]
        write_streamed(streamed_path(folder, i), runs, 4)


def test_streamed_recordings_are_read_as_written(tmp_path: Path) -> None:
    run = streamed_run("S007", np.random.default_rng(1), tangent=2.0)
    write_streamed(tmp_path / "one.npz", [run, run], 4)
    back = read_streamed(tmp_path / "one.npz", 4)
    assert len(back) == 2
    assert (back[1].subject, back[1].i_run, back[1].trials) == ("S007", 0, run.trials)
    np.testing.assert_array_equal(back[1].logits["tangent"], run.logits["tangent"])
    np.testing.assert_array_equal(back[1].t_first, run.t_first)
    with pytest.raises(ConfigError, match="holds every 4th hop, need every 1th"):
        read_streamed(tmp_path / "one.npz", 1)


def test_temperatures_come_from_the_other_folds_and_tests_are_paired(tmp_path: Path) -> None:
    write_two_folds(tmp_path, 2.0)
    found = judge_streamed(tmp_path, 5, 4)
    assert (found["folds"], found["n_subjects"], found["hop_s"]) == ([0, 1], 6, 0.25)
    by_name = {one["name"]: one for one in found["decoders"]}
    assert by_name[FUSED]["at_recipe"]["online_nmcc"]["mean"] > 0.7
    assert by_name["eegnet"]["at_recipe"]["true_activation"]["mean"] >= 0.0
    assert by_name[FUSED]["at_recipe"]["balanced_accuracy"]["mean"] > 0.8
    # A decoder that is surer by a constant factor comes out the same; one fold's factor changes the others' temperature.
    write_two_folds(tmp_path, 20.0)
    changed = {one["name"]: one for one in judge_streamed(tmp_path, 5, 4)["decoders"]}
    before, after = by_name["tangent"]["temperatures"], changed["tangent"]["temperatures"]
    assert after[0] == pytest.approx(10.0 * before[0], rel=1e-3)
    assert after[1] == pytest.approx(before[1])
    assert changed[FUSED] == by_name[FUSED]
    tests = {(one["metric"], one["first"]): one for one in found["tests"]}
    difference = tests["nMCC", "tangent"]["mean"]
    by_hand = [by_name[name]["at_recipe"]["online_nmcc"]["mean"] for name in (FUSED, "tangent")]
    assert difference == pytest.approx(by_hand[0] - by_hand[1])
    page = self_paced_page(found)
    assert "ours, encoder + tangent space - tangent space + LR, 8-30 Hz" in page
    assert "a window every 250 ms" in page


def test_met_at_a_rate_lies_between_two_thresholds() -> None:
    true = np.array([[1.0, 0.8, 0.4], [0.8, 0.6, 0.0]])
    false = np.array([[9.0, 4.0, 0.0], [7.0, 2.0, 2.0]])  # means 8, 3, 1
    np.testing.assert_allclose(met_at(true, false, 2.0), [0.6, 0.3])
    np.testing.assert_allclose(met_at(true, false, 3.0), true[:, 1])
    np.testing.assert_allclose(met_at(true, false, 10.0), true[:, 0])
    np.testing.assert_allclose(met_at(true, false, 0.5), true[:, 2])


def test_one_fold_is_not_enough(tmp_path: Path) -> None:
    write_two_folds(tmp_path, 2.0)
    streamed_path(tmp_path, 1).unlink()
    with pytest.raises(ConfigError, match="streamed recordings of 1 folds, need two or more"):
        judge_streamed(tmp_path, 5, 4)


def test_self_paced_needs_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for subject in range(901, 903):
        (tmp_path / "eegmmidb").mkdir(exist_ok=True)
        write_subject(tmp_path / "eegmmidb", subject, n_runs=1, n_trials=2)
    arguments = f"--data {tmp_path} --out {tmp_path / 'out'} --folds 2 --self-paced".split()
    assert main(arguments) == 2
    assert "--self-paced needs --ours" in capsys.readouterr().err


@pytest.mark.slow
def test_from_recordings_to_a_self_paced_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reader_of(tmp_path / "eegmmidb", range(901, 905), 1)
    out, ours = tmp_path / "out", tmp_path / "ours"
    arguments = f"--data {tmp_path} --out {out} --folds 2 --epochs 1 --tracks B --ks 0".split()
    assert main(arguments) == 0
    for i in range(2):
        shutil.copytree(POPULATION, ours / f"fold{i}" / "profile")
        shutil.copytree(ENGINE, ours / f"fold{i}" / "engine")
        record = json.loads((out / f"fold{i}_B.json").read_text())
        test = [f"S{subject:03d}" for subject in record["test_subjects"]]
        (ours / f"fold{i}" / "subjects.json").write_text(json.dumps({"test": test}))
        with np.load(out / f"fold{i}_B.npz") as archive:
            classes = archive["classes"]
            np.savez(
                ours / f"fold{i}.npz",
                subjects=archive["subjects"],
                classes=classes,
                encoder=2.0 * classes[:, None] - 1,
                tangent=2.0 * classes[:, None] - 1,
            )
    assert main([*arguments, "--ours", str(ours), "--self-paced"]) == 0
    assert "Self-paced" in capsys.readouterr().out
    found = json.loads((out / "self_paced.json").read_text())
    names = [one["name"] for one in found["decoders"]]
    assert set(names) == {"ours_encoder", "ours_tangent", FUSED, *LINEAR, "eegnet"}
    by_name = {one["name"]: one for one in found["decoders"]}
    assert by_name["tangent"]["at_recipe"]["balanced_accuracy"]["mean"] > 0.7
    streamed = streamed_path(out, 0).read_bytes()
    assert main([*arguments, "--ours", str(ours), "--self-paced"]) == 0
    assert streamed_path(out, 0).read_bytes() == streamed
