"""Nights that ran: a session in simulated time, its hypnogram and report; the demo; YASA's trees."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from rtbci.amp.night import Course
from rtbci.amp.sleeper import SleepingAmp
from rtbci.chaos.scenario import Scenario
from rtbci.cli import app
from rtbci.errors import ConfigError
from rtbci.night.judge import agreement
from rtbci.night.session import hypnogram_of, marked_stages
from rtbci.night.simulated import NightSource
from rtbci.night.yasa import _raw, score_night, trees_from_model, yasa_trees
from rtbci.probe.epoch_branch import context_names
from rtbci.probe.epoch_heads import TreesHead
from rtbci.recipes import read_paradigm
from rtbci.report.session import write_session_report
from rtbci.report.session_facts import read_facts
from rtbci.runtime.decoder import Decoder
from rtbci.verify.verify import verify
from tests.night_samples import night_of, short_course, write_night
from tools.simulated_session import record_session

LOST_S = 60.0


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen minutes of sleep on a headset's electrode, recorded; a minute of it was lost."""
    folder = tmp_path_factory.mktemp("nights") / "night"
    faults = [{"kind": "dropout", "start_s": 300.0, "length_s": LOST_S}]
    course = short_course()
    record_session(
        folder,
        Scenario.model_validate(
            {"schema": 1, "title": "one minute", "duration_s": course.duration_s, "faults": faults}
        ),
        lambda clock: NightSource(SleepingAmp(course, ("TP9",), seed=4), clock),
        {"paradigm": "sleep"},
    )
    return folder


def test_a_lost_minute_does_not_end_the_night(session: Path) -> None:
    facts = read_facts(session)
    night = hypnogram_of(facts.predictions)
    assert night is not None
    holes = [i for i, one in enumerate(night.stages) if one is None]
    # 300 to 360 s are lost; the next window is full where the next epoch ends
    assert holes == [10, 11]
    marked = marked_stages(facts.markers, night)
    assert marked is not None
    assert marked.stages == short_course().stages[: len(marked.stages)]
    found = agreement(marked.stages, night.stages)
    assert found.n_unscored == 2
    assert found.kappa > 0.5  # a simulated night
    assert len(facts.gaps) == 1


def test_the_night_is_computed_again_to_the_bit(session: Path) -> None:
    found = verify(session)
    assert (found.verdict, found.exact, found.first) == ("identical", True, None)


def test_an_electrode_that_is_off_is_poor_signal(tmp_path: Path) -> None:
    """While it is off, and until no window holds any of that; the message names it while it is off."""
    course = Course(("W",) * 6)
    flat = {"kind": "flat", "start_s": 62.0, "length_s": 50.0}
    record_session(
        tmp_path / "off",
        Scenario.model_validate(
            {"schema": 1, "title": "off", "duration_s": course.duration_s, "faults": [flat]}
        ),
        lambda clock: NightSource(SleepingAmp(course, ("TP9",), seed=4), clock),
        {"paradigm": "sleep"},
    )
    facts = read_facts(tmp_path / "off")
    t0 = facts.t_span[0]
    said = {round(one.t_window[1] - t0): one for one in facts.predictions}
    assert {one.why for t_s, one in said.items() if t_s < 29} == {"warming_up"}
    during = [one for t_s, one in said.items() if 65 <= t_s < 140]
    assert len(during) == 15
    assert {one.why for one in during} == {"poor_signal"}
    assert {one.probs for one in during[1:]} == {None}  # the filters' transient is over
    assert all(one.quality.score < 0.5 for one in during)
    assert {one.quality.bad_channels for t_s, one in said.items() if 70 <= t_s <= 110} == {("TP9",)}
    assert all(one.probs is not None for t_s, one in said.items() if 30 <= t_s <= 60 or t_s > 145)
    told = [(one.state, one.bad_channels) for one in facts.statuses if 75 < one.t_sent - t0 < 105]
    assert told
    assert all(one == ("running", {"TP9": "flat"}) for one in told)
    assert verify(tmp_path / "off").verdict == "identical"


def test_a_session_has_a_hypnogram(session: Path, tmp_path: Path) -> None:
    csv, png = tmp_path / "night.csv", tmp_path / "night.png"
    result = CliRunner().invoke(
        app, ["night", "hypnogram", str(session), "--csv", str(csv), "--png", str(png)]
    )
    assert result.exit_code == 0, result.output
    assert "total sleep time" in result.output
    assert "agreement with markers" in result.output
    assert len(csv.read_text().splitlines()) >= 25
    assert png.stat().st_size > 5000
    result = CliRunner().invoke(app, ["night", "hypnogram", str(session), "--json"])
    told = json.loads(result.output)
    assert told["statistics"]["unscored_min"] == 1.0
    assert told["stages"].count(None) == 2


def test_its_report_shows_the_night(session: Path, tmp_path: Path) -> None:
    page = write_session_report(session, tmp_path / "report.html").read_text()
    assert "Stages of sleep in time" in page
    assert "wake after sleep onset" in page


