import csv
import importlib.util
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import mne
import msgspec
import numpy as np
import pytest

from rtbci import files
from rtbci.errors import ConfigError, FileFormatError, MissingPackageError, UnitError
from rtbci.record import export as module
from rtbci.record.export import export_session
from rtbci.record.items import Opened
from rtbci.record.session_json import read_session_json, write_session_json
from rtbci.record.signal import (
    chunks_of,
    decisions_of,
    gaps_of,
    main_stream,
    markers_of,
    on_grid,
    stream_info_of,
)
from rtbci.record.streams import SessionStreams
from rtbci.record.xdf_read import read_xdf_file
from rtbci.stream.source import Channel, Chunk, FloatArray, StreamInfo
from rtbci.system.names import give_name
from tests.unit.record.samples import INFO, START, hello, make_session, record, write_session

MADE = make_session(n_batches=60, seed=2, gap=True)
N_GAP = 750

needs_edfio = pytest.mark.skipif(
    importlib.util.find_spec("edfio") is None, reason="edfio is not installed; pip install '.[export]'"
)
needs_bids = pytest.mark.skipif(
    importlib.util.find_spec("mne_bids") is None or importlib.util.find_spec("edfio") is None,
    reason="mne-bids is not installed; pip install '.[export]'",
)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return write_session(tmp_path / "sessions" / "20260102T030405Z-tiny-ada", MADE)


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _gap_at() -> int:
    return MADE.counts[29]


def test_the_signal_on_a_regular_grid(session: Path) -> None:
    path = session / "session.xdf"
    signal = on_grid(read_xdf_file(path), path)
    at = _gap_at()
    assert signal.data.shape == (len(MADE.data) + N_GAP, 3)
    np.testing.assert_array_equal(signal.data[:at], MADE.data[:at])
    np.testing.assert_array_equal(signal.data[at : at + N_GAP], 0.0)
    np.testing.assert_array_equal(signal.data[at + N_GAP :], MADE.data[at:])
    (gap,) = signal.gaps
    assert gap.t_s == pytest.approx(at / 250)
    assert gap.gap_s == pytest.approx(3.0)
    assert signal.t0_lsl == 100.0
    cues = [marker for marker in signal.markers if marker.value.startswith("cue")]
    ends_s = [MADE.t_lsl[n - 1] - 100.0 for n in MADE.counts]
    np.testing.assert_allclose([cue.t_lsl for cue in cues], np.array(ends_s) - 0.01, atol=1e-9)
    decisions = [marker for marker in signal.markers if marker.value == "decision/left_hand"]
    np.testing.assert_allclose([one.t_lsl for one in decisions], ends_s, atol=1e-9)


def test_what_a_session_holds(session: Path) -> None:
    file = read_xdf_file(session / "session.xdf")
    signal = main_stream(file, "x")
    assert stream_info_of(signal) == INFO
    assert [len(chunk.t_lsl) for chunk in chunks_of(signal)] == MADE.sizes
    np.testing.assert_array_equal(np.concatenate([chunk.data for chunk in chunks_of(signal)]), MADE.data)
    ((i, gap_s),) = gaps_of(signal)
    assert i == _gap_at()
    assert gap_s == pytest.approx(3.0)
    assert len(markers_of(file)) == len(decisions_of(file)) == 60


@needs_edfio
@pytest.mark.parametrize(("format", "atol_uv"), [("edf", 0.01), ("bdf", 1e-4)])
def test_mne_reads_an_export_back_the_same(
    session: Path, tmp_path: Path, format: str, atol_uv: float
) -> None:
    target = tmp_path / f"out.{format}"
    assert export_session(session, format, target) == [target]
    raw: Any = mne.io.read_raw(target, preload=True, verbose="ERROR")
    at, n = _gap_at(), len(MADE.data)
    data_uv = 1e6 * raw.get_data(picks=[0, 1]).T
    np.testing.assert_allclose(data_uv[:at], MADE.data[:at, :2], rtol=0, atol=atol_uv)
    np.testing.assert_allclose(data_uv[at + N_GAP : n + N_GAP], MADE.data[at:, :2], rtol=0, atol=atol_uv)
    assert raw.ch_names[0] == "Fc5."
    assert raw.info["sfreq"] == 250.0
    assert raw.info["meas_date"] == START
    cues = [one for one in raw.annotations if one["description"].startswith("cue-")]
    assert [one["description"] for one in cues] == [f"cue-{i}" for i in range(60)]
    onsets = np.array([MADE.t_lsl[n - 1] - 100.0 for n in MADE.counts]) - 0.01
    np.testing.assert_allclose([one["onset"] for one in cues], onsets, atol=1e-3)
    (gap,) = [one for one in raw.annotations if one["description"] == "BAD_gap"]
    assert gap["duration"] == pytest.approx(3.0)
    with pytest.raises(FileFormatError, match="is there already"):
        export_session(session, format, target)


