"""Damaged files: never a hang, a crash, or samples that were not there."""

import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import pyxdf
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import FileFormatError
from rtbci.record.repair import repair_xdf, sound_parts
from rtbci.record.streams import MARKERS_NAME
from rtbci.record.xdf_format import MAGIC, Tag, chunk_bytes
from rtbci.record.xdf_headers import header_of, stream_header
from rtbci.record.xdf_read import StreamData, XdfFile, read_xdf_file
from rtbci.record.xdf_scan import Piece, Pieces, numbers_of, survey, texts_of
from rtbci.record.xdf_write import XdfWriter
from rtbci.replay.read import read_recordings
from rtbci.stream.source import Channel
from tests.data_paths import data_dir, needs_data
from tests.unit.record.samples import INFO, START, Made, make_session

MADE = make_session(n_batches=10, seed=3)
"""Of about 27 kB."""


def read(content: bytes, folder: Path) -> XdfFile:
    path = folder / "a.xdf"
    path.write_bytes(content)
    return read_xdf_file(path)


def check_is_part(signal: StreamData | None, made: Made, n_least: int = 0) -> None:
    """Whether every sample read is one that was written, in order and each once; at least so many."""
    if signal is None:
        assert n_least == 0
        return
    where = np.searchsorted(made.t_lsl, signal.t_s)
    assert (np.diff(where) > 0).all()
    np.testing.assert_array_equal(made.t_lsl[where], signal.t_s)
    np.testing.assert_array_equal(made.data[where], signal.values)
    assert len(where) >= n_least


def test_a_whole_file_is_read_completely(tmp_path: Path) -> None:
    file = read(MADE.content, tmp_path)
    assert not file.damages
    signal, markers = file.named("amp"), file.named(MARKERS_NAME)
    assert signal is not None
    assert markers is not None
    np.testing.assert_array_equal(signal.values, MADE.data)
    np.testing.assert_array_equal(signal.t_s, MADE.t_lsl)
    assert signal.chunks.tolist() == MADE.sizes
    assert markers.texts == [f"cue-{i}" for i in range(10)]


