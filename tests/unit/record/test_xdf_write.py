import io
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import FileFormatError, ShapeError
from rtbci.record.xdf_format import FORMATS
from rtbci.record.xdf_headers import header_of, stream_header
from rtbci.record.xdf_read import read_xdf_file
from rtbci.record.xdf_write import BOUNDARY_CHUNK, XdfWriter, footer_chunk, text_chunk
from rtbci.stream.source import Channel
from tests.unit.record.samples import INFO, START


def load(content: bytes) -> list[dict[str, Any]]:
    """As pyxdf reads it, with the stamps of the file."""
    streams, _ = pyxdf.load_xdf(io.BytesIO(content), synchronize_clocks=False, dejitter_timestamps=False)
    return list(streams)


def channels(n: int) -> list[Channel]:
    return [Channel(f"C{i}", "uV") for i in range(n)]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 9), max_size=12),
    format=st.sampled_from(sorted(FORMATS)),
    n_channels=st.integers(1, 5),
    rate_hz=st.sampled_from([0.0, 250.0]),
    seed=st.integers(0, 99),
)
def test_any_chunks_of_any_format_are_read_back_the_same(
    sizes: list[int], format: str, n_channels: int, rate_hz: float, seed: int, tmp_path_factory: Any
) -> None:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    values = rng.integers(-100, 100, (n, n_channels)).astype(FORMATS[format])
    if values.dtype.kind == "f" and n:
        values += rng.normal(size=values.shape).astype(values.dtype)
        values[0, 0] = np.nan
    t_s = np.sort(rng.uniform(0, 1e5, n))
    writer = XdfWriter()
    content = writer.begin(START)
    stream_id, header = writer.open_stream(
        stream_header("s", "EEG", rate_hz, format, channels=channels(n_channels))
    )
    ends = np.cumsum([0, *sizes])
    chunks = [(values[i:j], t_s[i:j]) for i, j in pairwise(ends)]
    content += header + writer.samples(stream_id, chunks) + writer.boundary() + writer.close_stream(stream_id)

    (theirs,) = load(content)
    np.testing.assert_array_equal(theirs["time_series"].reshape(n, n_channels), values)
    np.testing.assert_array_equal(theirs["time_stamps"], t_s)
    path = tmp_path_factory.mktemp("xdf") / "a.xdf"
    path.write_bytes(content)
    file = read_xdf_file(path)
    assert not file.damages
    (ours,) = file.streams
    assert ours.values.dtype == FORMATS[format]
    np.testing.assert_array_equal(ours.values, values)
    np.testing.assert_array_equal(ours.t_s, t_s)
    assert ours.chunks.tolist() == [size for size in sizes if size]
    assert theirs["footer"]["info"]["sample_count"] == [str(n)]
    if n:
        assert float(theirs["footer"]["info"]["first_timestamp"][0]) == t_s[0]
        assert float(theirs["footer"]["info"]["last_timestamp"][0]) == t_s[-1]


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=300), max_size=20))
def test_texts_are_read_back_the_same(texts: list[str]) -> None:
    writer = XdfWriter()
    content = writer.begin(START)
    stream_id, header = writer.open_stream(
        stream_header("m", "Markers", 0.0, "string", channels=[Channel("m", "", "Markers")])
    )
    content += header + writer.texts(stream_id, [(0.5 * i, text) for i, text in enumerate(texts)])
    (stream,) = load(content)
    assert [row[0] for row in stream["time_series"]] == texts
    np.testing.assert_array_equal(stream["time_stamps"], 0.5 * np.arange(len(texts)))


def test_labels_units_and_descriptions_are_seen_by_pyxdf_and_by_us(tmp_path: Path) -> None:
    writer = XdfWriter()
    stream_id, header = writer.open_stream(header_of(INFO))
    content = writer.begin(START) + header + writer.clock_offset(stream_id, 5.0, 0.0)
    content += writer.samples(stream_id, [(np.zeros((2, 3)), np.array([1.0, 1.004]))])
    (stream,) = load(content)
    desc = stream["info"]["desc"][0]
    described = desc["channels"][0]["channel"]
    assert [one["label"][0] for one in described] == list(INFO.labels)
    assert [one["unit"][0] for one in described] == ["microvolts", "uV", "uV"]
    assert [one["type"][0] for one in described] == ["EEG", "EEG", "EOG"]
    assert desc["manufacturer"] == [INFO.manufacturer]
    assert desc["reference"][0]["label"] == ["A1"]
    assert stream["info"]["source_id"] == ["amp-1"]
    assert (stream["clock_times"], stream["clock_values"]) == ([5.0], [0.0])
    path = tmp_path / "a.xdf"
    path.write_bytes(content)
    (ours,) = read_xdf_file(path).streams
    assert ours.channels == INFO.channels
    np.testing.assert_array_equal(ours.clock_offsets, [[5.0, 0.0]])


def test_pyxdf_has_nothing_to_say_of_a_file(caplog: pytest.LogCaptureFixture) -> None:
    from tests.unit.record.samples import make_session

    made = make_session()
    with caplog.at_level(logging.WARNING, logger="pyxdf"):
        streams, _ = pyxdf.load_xdf(io.BytesIO(made.content))
    assert not caplog.records
    (eeg,) = [one for one in streams if one["info"]["type"] == ["EEG"]]
    # the offset of 0 that every stream states leaves the stamps as they are; dejittering them does not
    np.testing.assert_allclose(eeg["time_stamps"], made.t_lsl, rtol=0.0, atol=1e-9)
    synchronized, _ = pyxdf.load_xdf(io.BytesIO(made.content), dejitter_timestamps=False)
    (eeg,) = [one for one in synchronized if one["info"]["type"] == ["EEG"]]
    np.testing.assert_array_equal(eeg["time_stamps"], made.t_lsl)
    np.testing.assert_array_equal(eeg["time_series"], made.data)


def test_values_that_do_not_fit_the_stream() -> None:
    writer = XdfWriter()
    numbers, _ = writer.open_stream(header_of(INFO))
    texts, _ = writer.open_stream(stream_header("m", "M", 0.0, "string", channels=channels(1)))
    with pytest.raises(ShapeError, match=r"shape \(5, 2\) with 5 stamps, need \(n_samples, 3\)"):
        writer.samples(numbers, [(np.zeros((5, 2)), np.zeros(5))])
    with pytest.raises(ShapeError, match="of string"):
        writer.samples(texts, [(np.zeros((5, 1)), np.zeros(5))])
    with pytest.raises(FileFormatError, match="0 channels"):
        writer.open_stream(stream_header("m", "M", 0.0, "float32", channels=[]))


def test_the_pieces_on_their_own() -> None:
    from rtbci.record.xdf_headers import Footer

    assert BOUNDARY_CHUNK[:4] == b"\x01\x12\x05\x00"
    assert XdfWriter().boundary() == BOUNDARY_CHUNK
    assert text_chunk(7, [(1.0, "a")])[2:8] == b"\x03\x00\x07\x00\x00\x00"
    assert b"<sample_count>3</sample_count>" in footer_chunk(7, Footer(1.0, 2.0, 3))
