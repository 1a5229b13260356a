"""Worked examples of docs/own.md: a paradigm in a few lines, and a package with an encoder."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mne
import numpy as np
import pytest

from rtbci import cli
from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.candidates import ConvProbeUser, Population
from rtbci.calibrate.competing import Candidate
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.features import read_trial
from rtbci.calibrate.fit import fit_user
from rtbci.calibrate.recordings import trials_of_recordings
from rtbci.errors import ProfileError
from rtbci.probe.blank import start_of
from rtbci.probe.profile import write_profile
from rtbci.recipes import read_engine, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.synthetic import SyntheticSource
from rtbci.verify.verify import verify
from tests.chaos_samples import scenario
from tests.imagined_recordings import CHANNELS, IMAGERY_S, imagined
from tools.simulated_session import record_session

EXAMPLES = Path(__file__).parents[2] / "examples"
MAX_LINES = 20


def accuracy(decoder: Decoder, recording: Recording) -> float:
    """Share of trials whose last full window is of the right class."""
    verdicts = [one for one in decoder.decode(recording) if one.label is not None]
    ends = np.array([one.estimate.t_window[1] for one in verdicts])
    said = [verdicts[int((ends <= one.t_lsl + IMAGERY_S - 0.5).sum()) - 1].label for one in recording.markers]
    wanted = [decoder.recipe.class_of(one.value) for one in recording.markers]
    return float(np.mean([got == want for got, want in zip(said, wanted, strict=True)]))


def write_fif(recording: Recording, path: Path) -> Path:
    info = mne.create_info(list(recording.info.labels), recording.info.rate_hz, "eeg")
    raw = mne.io.RawArray(recording.data.T * 1e-6, info, verbose="ERROR")
    onsets, texts = [one.t_lsl for one in recording.markers], [one.value for one in recording.markers]
    raw.set_annotations(mne.Annotations(onsets, [0.0] * len(onsets), texts))
    raw.save(path, verbose="ERROR")
    return path


def recorded_with(folder: Path, paradigm: str, profile: Path) -> None:
    """A session of six seconds of a synthetic stream, in simulated time."""

    def stream(clock: SimulatedClock) -> SyntheticSource:
        return SyntheticSource(CHANNELS, seed=1, clock=clock, sleep_until=clock.sleep_until)

    outcome = record_session(
        folder, scenario(duration_s=6.0), stream, {"paradigm": paradigm}, profile=profile
    )
    assert outcome.error is None


def run_rtbci(monkeypatch: pytest.MonkeyPatch, *args: object) -> object:
    monkeypatch.setattr(sys, "argv", ["rtbci", *map(str, args)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


def test_the_paradigm_has_twenty_lines() -> None:
    lines = [
        line for line in (EXAMPLES / "hands_rest" / "recipe.toml").read_text().splitlines() if line.strip()
    ]
    assert len(lines) <= MAX_LINES
    assert sorted(path.name for path in (EXAMPLES / "hands_rest").iterdir()) == ["recipe.toml"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_paradigm_of_ones_own_is_calibrated_judged_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All by the commands that the page names, from a recording with codes that only this recipe knows."""
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    paradigm = EXAMPLES / "hands_rest"
    states, codes = ("left_hand", "rest"), ("11", "10")
    files = [write_fif(imagined(states, codes, 10, seed), tmp_path / f"s{seed}_raw.fif") for seed in (1, 2)]
    assert (
        run_rtbci(monkeypatch, "calibrate", "--paradigm", paradigm, "--user", "me", "--from", files[0]) == 0
    )
    printed = capsys.readouterr()
    said = " ".join((printed.out + printed.err).split())
    assert f"next rtbci run --paradigm {paradigm} --user me" in said
    out = tmp_path / "judged.json"
    judged = ("--profile", "me", "--track", "A", "--json", out)
    assert run_rtbci(monkeypatch, "eval", "--paradigm", paradigm, "--data", files[1], *judged) == 0
    capsys.readouterr()
    assert json.loads(out.read_text())
    profile = next((tmp_path / "XDG_DATA_HOME" / "rtbci" / "profiles" / "hands_rest" / "me").iterdir())
    with Decoder(str(paradigm), profile=profile) as decoder:
        assert accuracy(decoder, imagined(states, codes, 6, 3)) >= 0.8
    recorded_with(tmp_path / "session", str(paradigm), profile)
    found = verify(tmp_path / "session")
    assert (found.verdict, found.first) == ("identical", None)
    assert found.n_compared > 20


def test_without_a_profile_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        ProfileError,
        match=r"need one for its heads; calibrate first \(rtbci calibrate --paradigm \S*/hands_rest; rtbci amp",
    ):
        Decoder(str(EXAMPLES / "hands_rest"))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example package, installed as a user would install it, but to a place of its own and from nowhere else."""
    source = shutil.copytree(EXAMPLES / "own_encoder", tmp_path / "source")
    place = tmp_path / "site"
    flags = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *flags, "--target", str(place), str(source)],
        check=True,
        timeout=100,
    )
    monkeypatch.syspath_prepend(str(place))
    yield place
    for name in [one for one in sys.modules if one.split(".")[0] == "own_encoder"]:
        del sys.modules[name]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_encoder_of_ones_own_is_calibrated_run_and_verified(installed: Path, tmp_path: Path) -> None:
    recipe = read_paradigm("own_hands")
    assert recipe.folder == (installed / "own_encoder" / "paradigm").resolve()
    assert read_engine("band_power").plugin == "band_power"
    states = ("left_hand", "right_hand")
    with CalibrationDecoder(recipe, profile=start_of(recipe)) as decoder:
        blank = decoder.profile
        assert blank is not None
        trials = trials_of_recordings(decoder, [imagined(states, states, 10, 4)], timing_of(recipe, 4.0))
        features = [read_trial(blank, decoder.sessions, trial) for trial in trials]
    # Of the decoders that compete only the one that reads the encoder.
    competing: list[Candidate] = [Population(blank), ConvProbeUser(blank, {"encoder": 300.0})]
    fit = fit_user(blank, features, "me", recipe.decision, candidates=competing)
    assert fit.judgement is not None
    assert fit.judgement.accuracy >= 80.0
    entry = fit.profile.branches[0]
    assert (entry.name, entry.engine) == ("powers", "band_power")
    with Decoder(recipe, profile=fit.profile) as running:
        assert accuracy(running, imagined(states, states, 6, 5)) >= 0.8
    write_profile(tmp_path / "me", fit.profile)
    recorded_with(tmp_path / "session", "own_hands", tmp_path / "me")
    used = json.loads((tmp_path / "session" / "session.json").read_text())["engines"]
    assert [one["plugin"] for one in used] == ["band_power of own-encoder 1.0"]
    found = verify(tmp_path / "session")
    assert (found.verdict, found.exact, found.first) == ("identical", True, None)
    assert found.n_compared > 20