def test_a_recording_is_decoded(tmp_path: Path) -> None:
    write_night(tmp_path, "mine", beside=False)
    file = str(tmp_path / "mine.edf")
    result = CliRunner().invoke(app, ["night", "hypnogram", file, "--paradigm", "sleep"])
    assert result.exit_code == 0, result.output
    assert "sleep efficiency" in result.output
    assert "note: EEG Fpz-Cz stands for C4\n" in result.output
    told = json.loads(
        CliRunner().invoke(app, ["night", "hypnogram", file, "--paradigm", "sleep", "--json"]).output
    )
    assert told["stand_ins"] == {"C4": "EEG Fpz-Cz"}
    refused = CliRunner().invoke(app, ["night", "hypnogram", file])
    assert isinstance(refused.exception, ConfigError)
    assert "needs --paradigm" in str(refused.exception)
    refused = CliRunner().invoke(app, ["night", "hypnogram", file, "--paradigm", "motor_imagery"])
    assert "need W, N1, N2, N3, REM" in str(refused.exception)


def test_the_demo_decodes_a_night() -> None:
    result = CliRunner().invoke(app, ["demo", "--paradigm", "sleep", "--seconds", "4"])
    assert result.exit_code == 0, result.output
    assert "simulated stages" in result.output
    assert "agreement with markers" in result.output
    assert "cut short after" in result.output


# -- YASA ---------------------------------------------------------------------------------------------


def dumped(**changes: Any) -> dict[str, Any]:
    """What LightGBM says of a small model: two classes, three trees each."""
    rng = np.random.default_rng(0)

    def node(depth: int) -> dict[str, Any]:
        if depth == 0:
            return {"leaf_value": float(rng.standard_normal())}
        return {
            "split_feature": int(rng.integers(0, 2)),
            "threshold": float(rng.standard_normal()),
            "decision_type": "<=",
            "missing_type": "None",
            "left_child": node(depth - 1),
            "right_child": node(depth - 1),
        }

    trees = [{"tree_structure": node(depth)} for depth in (2, 3, 0, 1, 2, 3)]
    model = {"feature_names": ["b", "a"], "objective": "multiclass num_class:2", "num_tree_per_iteration": 2}
    return {**model, "tree_info": trees, **changes}


def test_a_model_of_lightgbm_is_taken_apart() -> None:
    model = dumped()
    head = TreesHead.from_tensors(trees_from_model(model, ("a", "b", "c"), (1, 0)))

    def walk(node: dict[str, Any], x: dict[str, float]) -> float:
        while "split_feature" in node:
            name = model["feature_names"][node["split_feature"]]
            node = node["left_child" if x[name] <= node["threshold"] else "right_child"]
        return float(node["leaf_value"])

    for row in np.random.default_rng(1).standard_normal((50, 3)).astype(np.float32).astype(float):
        x = dict(zip("abc", row.tolist(), strict=True))
        sums = [sum(walk(one["tree_structure"], x) for one in model["tree_info"][k::2]) for k in (0, 1)]
        np.testing.assert_allclose(head.logits(row), (sums[1], sums[0]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"feature_names": ["b", "z"]}, "reads z, which are not computed"),
        ({"objective": "binary sigmoid:1"}, "of the kind 'binary sigmoid:1'"),
        ({"num_tree_per_iteration": 3}, "with 3 classes, need multiclass with 2"),
    ],
)
def test_another_model_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        trees_from_model(dumped(**changes), ("a", "b"), (0, 1))


def test_yasa_itself_and_its_trees_agree() -> None:
    yasa = pytest.importorskip("yasa", reason="the extra sleep is not installed")
    assert yasa.__version__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors, _ = yasa_trees(read_paradigm("sleep"))
        recording, _ = night_of()
        scored = score_night(read_paradigm("sleep"), recording)
        staging = yasa.SleepStaging(_raw(recording.data.T), "eeg")
        features = staging.get_features()[context_names(1)].to_numpy(float)
    logits = np.array([TreesHead.from_tensors(tensors).logits(row) for row in features])
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert scored.probs is not None
    np.testing.assert_allclose(probs, scored.probs, atol=1e-9)


def test_a_short_recording_is_nothing_for_yasa() -> None:
    recording, _ = night_of()
    with pytest.raises(ConfigError, match="need 5 min or more"):
        score_night(read_paradigm("sleep"), recording.crop(0.0, 200.0))


def test_a_profile_that_is_swapped_in_goes_on_with_the_night() -> None:
    recording, _ = night_of(3, ("EEG Fpz-Cz",))
    n, half = 30_000, 15_000
    data, t_s = recording.data[:n], recording.sample_times(0, n)
    with Decoder("sleep") as one, Decoder("sleep") as other:
        for decoder in (one, other):
            decoder.open(recording.info)
            decoder.push(data[:half], t_s[:half])
        other.swap_profile("population")
        unbroken, swapped = (
            np.array([found.estimate.probs for found in each.push(data[half:], t_s[half:])])
            for each in (one, other)
        )
    assert unbroken.shape == (30, 5)
    np.testing.assert_array_equal(swapped, unbroken)