@needs_bids
def test_a_bids_data_set(session: Path, tmp_path: Path) -> None:
    import mne_bids

    (written,) = export_session(session, "bids", tmp_path / "bids")
    assert written.name == "sub-ada_ses-20260102T030405Z_task-tiny_eeg.edf"
    path = mne_bids.get_bids_path_from_fname(written)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne_bids.read_raw_bids(path, verbose="ERROR")
    at = _gap_at()
    np.testing.assert_allclose(1e6 * raw.get_data(picks=[0])[0, :at], MADE.data[:at, 0], rtol=0, atol=0.01)
    assert "cue-3" in set(raw.annotations.description)
    with pytest.raises(FileFormatError, match="is there already"):
        export_session(session, "bids", tmp_path / "bids")


def test_csv_gives_every_number_back(session: Path, tmp_path: Path) -> None:
    written = export_session(session, "csv", tmp_path / "csv")
    assert [path.name for path in written] == ["samples.csv", "probabilities.csv", "markers.csv"]
    rows = table(written[0])
    assert rows[0] == ["t_lsl", *INFO.labels]
    values = np.array(rows[1:], float)
    np.testing.assert_array_equal(values[:, 0], MADE.t_lsl)
    np.testing.assert_array_equal(values[:, 1:], MADE.data)
    markers = table(written[2])
    assert [row[1] for row in markers[1:]] == [f"cue-{i}" for i in range(60)]
    probs = table(written[1])
    assert probs[0] == ["t_lsl", "left_hand", "right_hand", "decision"]
    with pytest.raises(FileFormatError, match=r"samples\.csv: is there already"):
        export_session(session, "csv", tmp_path / "csv")


FORMATS = [
    pytest.param("csv", marks=()),
    pytest.param("edf", marks=needs_edfio),
    pytest.param("bdf", marks=needs_edfio),
    pytest.param("bids", marks=needs_bids),
]


