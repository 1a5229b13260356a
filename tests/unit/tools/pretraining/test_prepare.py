import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rtbci.encoder.vocabulary import CHANNELS
from rtbci.errors import ChannelError, ConfigError, FileFormatError, RateError, SignalError
from tests.training_samples import write_subject
from tools.pretrain import main
from tools.pretraining.bids import BidsReader, open_reader
from tools.pretraining.chains import broadband_plan, paradigm_plan
from tools.pretraining.prepare import PrepareSettings, prepare_shards, prepare_signal
from tools.pretraining.readers import FolderReader, Signal, pick_electrodes
from tools.pretraining.shards import read_index

RATE_HZ = 160.0
LABELS = ("F3", "FZ", "F4", "C3", "CZ", "C4", "P3", "P4")


def eeg(n_samples: int, n_channels: int, seed: int = 0, rate_hz: float = RATE_HZ) -> np.ndarray:
    """A 10-Hz rhythm of another phase on each channel, and noise; microvolts."""
    rng = np.random.default_rng(seed)
    t_s = np.arange(n_samples)[:, None] / rate_hz
    rhythm = 20.0 * np.sin(2 * np.pi * 10.0 * t_s + np.arange(n_channels))
    return np.asarray(rhythm + 5.0 * rng.standard_normal((n_samples, n_channels)))


def signal(seconds: float = 20.0, labels: Sequence[str] = LABELS, name: str = "a", seed: int = 0) -> Signal:
    return Signal(name, tuple(labels), RATE_HZ, eeg(round(seconds * RATE_HZ), len(labels), seed))


class MemoryReader:
    """Gives the signals that it was given; a `Reader`. An exception is raised in its place."""

    def __init__(self, items: dict[str, Sequence[Signal] | Exception]) -> None:
        self._items = items

    def names(self) -> Sequence[str]:
        return sorted(self._items)

    def read(self, name: str) -> Iterator[Signal]:
        item = self._items[name]
        if isinstance(item, Exception):
            raise item
        yield from item


def silent(name: str, n_done: int, n_all: int) -> None:
    pass


def test_npz_is_read_run_by_run(tmp_path: Path) -> None:
    path = write_subject(tmp_path, 7, n_runs=2, n_trials=3)
    (name,) = FolderReader(tmp_path).names()
    runs = list(FolderReader(tmp_path).read(name))
    assert len(runs) == 2
    with np.load(path) as archive:
        labels = [str(label) for label in archive["ch_names"]]
        for run, key in zip(runs, ("run00", "run01"), strict=True):
            assert set(run.labels) == set(labels)
            assert list(run.labels) == [label for label in CHANNELS if label in labels]
            assert run.rate_hz == RATE_HZ
            order = [labels.index(label) for label in run.labels]
            np.testing.assert_array_equal(run.data_uv, archive[key][order].T)
    assert len({run.name for run in runs}) == 2


def test_files_that_are_no_recordings_are_not_listed(tmp_path: Path) -> None:
    write_subject(tmp_path, 7, n_runs=1, n_trials=2)
    (tmp_path / "notes.pdf").write_bytes(b"%PDF")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "broken.edf").write_bytes(b"not an EDF file")
    assert FolderReader(tmp_path).names() == ["S007.npz", "below/broken.edf"]
    with pytest.raises(FileFormatError, match=r"broken\.edf"):
        list(FolderReader(tmp_path).read("below/broken.edf"))


def test_long_files_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_subject(tmp_path, 7, n_runs=1, n_trials=7)  # 40 s
    (whole,) = FolderReader(tmp_path).read("S007.npz")
    for part_s, n_parts in ((15.0, 3), (20.0, 2), (40.0, 1)):
        monkeypatch.setattr("tools.pretraining.readers.PART_S", part_s)
        parts = list(FolderReader(tmp_path).read("S007.npz"))
        assert len(parts) == n_parts
        np.testing.assert_array_equal(np.concatenate([part.data_uv for part in parts]), whole.data_uv)
        assert len({part.name for part in parts}) == n_parts


