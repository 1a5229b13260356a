from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest

from rtbci.errors import FileFormatError
from rtbci.replay import read_mne as read_mne_module
from rtbci.replay.read import read_recordings
from tests.data_paths import data_dir, needs_data

FORMATS = "formats"
MNE_FILES = f"{FORMATS}/mne-python"

# path, n_samples, n_channels, rate_hz, n_markers, first marker, median SD of EEG in uV (None: not calibrated)
READABLE = [
    ("eegmmidb/raw/S007R12.edf", 20000, 64, 160.0, 30, "T0", 40.7),
    ("eegmmidb/raw/S088R04.edf", 15872, 64, 128.0, 38, "T0", 68.3),
    ("eegmmidb/S007.npz", 60000, 38, 160.0, 90, "T0", 40.6),
    ("eegmat/Subject00_2.edf", 31000, 21, 500.0, 1, "[Total time]+62.000", 12.4),
    (f"{FORMATS}/eeglab/test.bdf", 15360, 17, 256.0, 80, "254", 33.6),
    (f"{FORMATS}/eeglab/eeglab_data.set", 30504, 32, 128.0, 154, "square", 22.4),
    (f"{FORMATS}/eeglab/eeglab_data.fdt", 30504, 32, 128.0, 154, "square", 22.4),
    (f"{FORMATS}/eeglab/testbva.vhdr", 2112, 32, 200.0, 16, "Stimulus/S  4", 10.5),
    (f"{FORMATS}/eeglab/testbva.dat", 2112, 32, 200.0, 16, "Stimulus/S  4", 10.5),
    (f"{FORMATS}/eeglab/testmusemonitor.csv", 26, 5, 0.983, 0, "", None),
    (f"{FORMATS}/eeglab/test.xdf", 9520, 8, 1000.0, 0, "", None),
    (f"{FORMATS}/xdf-example-files/clock_resets.xdf", 27815, 8, 92.934, 175, "XXX", None),
    (f"{FORMATS}/xdf-example-files/minimal.xdf", 9, 3, 10.0, 9, None, None),
    (f"{FORMATS}/xdf-example-files/empty_streams.xdf", 10, 1, 1.0, 1, '{"state": 2}', None),
    (f"{FORMATS}/openbci/OpenBCI_GUI-v6-blinks-jawClench-alpha.txt", 22490, 8, 250.0, 0, "", None),
    (f"{MNE_FILES}/brainvision/test.vmrk", 7900, 32, 1000.0, 13, "Stimulus/S253", 24.2),
    (f"{MNE_FILES}/brainvision/test_units.vhdr", 7900, 32, 1000.0, 13, "Stimulus/S253", 24.2),
    (f"{MNE_FILES}/edf/test.bdf", 2048, 73, 2048.0, 1, "128", 24.0),
    (f"{MNE_FILES}/edf/test.edf", 3072, 139, 512.0, 5, "start", 23.7),
    (f"{MNE_FILES}/edf/duplicate_channel_labels.edf", 2500, 3, 250.0, 0, "", 31.1),
    (f"{MNE_FILES}/egi/test_egi.raw", 77, 262, 250.0, 2, "TRSP", 184.5),
    (f"{MNE_FILES}/nicolet/test_nicolet_raw.head", 512, 29, 256.0, 0, "", 31.6),
    ("muse/p300_subject1.csv", 30732, 5, 256.0, 197, "1", 9.2),
    ("muse/ssvep_subject1.csv", 30732, 5, 256.0, 32, "1", 26.2),
    ("p300-bi2012/subject_01_session_01.npz", 46804, 16, 128.0, 768, "1", None),
    ("sleep/data_resting_EO_200Hz_raw.fif", 72000, 2, 200.0, 0, "", 13.9),
    ("ssvep-exo/subject01/record-[2012.07.06-19.02.16].gdf", 57024, 8, 256.0, 97, "32769", None),
    ("ssvep-exo/subject01/record-[2012.07.06-19.02.16]_raw.fif", 57024, 8, 256.0, 32, "1", None),
]
REFUSED = [
    (f"{FORMATS}/eeglab/test.cnt", "begins like Neuroscan CNT, but cannot be read .*ANT Neuro"),
    (f"{FORMATS}/eeglab/eeglab_chan32.locs", "not an EEG recording that is known; need one of EDF"),
    (f"{FORMATS}/README.md", "not an EEG recording that is known"),
    ("eegmat/subject-info.csv", "text file whose columns are not known"),
    ("sleep/data_N2_spindles_15sec_200Hz.txt", "text file whose columns are not known"),
    ("sleep/data_EOGs_REM_256Hz.npz", "has data, sf, chan, need 'sfreq', 'ch_names'"),
    ("ssvep-exo/subject01/record-[2012.07.06-19.02.16]-eve.fif", "Could not find measurement data"),
    ("eegmmidb/raw", r"is a folder, need one recording; it holds S001R04\.edf"),
    ("eegmmidb/raw/S007R13.edf", r"no such file; did you mean .*S007R12\.edf\?"),
    ("nowhere/at/all.edf", r"no such file; there is no folder .*nowhere/at either"),
]