def test_cut_at_100_places_what_is_before_is_read_and_can_be_repaired(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for cut in sorted(rng.integers(4, len(MADE.content), 100).tolist()):
        content = MADE.content[:cut]
        n_least = max((n for end, n in zip(MADE.ends, MADE.counts, strict=True) if end <= cut), default=0)
        check_is_part(read(content, tmp_path).named("amp"), MADE, n_least)
        mended = b"".join(sound_parts(content, survey(content, "x")))
        assert not survey(mended, "x").damages
        check_is_part(read(mended, tmp_path).named("amp"), MADE, n_least)
        streams, _ = pyxdf.load_xdf(io.BytesIO(mended), dejitter_timestamps=False)
        eeg = [one for one in streams if one["info"]["name"] == ["amp"]]
        assert sum(len(one["time_stamps"]) for one in eeg) >= n_least


def test_bit_flips_are_told_and_no_wrong_sample_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    longest = max(MADE.ends[i + 1] - MADE.ends[i] for i in range(len(MADE.ends) - 1))
    n_told = n_flips = 0
    for place in rng.integers(8 * len(MAGIC), 8 * len(MADE.content), 600).tolist():
        content = bytearray(MADE.content)
        content[place // 8] ^= 1 << (place % 8)
        file = read(bytes(content), tmp_path)
        in_headers = place // 8 < MADE.ends[0]
        # at most the block that was hit and the one that holds its checksum are left out
        n_least = 0 if in_headers else MADE.counts[-1] - 2 * longest // 33
        check_is_part(file.named("amp") if not in_headers else _same_layout(file), MADE, n_least)
        signal = _same_layout(file)
        if signal is not None and (signal.channels, signal.stream.rate_hz) != (INFO.channels, INFO.rate_hz):
            assert file.damages
        n_flips += 1
        n_told += bool(file.damages)
        mended = b"".join(sound_parts(bytes(content), survey(bytes(content), "x")))
        pyxdf.load_xdf(io.BytesIO(mended))
    # the last checksum and its footer are vouched for by nothing
    assert n_told >= 0.97 * n_flips


def _same_layout(file: XdfFile) -> StreamData | None:
    """The signal, where the damaged header did not change its name."""
    return next((one for one in file.streams if one.stream.type == "EEG"), None)


@settings(max_examples=200, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(4, len(MADE.content) - 1), st.integers(0, 255)), max_size=8),
    cut=st.integers(4, len(MADE.content)),
)
def test_any_bytes_anywhere_never_crash_and_never_give_more_samples(
    places: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(MADE.content)
    for at, byte in places:
        content[at] = byte
    found = survey(bytes(content[:cut]), "x")
    mended = b"".join(sound_parts(bytes(content[:cut]), found))
    assert not [one for one in survey(mended, "x").damages if "kept" not in one.reason]
    assert len(mended) <= len(content) + 4000 + 120 * 40


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes(tail: bytes) -> None:
    survey(MAGIC + tail, "x")


@pytest.mark.parametrize("content", [b"", b"XDF", b"EDF:", b"\x00" * 100])
def test_what_is_no_xdf(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"a\.xdf: does not begin with XDF:, it is no XDF file"):
        read(content, tmp_path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be opened"):
        read_xdf_file(tmp_path / "none.xdf")


def header(xml: str) -> bytes:
    return chunk_bytes(Tag.STREAM_HEADER, struct.pack("<I", 1) + xml.encode())


NUMBERS = header(header_of(INFO))
TEXTS = header(stream_header("m", "Markers", 0.0, "string", channels=[Channel("m")]))
HUGE = struct.pack("<IBQ", 1, 8, 2**62)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (NUMBERS + chunk_bytes(Tag.SAMPLES, HUGE), "more samples than bytes"),
        (TEXTS + chunk_bytes(Tag.SAMPLES, HUGE), "more samples than bytes"),
        (NUMBERS + chunk_bytes(Tag.SAMPLES, struct.pack("<IBB", 1, 1, 1) + b"\x00"), "do not fill"),
        (TEXTS + chunk_bytes(Tag.SAMPLES, struct.pack("<IBBBBB", 1, 1, 1, 0, 1, 200)), "do not fill"),
        (NUMBERS + chunk_bytes(Tag.SAMPLES, struct.pack("<IB", 1, 3)), "samples without their number"),
        (chunk_bytes(Tag.SAMPLES, struct.pack("<IBB", 1, 1, 0)), "stream 1, which has no header"),
        (NUMBERS + header(header_of(INFO, "float32")), "a second, different header"),
        (NUMBERS + chunk_bytes(Tag.CLOCK_OFFSET, struct.pack("<Id", 1, 1.0)), "a clock offset that is none"),
        (
            NUMBERS + chunk_bytes(Tag.CLOCK_OFFSET, struct.pack("<Idd", 1, 1.0, np.nan)),
            "a clock offset that is none",
        ),
        (chunk_bytes(Tag.BOUNDARY, b"0123456789abcdef"), "a boundary that is none"),
        (struct.pack("<BBH", 1, 2, 9), "a chunk of unknown kind 9"),
        (struct.pack("<BB", 1, 1) + b"a", "a chunk without content|cut short"),
        (struct.pack("<BBHB", 1, 3, 3, 0), "without its stream's number"),
        (b"\x05abcdef", "no chunk begins here"),
        (chunk_bytes(Tag.FILE_HEADER, b"<info>"), "is no XML"),
        (chunk_bytes(Tag.FILE_HEADER, b"<info>\xff</info>"), "no UTF-8"),
        (b"\x08" + struct.pack("<QH", 2**63, 3), "cut short"),
        (
            NUMBERS + chunk_bytes(Tag.SAMPLES, struct.pack("<IBBBd3d", 1, 1, 1, 8, np.inf, 0, 0, 0)),
            "stamps that are not finite",
        ),
    ],
)
def test_damage_is_named(content: bytes, said: str) -> None:
    (damage, *_) = survey(MAGIC + content, "x").damages
    assert re.search(said, damage.reason)


def test_samples_without_stamps_follow_at_the_rate() -> None:
    xml = stream_header("s", "EEG", 10.0, "int16", channels=[Channel("a"), Channel("b")])
    body = struct.pack("<Bdhh", 8, 5.0, 1, 2) + struct.pack("<Bhh", 0, 3, 4) + struct.pack("<Bhh", 0, 5, 6)
    content = MAGIC + header(xml) + chunk_bytes(Tag.SAMPLES, struct.pack("<IBB", 1, 1, 3) + body)
    found = survey(content, "x")
    assert not found.damages
    piece = list(found.pieces)[-1]
    values, t_s = numbers_of(content, piece, found.streams[1], 0.0)
    assert values.tolist() == [[1, 2], [3, 4], [5, 6]]
    np.testing.assert_allclose(t_s, [5.0, 5.1, 5.2])
    (theirs, *_), _ = pyxdf.load_xdf(io.BytesIO(content), dejitter_timestamps=False, synchronize_clocks=False)
    np.testing.assert_allclose(theirs["time_stamps"], t_s)


