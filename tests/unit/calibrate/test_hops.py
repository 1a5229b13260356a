from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtbci.calibrate.calibration_decoder import CalibrationDecoder
from rtbci.calibrate.cutter import timing_of
from rtbci.calibrate.hops import HopLog, read_hops, spans_of
from rtbci.calibrate.recordings import trials_of_recordings
from rtbci.errors import FileFormatError
from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from rtbci.replay.recording import Recording
from rtbci.stream.source import Marker
from tests.tiny import eeg, stream_info, write_paradigm, write_tiny_profile


def test_what_a_kill_cuts_short_is_dropped(tmp_path: Path) -> None:
    x = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    with HopLog(tmp_path, 4, 3) as log:
        for i in range(3):
            log.push(x + i, 0.1 * i, i == 0)
    with (tmp_path / "hops.bin").open("ab") as file:
        file.write(b"half a row")
    with HopLog(tmp_path, 4, 3) as log:
        log.push(x + 3, 9.0, True)
    pieces = read_hops(tmp_path, 4, 3)
    assert [one["t"].tolist() for one in pieces] == [pytest.approx([0.0, 0.1, 0.2]), [9.0]]
    assert np.array_equal(pieces[1]["x"][0], x + 3)


def test_a_hop_that_was_changed_is_left_out_and_ends_a_piece(tmp_path: Path) -> None:
    x = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    with HopLog(tmp_path, 4, 3) as log:
        for i in range(5):
            log.push(x + i, float(i), i == 0)
    path = tmp_path / "hops.bin"
    content = path.read_bytes()
    size = len(content) // 5
    for at in (2 * size, 2 * size + 6, 2 * size + 12, 3 * size - 1):  # checksum, stamp, beginning, numbers
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        assert [one["t"].tolist() for one in read_hops(tmp_path, 4, 3)] == [[0.0, 1.0], [3.0, 4.0]]
    path.write_bytes(content[1:])
    with pytest.raises(FileFormatError, match="none of its 4 hops is as it was written"):
        read_hops(tmp_path, 4, 3)


def test_no_log_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"hops\.bin: cannot be read"):
        read_hops(tmp_path, 4, 3)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileFormatError, match=r"hops\.bin: cannot be written"):
        HopLog(tmp_path / "nowhere", 4, 3)
    log = HopLog(tmp_path, 4, 3)
    log.push(np.zeros((4, 3), np.float32), 0.0, True)
    monkeypatch.setattr(log, "_file", PartOnly(log._file))
    with pytest.raises(
        FileFormatError, match=r"cannot be written \(No space left on device\), need room .* then begin again"
    ):
        log.push(np.zeros((4, 3), np.float32), 1.0, False)
    (tmp_path / "trial-0000.safetensors").touch()
    with pytest.raises(FileFormatError, match="then go on with --resume"):
        log.push(np.zeros((4, 3), np.float32), 1.0, False)
    monkeypatch.undo()
    log.close()
    log.close()
    assert [one["t"].tolist() for one in read_hops(tmp_path, 4, 3)] == [[0.0]]
    with HopLog(tmp_path, 4, 3) as again:  # the part of a row is gone
        again.push(np.zeros((4, 3), np.float32), 2.0, False)
    assert read_hops(tmp_path, 4, 3)[0]["t"].tolist() == [0.0, 2.0]


class PartOnly:
    """A file that takes seven bytes, as a disk does that becomes full."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, row: bytes) -> int:
        return int(self._file.write(row[:7]))


def test_hops_decode_as_the_stream_did(tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path / "paradigm")
    recipe = read_paradigm(str(paradigm))
    profile = read_profile(write_tiny_profile(tmp_path / "ada", paradigm))
    run = Recording(stream_info(), eeg(2500), tuple(Marker(t, "left") for t in (2.0, 5.0, 9.8)))
    with CalibrationDecoder(recipe, profile=profile) as decoder:
        log = HopLog(tmp_path, profile.hop_samples, len(profile.channels))
        decoder.keep = log.push
        trials = list(trials_of_recordings(decoder, [run, run], timing_of(recipe, 1.5)))
        log.close()
        pieces = read_hops(tmp_path, profile.hop_samples, len(profile.channels))
        spans = spans_of(pieces, decoder, profile, trials, 1.5)
    assert len(pieces) == len(spans) == 2
    assert [one.accepted for one in trials] == [True, True, False] * 2
    assert [len(one.trials) for one in spans] == [2, 2]
    for trial in trials:
        if not trial.accepted:
            continue
        span = next(one for one in spans if trial.t_newest[-1] in one.t_newest)
        rows = np.searchsorted(span.t_newest, trial.t_newest)
        said = np.log(span.probs[rows])
        wanted = trial.logits / profile.temperature
        assert np.allclose(said[:, 1] - said[:, 0], wanted[:, 1] - wanted[:, 0], atol=1e-5)