@needs_data
@pytest.mark.data
@pytest.mark.parametrize("case", READABLE, ids=lambda case: Path(case[0]).name)
def test_every_format_is_read(case: tuple[Any, ...]) -> None:
    path, n_samples, n_channels, rate_hz, n_markers, first, sd_uv = case
    recording = read_recordings(data_dir() / path)[0]
    assert recording.data.shape == (n_samples, n_channels)
    assert recording.data.dtype == np.float64
    assert recording.info.rate_hz == pytest.approx(rate_hz, rel=1e-3)
    assert len(recording.markers) == n_markers
    if first:
        assert recording.markers[0].value == first
    if sd_uv is not None:
        eeg = [i for i, channel in enumerate(recording.info.channels) if channel.type == "EEG"]
        assert all(recording.info.channels[i].unit == "microvolts" for i in eeg)
        assert np.median(recording.data[:, eeg].std(0)) == pytest.approx(sd_uv, rel=0.01)
    assert sorted(recording.markers) == list(recording.markers)


@needs_data
@pytest.mark.data
@pytest.mark.parametrize(("path", "message"), REFUSED, ids=[Path(path).name for path, _ in REFUSED])
def test_what_cannot_be_read_is_refused_with_a_reason(path: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read_recordings(data_dir() / path)


@needs_data
@pytest.mark.data
def test_edf_numbers_are_the_physical_values_of_the_file() -> None:
    path = data_dir() / "eegmmidb/raw/S007R12.edf"
    recording = read_recordings(path)[0]
    assert recording.info.labels[:3] == ("Fc5.", "Fc3.", "Fc1.")
    # one data record of one second: 64 signals of 160 samples, then the annotations; 1 uV a step
    header = int(path.read_bytes()[184:192])
    first = np.frombuffer(path.read_bytes()[header : header + 2 * 160 * 64], "<i2").reshape(64, 160)
    np.testing.assert_allclose(recording.data[:160].T, first, atol=1e-9)
    assert recording.markers[1].value == "T1"
    assert recording.markers[1].t_lsl == pytest.approx(4.2)


@needs_data
@pytest.mark.data
def test_units_of_brainvision_are_kept_true() -> None:
    raw_units = read_recordings(data_dir() / MNE_FILES / "brainvision/test_units.vhdr")[0]
    units = {channel.label: (channel.unit, channel.type) for channel in raw_units.info.channels}
    assert units["FP2"] == ("microvolts", "EEG")  # millivolts in the file
    assert units["CP6"] == ("µS", "MISC")
    assert units["ReRef"] == ("C", "MISC")
    by_label = dict(zip(raw_units.info.labels, raw_units.data.T, strict=True))
    # the same integers behind every channel: equal spread once units are undone
    assert by_label["CP6"].std() == pytest.approx(by_label["FP1"].std(), rel=0.02)


@needs_data
@pytest.mark.data
def test_a_part_is_the_same_as_the_whole_cut() -> None:
    for name in ("eegmmidb/raw/S007R12.edf", "muse/p300_subject1.csv", f"{FORMATS}/eeglab/test.xdf"):
        whole = read_recordings(data_dir() / name)[0]
        part = read_recordings(data_dir() / name, start_s=2.0, stop_s=5.0)[0]
        cut = whole.crop(2.0, 5.0)
        np.testing.assert_array_equal(part.data, cut.data)
        assert [m.value for m in part.markers] == [m.value for m in cut.markers]
        assert [m.t_lsl for m in part.markers] == pytest.approx([m.t_lsl for m in cut.markers])
    with pytest.raises(FileFormatError, match=r"no samples from 900 s to the end, it lasts 125\.000 s"):
        read_recordings(data_dir() / "eegmmidb/raw/S007R12.edf", start_s=900.0)
    with pytest.raises(FileFormatError, match=r"nothing after 900 s, it lasts 120\.0 s"):
        read_recordings(data_dir() / "muse/p300_subject1.csv", start_s=900.0)


@needs_data
@pytest.mark.data
def test_clock_reset_is_a_gap_and_the_true_rate_is_stated() -> None:
    recording = read_recordings(data_dir() / FORMATS / "xdf-example-files/clock_resets.xdf")[0]
    assert recording.name == "BioSemi"
    assert recording.gaps().shape == (1, 2)
    assert recording.gaps()[0, 1] == pytest.approx(273.87, abs=0.1)
    assert any("nominally 100 Hz, by its stamps 92.93 Hz" in note for note in recording.notes)
    steps_s = np.diff(recording.sample_times())
    assert np.median(steps_s) == pytest.approx(1 / recording.info.rate_hz, rel=0.01)


@needs_data
@pytest.mark.data
def test_muse_stamps_are_kept_as_recorded() -> None:
    path = data_dir() / "muse/ssvep_subject1.csv"
    recording = read_recordings(path)[0]
    stamps = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=[0])
    assert recording.t_s is not None
    np.testing.assert_allclose(recording.t0_s + recording.t_s, stamps, atol=1e-9)
    assert any("stamps run back" in note for note in recording.notes)
    assert recording.info.channels[-1].type == "AUX"


