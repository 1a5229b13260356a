import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from rich.console import Console

from rtbci.errors import ConfigError, FileFormatError
from rtbci.evaluate import describe
from rtbci.evaluate.compare import compare
from rtbci.evaluate.data import open_data
from rtbci.evaluate.evaluate import evaluate
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.plots import write_plots
from rtbci.evaluate.record import Evaluation, SubjectScore, read_evaluation, write_evaluation
from rtbci.evaluate.summary import operating_point
from rtbci.evaluate.tables import evaluation_grids, markdown_report, rich_table
from rtbci.recipes import RecentreSettings, read_paradigm
from tests.unit.evaluate.samples import write_folder, write_tiny


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("evaluation")
    paradigm = write_tiny(folder / "tiny")
    data = write_folder(folder / "lab", 3, share_wrong=0.3)
    return evaluate(Plan(str(paradigm), open_data([str(data)]), "B", (0, 2)))


def test_the_file_says_how_logits_were_recentred(tmp_path: Path, evaluation: Evaluation) -> None:
    assert evaluation.paradigm["recentre"] is None
    recipe = read_paradigm(str(write_tiny(tmp_path)))
    centred = recipe.model_copy(update={"recentre": RecentreSettings(prior_s=60.0)})
    assert describe.paradigm(centred)["recentre"] == {"prior_s": 60.0, "time_constant_s": None}


def test_what_is_written_is_read(tmp_path: Path, evaluation: Evaluation) -> None:
    write_evaluation(tmp_path / "new" / "e.json", evaluation)
    assert read_evaluation(tmp_path / "new" / "e.json") == evaluation
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["e.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", "is no evaluation"),
        ("[1]", "is no evaluation, need JSON of kind 'rtbci evaluation'"),
        ('{"kind": "something else"}', "need JSON of kind"),
        ('{"kind": "rtbci evaluation", "schema": 9}', "is an evaluation of schema 9, need 1"),
        ('{"kind": "rtbci evaluation", "schema": 1}', "is no evaluation .*missing required field"),
    ],
)
def test_json_that_is_no_evaluation(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "e.json").write_text(content)
    with pytest.raises(FileFormatError, match=message):
        read_evaluation(tmp_path / "e.json")