def test_electrodes_are_picked_in_the_encoders_order() -> None:
    data = eeg(400, 6)
    data[:, 4] = 3.0
    picked = pick_electrodes("a", ["C4", "EOG", "", "FP1", "CZ", "C3"], RATE_HZ, data)
    assert picked.labels == ("FP1", "C3", "C4"), "flat CZ, EOG and the unnamed are left out"
    np.testing.assert_array_equal(picked.data_uv, data[:, [3, 5, 0]])


def test_signals_that_cannot_be_used_are_refused() -> None:
    data = eeg(400, 3)
    with pytest.raises(ChannelError, match="electrode twice"):
        pick_electrodes("a", ["C3", "C3", "C4"], RATE_HZ, data)
    with pytest.raises(ChannelError, match="need at least 3"):
        pick_electrodes("a", ["C3", "X1", "C4"], RATE_HZ, data)
    with pytest.raises(SignalError, match="states a wrong unit"):
        pick_electrodes("a", ["C3", "CZ", "C4"], RATE_HZ, data * 1e6)
    data[7, 1] = np.nan
    with pytest.raises(SignalError, match="not finite"):
        pick_electrodes("a", ["C3", "CZ", "C4"], RATE_HZ, data)


def test_broadband_chain_gives_millivolts_at_256_hz_without_common_part() -> None:
    one = signal()
    out = prepare_signal(one, broadband_plan(), settle_s=5.0)
    assert out.shape == (15 * 256, len(LABELS))
    np.testing.assert_allclose(out.mean(axis=1), 0.0, atol=1e-12)
    spectrum = np.abs(np.fft.rfft(out[: 10 * 256, 3]))
    assert spectrum.argmax() == 100, "the rhythm stays at 10 Hz"
    common = one.data_uv - one.data_uv.mean(axis=1, keepdims=True)
    assert out.std() == pytest.approx(1e-3 * common.std(), rel=0.2)


def test_paradigm_chain_takes_the_recipes_stages_on_any_electrodes() -> None:
    plan = paradigm_plan("motor_imagery")
    assert [stage["kind"] for stage in plan.stages] == ["bandpass", "resample", "reference", "align"]
    assert plan.unit == "whitened"
    out = prepare_signal(signal(60.0), plan, settle_s=20.0)
    assert out.shape[1] == len(LABELS)
    without = prepare_signal(signal(60.0), paradigm_plan("motor_imagery", ["align"]), settle_s=20.0)

    def spread(x: np.ndarray) -> float:
        values = np.linalg.eigvalsh(np.cov(x.T))  # the first is that of the average reference
        return float(values[-1] / values[1])

    assert spread(out) < 0.2 * spread(without)
    plan = paradigm_plan("motor_imagery", ["align"])
    assert (plan.unit, plan.gain) == ("mV", 1e-3)
    assert [stage["kind"] for stage in plan.stages] == ["bandpass", "resample", "reference"]


def test_plans_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="no recipe 'nothing'"):
        paradigm_plan("nothing")
    with pytest.raises(ConfigError, match="has no stage"):
        paradigm_plan("motor_imagery", ["whiten"])
    with pytest.raises(ConfigError, match="need 256 Hz"):
        paradigm_plan("motor_imagery", ["resample"])
    with pytest.raises(RateError, match="has 64 Hz"):
        broadband_plan().build(LABELS, 64.0)


def test_shards_hold_the_prepared_signals_by_layout(tmp_path: Path) -> None:
    one, two, other = (
        signal(20, name="one"),
        signal(30, name="two", seed=1),
        signal(25, LABELS[:5], "other", 2),
    )
    reader = MemoryReader({"x": [one, two], "y": [other]})
    plan = broadband_plan()
    index = prepare_shards(reader, plan, tmp_path / "s", PrepareSettings(), {"data": "memory"}, silent)
    assert read_index(tmp_path / "s", check_content=True).shards == index.shards
    by_labels = {shard.labels: shard for shard in index.shards}
    assert set(by_labels) == {LABELS, LABELS[:5]}
    shard = by_labels[LABELS]
    assert [piece.name for piece in shard.pieces] == ["one", "two"]
    stored = np.load(tmp_path / "s" / shard.file, mmap_mode="r")
    for piece, source in zip(shard.pieces, (one, two), strict=True):
        wanted = prepare_signal(source, plan, 5.0)
        np.testing.assert_allclose(stored[piece.start :][: piece.n_samples], wanted, rtol=1e-6)
    assert shard.mean_square == pytest.approx(float(np.mean(np.square(stored, dtype=float))), rel=1e-6)
    assert (index.rate_hz, index.unit, index.provenance["data"]) == (256.0, "mV", "memory")