@needs_data
@pytest.mark.data
def test_bigger_than_memory_allows_names_the_part_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_mne_module, "MAX_BYTES", 160 * 64 * 8 * 60)
    path = data_dir() / "eegmmidb/raw/S007R12.edf"
    with pytest.raises(FileFormatError, match="read a part of at most 60 s"):
        read_recordings(path)
    assert read_recordings(path, stop_s=60.0)[0].duration_s == pytest.approx(60.0)


@needs_data
@pytest.mark.data
def test_blocks_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    path = data_dir() / "eegmmidb/raw/S007R12.edf"
    whole = read_recordings(path)[0]
    monkeypatch.setattr(read_mne_module, "BLOCK_BYTES", 64 * 8 * 777)
    np.testing.assert_array_equal(read_recordings(path)[0].data, whole.data)


@needs_data
@pytest.mark.data
def test_contents_under_another_name(tmp_path: Path) -> None:
    edf = tmp_path / "run.txt"
    edf.write_bytes((data_dir() / "eegmmidb/raw/S007R12.edf").read_bytes()[:100_000])
    with pytest.raises(
        FileFormatError, match=r"contents are EDF, but the name ends in '\.txt'; rename it to run\.edf"
    ):
        read_recordings(edf)
    xdf = tmp_path / "run.bin"
    xdf.write_bytes((data_dir() / FORMATS / "xdf-example-files/minimal.xdf").read_bytes())
    assert read_recordings(xdf)[0].n_samples == 9


@needs_data
@pytest.mark.data
def test_a_companion_finds_its_header_or_names_it(tmp_path: Path) -> None:
    source = data_dir() / MNE_FILES / "brainvision/test.eeg"
    alone = tmp_path / "test.eeg"
    alone.write_bytes(source.read_bytes())
    with pytest.raises(FileFormatError, match=r"one part of a recording, need its header test\.vhdr"):
        read_recordings(alone)


@pytest.mark.parametrize("said", [b"9999", b"    ", b"-1  ", b"\xff\xff\xff\xff"])
def test_edf_that_says_more_channels_than_it_can_describe(tmp_path: Path, said: bytes) -> None:
    path = tmp_path / "a.edf"  # MNE compares the names of all of them with each other
    path.write_bytes(b"0       ".ljust(252) + said + b" " * 2000)
    with pytest.raises(FileFormatError, match=r"its header says '.*' channels, need 256 bytes for each"):
        read_recordings(path)


def test_empty_file_and_nonsense(tmp_path: Path) -> None:
    empty = tmp_path / "a.edf"
    empty.touch()
    with pytest.raises(FileFormatError, match=r"is empty \(0 bytes\), need a recording"):
        read_recordings(empty)
    nonsense = tmp_path / "b.edf"
    nonsense.write_bytes(b"hello" * 100)
    with pytest.raises(FileFormatError, match="named like EDF, but its contents are not"):
        read_recordings(nonsense)


