"""From when on an electrode without numbers is no reason to start anew."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.runtime.dead import ALIVE_S, DEAD_S, N_TIMES, TIMES_S, DeadChannels
from rtbci.runtime.intake import Break, Intake
from rtbci.stream.source import Channel, Chunk, StreamInfo

RATE_HZ = 50.0
READ = np.array([True, True, True, True, False])
INFO = StreamInfo("s", "s", RATE_HZ, tuple(Channel(label) for label in ("C3", "CZ", "C4", "PZ", "X")))


def holes(seconds: float, *spans: tuple[int, float, float]) -> npt.NDArray[np.bool_]:
    found = np.zeros((round(seconds * RATE_HZ), 5), bool)
    for channel, first_s, last_s in spans:
        found[round(first_s * RATE_HZ) : round(last_s * RATE_HZ), channel] = True
    return found


def taken(where: npt.NDArray[np.bool_], cuts: list[int] | None = None) -> npt.NDArray[np.bool_]:
    """Which samples are tolerated, pushed as the intake does."""
    dead, found = DeadChannels(READ, RATE_HZ), []
    for first, last in pairwise([0, *sorted(cuts or []), len(where)]):
        part = where[first:last]
        if part[:, READ].any():
            found.append(dead.tolerated(part))
        else:
            dead.passed(len(part))
            found.append(np.ones(len(part), bool))
    return np.concatenate(found)


def test_one_that_stays_away_is_tolerated_after_half_a_second() -> None:
    fine = taken(holes(20.0, (1, 5.0, 20.0)))
    first = round(5.0 * RATE_HZ)
    n_dead = round(DEAD_S * RATE_HZ)
    assert fine[:first].all()
    assert not fine[first : first + n_dead - 1].any()
    assert fine[first + n_dead - 1 :].all()


def test_one_that_comes_and_goes_is_tolerated_from_the_third_time_in_half_a_minute() -> None:
    times = [(2, float(t), t + 0.1) for t in (3, 6, 9, 12)]
    fine = taken(holes(15.0, *times))
    assert [bool(fine[round(t * RATE_HZ)]) for _, t, _ in times] == [False] * (N_TIMES - 1) + [True, True]
    rare = [(2, t, t + 0.1) for t in (3.0, 3.0 + TIMES_S, 3.0 + 2 * TIMES_S)]
    assert not any(taken(holes(70.0, *rare))[round(t * RATE_HZ)] for _, t, _ in rare)


def test_one_that_is_alive_again_for_long_starts_anew_when_it_goes_again() -> None:
    for alive_s, tolerated in ((ALIVE_S - 0.5, True), (ALIVE_S + 0.5, False)):
        again = 7.0 + alive_s
        fine = taken(holes(again + 1.0, (0, 5.0, 7.0), (0, again, again + 0.04)))
        assert bool(fine[round(again * RATE_HZ)]) is tolerated


def test_most_of_them_dead_is_no_signal() -> None:
    fine = taken(holes(5.0, (0, 1.0, 5.0), (1, 1.0, 5.0), (2, 1.0, 5.0)))
    assert not fine[round(1.0 * RATE_HZ) :].any()
    assert taken(holes(5.0, (0, 1.0, 5.0), (1, 1.0, 5.0)))[-1]


def test_what_is_not_read_does_not_matter() -> None:
    assert taken(holes(5.0, (4, 1.0, 5.0))).all()


SCENE = np.vstack(
    (
        holes(
            30.0,
            (1, 3.0, 9.0),
            (2, 4.0, 4.04),
            (2, 6.0, 6.2),
            (2, 8.0, 8.02),
            (0, 21.0, 21.1),
            (1, 22.0, 22.1),
        ),
        # One stays dead for long, while another one is alive again and goes again.
        holes(20.0, (0, 0.0, 19.0), (1, 0.0, 3.0), (1, 15.0, 15.1)),
    )
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, len(SCENE)), max_size=40))
def test_chunks_do_not_change_it(cuts: list[int]) -> None:
    """Also where what goes on is taken at once."""
    np.testing.assert_array_equal(taken(SCENE, cuts), taken(SCENE))


def test_the_intake_passes_on_what_is_tolerated_with_its_holes() -> None:
    where = holes(6.0, (1, 2.0, 6.0))
    data = np.where(where, np.nan, np.arange(where.size, dtype=float).reshape(where.shape))
    t_lsl = np.arange(len(data)) / RATE_HZ

    def pieces(tolerates: bool) -> list[Chunk | Break]:
        one = Intake(INFO, READ, 0.0, tolerates=tolerates)
        return [
            piece for i in range(0, 300, 7) for piece in one.push(Chunk(data[i : i + 7], t_lsl[i : i + 7]))
        ]

    def n_kept(found: list[Chunk | Break]) -> int:
        return sum(len(one.t_lsl) for one in found if isinstance(one, Chunk))

    assert n_kept(pieces(False)) == 100
    assert n_kept(pieces(True)) == 300 - round(DEAD_S * RATE_HZ) + 1
