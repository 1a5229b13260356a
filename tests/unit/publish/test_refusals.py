from rtbci.publish.connections import Connections
from rtbci.publish.rate_limit import MAX_CLIENTS, RateLimit
from rtbci.publish.refusals import MAX_TOLD, Refusals


class Clock:
    t = 100.0

    def __call__(self) -> float:
        return self.t


def test_everything_is_counted_and_told_once_per_source_and_second() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    told = []
    for i in range(1000):
        clock.t = 100.0 + 0.01 * i
        refusals.add("key", "10.0.0.5", "not trusted")
        told += refusals.news()
    assert refusals.counts == {"key": 1000}
    assert [one.data["n"] for one in told] == [1, *range(101, 1000, 100)]
    assert refusals.said() == "1000 connections with a key that is not trusted"


def test_many_sources_are_told_in_part_and_counted_in_full() -> None:
    refusals = Refusals(Clock())
    for i in range(5000):
        refusals.add("handshake", f"10.0.{i // 256}.{i % 256}", "x" * 10_000, n=2)
    told = refusals.news()
    assert len(told) == MAX_TOLD
    assert max(len(str(one.data["reason"])) for one in told) == 200
    assert refusals.counts == {"handshake": 10_000}
    assert refusals.news() == []


def test_a_client_has_its_own_tokens_and_gets_them_back() -> None:
    clock = Clock()
    limit = RateLimit(20.0, 5, clock)
    assert [limit.take("a") for _ in range(7)] == [True] * 5 + [False] * 2
    assert limit.take("b")
    clock.t += 0.125
    assert [limit.take("a") for _ in range(3)] == [True, True, False]
    clock.t += 1000.0
    assert [limit.take("a") for _ in range(6)] == [True] * 5 + [False]


def test_the_memory_of_clients_is_bounded() -> None:
    limit = RateLimit(1.0, 1, Clock())
    for i in range(10 * MAX_CLIENTS):
        assert limit.take(i)
    assert len(limit._buckets) == MAX_CLIENTS


def test_connections_that_never_introduce_themselves_are_counted_when_their_time_is_over() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    connections = Connections("publish", refusals, 1.0, clock)
    connections._n_accepted, connections._n_good = 5, 2
    for _ in range(3):
        connections.count_failures()
        clock.t += 0.3
    assert refusals.counts == {}
    connections._n_accepted = 9  # these have just come
    clock.t += 0.3
    connections.count_failures()
    assert refusals.counts == {"handshake": 3}
    connections._n_good = 4
    connections.count_failures(at_end=True)
    assert refusals.counts == {"handshake": 5}
