import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci import cli
from rtbci.evaluate.calibrators import CalibrationTrials
from rtbci.evaluate.data import open_data
from rtbci.evaluate.evaluate import evaluate
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.record import Evaluation, read_evaluation
from rtbci.evaluate.trials import FRONTAL
from rtbci.probe.profile import Profile
from tests.data_paths import data_dir, needs_data
from tests.unit.evaluate.samples import write_folder, write_subject, write_tiny

SECONDS = ("decoding_s", "wall_s")


def call(monkeypatch: pytest.MonkeyPatch, *args: str) -> object:
    monkeypatch.setattr(sys, "argv", ["rtbci", "eval", *args])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def numbers(evaluation: Evaluation) -> dict[str, object]:
    """All that must not depend on where it was computed."""
    content: dict[str, object] = json.loads(msgspec.json.encode(evaluation))
    del content["created"]
    for subject in content["subjects"]:  # type: ignore[attr-defined]
        for name in SECONDS:
            del subject[name]
    return content


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny")


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "lab", 3)


def test_the_whole_command(
    tiny: Path, lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--paradigm", str(tiny), "--data", str(lab), "--track", "B", "--k", "0,2"]
    args += ["--json", str(tmp_path / "e.json"), "--plots", str(tmp_path / "plots")]
    assert call(monkeypatch, *args) == 0
    said = capsys.readouterr().out
    assert "### Cue-locked, track B" in said
    assert "times faster than real time" in said
    found = read_evaluation(tmp_path / "e.json")
    assert (tmp_path / "e.md").read_text().startswith("## tiny on lab, track B")
    assert len(list((tmp_path / "plots").glob("*.png"))) == 4
    by_name = {one.name: one for one in found.conditions}
    assert list(by_name) == ["k0", "k2_base", "k2"]
    assert by_name["k0"].metrics["balanced_accuracy"].mean == 1.0
    assert by_name["k0"].metrics["itr_bits_per_min"].mean == pytest.approx(15.0)
    assert by_name["k0"].metrics["true_activation"].mean == 1.0
    assert by_name["k0"].n_trials == 24
    assert by_name["k2"].n_trials == by_name["k2_base"].n_trials == 3 * 4
    assert (found.data["n_subjects"], found.data["n_runs"], found.data["n_trials"]) == (3, 3, 24)
    assert (found.seen, found.decoders[0].engine, len(found.decoders[0].profile_sha256)) == (
        "unknown",
        "tiny",
        64,
    )
    trial = found.subjects[0].trials[1]
    assert trial.t_window_s is not None
    assert 0 <= trial.t_cue_s + 4.0 - trial.t_window_s[1] < 0.0625
    assert trial.cue == "right_hand"
    assert trial.margin["k0"] == pytest.approx(trial.log_probs["k0"][1] - trial.log_probs["k0"][0], abs=1e-5)


def test_a_choice_of_electrodes(
    tiny: Path, lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--paradigm", str(tiny), "--data", str(lab), "--channels", "motor-3"]
    assert call(monkeypatch, *args, "--json", str(tmp_path / "e.json")) == 0
    said = capsys.readouterr().out
    assert "note: the decoder was given 3 of 5 channels (3 of 3 subjects): C3, CZ, C4" in said
    assert "### Cue-locked, track B, only motor-3" in said
    found = read_evaluation(tmp_path / "e.json")
    assert found.settings["channels"] == ["C3", "CZ", "C4"]
    assert found.eye.channels == ["F7", "F8"]


def test_comparing_two_files(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, weight in (("good", 1.0), ("turned", -1.0)):
        paradigm = write_tiny(tmp_path / name, weight=weight)
        assert (
            call(
                monkeypatch,
                "--paradigm",
                str(paradigm),
                "--data",
                str(lab),
                "--json",
                f"{tmp_path}/{name}.json",
            )
            == 0
        )
    capsys.readouterr()
    assert call(monkeypatch, "--compare", f"{tmp_path}/turned.json", f"{tmp_path}/good.json") == 0
    assert "| k0: balanced_accuracy | good | turned | +1.000 |" in capsys.readouterr().out


class Turned:
    """A calibrator whose profile needs decoding again."""

    name = "turned"
    needs_signals = True

    def fit(self, profile: Profile, trials: CalibrationTrials) -> Profile:
        assert trials.signals is not None
        assert trials.branch_logits is not None
        assert trials.signals.shape[0] == len(trials.labels) == 4
        np.testing.assert_allclose(trials.branch_logits[:, 0], trials.logits)
        branches = [msgspec.structs.replace(profile.branches[0], weight=-1.0)]
        return msgspec.structs.replace(
            profile, branches=branches, weights={"window.scale": np.full(1, 2.0)}, bias=[0.0, 0.0]
        )


def test_a_calibrator_of_ones_own(tiny: Path, lab: Path) -> None:
    found = evaluate(
        Plan(str(tiny), open_data([str(lab)]), "B", (2,), calibrator="tests.integration.test_eval:Turned")
    )
    accuracies = {one.name: one.metrics["balanced_accuracy"].mean for one in found.conditions}
    assert accuracies == {"k0": 1.0, "k2_base": 1.0, "k2": 0.0}
    assert found.settings["calibrator"] == "turned"


def test_processes_give_the_same(tiny: Path, lab: Path) -> None:
    plan = Plan(str(tiny), open_data([str(lab)]), "B", (0, 2))
    alone = numbers(evaluate(plan))
    assert numbers(evaluate(replace(plan, n_jobs=2))) == alone


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # ray leaves sockets and files open, and warns of its own future
def test_a_ray_cluster_gives_the_same(tiny: Path, lab: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    plan = Plan(str(tiny), open_data([str(lab)]), "B", (0, 2))
    seen: list[int] = []
    spread = evaluate(replace(plan, ray="local"), lambda n, total: seen.append(n))
    assert numbers(spread) == numbers(evaluate(plan))
    assert seen == [0, 1, 2, 3]


def test_folds(tiny: Path, lab: Path, tmp_path: Path) -> None:
    turned = write_tiny(tmp_path / "turned", weight=-1.0)
    for i, (paradigm, test) in enumerate([(tiny, ["S001", "S002"]), (turned, ["S003"])]):
        fold = tmp_path / "folds" / f"fold{i}"
        shutil.copytree(paradigm / "population", fold / "profile")
        (fold / "subjects.json").write_text(json.dumps({"test": test}))
    found = evaluate(Plan(str(tiny), open_data([str(lab)]), "B", folds=tmp_path / "folds"))
    accuracies = [one.scores["k0"].metrics["balanced_accuracy"] for one in found.subjects]
    assert accuracies == [1.0, 1.0, 0.0]
    assert [one.fold for one in found.subjects] == ["fold0", "fold0", "fold1"]
    assert found.seen == "no"
    assert len({one.profile_sha256 for one in found.decoders}) == 2


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--track", "C"], 2, "--track: got 'C', need A"),
        (["--k", "5"], 2, "--k: got 5, but no subject has as many trials of every class"),
        (["--k", "-1"], 2, "--k: got '-1', need numbers of trials, 0 or more"),
        (["--k", "few"], 2, "--k: got 'few', need numbers"),
        (["--remaining", "some"], 2, "--remaining: got 'some', need 'later' or 'all'"),
        (["--subjects", "S009"], 2, "--subjects: S009 not in"),
        (["--channels", "C3,FC9"], 4, "--channels: 'S001' lacks FC9, it has F7, F8, C3, CZ, C4"),
        (["--channels", "motor3"], 2, "--channels: got 'motor3', need electrodes with commas between"),
        (["--calibrator", "magic"], 2, "--calibrator: got 'magic'"),
        (["--jobs", "0"], 2, "--jobs: got 0"),
        (["--profile", "nobody"], 6, "profile 'nobody': is neither"),
        (["--folds", "nowhere"], 2, "--folds: nowhere has no folder fold"),
        (["--paradigm", "nothing"], 2, "no recipe 'nothing'"),
        (["--json", "."], 2, "is a folder, need the name of a file"),
        (["--data", "nowhere"], 5, "nowhere does not exist"),
        (["--compare", "a.json", "b.json"], 5, "a.json: cannot be read"),
    ],
)
def test_bad_input_is_one_clear_line(
    tiny: Path,
    lab: Path,
    options: list[str],
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "--paradigm", str(tiny), "--data", str(lab), *options) == status
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said


def test_data_without_what_is_needed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for codes, message in (
        ((0, 0), "no cues, its markers are T0, need some of T1, T2"),
        ((1, 1, 1), "no subject has cues of every class (left_hand, right_hand)"),
    ):
        write_subject(tmp_path / "odd" / "S001.npz", codes)
        assert call(monkeypatch, "--paradigm", str(tiny), "--data", str(tmp_path / "odd")) == 5
        assert message in capsys.readouterr().err


def test_people_in_training(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paradigm = write_tiny(tmp_path / "trained", trained_on=["lab/S001", "lab/S002", "lab/S003"])
    args = ["--paradigm", str(paradigm), "--data", str(lab)]
    assert call(monkeypatch, *args) == 6
    assert "was trained on 3 of the 3 subjects to judge" in capsys.readouterr().err
    assert call(monkeypatch, *args, "--seen") == 0
    said = capsys.readouterr().out
    assert "note: seen in training: 3 of 3 subjects" in said
    assert "| no calibration (seen in training) |" in said
    assert call(monkeypatch, *args, "--dataset", "elsewhere") == 0


def test_electrodes_that_are_missing_are_told(tmp_path: Path) -> None:
    write_subject(tmp_path / "lab" / "S001.npz")  # C3, CZ, C4 and two frontal ones
    found = evaluate(Plan("motor_imagery", open_data([str(tmp_path / "lab")]), "B", allow_seen=True))
    (subject,) = found.subjects
    assert subject.interpolated == []
    assert len(subject.inferred) == 28
    (said,) = (one for one in found.warnings if "inferred" in one)
    assert said.startswith(
        "3 of 31 electrodes found, 28 inferred from the population's covariance (1 of 1 subjects): FC5, FC3,"
    )


@needs_data
@pytest.mark.data
@pytest.mark.slow
def test_the_shipped_decoder_on_a_recording_of_another_format() -> None:
    raw = data_dir() / "eegmmidb" / "raw"
    reader = open_data([str(raw / "S001R04.edf"), str(raw / "S001R08.edf")])
    found = evaluate(Plan("motor_imagery", reader, "B", allow_seen=True))
    (subject,) = found.subjects
    assert (subject.name, subject.n_runs, subject.scores["k0"].n_trials) == ("S001", 2, 30)
    assert found.eye.note.startswith("cannot be checked: 1 subjects")
    assert found.eye.channels == list(FRONTAL)
    archived = evaluate(
        Plan("motor_imagery", open_data([str(data_dir() / "eegmmidb" / "S001.npz")]), "B", allow_seen=True)
    )
    margins = [trial.margin["k0"] for trial in subject.trials]
    np.testing.assert_allclose(margins, [t.margin["k0"] for t in archived.subjects[0].trials[:30]], atol=1e-3)
