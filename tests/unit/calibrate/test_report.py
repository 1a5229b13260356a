import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.calibrate.report import EXTRA, write_report
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.errors import MissingPackageError
from rtbci.probe.calibration_record import CalibrationRecord
from rtbci.recipes import read_paradigm
from rtbci.replay.read_npz import read_npz
from rtbci.report.page import need_packages
from tests.data_paths import data_dir, needs_data
from tests.report_samples import LABELS, make_recipe, make_trials, record_of

VOID = {"meta", "br", "image", "path", "use"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects what could load or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name.endswith(("href", "src"))]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(
    tmp_path: Path,
    record: CalibrationRecord,
    trials: list[CalibrationTrial],
    classes: tuple[str, ...] = ("left_hand", "right_hand"),
) -> Page:
    path = write_report(tmp_path / "report.html", record, trials, make_recipe(classes))
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    page = Page(path.read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert not re.search(r"\bnan\b", page.text)
    return page


def test_everything_is_there(tmp_path: Path) -> None:
    trials = make_trials(20)
    trials[3] = trials[3].rejected("amplitude: 300 uV at C3")
    trials[4] = trials[4].rejected("amplitude: 200 uV at C4")
    record = record_of(trials)
    page = page_of(tmp_path, record, trials)
    (chosen,) = record.candidates
    assert chosen.accuracy is not None
    assert f"Your decoder: {chosen.accuracy:.0f} %" in page.text
    for words in (
        "What to do next",
        "Go on.",
        "understood",
        "Mu rhythm, 8 to 13 Hz",
        "Beta rhythm",
        "right_hand against left_hand",
        "left_hand, at C4",
        "18 of 20 were used",
        "2 for amplitude",
        "temperature of 1.20",
        "rtbci",
        "profile ada@1",
    ):
        assert words in page.text, words
    for missing in ("no picture of time", "Not measured", "No signal"):
        assert missing not in page.text
    assert "Blue: weaker" in page.text
    assert "imagine" not in page.text  # no protocol said that movements were imagined


def test_a_flickers_report_says_nothing_of_hands(tmp_path: Path) -> None:
    record = record_of([])
    path = write_report(tmp_path / "report.html", record, [], read_paradigm("ssvep"))
    assert "movement" not in path.read_text(encoding="utf-8")
    path = write_report(tmp_path / "report.html", record, [], make_recipe())
    assert "What your brain did" in path.read_text(encoding="utf-8")


def test_the_protocol_says_what_the_maps_show(tmp_path: Path) -> None:
    trials = make_trials(20)
    record, recipe = record_of(trials), make_recipe()
    path = write_report(tmp_path / "report.html", record, trials, recipe, "Reckoning makes it <weaker>.")
    assert "<p>Reckoning makes it &lt;weaker&gt;. Blue: weaker" in path.read_text(encoding="utf-8")


def test_no_trial_was_accepted(tmp_path: Path) -> None:
    trials = [one.rejected("gap") for one in make_trials(4)]
    page = page_of(tmp_path, record_of(trials), trials)
    assert "No decoder yet: no trial could be used" in page.text
    assert "There is no accepted trial" in page.text
    assert "4 for gap" in page.text
    assert "All 11 channels" in page.text  # rejected trials still tell of the electrodes


def test_no_trial_at_all(tmp_path: Path) -> None:
    page = page_of(tmp_path, record_of([]), [])
    assert "No cue was shown." in page.text
    assert "No signal was kept." in page.text


def test_three_channels_without_the_hands(tmp_path: Path) -> None:
    labels = ("O1", "Oz", "O2")
    trials = make_trials(8, labels)
    page = page_of(tmp_path, record_of(trials, labels), trials)
    assert "Neither C3 nor C4" in page.text
    assert "Too few electrodes for a map" in page.text


def test_channels_without_a_place(tmp_path: Path) -> None:
    labels = ("ch1", "ch2")
    trials = make_trials(8, labels)
    page = page_of(tmp_path, record_of(trials, labels), trials)
    assert "There is no accepted trial with enough signal" in page.text


def test_one_class_only(tmp_path: Path) -> None:
    trials = make_trials(6, n_classes=1)
    full = record_of(make_trials(6))
    record = msgspec.structs.replace(full, confusion=[[6.0, 0.0], [0.0, 0.0]], candidates=[], curve=[])
    page = page_of(tmp_path, record, trials)
    assert "no trial" in page.text
    assert "right_hand against" not in page.text


def test_no_confidence(tmp_path: Path) -> None:
    trials = make_trials(8)
    record = msgspec.structs.replace(record_of(trials), confidence=None, curve=[], candidates=[], advice=[])
    page = page_of(tmp_path, record, trials)
    assert "Not measured: there were too few trials" in page.text
    empty = msgspec.structs.replace(record_of(trials).confidence, coverage=[], reliability=[])  # type: ignore[type-var]
    page_of(tmp_path, msgspec.structs.replace(record, confidence=empty), trials)


def test_text_from_outside_stays_text(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>$\\frac{'
    classes = (evil, "b&<img src=x onerror=alert(1)>")
    labels = (evil, *LABELS)
    trials = make_trials(8, labels)
    trials[1] = trials[1].rejected(evil)
    record = record_of(trials, labels, classes)
    stream = msgspec.structs.replace(record.stream, name=evil, bad=[evil])
    record = msgspec.structs.replace(
        record, user=evil, advice=[evil], stream=stream, versions={evil: evil}, cues={evil: 1.0}
    )
    page = page_of(tmp_path, record, trials, classes)
    assert {"script", "img"} & page.tags == set()
    assert page.text.count(evil) >= 5


def test_four_classes(tmp_path: Path) -> None:
    classes = ("left", "right", "feet", "idle")
    trials = make_trials(16, n_classes=4)
    page = page_of(tmp_path, record_of(trials, classes=classes), trials, classes)
    assert "chance is 25 %" in page.text
    assert "feet, mu" in page.text


def test_an_old_report_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    page_of(tmp_path, record_of([]), [])


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    need_packages(EXTRA)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"{package} is not installed.*install .*\[calibrate\]"):
        need_packages(EXTRA)


def real_trials() -> tuple[list[CalibrationTrial], list[str], float]:
    (recording,) = read_npz(data_dir() / "eegmmidb" / "S007.npz")
    names = {"T1": 0, "T2": 1, "left_hand": 0, "right_hand": 1, "left": 0, "right": 1}
    t_s = recording.sample_times()
    trials: list[CalibrationTrial] = []
    for marker in recording.markers:
        if marker.value not in names:
            continue
        inside = (t_s >= marker.t_lsl - 1.0) & (t_s <= marker.t_lsl + 4.5)
        n_windows = 1
        trials.append(
            CalibrationTrial(
                i_trial=len(trials),
                i_class=names[marker.value],
                t_cue=marker.t_lsl,
                signal=np.zeros((8, 3), np.float32),
                t_newest=np.zeros(n_windows),
                branch_logits=np.zeros((n_windows, 1, 2)),
                logits=np.zeros((n_windows, 2)),
                raw_uv=recording.data[inside].astype(np.float32),
                t_raw=t_s[inside] - marker.t_lsl,
            )
        )
    return trials, [one.label for one in recording.info.channels], recording.info.rate_hz


@needs_data
@pytest.mark.data
def test_a_real_user_desynchronises_on_the_other_side(tmp_path: Path) -> None:
    from rtbci.calibrate.report_signals import BANDS_HZ, band_change_db, cut_epochs

    trials, labels, rate_hz = real_trials()
    record = record_of(trials, labels)
    record = msgspec.structs.replace(record, stream=msgspec.structs.replace(record.stream, rate_hz=rate_hz))
    page = page_of(tmp_path, record, trials)
    assert "mains hum, at 60 Hz" in page.text
    epochs = cut_epochs(record, trials, 3.0)
    assert epochs is not None
    c3, c4 = epochs.labels.index("C3"), epochs.labels.index("C4")
    for band in BANDS_HZ.values():
        left, right = (band_change_db(epochs, band)[i] for i in (0, 1))
        assert (left[c4] - left[c3]) < (right[c4] - right[c3]) - 1.0