def test_it_goes_on_behind_a_damaged_chunk_without_a_boundary() -> None:
    writer = XdfWriter()
    stream_id, head = writer.open_stream(header_of(INFO))
    chunk = writer.samples(stream_id, [(np.zeros((1, 3)), np.array([1.0]))])
    broken = bytearray(chunk)
    broken[16] = 77  # the flag in front of the stamp
    content = writer.begin(START) + head + bytes(broken) + chunk
    found = survey(content, "x")
    assert [one.stop - one.start for one in found.damages] == [len(chunk)]
    assert sum(piece.tag == Tag.SAMPLES for piece in found.pieces) == 1


def test_pieces_come_out_as_they_went_in() -> None:
    given_pieces = [Piece(3, 1, 4, 10, 40), Piece(5, 0, 40, 44, 60)]
    pieces = Pieces(given_pieces)
    assert len(pieces) == 2
    assert list(pieces) == given_pieces
    assert list(pieces) == given_pieces


def test_texts_of_a_chunk() -> None:
    found = survey(MADE.content, "x")
    (markers,) = [one for one in found.streams.values() if one.name == MARKERS_NAME]
    first = next(p for p in found.pieces if p.stream_id == markers.stream_id and p.tag == Tag.SAMPLES)
    assert texts_of(MADE.content, first, markers)[0][1] == ["cue-0"]


@needs_data
def test_files_of_others_are_read_as_pyxdf_reads_them() -> None:
    paths = sorted((data_dir() / "formats").rglob("*.xdf"))
    assert paths
    for path in paths:
        file = read_xdf_file(path)
        assert not file.damages
        theirs, _ = pyxdf.load_xdf(str(path), synchronize_clocks=False, dejitter_timestamps=False)
        assert len(theirs) == len(file.streams)
        for one, other in zip(file.streams, theirs, strict=True):
            assert one.stream.name == (other["info"]["name"][0] or "")
            np.testing.assert_allclose(one.t_s, other["time_stamps"], rtol=0, atol=1e-9)
            if one.stream.format == "string":
                assert one.values.tolist() == [list(row) for row in other["time_series"]]
            else:
                np.testing.assert_array_equal(one.values, other["time_series"])


@pytest.mark.parametrize(
    "tag",
    [
        b"<name>",
        b"<channel_count>",
        b"</channel_format>",
        b"</nominal_srate>",
        b"<desc>",
        b"<channel>",
        b"</info>",
    ],
)
def test_a_header_that_is_no_xml_any_more_does_not_take_the_samples_with_it(
    tmp_path: Path, tag: bytes
) -> None:
    begin = MADE.content.index(b"<name>amp</name>")
    at = MADE.content.index(tag, begin)
    path = tmp_path / "b.xdf"
    path.write_bytes(MADE.content[:at] + b"|" + MADE.content[at + 1 :])
    file = read_xdf_file(path)
    signal = file.named("amp")
    check_is_part(signal, MADE, MADE.counts[-1] - MADE.counts[0])  # those of its own batch have no checksum
    assert signal is not None
    assert signal.stream.rate_hz == INFO.rate_hz
    assert signal.channels == INFO.channels
    assert sum("header of stream 'amp', which is no XML any more" in one.reason for one in file.damages) == 1
    (recording,) = read_recordings(path)
    assert recording.info.labels == INFO.labels
    repair_xdf(path)
    mended = read_xdf_file(path)
    assert not mended.damages
    again = mended.named("amp")
    assert again is not None
    np.testing.assert_array_equal(again.values, signal.values)
    assert again.channels == INFO.channels


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<channel_count>3", b"<channel_count>x"),
        (b"<channel_format>double64", b"<channel_format>double65"),
        (b"<info>", b"<!DOCTYPE x"),
    ],
)
def test_a_header_without_the_layout_is_left_out(tmp_path: Path, old: bytes, new: bytes) -> None:
    """What nobody can be sure of, and what is refused for another reason, is not made up."""
    begin = MADE.content.index(b"<name>amp</name>")
    head, tail = MADE.content[: begin - 6], MADE.content[begin - 6 :]
    content = head + tail.replace(old, new, 1).replace(b"</info>", b"</inf|>", 1)
    file = read(content, tmp_path)
    assert file.named("amp") is None
    assert file.damages