def _there(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.mark.skipif(os.name != "posix", reason="a limit on the size of files stands for a full disk")
@pytest.mark.parametrize("format", FORMATS)
def test_a_disk_that_is_full_leaves_nothing(format: str, session: Path, tmp_path: Path) -> None:
    """In a process of its own, which may write no file of more than 4 kB: the signal alone is larger."""
    out = tmp_path / "out"
    out.mkdir()
    program = (
        "import resource, sys; from pathlib import Path; import mne; from rtbci.record.export import export_session as e\n"
        "from rtbci.errors import FileFormatError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: e(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))\n"
        "except FileFormatError as error: print(error)\n"
    )
    target = out / "new" / f"x.{format}"
    run = [sys.executable, "-B", "-c", program, str(session), format, str(target)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    why = "File too large" if format == "csv" else "the disk took a part of it: "
    assert f"cannot be written ({why}" in done.stdout, done.stderr
    assert _there(out) == {}


@pytest.mark.parametrize("format", FORMATS)
def test_an_interrupted_export_leaves_what_was_there(
    format: str, session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out" / ("kept" if format in ("csv", "bids") else f"kept.{format}")
    (tmp_path / "out" / "kept").mkdir(parents=True)
    (tmp_path / "out" / "kept" / "participants.tsv").write_bytes(b"participant_id\tage\nsub-other\t30\n")
    before = _there(tmp_path / "out")
    n_named: list[Path] = []

    def interrupted(old: Path, new: Path, *, replace: bool = False) -> None:
        n_named.append(new)
        if len(n_named) == (1 if format in ("edf", "bdf") else 2):
            raise KeyboardInterrupt
        give_name(old, new, replace=replace)

    monkeypatch.setattr(files, "give_name", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_session(session, format, target)
    monkeypatch.setattr(files, "give_name", give_name)
    assert _there(tmp_path / "out") == before
    assert export_session(session, format, target)
    assert not [name for name in _there(tmp_path / "out") if name.endswith(".new")]


@needs_bids
def test_a_second_session_joins_a_bids_data_set(session: Path, tmp_path: Path) -> None:
    other = tmp_path / "20270102T030405Z-tiny-eve"
    shutil.copytree(session, other)
    record = read_session_json(other)
    write_session_json(other, msgspec.structs.replace(record, user="eve"))
    for one in (session, other):
        export_session(one, "bids", tmp_path / "bids")
    people = [
        row.split("\t")[0]
        for row in (tmp_path / "bids" / "participants.tsv").read_text(encoding="utf-8-sig").split("\n")
    ]
    assert people[:3] == ["participant_id", "sub-ada", "sub-eve"]
    assert len(list((tmp_path / "bids").rglob("*_eeg.edf"))) == 2


def test_errors(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="format is 'gdf', need one of bids, edf, bdf, csv"):
        export_session(session, "gdf", tmp_path / "x")
    with pytest.raises(UnitError, match="unit 'furlong' is unknown"):
        module._raw(session, "furlong")

    def absent(name: str, *args: Any) -> None:
        return None

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(
        MissingPackageError, match=r"needs edfio, which is not installed; .*install .*\[export\]"
    ):
        export_session(session, "edf", tmp_path / "x.edf")
    with pytest.raises(MissingPackageError, match=r"needs mne_bids, .*install .*\[export\]"):
        export_session(session, "bids", tmp_path / "x")


def test_a_file_without_a_signal(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    from rtbci.record.streams import SessionStreams

    path.write_bytes(SessionStreams(START, lambda: 1.0).encode(()))
    with pytest.raises(FileFormatError, match="2 streams, none with samples at a regular rate"):
        on_grid(read_xdf_file(path), path)


def test_a_grid_that_would_be_mostly_zeros_is_refused(tmp_path: Path) -> None:
    from rtbci.record.items import Opened
    from rtbci.record.streams import SessionStreams
    from rtbci.stream.source import Chunk

    streams = SessionStreams(START, lambda: 1.0)
    content = streams.encode([Opened(INFO, "")])
    for t0 in (0.0, 1e5):
        content += streams.encode([Chunk(np.zeros((500, 3)), t0 + np.arange(500) / 250.0)])
    path = tmp_path / "a.xdf"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="mostly zeros; export it as csv"):
        on_grid(read_xdf_file(path), path)


def test_labels_that_come_twice() -> None:
    assert module._edf_labels(("A", "A", "", "B")) == ["A", "A-2", "3", "B"]


def odd_session(
    folder: Path, data: FloatArray, labels: tuple[str, ...] = ("C3", "C4"), rate_hz: float = 250.0
) -> Path:
    """A session of one chunk of any numbers, labels and rate."""
    info = StreamInfo("amp", "amp-1", rate_hz, tuple(Channel(label, "microvolts") for label in labels))
    streams = SessionStreams(START, clock=lambda: 20.0)
    chunk = Chunk(data, 100.0 + np.arange(len(data)) / rate_hz)
    folder.mkdir(parents=True)
    content = streams.encode([Opened(info, ""), hello(), chunk]) + streams.end()
    (folder / "session.xdf").write_bytes(content)
    write_session_json(folder, record())
    return folder


@needs_edfio
@pytest.mark.parametrize("format", ["edf", "bdf"])
def test_samples_that_are_not_finite_are_zeros_that_an_annotation_tells(tmp_path: Path, format: str) -> None:
    data = np.random.default_rng(0).normal(size=(1000, 3)) * 20.0
    data[250:300, 0] = np.nan
    data[500, 1] = np.inf
    data[:, 2] = np.nan  # an electrode that was never there makes nothing else bad
    (path,) = export_session(
        odd_session(tmp_path / "s", data, ("C3", "C4", "Cz")), format, tmp_path / f"a.{format}"
    )
    raw: Any = mne.io.read_raw(path, preload=True, verbose="ERROR")
    np.testing.assert_allclose(1e6 * raw.get_data().T, np.nan_to_num(data, posinf=0.0), rtol=0, atol=0.01)
    found = [
        (one["onset"], one["duration"]) for one in raw.annotations if one["description"] == "BAD_not_finite"
    ]
    np.testing.assert_allclose(found, [(1.0, 0.2), (2.0, 0.004)], atol=1e-6)


@needs_edfio
def test_labels_that_edf_does_not_take(tmp_path: Path) -> None:
    labels = ("Zähler Übersprechen links", "Zahler Ubersprechen rechts", "µ1", "", "C3", "C3")
    data = np.random.default_rng(0).normal(size=(500, len(labels)))
    (path,) = export_session(odd_session(tmp_path / "s", data, labels), "edf", tmp_path / "a.edf")
    raw: Any = mne.io.read_raw(path, verbose="ERROR")
    assert raw.ch_names == ["Zahler Ubersprec", "Zahler Uberspr-2", "?1", "CH4", "C3", "C3-6"]


@needs_edfio
@pytest.mark.parametrize("format", ["edf", "bdf"])
def test_what_edf_cannot_hold_is_refused(tmp_path: Path, format: str) -> None:
    data = np.random.default_rng(0).normal(size=(500, 2))
    odd_rate = odd_session(tmp_path / "rate", data, rate_hz=1000.0 / 3.0)
    with pytest.raises(
        FileFormatError, match=r"333.333 Hz, EDF and BDF need a whole number .* export it as csv"
    ):
        export_session(odd_rate, format, tmp_path / f"a.{format}")
    data[3, 1] = 1e30
    with pytest.raises(FileFormatError, match=r"channel C4 reaches 1e\+30, the largest number"):
        export_session(odd_session(tmp_path / "large", data), format, tmp_path / f"a.{format}")
    assert not (tmp_path / f"a.{format}").exists()


@pytest.mark.parametrize("format", ["csv", pytest.param("edf", marks=needs_edfio)])
def test_what_could_not_be_written_whole_is_removed(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    """The first half of a recording looks like a whole one, and would be in the way of the next try."""
    target = tmp_path / f"out.{format}"

    def markers(*_any: Any) -> list[Any]:
        raise OSError(28, "No space left on device")

    def edf(path: Path, *_any: Any, **_more: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(module, "markers_of", markers)
        full.setattr(mne.export, "export_raw", edf)
        with pytest.raises(FileFormatError, match=r"cannot be written \(No space left on device\)"):
            export_session(session, format, target)
    assert not [
        path for path in tmp_path.rglob("*") if path.is_file() and tmp_path / "sessions" not in path.parents
    ]
    assert export_session(session, format, target)