def test_a_recording_without_eeg_is_refused(tmp_path: Path) -> None:
    info = mne.create_info(["MISC1"], 100.0, "misc")
    mne.io.RawArray(np.zeros((1, 200)), info, verbose="ERROR").save(tmp_path / "x_raw.fif", verbose="ERROR")
    with pytest.raises(FileFormatError, match="has no EEG channel, only MISC"):
        read_recordings(tmp_path / "x_raw.fif")


@pytest.mark.parametrize("dated", [True, False])
def test_fif_annotations_lie_where_their_samples_are(dated: bool, tmp_path: Path) -> None:
    raw = mne.io.RawArray(
        np.arange(2000.0)[None] * 1e-6, mne.create_info(["C3"], 100.0, "eeg"), verbose="ERROR"
    )
    if dated:
        raw.set_meas_date(1_600_000_000)
    raw.set_annotations(mne.Annotations([7.0, 12.5], [0, 0], ["left", "BAD_jump"]))
    raw.crop(5.0, 15.0)  # first_samp is no longer 0
    raw.save(tmp_path / "x_raw.fif", verbose="ERROR")
    recording = read_recordings(tmp_path / "x_raw.fif")[0]
    assert recording.data[0, 0] == pytest.approx(500.0)
    assert [(round(m.t_lsl, 6), m.value) for m in recording.markers] == [(2.0, "left"), (7.5, "BAD_jump")]


DAMAGED = [
    "eegmmidb/raw/S007R12.edf",
    f"{FORMATS}/eeglab/test.bdf",
    f"{FORMATS}/eeglab/eeglab_data.set",
    f"{FORMATS}/eeglab/testbva.vhdr",
    f"{FORMATS}/xdf-example-files/minimal.xdf",
    f"{FORMATS}/xdf-example-files/empty_streams.xdf",
    f"{FORMATS}/openbci/OpenBCI_GUI-v6-blinks-jawClench-alpha.txt",
    f"{FORMATS}/eeglab/testmusemonitor.csv",
    f"{MNE_FILES}/egi/test_egi.raw",
    f"{MNE_FILES}/edf/test_uneven_samp.edf",
    "muse/p300_subject1.csv",
    "sleep/data_resting_EO_200Hz_raw.fif",
    "ssvep-exo/subject01/record-[2012.07.06-19.02.16].gdf",
    "eegmmidb/S007.npz",
]


def copy_damaged(source: Path, folder: Path, seed: int) -> Path:
    """Odd seeds cut the file off, even ones flip bits, more often in the first kilobytes."""
    rng = np.random.default_rng(seed)
    contents = bytearray(source.read_bytes()[:700_000])
    if seed % 2:
        contents = contents[: int(len(contents) * rng.random() ** 3)]
    else:
        n_kept = 16  # what the kind is known by, or nothing else is ever tried
        for at in (n_kept + (len(contents) - n_kept) * rng.random(8) ** 4).astype(int):
            contents[at] ^= 1 << int(rng.integers(8))
    for beside in source.parent.glob(f"{source.stem}.*"):
        if beside != source and beside.suffix in (".dat", ".fdt", ".vmrk"):
            (folder / beside.name).write_bytes(beside.read_bytes())
    target = folder / source.name
    target.write_bytes(contents)
    return target


@needs_data
@pytest.mark.data
@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # MNE's and pyxdf's, when they give up
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", DAMAGED, ids=lambda name: Path(name).name)
def test_damaged_files_are_refused_or_partly_read(name: str, tmp_path: Path) -> None:
    for seed in range(6):
        damaged = copy_damaged(data_dir() / name, tmp_path, seed)
        try:
            recordings = read_recordings(damaged)
        except FileFormatError as error:
            message = str(error)
        else:
            message = str(damaged)
            assert all(recording.n_samples > 0 for recording in recordings)
        assert str(damaged) in message
        assert len(message) < 1000


def test_an_archive_that_unpacks_to_more_than_fits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is unpacked: zeros are packed a thousand to one."""
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, sfreq=160.0, ch_names=["C3"], run04=np.zeros((1, 10**6)))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr("rtbci.replay.read_npz.MAX_BYTES", 10**6)
    monkeypatch.setattr("numpy.lib.npyio.NpzFile.__getitem__", None)
    with pytest.raises(FileFormatError, match=r"unpacks to 0.0 GB, the limit is 0.0 GB; split it"):
        read_recordings(path)


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"cannot be opened .*; check its name"):
        read_recordings(tmp_path / ("x" * 300 + ".edf"))
