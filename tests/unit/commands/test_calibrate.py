"""`rtbci calibrate`: requests that make no sense, how it ends, and a whole calibration from a recording."""

import io
import sys
import threading
import webbrowser
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rtbci import cli
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.calibrate import finish
from rtbci.calibrate.collector import Collected
from rtbci.calibrate.finish import Result
from rtbci.calibrate.protocol import read_protocol
from rtbci.calibrate.store import TrialStore, newest_folder, read_settings
from rtbci.commands import calibrate as module
from rtbci.commands import calibrate_base, calibrate_live
from rtbci.commands.calibrate import calibrate
from rtbci.commands.calibrate_base import Calibration, Request
from rtbci.commands.calibrate_live import LiveCalibration
from rtbci.commands.calibrate_output import say_next
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError, ChannelError, ConfigError, FileFormatError
from rtbci.probe.calibration_record import read_record
from rtbci.probe.profile import decoder_id, newest_profile, read_profile
from rtbci.recipes import read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.profiles import profiles_root
from rtbci.stream.source import Marker
from tests.data_paths import data_dir, needs_data
from tests.unit.calibrate.samples import pink, raw_trial, store_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate({"user": "ada", **changes})


def console() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=200), file


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(cues="radio"), "--cues: got 'radio', need page, terminal, markers"),
        (Request(files=[Path("a.edf")], resume=True), "got --from and --resume, need one of them"),
        (Request(report=Path("nowhere/at/all/report.html")), "--report: got nowhere"),
        (Request(n_trials=1), "--trials: got 1, need 2 or more"),
    ],
)
def test_requests_that_make_no_sense(request_: Request, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        calibrate(config(), request_, console()[0])


def test_a_map_that_makes_no_sense() -> None:
    with pytest.raises(ConfigError, match="--map: got 'T1', need TEXT=CLASS"):
        calibrate(config(stream={"map": ["T1"]}), Request(), console()[0])


def test_nothing_to_go_on_with(home: Path) -> None:
    for request in (Request(cues="terminal", resume=True), Request(cues="markers", resume=True)):
        with pytest.raises(ConfigError, match="'ada' has no calibration of 'motor_imagery' with trials"):
            calibrate(config(), request, console()[0])


def test_a_home_that_is_a_file(home: Path) -> None:
    (home / "data").write_text("")
    with pytest.raises(FileFormatError, match=r"cannot be written \(Not a directory\), need room"):
        calibrate(config(), Request(cues="terminal"), console()[0])


@pytest.mark.parametrize(
    ("error", "n", "words"),
    [
        (KeyboardInterrupt(), 2, "stopped: usable trials kept: 2; go on with `rtbci calibrate --paradigm"),
        (KeyboardInterrupt(), 0, "stopped before the first usable trial"),
        (FileFormatError("full"), 3, "usable trials kept: 3; go on with"),
        (FileFormatError("full"), 0, ""),
        (CalibrationError("chance"), 3, ""),
    ],
)
def test_what_is_kept_is_told(
    error: BaseException, n: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: LiveCalibration) -> None:
        self.collected.features.extend([None] * n)  # type: ignore[list-item]
        raise error

    monkeypatch.setattr(LiveCalibration, "run", run)
    out, file = console()
    with pytest.raises(type(error)):
        calibrate(config(), Request(), out)
    assert file.getvalue().startswith(words)
    assert bool(file.getvalue()) == bool(words)


def test_what_goes_on_is_what_was_typed(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def run(self: LiveCalibration) -> None:
        self.collected.features.append(None)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveCalibration, "run", run)
    line = "rtbci calibrate --user ada --cues markers --markers my-cues --map cue/left=left_hand --trials 12"
    monkeypatch.setattr(sys, "argv", line.split())
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().out.endswith(
        "go on with `rtbci calibrate --paradigm motor_imagery --user ada --cues markers --markers my-cues --map "
        "cue/left=left_hand --trials 12 --resume`\n"
    )


def test_who_sits_at_the_terminal_hears_of_trials_on_the_page() -> None:
    out, file = console()
    recipe = read_paradigm("motor_imagery")
    for cues in ("page", "terminal"):
        one = LiveCalibration(config(), Request(cues=cues), recipe, read_protocol(recipe), out)
        one.told(raw_trial(pink(300, 3)), Collected())
    assert file.getvalue() == "trial 1 left_hand: used\n"


def test_an_interrupt_has_its_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_self: LiveCalibration) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveCalibration, "run", run)
    monkeypatch.setattr(sys, "argv", ["rtbci", "calibrate", "--user", "ada"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130


def test_a_browser_that_would_take_the_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    class Window(webbrowser.BackgroundBrowser):
        def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
            opened.append(url)
            return True

    class Text(webbrowser.GenericBrowser):
        def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
            raise AssertionError(url)

    for browser in (Text("lynx"), Window("firefox")):
        monkeypatch.setattr(webbrowser, "get", lambda one=browser: one)
        calibrate_live._open_browser("http://x/")

    def none() -> None:
        raise webbrowser.Error("none")

    monkeypatch.setattr(webbrowser, "get", none)
    calibrate_live._open_browser("http://y/")
    assert opened == ["http://x/"]


def make(request: Request, out: Console) -> Calibration:
    recipe = read_paradigm("motor_imagery")
    return Calibration(config(), request, recipe, read_protocol(recipe), out)


def test_bad_electrodes_are_masked_and_a_lost_packet_is_nobodys_fault() -> None:
    out, file = console()
    amp = SyntheticAmp(seed=1, cues=False)
    data, _ = amp.generate(2500)
    data[700:708] = np.nan
    i_flat = amp.info.labels.index("C5")
    data[:, i_flat] = 1.0
    one = make(Request(), out)
    with ExitStack() as stack:
        decoder = one.open_decoder(stack)
        one.find_bad(decoder, Path("unused"), amp.info, data)
        assert decoder.ignore == ("C5",)
        assert decoder.channel_map is not None
        assert "C5" not in [wanted for wanted, _ in decoder.channel_map.found]
    assert file.getvalue() == "bad electrode: C5 (flat); done without it\n"


def test_a_calibration_that_goes_on_keeps_its_seed_and_its_mask(home: Path) -> None:
    folder = home / "data" / "rtbci" / "calibrations" / "motor_imagery" / "ada" / "20300101T000000Z"
    settings = store_settings(paradigm="motor_imagery", seed=77, ignore=["C5"])
    with TrialStore(folder, settings) as store:
        store.write(raw_trial(pink(300, 3)))
    one = make(Request(resume=True), console()[0])
    amp = SyntheticAmp(seed=1, cues=False)
    with ExitStack() as stack:
        decoder = one.open_decoder(stack)
        assert one.open_folder(stack) == folder
        one.find_bad(decoder, folder, amp.info, np.zeros((0, amp.info.n_channels)))
        assert (one.protocol.seed, decoder.ignore) == (77, ("C5",))
        with pytest.raises(ConfigError, match=r"was begun with .*labels"):
            one.open_collector(stack, decoder, folder, fits=False)
    assert newest_folder("motor_imagery", "ada") == folder


def recording(seconds: float) -> Recording:
    amp = SyntheticAmp(seed=3)
    data, markers = amp.generate(round(seconds * amp.info.rate_hz))
    return Recording(amp.info, data, tuple(Marker(t, text) for t, text in markers))


@pytest.mark.slow
def test_a_whole_calibration_from_recordings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "check_recording", lambda _path: None)
    monkeypatch.setattr(module, "read_recordings", lambda _path: [recording(30.0)])
    out, file = console()
    request = Request(files=[Path("a.edf"), Path("b.edf")], anyway=True)
    result = calibrate(config(), request, out)
    assert isinstance(result, Result)
    assert result.folder is not None
    assert result.folder == newest_profile(profiles_root("motor_imagery"), "ada")
    assert (result.folder / "report.html").is_file()
    profile, record = read_profile(result.folder), read_record(result.folder)
    assert (profile.user, profile.generation, record.generation) == ("ada", 1, 1)
    assert profile.n_trials == sum(one.accepted for one in record.trials) >= 4
    assert [one.i_trial for one in record.trials] == list(range(len(record.trials)))
    assert f"profile      generation 1 in {result.folder}" in file.getvalue()
    folder = newest_folder("motor_imagery", "ada")
    assert folder is not None
    assert len(list(folder.glob("trial-*.safetensors"))) == len(record.trials)
    population = read_paradigm("motor_imagery").population_folder
    assert population is not None
    assert read_settings(folder).profile_id == decoder_id(read_profile(population))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rtbci-c")]


def test_a_users_profile_may_have_been_fitted_on_the_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "check_recording", lambda _path: None)
    monkeypatch.setattr(module, "read_recordings", lambda _path: [recording(30.0)])
    starts = []

    def advice(*_: object, start: str, **__: object) -> list[str]:
        starts.append(start)
        return []

    monkeypatch.setattr(finish, "advice_for", advice)
    request = Request(files=[Path("a.edf")], anyway=True)
    first = calibrate(config(), request, console()[0])
    assert isinstance(first, Result)
    calibrate(config(profile=str(first.folder)), request, console()[0])
    assert starts == ["", "ada"]


