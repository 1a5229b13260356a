"""Rows of a journal, and checksums of what a pipeline computes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rtbci.runtime.decoder import Decoder
from rtbci.runtime.digests import DIGITS, N_WAITING
from rtbci.runtime.journal import Journal, Taken
from rtbci.stream.source import Chunk, Marker
from rtbci.stream.waiting import Counted
from tests.tiny import chunks_of, eeg, stream_info, write_paradigm

N_SENT = {"prediction": 0, "event": 0, "status": 0, "hello": 1}


@pytest.fixture
def decoder(tmp_path: Path) -> Iterator[Decoder]:
    with Decoder(str(write_paradigm(tmp_path / "tiny"))) as one:
        one.open(stream_info())
        yield one


def journalled(decoder: Decoder, n_chunk: int, n: int = 1000) -> list[Taken]:
    rows: list[Taken] = []
    journal = Journal(decoder, rows.append)
    decoder.open(stream_info())
    journal.opened()
    for chunk in chunks_of(eeg(n), np.arange(n) / 250.0, n_chunk):
        decoder.push(chunk.data, chunk.t_lsl)
        journal.note(chunk, (), float(chunk.t_lsl[-1]), N_SENT)
    return rows


def test_a_row_where_a_window_is_complete_or_something_was_told(decoder: Decoder) -> None:
    rows: list[Taken] = []
    journal = Journal(decoder, rows.append)
    journal.opened()
    nothing = Chunk(np.zeros((1, 3)), np.zeros(1))
    journal.note(nothing, (), 1.0, N_SENT)
    journal.note(nothing, (), 2.0, N_SENT)
    assert [row.t_lsl for row in rows] == [1.0]
    journal.note(nothing, (), 3.0, N_SENT | {"event": 1})
    only_a_marker = Chunk(np.empty((0, 3)), np.empty(0))
    journal.note(only_a_marker, (Marker(3.0, "T1"),), 4.0, N_SENT | {"event": 2})
    assert [(row.n_chunks, row.n_samples, row.n, row.n_markers, row.n_sent) for row in rows[1:]] == [
        (3, 3, 1, 0, (0, 1, 0)),
        (3, 3, 0, 1, (0, 2, 0)),
    ]


def test_a_checksum_for_each_part_of_each_window(decoder: Decoder) -> None:
    rows = journalled(decoder, 7)
    digests = decoder.pipeline.digests
    assert digests is not None
    assert digests.part_names == [
        "stage 1 (SpectroSpatialAdapter)",
        "stage 2 (SosFilter)",
        "stage 3 (Resample)",
        "stage 4 (Fill)",
        "features of branch 'window'",
        "logits of branch 'window'",
        "fused logits",
        "probabilities",
    ]
    windows = [window for row in rows for window in row.windows]
    assert len(windows) > 60
    assert {len(window) for window in windows} == {DIGITS * 8}
    full = windows[20:]
    for i in range(7):
        parts = {window[DIGITS * i : DIGITS * (i + 1)] for window in full}
        assert len(parts) == len(full)
    assert windows[0].endswith("0" * DIGITS * 4)  # no window is full yet


def test_the_same_again_and_other_samples(decoder: Decoder) -> None:
    once, twice = journalled(decoder, 7), journalled(decoder, 7)
    assert once == twice
    # What was computed behind the end of a window counts to the next one: the last parts hang on no chunks.
    other = journalled(decoder, 5)
    last = DIGITS * 4
    assert [window[-last:] for row in other for window in row.windows] == [
        window[-last:] for row in once for window in row.windows
    ]


def test_chunks_without_windows_do_not_pile_up(tmp_path: Path) -> None:
    with Decoder(str(write_paradigm(tmp_path / "marked", policy="marker"))) as decoder:
        rows = journalled(decoder, 1, n=5 * N_WAITING)
        digests = decoder.pipeline.digests
        assert digests is not None
        assert len(digests._waiting) < N_WAITING
        assert len(rows) == 1


def test_a_failing_engine_is_told_once(decoder: Decoder) -> None:
    rows: list[Taken] = []
    journal = Journal(decoder, rows.append)
    journal.opened()
    chunk = Chunk(np.zeros((1, 3)), np.zeros(1))
    decoder.sessions["window"].failure = "out of memory"
    for n_events in range(2):
        journal.note(chunk, (), 1.0, N_SENT | {"event": n_events})
    assert [row.failed for row in rows] == [("window",), ()]


def test_what_was_skipped_and_left_out_has_a_row(decoder: Decoder) -> None:
    rows: list[Taken] = []
    journal = Journal(decoder, rows.append)
    journal.opened()
    nothing = Chunk(np.zeros((1, 3)), np.zeros(1))
    journal.note(nothing, (), 1.0, N_SENT)
    journal.note(nothing, (), 2.0, N_SENT, (0, 3))
    journal.note(nothing, (), 3.0, N_SENT)
    journal.left_out(Counted(4, 40))
    journal.left_out(Counted(1, 7))
    journal.note(nothing, (), 4.0, N_SENT)
    journal.note(nothing, (), 5.0, N_SENT, (1, 2))
    assert [(row.t_lsl, row.n_chunks, row.n_samples, row.skipped, row.n_left_out) for row in rows] == [
        (1.0, 1, 1, (), 0),
        (2.0, 2, 2, (0, 3), 0),
        (4.0, 9, 51, (), 5),
        (5.0, 10, 52, (1, 2), 0),
    ]