def test_full_shards_are_closed_and_long_recordings_cut(tmp_path: Path) -> None:
    reader = MemoryReader({"a": [signal(60.0)], "b": [signal(20.0, name="b")]})
    settings = PrepareSettings(max_bytes=4 * len(LABELS) * 256 * 20)
    index = prepare_shards(reader, broadband_plan(), tmp_path / "s", settings, {}, silent)
    assert [shard.n_samples for shard in index.shards] == [20 * 256, 20 * 256, 30 * 256]
    names = [piece.name for shard in index.shards for piece in shard.pieces]
    assert names == ["a", "a#5120", "a#10240", "b"]


def test_bad_recordings_are_skipped_and_told(tmp_path: Path) -> None:
    reader = MemoryReader(
        {"bad": FileFormatError("bad: damaged"), "good": [signal()], "short": [signal(7.0, name="s")]}
    )
    index = prepare_shards(reader, broadband_plan(), tmp_path / "s", PrepareSettings(), {}, silent)
    assert set(index.skipped) == {"bad", "s"}
    assert index.skipped["bad"] == "bad: damaged"
    assert "2.0 s after settling, need 8 s" in index.skipped["s"]
    assert index.provenance["n_recordings"] == "3"


def test_nothing_usable_and_a_used_folder_are_refused(tmp_path: Path) -> None:
    nothing = MemoryReader({"bad": FileFormatError("bad: damaged")})
    with pytest.raises(FileFormatError, match="none of 1 recordings could be used"):
        prepare_shards(nothing, broadband_plan(), tmp_path / "s", PrepareSettings(), {}, silent)
    good = MemoryReader({"good": [signal()]})
    prepare_shards(good, broadband_plan(), tmp_path / "s", PrepareSettings(), {}, silent)
    with pytest.raises(FileFormatError, match="holds shards already"):
        prepare_shards(good, broadband_plan(), tmp_path / "s", PrepareSettings(), {}, silent)