def test_files_that_are_not_there(tmp_path: Path, evaluation: Evaluation) -> None:
    with pytest.raises(FileFormatError, match=r"cannot be read .No such file"):
        read_evaluation(tmp_path / "e.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileFormatError, match="cannot be written"):
        write_evaluation(tmp_path / "file" / "e.json", evaluation)


def test_tables(evaluation: Evaluation) -> None:
    report = markdown_report(evaluation)
    for text in (
        "## tiny on lab, track B",
        "| k = 2 a class |",
        "no calibration, trials of k = 2",
        "### Eye check",
    ):
        assert text in report
    assert "training subjects not stated" in report
    for line in report.splitlines():
        assert not line.startswith("|") or line.endswith("|")
    console = Console(file=io.StringIO(), width=240, force_terminal=True)
    for grid in evaluation_grids(evaluation):
        assert all(len(row) == len(grid.header) for row in grid.rows)
        console.print(rich_table(grid))
    assert "balanced accuracy %" in console.file.getvalue()  # type: ignore[attr-defined]


def test_every_number_of_people_in_training_says_so(evaluation: Evaluation) -> None:
    seen = msgspec.structs.replace(evaluation, seen="yes")
    for grid in evaluation_grids(seen)[:3]:
        assert all(row[0].endswith("(seen in training)") for row in grid.rows)


def test_a_users_profile_is_not_called_uncalibrated(evaluation: Evaluation) -> None:
    def labels(*changes: dict[str, Any]) -> set[str]:
        used = [msgspec.structs.replace(evaluation.decoders[0], **one) for one in changes]
        grids = evaluation_grids(msgspec.structs.replace(evaluation, decoders=used))
        return {row[0] for row in grids[0].rows}

    kept: dict[str, Any] = {"user": "u", "generation": 2, "n_trials": 40}
    of_u = "profile of u, generation 2, fitted on 40 trials"
    assert labels(kept) == {of_u, "k = 2 a class", f"{of_u}, trials of k = 2"}
    assert "profile of u, fitted on 40 trials" in labels({**kept, "generation": 0})
    assert "no calibration" in labels({"user": "population", "n_trials": 3202})
    assert "no calibration" in labels({})  # a file from before profiles were named
    assert "no calibration" in labels(*({"user": "population", "n_trials": n} for n in (1, 2)))  # folds


def test_whoever_judges_a_users_profile_is_told_to_take_other_trials(evaluation: Evaluation) -> None:
    used = evaluation.decoders[0]
    (note,) = describe.fitted_note([msgspec.structs.replace(used, user="u", n_trials=40)])
    assert "u's profile was fitted on 40 trials" in note
    assert not describe.fitted_note([msgspec.structs.replace(used, user="population", n_trials=3202)])


def test_plots(tmp_path: Path, evaluation: Evaluation) -> None:
    written = write_plots(evaluation, tmp_path / "plots")
    assert [path.name for path in written] == ["coverage.png", "reliability.png", "sweep.png", "subjects.png"]
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 10_000


def better(evaluation: Evaluation, gain: float) -> Evaluation:
    """The same evaluation with a higher accuracy."""
    content = json.loads(msgspec.json.encode(evaluation))
    for i, subject in enumerate(content["subjects"]):
        for score in subject["scores"].values():
            score["metrics"]["balanced_accuracy"] += gain + 0.01 * i
    return msgspec.json.decode(json.dumps(content), type=Evaluation)


def test_comparing(evaluation: Evaluation) -> None:
    found = {one.metric: one for one in compare(evaluation, better(evaluation, 0.1), ("a", "b"))}
    accuracy = found["k0: balanced_accuracy"]
    assert accuracy.mean == pytest.approx(0.11)
    assert (accuracy.first, accuracy.second, accuracy.n) == ("a", "b", 3)
    assert accuracy.p_t is not None
    assert accuracy.p_t < 0.01
    assert found["k0: kappa"].p_t == 1.0
    assert {name.partition(":")[0] for name in found} == {"k0", "k2", "k2_base"}


def test_what_cannot_be_compared(evaluation: Evaluation) -> None:
    def changed(**changes: object) -> Evaluation:
        return msgspec.structs.replace(evaluation, **changes)

    for other, message in (
        (changed(settings=evaluation.settings | {"track": "A"}), "a is of track B, b of A, need the same"),
        (changed(data=evaluation.data | {"name": "x"}), "a is of data set lab, b of x"),
        (changed(paradigm=evaluation.paradigm | {"classes": ["x", "y"]}), "of classes"),
        (changed(subjects=[]), "have no subject in common"),
        (
            changed(
                subjects=[
                    msgspec.structs.replace(
                        one,
                        scores={k: msgspec.structs.replace(s, n_trials=1) for k, s in one.scores.items()},
                    )
                    for one in evaluation.subjects
                ]
            ),
            "judge different trials",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            compare(evaluation, other, ("a", "b"))


def score(true: list[float | None], false: list[float | None]) -> SubjectScore:
    return SubjectScore(
        n_trials=1, metrics={}, trial_bins=[], window_bins=[], sweep_true=true, sweep_false=false
    )


def test_the_operating_point_by_hand() -> None:
    grid = [0.5, 0.7, 0.9]
    scores = [score([0.9, 0.8, 0.2], [5.0, 1.0, 0.0]), score([0.7, 0.6, 0.4], [4.0, 2.0, 1.0])]
    point = operating_point(scores, grid)
    assert point.threshold == 0.7
    assert point.true_activation is not None
    assert point.true_activation.mean == pytest.approx(0.7)
    assert point.false_per_min is not None
    assert point.false_per_min.mean == pytest.approx(1.5)
    none = operating_point(scores, grid, limit_per_min=0.1)
    assert (none.threshold, none.true_activation) == (None, None)
    # the second alone would take 0.9 at most 1 a minute, the first 0.7: each is judged at the other's
    strict = operating_point(scores, grid, limit_per_min=1.0)
    assert strict.threshold == 0.9
    assert strict.held_out_true is not None
    assert strict.held_out_true.mean == pytest.approx((0.2 + 0.6) / 2)


@pytest.mark.parametrize(
    ("profile", "engine", "said"),
    [
        ("/p", "own", "training subjects not stated by the profile: 2 of 3 subjects may have been"),
        (
            "",
            "own",
            "engine 'own' has no profile, so nothing says on whom it was trained, if on anybody: 2 of 3",
        ),
        ("", "", "the decoder has no profile, so nothing says on whom"),
    ],
)
def test_who_does_not_say_on_whom_it_was_trained(
    evaluation: Evaluation, profile: str, engine: str, said: str
) -> None:
    used = msgspec.structs.replace(evaluation.decoders[0], profile=profile, engine=engine)
    judged = [SimpleNamespace(record=SimpleNamespace(seen=seen)) for seen in ("unknown", "no", "unknown")]
    (note,) = describe.unstated_note([used], judged)  # type: ignore[arg-type]
    assert said in note
    assert not describe.unstated_note([used], judged[1:2])  # type: ignore[arg-type]