def test_too_few_trials_of_a_recording(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_class = recording(16.0)
    monkeypatch.setattr(module, "check_recording", lambda _path: None)
    monkeypatch.setattr(module, "read_recordings", lambda _path: [one_class])
    with pytest.raises(
        FileFormatError, match=r"all cues of the recordings are right_hand .left_hand: none; right"
    ):
        calibrate(config(), Request(files=[Path("a.edf")]), console()[0])
    first, *others = (marker for marker in one_class.markers if marker.value == "right_hand")
    two = replace(one_class, markers=(Marker(first.t_lsl, "left_hand"), *others))
    monkeypatch.setattr(module, "check_recording", lambda _path: None)
    monkeypatch.setattr(module, "read_recordings", lambda _path: [two])
    with pytest.raises(CalibrationError, match=r"usable trials, too few to judge.*give more recordings"):
        calibrate(config(), Request(files=[Path("a.edf")]), console()[0])
    assert newest_profile(profiles_root("motor_imagery"), "ada") is None


@pytest.mark.parametrize(
    ("paradigm", "page"), [("ssvep", "flicker"), ("p300", "speller"), ("motor_imagery", None)]
)
def test_the_end_names_the_page_that_a_run_needs(paradigm: str, page: str | None) -> None:
    out = io.StringIO()
    kinds = [branch.kind for branch in read_paradigm(paradigm).branches]
    say_next(Console(file=out, width=200), paradigm, "ada", kinds)
    lines = out.getvalue().splitlines()
    run = f"rtbci run --paradigm {paradigm} --user ada"
    assert lines[0].split("next")[1].strip() == run + (f" --markers rtbci-{page}" if page else "")
    assert [line.strip() for line in lines[1:]] == (
        [f"rtbci {page} page --paradigm {paradigm}   (in another terminal)"] if page else []
    )


@pytest.mark.data
@pytest.mark.slow
@needs_data
def test_a_recording_without_a_unit_is_calibrated_from_as_a_run_decodes_it() -> None:
    (path,) = sorted((data_dir() / "ssvep-exo" / "subject01").glob("*_raw.fif"))
    shown, file = console()
    result = calibrate(config(paradigm="ssvep"), Request(files=[path]), shown)
    assert isinstance(result, Result)
    assert "bad electrode" not in file.getvalue()
    assert sum(one.accepted for one in result.record.trials) == 24
    assert result.record.usable


def test_a_recordings_channels_are_called_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one = recording(16.0)
    anonymous = one.labelled([f"E{i}" for i in range(one.info.n_channels)])
    monkeypatch.setattr(module, "check_recording", lambda _path: None)
    monkeypatch.setattr(module, "read_recordings", lambda _path: [anonymous])
    out, file = console()
    with pytest.raises(ChannelError, match="lacks C3, C4, need C3, C4 whatever else"):
        calibrate(config(stream={"map": ["rest=left_hand"]}), Request(files=[Path("a.edf")]), out)
    few = config(stream={"map": ["rest=left_hand"], "labels": ["C3", "C4"]})
    with pytest.raises(ChannelError, match=r"labels: got 2 \(C3, C4\), recording .* need a name for each"):
        calibrate(few, Request(files=[Path("a.edf")]), out)
    named = config(stream={"map": ["rest=left_hand"], "labels": list(one.info.labels)})
    with pytest.raises(CalibrationError, match=r"cannot be told from chance|too few to judge"):
        calibrate(named, Request(files=[Path("a.edf")]), out)
    assert "trial 1" in file.getvalue()


@pytest.mark.slow
def test_who_is_at_chance_is_told_what_fits_what_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = recording(62.0)
    cued = [one for one in heard.markers if one.value != "rest"]
    seen = {"left_hand": 0, "right_hand": 0}
    told = []
    for one in cued:  # of each class every other trial is called the other one
        told.append(Marker(one.t_lsl, ("left_hand", "right_hand")[seen[one.value] % 2]))
        seen[one.value] += 1
    monkeypatch.setattr(module, "read_recordings", lambda _path: [replace(heard, markers=tuple(told))])
    monkeypatch.setattr(module, "check_recording", lambda _path: None)
    drawn: list[tuple[Any, ...]] = []
    monkeypatch.setattr(calibrate_base, "write_report", lambda *given: drawn.append(given))
    out, file = console()
    with pytest.raises(CalibrationError, match="cannot be told from chance"):
        calibrate(config(), Request(files=[Path("a.edf")]), out)
    said, protocol = " ".join(file.getvalue().split()), read_protocol(read_paradigm("motor_imagery"))
    assert protocol.at_chance in said
    assert drawn[0][-1] == protocol.rhythms
    assert "flicker" not in said
