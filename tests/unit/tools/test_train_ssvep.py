"""The SSVEP decoder on real recordings: fitted without a subject, judged on it, streamed."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import ConfigError
from rtbci.evaluate.data import SubjectReader, open_data
from rtbci.evaluate.decode import decode_run
from rtbci.evaluate.evaluate import evaluate
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.trials import find_track
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from tests.data_paths import data_dir, needs_data
from tools.ssvep.correlate import correlate
from tools.ssvep.fitting import fit_mapping
from tools.ssvep.online import judge_online
from tools.ssvep.tables import report
from tools.ssvep.variants import METHODS, write_variant


@dataclass(frozen=True)
class Shortened:
    """Recordings without what comes after 140 s: eight rests, eleven trials."""

    reader: SubjectReader
    name: str = "ssvep-exo"
    source: str = "shortened"

    def subjects(self) -> list[str]:
        return self.reader.subjects()

    def read(self, subject: str) -> list[Recording]:
        return [run.crop(0.0, 140.0) for run in self.reader.read(subject)]


@needs_data
def test_a_fit_and_its_judgement_on_one_subject(tmp_path: Path) -> None:
    recipe = read_paradigm("ssvep")
    reader = Shortened(open_data([str(data_dir() / "ssvep-exo")]))
    (run,) = reader.read("subject04")
    correlated = correlate(run, recipe, "1", "ssvep-exo/subject04")
    assert len(correlated.trials) == 12
    assert len(correlated.rests) == 8
    fitted = fit_mapping([correlated], recipe)
    assert fitted.n_trials == 20
    assert fitted.weight.shape == (4, 3)
    assert fitted.idle > 0
    with Decoder(recipe) as decoder:
        windows = decode_run(decoder, run)
    online = judge_online([(windows, correlated)], recipe, 0.8)
    assert online.n_trials == 12
    assert online.n_right > 6
    folder = write_variant(tmp_path, recipe, "fbcca", 3.0)
    judged = evaluate(Plan(str(folder), reader, track="1-4", subjects=("subject04",), is_named=True))
    # Free of any fit; plain chance is a third.
    assert (judged.subjects[0].scores["k0"].metrics["accuracy"] or 0.0) > 0.9


@needs_data
def test_correlations_of_the_tool_are_those_of_the_decoder() -> None:
    recipe = read_paradigm("ssvep")
    (run,) = open_data([str(data_dir() / "ssvep-exo")]).read("subject04")
    short = run.crop(0.0, 12.0)
    heard = correlate(run.crop(0.0, 75.0), recipe, "1", "ssvep-exo/subject04")
    profile = read_profile(recipe.folder / "population")
    with Decoder(recipe) as decoder:
        logits = [one.estimate.logits for one in decoder.decode(short)]
    first = next(one for one in logits if one is not None)  # nothing is recentred yet
    want = np.einsum("lb,lbf->f", profile.weights["cca.weight"], heard.rho2[0])
    np.testing.assert_allclose(first[:3], want, rtol=1e-9)


def test_tracks_in_seconds() -> None:
    track = find_track("0.5-4.5")
    assert (track.name, track.start_s, track.end_s) == ("0.5-4.5", 0.5, 4.5)
    assert find_track("b").name == "B"
    for wrong in ("C", "4-1", "1-", "-1-2", "1-inf"):
        with pytest.raises(ConfigError, match=r"--track: got .*seconds after the cue, as 0.5-4.5"):
            find_track(wrong)


def test_the_shipped_numbers_make_tables() -> None:
    results = json.loads((Path(__file__).parents[3] / "docs" / "results_ssvep.json").read_text())
    text = report(results)
    for name, _, _ in METHODS.values():
        assert name in text
    for curve in results["curves"]:
        for row in curve["rows"]:
            # What docs/results_ssvep.md says: better than plain CCA at every length.
            assert np.mean(row["fbcca_recentred"]["accuracy"]) > np.mean(row["cca"]["accuracy"])