def test_changed_shards_are_found(tmp_path: Path) -> None:
    reader = MemoryReader({"good": [signal()]})
    index = prepare_shards(reader, broadband_plan(), tmp_path, PrepareSettings(), {}, silent)
    path = tmp_path / index.shards[0].file
    data = np.load(path)
    data[5, 2] += 1.0
    np.save(path, data)
    assert read_index(tmp_path).shards == index.shards
    with pytest.raises(FileFormatError, match="another sha256"):
        read_index(tmp_path, check_content=True)
    np.save(path, data[:100])
    with pytest.raises(FileFormatError, match="the index says float32"):
        read_index(tmp_path)
    path.unlink()
    with pytest.raises(FileFormatError, match="cannot be opened"):
        read_index(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(FileFormatError, match="cannot be read as an index"):
        read_index(tmp_path)


def test_command_line_prepares_and_counts_what_it_skips(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "shards"
    data.mkdir()
    write_subject(data, 1, n_runs=2, n_trials=3)
    write_subject(data, 2, n_runs=1, n_trials=3)
    (data / "broken.edf").write_bytes(b"0       " + bytes(100))
    arguments = ["prepare", "--data", str(data), "--out", str(out), "--exclude", "S002*"]
    assert main([*arguments, "--paradigm", "motor_imagery", "--settle-s", "2"]) == 0
    told = capsys.readouterr()
    assert "motor_imagery: 2 recordings" in told.out
    assert "1 skipped" in told.out
    assert "skipped broken.edf" in told.err
    assert main(arguments) == FileFormatError.exit_code
    assert "holds shards already" in capsys.readouterr().err
    assert main(["prepare", "--data", str(tmp_path / "none"), "--out", str(out)]) == FileFormatError.exit_code


HEADER = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile={stem}.eeg
MarkerFile={stem}.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=5
SamplingInterval=6250
[Binary Infos]
BinaryFormat=INT_16
[Channel Infos]
Ch1=C3,,0.1,uV
Ch2=Cz,,0.1,uV
Ch3=C4,,0.1,uV
Ch4=Fz,,0.1,uV
Ch5=EOG1,,0.1,uV
"""
MARKERS = """Brain Vision Data Exchange Marker File, Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile={stem}.eeg
[Marker Infos]
Mk1=New Segment,,1,1,0
"""


def write_bids_subject(root: Path, subject: str, bad: str) -> None:
    """BrainVision files in steps of 0.1 uV, with the tables of BIDS."""
    folder, stem = root / f"sub-{subject}" / "eeg", f"sub-{subject}_task-rest_eeg"
    folder.mkdir(parents=True)
    (folder / f"{stem}.vhdr").write_text(HEADER.format(stem=stem))
    (folder / f"{stem}.vmrk").write_text(MARKERS.format(stem=stem))
    data = eeg(round(30 * RATE_HZ), 5, int(subject))
    (folder / f"{stem}.eeg").write_bytes(np.round(data / 0.1).astype("<i2").tobytes())
    sidecar = {
        "TaskName": "rest",
        "SamplingFrequency": RATE_HZ,
        "EEGReference": "n/a",
        "PowerLineFrequency": 50,
    }
    (folder / f"{stem}.json").write_text(json.dumps(sidecar))
    rows = [["name", "type", "units", "status"]]
    for label in ("C3", "Cz", "C4", "Fz", "EOG1"):
        kind = "EOG" if label == "EOG1" else "EEG"
        rows.append([label, kind, "uV", "bad" if label == bad else "good"])
    events = [["onset", "duration", "trial_type"], ["10.0", "2.0", "BAD_move"], ["20.0", "1.0", "rest"]]
    for name, table in (("channels", rows), ("events", events)):
        text = "\n".join("\t".join(row) for row in table) + "\n"
        (folder / f"sub-{subject}_task-rest_{name}.tsv").write_text(text)


@pytest.fixture
def bids_root(tmp_path: Path) -> Path:
    pytest.importorskip("mne_bids")
    description = {"Name": "test", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
    (tmp_path / "dataset_description.json").write_text(json.dumps(description))
    write_bids_subject(tmp_path, "01", bad="")
    write_bids_subject(tmp_path, "02", bad="Cz")
    return tmp_path


def test_bids_folder_is_read_with_its_tables(bids_root: Path) -> None:
    reader = open_reader(bids_root)
    assert isinstance(reader, BidsReader)
    names = reader.names()
    assert [name.split("/")[0] for name in names] == ["sub-01", "sub-02"]
    before, after = reader.read(names[0])
    assert before.labels == ("FZ", "C3", "CZ", "C4"), "no EOG, in the encoder's order"
    assert (len(before.data_uv), len(after.data_uv)) == (round(10 * RATE_HZ), round(18 * RATE_HZ))
    wanted = eeg(round(30 * RATE_HZ), 5, 1)[:, [3, 0, 1, 2]]
    np.testing.assert_allclose(before.data_uv, wanted[: round(10 * RATE_HZ)], atol=0.1)
    np.testing.assert_allclose(after.data_uv, wanted[round(12 * RATE_HZ) :], atol=0.1)
    assert next(iter(reader.read(names[1]))).labels == ("FZ", "C3", "C4"), "bad channels are left out"


def test_damaged_bids_recording_is_an_error_of_its_own(bids_root: Path) -> None:
    reader = open_reader(bids_root)
    name = reader.names()[0]
    (bids_root / name).write_text("no header")
    with pytest.raises(FileFormatError, match="cannot be read as BIDS"):
        list(reader.read(name))
