import os
from pathlib import Path

import numpy as np
import pytest
import pyxdf

from rtbci.errors import FileFormatError
from rtbci.files import free_name
from rtbci.record.disk import SyncedFile
from rtbci.record.repair import repair_xdf, said_damages
from rtbci.record.xdf_read import read_xdf_file
from rtbci.record.xdf_scan import Damage
from rtbci.replay.read import read_recordings
from rtbci.system.names import give_name
from tests.unit.record.samples import make_session, write_session

MADE = make_session(n_batches=10, seed=5)
VALUE = 16 + 9 + 3
"""From the start of a chunk of samples into its first value."""


def test_a_killed_session_gets_its_end_and_the_original_is_kept(tmp_path: Path) -> None:
    cut = MADE.ends[6] + 100
    path = write_session(tmp_path / "s", MADE, cut=cut) / "session.xdf"
    done = repair_xdf(path)
    assert done.path == path
    assert done.original == tmp_path / "s" / "session.damaged.xdf"
    assert done.original.read_bytes() == MADE.content[:cut]
    assert done.damages[0].reason == "cut short"
    signal = read_xdf_file(path).named("amp")
    assert signal is not None
    np.testing.assert_array_equal(signal.values[: MADE.counts[6]], MADE.data[: MADE.counts[6]])
    streams, _ = pyxdf.load_xdf(str(path))
    assert all("footer" in one for one in streams)
    counts = {one["info"]["name"][0]: one["footer"]["info"]["sample_count"] for one in streams}
    assert counts["amp"] == [str(len(signal.t_s))]
    assert repair_xdf(path).original == path  # nothing left to mend


def test_a_second_repair_keeps_both_originals(tmp_path: Path) -> None:
    path = write_session(tmp_path / "s", MADE, cut=MADE.ends[6] + 100) / "session.xdf"
    repair_xdf(path)
    path.write_bytes(MADE.content[: MADE.ends[5] + 3])
    assert repair_xdf(path).original.name == "session.damaged-2.xdf"
    assert free_name(path, "damaged").name == "session.damaged-3.xdf"


def test_a_sound_file_is_left_alone(tmp_path: Path) -> None:
    path = write_session(tmp_path / "s", MADE) / "session.xdf"
    done = repair_xdf(path)
    assert (done.original, done.damages) == (path, ())
    assert path.read_bytes() == MADE.content


def test_a_block_with_a_changed_bit_is_left_out_and_the_rest_is_kept(tmp_path: Path) -> None:
    content = bytearray(MADE.content)
    content[MADE.ends[3] + VALUE] ^= 4
    path = tmp_path / "a.xdf"
    path.write_bytes(bytes(content))
    done = repair_xdf(path)
    assert {one.reason for one in done.damages} == {"no checksum vouches for these samples"}
    signal = read_xdf_file(path).named("amp")
    assert signal is not None
    kept = np.isin(MADE.t_lsl, signal.t_s)
    assert kept[: MADE.counts[3]].all()
    assert not kept[MADE.counts[3] : MADE.counts[4]].any()
    assert kept[MADE.counts[4] :].all()
    np.testing.assert_array_equal(signal.values, MADE.data[kept])


def test_a_file_that_lost_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"ZZZZ" + MADE.content[4:])
    repair_xdf(path)
    signal = read_xdf_file(path).named("amp")
    assert signal is not None
    # the checksum of the first block speaks of these bytes too
    assert len(signal.t_s) >= len(MADE.t_lsl) - MADE.counts[0]


def test_a_file_without_a_file_header_gets_one(tmp_path: Path) -> None:
    content = bytearray(MADE.content)
    content[8:12] = b"\xff\xff\xff\xff"
    path = tmp_path / "a.xdf"
    path.write_bytes(bytes(content))
    repair_xdf(path)
    _, header = pyxdf.load_xdf(str(path))
    assert header["info"]["version"] == ["1.0"]


def test_what_cannot_be_repaired(tmp_path: Path) -> None:
    path = tmp_path / "a.xdf"
    with pytest.raises(FileFormatError, match="cannot be repaired here"):
        repair_xdf(path)
    path.write_bytes(b"not XDF at all")
    with pytest.raises(FileFormatError, match="it is no XDF file"):
        repair_xdf(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.xdf"]


def test_a_file_that_is_being_recorded_is_left_alone(tmp_path: Path) -> None:
    disk = SyncedFile(tmp_path / "a.xdf")
    disk.write(0, MADE.content[:5000])
    with pytest.raises(FileFormatError, match="is being recorded"):
        repair_xdf(tmp_path / "a.xdf")
    disk.close()
    repair_xdf(tmp_path / "a.xdf")


def test_replay_reads_what_is_sound_of_a_damaged_session(tmp_path: Path) -> None:
    content = bytearray(MADE.content[: MADE.ends[8]])
    content[MADE.ends[3] + VALUE] ^= 4
    path = tmp_path / "a.xdf"
    path.write_bytes(bytes(content))
    (recording,) = read_recordings(path)
    assert any("are damaged and were left out" in note for note in recording.notes)
    assert recording.n_samples == MADE.counts[8] - (MADE.counts[4] - MADE.counts[3])


def test_replay_of_a_session_takes_the_signal_and_the_markers_only(tmp_path: Path) -> None:
    (recording,) = read_recordings(write_session(tmp_path / "s", MADE))  # its folder will do
    assert recording.name == "amp"
    assert recording.info.labels[0] == "Fc5."
    np.testing.assert_array_equal(recording.data, MADE.data)
    assert [marker.value for marker in recording.markers] == [f"cue-{i}" for i in range(10)]
    assert recording.notes == ()


def test_damages_in_words() -> None:
    damages = [Damage(10 * i, 10 * i + 5, "cut short") for i in range(5)]
    said = said_damages(damages)
    assert said.startswith("25 bytes are damaged and were left out (bytes 0 to 5: cut short; ")
    assert said.endswith(" and 2 more)")


@pytest.mark.skipif(os.name != "posix", reason="hard links, as POSIX has them")
def test_killed_while_names_are_exchanged_there_is_a_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_session(tmp_path / "s", MADE, cut=MADE.ends[6] + 100) / "session.xdf"
    before = path.read_bytes()

    def killed(*_names: Path, **_how: bool) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("rtbci.record.repair.give_name", killed)
        with pytest.raises(SystemExit):
            repair_xdf(path)
    assert path.read_bytes() == before
    repair_xdf(path)
    assert not read_xdf_file(path).damages


@pytest.mark.parametrize("has_links", [True, False])
def test_without_the_right_to_rename_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    path = write_session(tmp_path / "s", MADE, cut=MADE.ends[6] + 100) / "session.xdf"
    before = path.read_bytes()

    def refused(*_names: Path, **_how: bool) -> None:
        raise PermissionError(13, "Permission denied")

    def new_is_refused(old: Path, new: Path, *, replace: bool = False) -> None:
        if old.name.endswith(".new"):
            refused()
        give_name(old, new, replace=replace)

    with monkeypatch.context() as patch:
        patch.setattr("rtbci.record.repair.give_name", new_is_refused)
        if not has_links:
            patch.setattr(os, "link", refused)
        with pytest.raises(FileFormatError, match="cannot be repaired here"):
            repair_xdf(path)
    assert {one.name: one.read_bytes() for one in path.parent.glob("*session*xdf*")} == {
        "session.xdf": before
    }


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_session(tmp_path / "s", MADE, cut=MADE.ends[6] + 100) / "session.xdf"
    before = path.read_bytes()

    def refused(*_names: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert repair_xdf(path).original.read_bytes() == before
    assert not read_xdf_file(path).damages
