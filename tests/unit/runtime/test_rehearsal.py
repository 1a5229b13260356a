import pytest

from rtbci.runtime.rehearsal import MARGIN_S, N_FIRST, Rehearsal

RATE_HZ, HOP_S = 250.0, 0.064


class Acts:
    """A clock that only `act` moves."""

    def __init__(self, takes_s: float = 0.5e-3) -> None:
        self.t, self.n, self.takes_s = 0.0, 0, takes_s

    def now(self) -> float:
        return self.t

    def __call__(self) -> None:
        self.n += 1
        self.t += self.takes_s


def rehearsal(
    act: Acts, lag_s: float = 2e-3, jitter_s: float = 0.0, n_chunks: int = 2 * N_FIRST
) -> Rehearsal:
    """After `n_chunks` chunks of 4 samples that came regularly; the last one ends at 0 s and 6 samples are missing."""
    one = Rehearsal(act, act.now)
    one.open(RATE_HZ, HOP_S)
    for i in range(n_chunks):
        t_newest = (i - n_chunks + 1) * 4 / RATE_HZ
        one.push(t_newest, t_newest + lag_s + jitter_s * (i % 2), 4, 6)
    return one


def test_due_before_the_chunk_that_completes_the_window() -> None:
    act = Acts()
    one = rehearsal(act)
    t_newest = 0.0
    for i in range(1, 51):  # learns how long it takes
        one.rehearse()
        t_newest = i * 4 / RATE_HZ
        one.push(t_newest, t_newest + 2e-3, 4, 6)
    # 6 samples are missing and come in chunks of 4: the second from now brings them.
    assert one.t_due == pytest.approx(t_newest + 8 / RATE_HZ + 2e-3 - act.takes_s - MARGIN_S, abs=2e-4)


def test_once_for_each_chunk() -> None:
    act = Acts()
    one = rehearsal(act)
    assert one.t_due is not None
    one.rehearse()
    assert act.n == 1
    assert one.t_due is None
    one.push(4 / RATE_HZ, 4 / RATE_HZ + 2e-3, 4, 2)
    assert one.t_due is not None


def test_not_before_it_knows_how_samples_come() -> None:
    assert rehearsal(Acts(), n_chunks=N_FIRST).t_due is None  # the last of them may not be whole yet
    assert rehearsal(Acts(), n_chunks=N_FIRST + 1).t_due is not None
    assert Rehearsal(Acts(), lambda: 0.0).t_due is None


def test_not_where_samples_come_irregularly() -> None:
    assert rehearsal(Acts(), jitter_s=1e-3).t_due is not None
    assert rehearsal(Acts(), jitter_s=10e-3, n_chunks=2000).t_due is None


def test_not_when_it_takes_too_long() -> None:
    act = Acts(takes_s=HOP_S)
    one = rehearsal(act)
    for i in range(1, 21):
        one.rehearse()
        one.push(i * 4 / RATE_HZ, i * 4 / RATE_HZ + 2e-3, 4, 6)
    assert one.t_due is None


def test_nothing_is_due_for_a_stream_that_is_closed_or_new() -> None:
    one = rehearsal(Acts())
    one.open(RATE_HZ, HOP_S)
    assert one.t_due is None
    one = rehearsal(Acts())
    one.close()
    one.push(0.0, 2e-3, 4, 6)
    assert one.t_due is None


def test_a_late_beginning_does_not_put_it_off() -> None:
    act = Acts()
    one = Rehearsal(act, act.now)
    one.open(RATE_HZ, HOP_S)
    t_newest = 0.0
    for i in range(N_FIRST + 1):
        t_newest = i * 4 / RATE_HZ
        lag_s = 2e-3 if i >= 5 else 30e-3 - 5e-3 * i  # what had waited when the run began
        one.push(t_newest, t_newest + lag_s, 4, 6)
    assert one.t_due == pytest.approx(t_newest + 8 / RATE_HZ + 2e-3 - 1e-3 - MARGIN_S, abs=1e-4)


@pytest.mark.parametrize("parts", [(1, 7), (1, 1, 6), (1,) * 8, (8,)])
def test_what_is_sent_together_may_come_in_parts(parts: tuple[int, ...]) -> None:
    """liblsl hands a chunk on sample by sample; a fast reader sees the first of it before the rest is there."""
    act = Acts()
    one = Rehearsal(act, act.now)
    one.open(RATE_HZ, HOP_S)
    i_sample = n_needed = 0
    for i_chunk in range(3 * N_FIRST):
        t_arrived = (i_sample + 7) / RATE_HZ + 2e-3
        for i_part, n_samples in enumerate(parts):
            i_sample += n_samples
            n_needed = -(i_sample) % 16 or 16
            one.push((i_sample - 1) / RATE_HZ, t_arrived + 0.3e-3 * i_part, n_samples, n_needed)
        if i_chunk > N_FIRST:
            assert one.t_due is not None
            t_chunk = (i_sample + n_needed - 1) / RATE_HZ + 2e-3  # the one that completes the window
            assert one.t_due == pytest.approx(t_chunk - 1e-3 - MARGIN_S, abs=2e-4)


def test_nothing_is_due_while_the_rest_of_what_completes_the_window_is_coming() -> None:
    act = Acts()
    one = rehearsal(act)
    t_newest = 1 / RATE_HZ
    one.push(t_newest, 4 / RATE_HZ + 2e-3, 1, 3)
    assert one.t_due is None
    one.push(t_newest + 3 / RATE_HZ, 4 / RATE_HZ + 2.2e-3, 3, 16)
    assert one.t_due == pytest.approx(20 / RATE_HZ + 2e-3 - 1e-3 - MARGIN_S, abs=2e-4)
