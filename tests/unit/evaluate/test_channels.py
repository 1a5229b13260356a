"""Judging a decoder as if recordings had fewer electrodes."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest

from rtbci.errors import ChannelError, ConfigError
from rtbci.evaluate.calibrators import CalibrationTrials
from rtbci.evaluate.compare import compare
from rtbci.evaluate.evaluate import evaluate
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.record import Evaluation, read_evaluation, write_evaluation
from rtbci.evaluate.tables import evaluation_grids, markdown_report
from rtbci.probe.profile import Profile, read_profile, write_profile
from rtbci.replay.recording import Recording
from rtbci.stream.caps import read_cap
from rtbci.stream.source import Channel
from tests.tiny import ALIGNED, write_paradigm, write_tiny_profile
from tests.unit.evaluate.samples import asked, imagery_recording, write_folder

LABELS = ("F7", "F8", "Fc3.", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "Cp4")
LAYOUT = ("C3", "CZ", "C4")
CODES = (1, 2, 2, 1, 1, 2, 1, 2)
Missing = Literal["interpolate", "infer"]


@dataclass(frozen=True)
class Memory:
    """A `SubjectReader` of recordings with eyes that follow the cue; some channels hold garbage."""

    spoilt: tuple[str, ...] = ()
    garbage: float = np.nan
    labels: tuple[str, ...] = LABELS
    n_subjects: int = 1
    name: str = "memory"
    source: str = "memory"

    def subjects(self) -> list[str]:
        return [f"S{i}" for i in range(self.n_subjects)]

    def read(self, subject: str) -> list[Recording]:
        few = imagery_recording(CODES, int(subject[1:]), 40.0)  # F7 F8 C3 CZ C4
        noise = 6.0 * np.random.default_rng(int(subject[1:])).standard_normal((few.n_samples, len(LABELS)))
        left, right = few.data[:, 2], few.data[:, 4]
        seen_by = {"F7": few.data[:, 0], "F8": few.data[:, 1], "Cz": few.data[:, 3]}
        seen_by |= dict.fromkeys(("Fc3.", "C5", "C3", "C1"), left)
        seen_by |= dict.fromkeys(("C2", "C4", "C6", "Cp4"), right)
        columns = [
            np.full(few.n_samples, self.garbage)
            if label in self.spoilt
            else seen_by[label] + 0.3 * noise[:, LABELS.index(label)]
            for label in self.labels
        ]
        channels = tuple(Channel(label, "microvolts") for label in self.labels)
        return [replace(few, info=replace(few.info, channels=channels), data=np.column_stack(columns))]


def write_decoder(folder: Path, missing: Missing) -> Path:
    """The tiny decoder of C3, CZ and C4, which can do without some of them."""
    paradigm = write_paradigm(folder, stages=ALIGNED, population="population")
    recipe = (paradigm / "recipe.toml").read_text()
    asked = f'[input]\nmissing = "{missing}"\nmax_interpolated = 0.4\n'
    (paradigm / "recipe.toml").write_text(recipe.replace("[input]\n", asked))
    write_tiny_profile(paradigm / "population", paradigm, user="population", weight=1.0)
    profile = read_profile(paradigm / "population")
    weights = profile.weights | {"align.covariance": 50.0 * (0.7 * np.eye(3) + 0.3)}
    write_profile(paradigm / "population", msgspec.structs.replace(profile, weights=weights), replace=True)
    return paradigm


def plan(folder: Path, reader: Memory, channels: str, missing: Missing = "interpolate") -> Plan:
    paradigm = folder / "paradigm"
    if not paradigm.exists():
        write_decoder(folder, missing)
    return Plan(str(paradigm), reader, "B", cap=read_cap(channels))


def judged(evaluation: Evaluation) -> list[object]:
    """All that comes out of the decoder."""
    return [[one.scores, [t.log_probs for t in one.trials]] for one in evaluation.subjects]


def accuracy(evaluation: Evaluation) -> float:
    found = evaluation.conditions[0].metrics["balanced_accuracy"].mean
    assert found is not None
    return found


@pytest.mark.parametrize(("missing", "chosen"), [("interpolate", "Fc3,c5,c1,CZ,C4"), ("infer", "C3,C4")])
@pytest.mark.parametrize("garbage", [np.nan, 1e7])
def test_what_is_not_chosen_changes_no_bit(
    tmp_path: Path, missing: Missing, chosen: str, garbage: float
) -> None:
    spoilt = ("C2", "C6", "Cp4", *(("C3",) if missing == "interpolate" else ("Cz",)))
    clean = evaluate(plan(tmp_path, Memory(), chosen, missing))
    found = evaluate(plan(tmp_path, Memory(spoilt, garbage), chosen, missing))
    assert judged(found) == judged(clean)
    assert accuracy(clean) > 0.9
    lacking = ["C3"] if missing == "interpolate" else ["CZ"]
    assert getattr(clean.subjects[0], "interpolated" if missing == "interpolate" else "inferred") == lacking
    everything = evaluate(plan(tmp_path, Memory(), "", missing))
    assert judged(everything) != judged(clean)
    assert everything.subjects[0].interpolated == everything.subjects[0].inferred == []


def test_a_recording_without_the_others_gives_the_same(tmp_path: Path) -> None:
    kept = ("F7", "C5", "C1", "Cz", "C4")
    chosen = evaluate(plan(tmp_path, Memory(), ",".join(kept)))
    assert judged(chosen) == judged(evaluate(plan(tmp_path, Memory(labels=kept), "")))


def test_the_eye_check_sees_all_electrodes(tmp_path: Path) -> None:
    everything, chosen = (evaluate(plan(tmp_path, Memory(n_subjects=3), text)) for text in ("", "C3,CZ,C4"))
    assert chosen.eye.channels == ["F7", "F8"]
    assert chosen.eye.eye_rule is not None
    assert chosen.eye.eye_rule.mean == 1.0
    assert chosen.eye.frontal_accuracy == everything.eye.frontal_accuracy
    assert chosen.data["channels"] == list(LABELS)
    lateral = [[t.lateral_uv for t in one.trials] for one in chosen.subjects]
    assert lateral == [[t.lateral_uv for t in one.trials] for one in everything.subjects]


class Doubled:
    """A calibrator that looks at signals and needs decoding again."""

    name = "doubled"
    needs_signals = True

    def fit(self, profile: Profile, trials: CalibrationTrials) -> Profile:
        assert trials.signals is not None
        assert np.isfinite(trials.signals).all()
        return msgspec.structs.replace(profile, weights=profile.weights | {"window.scale": np.full(1, 2.0)})


def test_calibrators_get_the_chosen_electrodes(tmp_path: Path) -> None:
    found = []
    for spoilt in ((), ("C3", "C6")):
        one = plan(tmp_path, Memory(spoilt), "Fc3,C5,C1,CZ,C4")
        calibrator = f"{Doubled.__module__}:Doubled"
        found.append(judged(evaluate(replace(one, ks=(0, 2), calibrator=calibrator))))
    assert found[0] == found[1]


@pytest.mark.slow
def test_processes_are_told(tmp_path: Path) -> None:
    one = plan(tmp_path, Memory(n_subjects=2), "C3,C4", "infer")
    assert judged(evaluate(replace(one, n_jobs=2))) == judged(evaluate(one))


def test_a_list_must_be_recorded(tmp_path: Path) -> None:
    message = "--channels: '.*' lacks P3, OZ, it has F7, F8, FC3, .*, CP4; choose among these"
    with pytest.raises(ChannelError, match=message):
        evaluate(plan(tmp_path, Memory(), "C3,P3,C4,OZ"))


def test_what_a_cap_lacks_is_told(tmp_path: Path) -> None:
    found = evaluate(plan(tmp_path, Memory(), "motor-8"))
    (said,) = (text for text in found.warnings if "was given" in text)
    assert said == (
        "the decoder was given 5 of 11 channels (1 of 1 subjects): C3, C4, CZ, FC3, CP4; not recorded, but of "
        "the cap motor-8: FC4, CP3, PZ"
    )
    listed = evaluate(plan(tmp_path, Memory(), "C3,CZ,C4"))
    assert "the decoder was given 3 of 11 channels (1 of 1 subjects): C3, CZ, C4" in listed.warnings
    assert accuracy(found) == accuracy(listed) == 1.0


def test_the_file_and_the_tables_say_it(tmp_path: Path) -> None:
    everything, cap, listed = (
        evaluate(plan(tmp_path, Memory(), text)) for text in ("", "motor-3", "c4,c3,CZ")
    )
    for evaluation, channels, name, heading in (
        (everything, None, None, "track B"),
        (cap, ["C3", "CZ", "C4"], "motor-3", "track B, only motor-3"),
        (listed, ["C4", "C3", "CZ"], None, "track B, only C4, C3, CZ"),
    ):
        write_evaluation(tmp_path / "e.json", evaluation)
        read = read_evaluation(tmp_path / "e.json")
        assert (read.settings["channels"], read.settings["cap"]) == (channels, name)
        assert evaluation_grids(read)[0].title == f"Cue-locked, {heading}"
        assert markdown_report(read).startswith(f"## tiny on memory, {heading}\n")
    many = msgspec.structs.replace(cap, settings=cap.settings | {"cap": None, "channels": ["C3"] * 9})
    assert evaluation_grids(many)[0].title.endswith("only 9 electrodes")


def test_files_from_before_there_was_a_choice(tmp_path: Path) -> None:
    found = evaluate(plan(tmp_path, Memory(), "C3,CZ,C4"))
    write_evaluation(tmp_path / "new.json", found)
    content = json.loads((tmp_path / "new.json").read_text())
    del content["settings"]["channels"], content["settings"]["cap"]
    (tmp_path / "old.json").write_text(json.dumps(content))
    old = read_evaluation(tmp_path / "old.json")
    assert evaluation_grids(old)[0].title == "Cue-locked, track B"
    assert compare(old, found, ("old", "new"))


def test_choices_can_be_compared(tmp_path: Path) -> None:
    few, all_of_them = (
        evaluate(plan(tmp_path, Memory(n_subjects=2), text, "infer")) for text in ("C3,C4", "")
    )
    found = {one.metric: one for one in compare(few, all_of_them, ("few", "all"))}
    assert (found["k0: balanced_accuracy"].first, found["k0: balanced_accuracy"].n) == ("few", 2)


def test_the_command_line(tmp_path: Path) -> None:
    paradigm, lab = write_decoder(tmp_path, "infer"), write_folder(tmp_path / "lab", 1)
    assert asked(paradigm, lab).cap is None
    assert asked(paradigm, lab, channels="C3,t3").cap == read_cap("C3,T7")
    with pytest.raises(ConfigError, match="did you mean motor-3"):
        asked(paradigm, lab, channels="motor_3")
