import numpy as np
import pytest

from rtbci.errors import RateError
from rtbci.runtime.intake import RATE_SETTLED_S, Break, Intake
from rtbci.stream.source import Channel, Chunk, StreamInfo

RATE_HZ = 100.0
INFO = StreamInfo("s", "s", RATE_HZ, (Channel("C3"), Channel("C4"), Channel("X")))
READ = np.array([True, True, False])


def intake() -> Intake:
    return Intake(INFO, READ, t_now=0.0)


def chunk(t_lsl: np.ndarray) -> Chunk:
    data = np.arange(3 * len(t_lsl), dtype=float).reshape(-1, 3)
    return Chunk(data, t_lsl)


def test_a_whole_chunk_is_passed_on_as_it_is() -> None:
    whole = chunk(np.arange(10) / RATE_HZ)
    assert intake().push(whole) == [whole]


def test_cut_at_a_gap() -> None:
    t_lsl = np.arange(30) / RATE_HZ
    t_lsl[20:] += 0.5
    before, gap, behind = intake().push(chunk(t_lsl))
    assert isinstance(before, Chunk)
    assert isinstance(behind, Chunk)
    assert isinstance(gap, Break)
    assert (len(before.t_lsl), len(behind.t_lsl)) == (20, 10)
    assert (gap.kind, gap.t_lsl) == ("gap", t_lsl[20])
    assert gap.gap_s == pytest.approx(0.5)


def test_samples_that_are_not_finite_are_left_out_and_counted() -> None:
    given = chunk(np.arange(20) / RATE_HZ)
    given.data[5:8, 0] = np.nan
    given.data[19, 1] = np.inf
    pieces = intake().push(given)
    kinds = [piece.kind if isinstance(piece, Break) else len(piece.t_lsl) for piece in pieces]
    assert kinds == [5, "not_finite", 11, "not_finite"]
    breaks = [piece for piece in pieces if isinstance(piece, Break)]
    assert [(one.t_lsl, one.n_samples) for one in breaks] == [(0.05, 3), (0.19, 1)]


def test_channels_that_nobody_reads_may_be_anything() -> None:
    given = chunk(np.arange(20) / RATE_HZ)
    given.data[:, 2] = np.nan
    (piece,) = intake().push(given)
    assert isinstance(piece, Chunk)
    assert len(piece.t_lsl) == 20


def test_gap_at_the_first_sample_of_a_chunk_and_nan_right_behind_it() -> None:
    one = intake()
    one.push(chunk(np.arange(10) / RATE_HZ))
    given = chunk(1.0 + np.arange(4) / RATE_HZ)
    given.data[0, 0] = np.nan
    pieces = one.push(given)
    assert [piece.kind if isinstance(piece, Break) else "chunk" for piece in pieces] == [
        "gap",
        "not_finite",
        "chunk",
    ]


def test_every_sample_is_in_one_piece_or_counted() -> None:
    rng = np.random.default_rng(0)
    one, n_given, n_kept, n_left_out = intake(), 0, 0, 0
    t = 0.0
    for _ in range(200):
        n = int(rng.integers(1, 12))
        steps = np.where(rng.random(n) < 0.05, 0.3, 1 / RATE_HZ)
        t_lsl = t + np.cumsum(steps)
        t = t_lsl[-1]
        given = chunk(t_lsl)
        given.data[rng.random(given.data.shape) < 0.01] = np.nan
        for piece in one.push(given):
            if isinstance(piece, Chunk):
                assert np.isfinite(piece.data[:, READ]).all()
                assert not len(piece.t_lsl) or np.ptp(piece.t_lsl) < len(piece.t_lsl) / RATE_HZ
                n_kept += len(piece.t_lsl)
            else:
                n_left_out += piece.n_samples
        n_given += n
    assert n_kept + n_left_out == n_given
    assert n_left_out > 0


def test_a_rate_that_is_not_the_stated_one_is_refused_once_it_is_known() -> None:
    one = intake()
    for i in range(0, 1100, 10):
        given = chunk((i + np.arange(10)) / 92.9)
        one.push(given)
        one.note(float(given.t_lsl[-1]))
    one.check_rate(RATE_SETTLED_S - 0.1)
    with pytest.raises(RateError, match=r"states 100 Hz but its stamps show 92\.9"):
        one.check_rate(RATE_SETTLED_S)


def test_a_gap_is_no_slow_clock() -> None:
    one = intake()
    t_lsl = np.arange(1200) / RATE_HZ
    t_lsl[600:] += 2.0
    for i in range(0, 1200, 10):
        given = chunk(t_lsl[i : i + 10])
        one.push(given)
        one.note(float(given.t_lsl[-1]))
    assert one.measured_hz == pytest.approx(RATE_HZ)
    one.check_rate(float(t_lsl[-1]))


def test_samples_that_come_twice_are_left_out() -> None:
    data, t_lsl = np.arange(240.0).reshape(80, 3), np.arange(80) / RATE_HZ
    i = np.repeat(np.arange(80), [1, 3, 1, 2] * 20)
    one = intake()
    kept = []
    for start in range(0, len(i), 4):
        part = i[start : start + 4]
        kept += [piece for piece in one.push(Chunk(data[part], t_lsl[part])) if isinstance(piece, Chunk)]
        one.note(float(t_lsl[part[-1]]))
    assert np.concatenate([piece.t_lsl for piece in kept]).tolist() == t_lsl.tolist()
    assert one.n_duplicates == len(i) - 80
    assert one.measured_hz == pytest.approx(RATE_HZ, rel=0.02)


def test_samples_that_only_share_a_stamp_are_no_duplicates() -> None:
    given = chunk(np.repeat(np.arange(5) / RATE_HZ * 4, 4))
    one = intake()
    assert sum(len(piece.t_lsl) for piece in one.push(given) if isinstance(piece, Chunk)) == 20
    assert one.n_duplicates == 0


def test_a_cap_that_is_unplugged_is_no_duplicate_where_packets_have_one_stamp() -> None:
    """Eight samples a packet: first with a signal, then with all channels at zero."""
    one = intake()
    t_lsl = np.repeat(np.arange(40) * 8 / RATE_HZ, 8)
    data = np.arange(960.0).reshape(320, 3)
    data[160:] = 0.0
    kept = 0
    for start in range(0, 320, 8):
        pieces = one.push(Chunk(data[start : start + 8], t_lsl[start : start + 8]))
        kept += sum(len(piece.t_lsl) for piece in pieces if isinstance(piece, Chunk))
    assert (kept, one.n_duplicates) == (320, 0)


def test_samples_that_come_twice_are_left_out_also_where_a_channel_that_nobody_reads_is_no_number() -> None:
    given = chunk(np.arange(8) / RATE_HZ)
    given.data[:, 2] = np.nan
    i = np.repeat(np.arange(8), 2)
    one = intake()
    pieces = one.push(Chunk(given.data[i[:5]], given.t_lsl[i[:5]]))
    pieces += one.push(Chunk(given.data[i[5:]], given.t_lsl[i[5:]]))
    kept = [piece for piece in pieces if isinstance(piece, Chunk)]
    assert np.concatenate([piece.t_lsl for piece in kept]).tolist() == given.t_lsl.tolist()
    assert one.n_duplicates == 8
