"""What of a file is read into memory."""

from pathlib import Path

import numpy as np
import pytest

from rtbci.record.signal import chunks_of, main_stream, stored_chunks_of
from rtbci.record.xdf_read import StreamData, XdfFile, is_text, mapped, read_xdf_file, values_at
from rtbci.record.xdf_scan import survey
from tests.unit.record.samples import make_session, write_session

MADE = make_session(n_batches=10, seed=5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_session(tmp_path / "s", MADE) / "session.xdf"


def named(file: XdfFile, name: str) -> StreamData:
    found = file.named(name)
    assert found is not None
    return found


def test_values_that_are_not_kept(path: Path) -> None:
    whole, texts = read_xdf_file(path), read_xdf_file(path, keep=is_text)
    for one, other in zip(whole.streams, texts.streams, strict=True):
        np.testing.assert_array_equal(other.t_s, one.t_s)
        np.testing.assert_array_equal(other.chunks, one.chunks)
        np.testing.assert_array_equal(other.clock_offsets, one.clock_offsets)
        assert other.values.dtype == one.values.dtype
        kept = one.values if one.stream.format == "string" else one.values[:0]
        np.testing.assert_array_equal(other.values, kept)
    none = read_xdf_file(path, keep=lambda _stream: False)
    assert not any(len(one.values) for one in none.streams)
    assert len(named(none, "rtbci-journal").t_s) == len(named(whole, "rtbci-journal").texts)


@pytest.mark.parametrize("n", [1, 7, 40, len(MADE.data)])
def test_places_are_read_alone(path: Path, n: int) -> None:
    starts = list(range(0, len(MADE.data) - n + 1, n + 3))
    with mapped(path) as data:
        found = survey(data, "x")
        (stream,) = [one for one in found.streams.values() if one.name == "amp"]
        places = values_at(data, found, stream, starts, n)
    assert len(places) == len(starts)
    for start, place in zip(starts, places, strict=True):
        np.testing.assert_array_equal(place, MADE.data[start : start + n])


def test_what_is_in_front_of_damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[MADE.ends[4] + 40] ^= 4
    path.write_bytes(bytes(content))
    whole, first = read_xdf_file(path), read_xdf_file(path, until_damage=True)
    assert first.damages == whole.damages != ()
    (path.parent / "cut.xdf").write_bytes(bytes(content[: whole.damages[0].start]))
    cut = read_xdf_file(path.parent / "cut.xdf")
    assert [one.stream for one in first.streams] == [one.stream for one in cut.streams]
    for one, other in zip(first.streams, cut.streams, strict=True):
        np.testing.assert_array_equal(one.t_s, other.t_s)
        np.testing.assert_array_equal(one.values, other.values)


def test_stored_chunks_are_views(path: Path) -> None:
    signal = main_stream(read_xdf_file(path), "x")
    for stored, chunk in zip(stored_chunks_of(signal), chunks_of(signal), strict=True):
        assert np.shares_memory(stored.data, signal.values)
        np.testing.assert_array_equal(stored.data, chunk.data)
        assert chunk.data.dtype == np.float64
