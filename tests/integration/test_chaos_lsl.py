"""The relay on real LSL streams, and a run on what it offers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rtbci.chaos.consumers import Consumers
from rtbci.chaos.flow import Injected
from rtbci.chaos.relay import ChaosRelay
from rtbci.chaos.scenario import Scenario
from rtbci.chaos.simulate import simulate
from rtbci.chaos.watched import WatchedDecoder
from rtbci.clock import now
from rtbci.config import RunConfig
from rtbci.errors import ChannelError, StreamLostError
from rtbci.publish.messages import Prediction
from rtbci.publish.zmq_publisher import Publisher
from rtbci.stream.lsl import LslSource
from rtbci.stream.synthetic import SyntheticSource
from tests.chaos_samples import make_synthetic, scenario
from tests.integration.live_runs import ANY_PORT, PATIENCE_S, LiveThread, wait_for
from tests.integration.lsl_outlets import unique
from tests.tiny import WINDOW_S, write_paradigm

pytestmark = pytest.mark.net

VANISH = {"kind": "vanish", "start_s": 4.0, "length_s": 1.2}


class Relay:
    """A relay of a synthetic stream in a thread."""

    def __init__(self, what: Scenario, consume: str = "") -> None:
        self.name = unique("chaos")
        self.records: list[Injected] = []
        self.relay = ChaosRelay(
            SyntheticSource(seed=1, index_channel=True),
            what,
            name=self.name,
            source_id=self.name,
            log=self.records.append,
            consume=consume,
        )
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.relay.run, args=(self.stop,), name="chaos-relay")


@contextmanager
def relaying(what: Scenario, consume: str = "") -> Iterator[Relay]:
    one = Relay(what, consume)
    one.thread.start()
    try:
        yield one
    finally:
        one.stop.set()
        one.thread.join(PATIENCE_S)
    assert not one.thread.is_alive()


@contextmanager
def decoding(tmp_path: Path, relay: Relay) -> Iterator[LiveThread]:
    config = RunConfig.model_validate(
        {
            "paradigm": str(write_paradigm(tmp_path / "tiny")),
            "stream": {"source_id": relay.name, "markers": "none"},
            "publish": {"address": ANY_PORT, "control": ANY_PORT},
            "watch": {"stale_s": 0.5, "lost_s": 20.0, "max_backlog_s": 1e3},
        }
    )
    with LiveThread(config) as run:
        yield run


def test_what_the_log_says_is_what_a_receiver_sees() -> None:
    fault = {"kind": "dropout", "start_s": 3.0, "length_s": 0.2}
    with relaying(scenario(fault)) as relay, LslSource(source_id=relay.name, markers=None) as source:
        index, stamps = [np.empty(0)], [np.empty(0)]
        wait_for(lambda: relay.records, "the fault")
        (record,) = relay.records
        while not len(stamps[-1]) or stamps[-1][-1] < record.t_lsl + 0.4:
            chunk = source.pull(0.2)
            index.append(chunk.data[:, -1])
            stamps.append(chunk.t_lsl)
        steps = np.diff(np.concatenate(index))
        (i,) = np.flatnonzero(steps != 1.0)
        assert steps[i] == 51
        assert np.concatenate(stamps)[i + 1] == pytest.approx(record.t_lsl + 0.2, abs=1e-3)


@pytest.mark.slow
def test_a_run_follows_a_stream_that_is_made_anew(tmp_path: Path) -> None:
    with relaying(scenario(VANISH)) as relay, decoding(tmp_path, relay) as run:
        run.wait_state("running")
        wait_for(lambda: run.kept.events("gap"), "the gap")
        wait_for(lambda: run.kept.states[-1] == "running", "decoding again")
        wait_for(lambda: run.kept.predictions[-1].probs, "a full window")
    (record,) = relay.records
    gone, back = record.t_lsl, record.t_lsl + 1.2
    full = [one for one in run.kept.predictions if one.probs]
    assert not [one for one in full if one.t_window[0] < gone < one.t_window[1]]
    assert not [one for one in full if gone < one.t_window[1] < back + WINDOW_S - 0.05]
    assert run.report is not None
    assert run.report.n_gaps == 1


@pytest.mark.slow
def test_another_order_of_channels_is_mapped_anew(tmp_path: Path) -> None:
    # liblsl itself reconnects to the stream without a word and keeps its old description.
    what = scenario({**VANISH, "labels": "permuted"})
    with relaying(what) as relay, decoding(tmp_path, relay) as run:
        run.wait_state("running")
        wait_for(lambda: run.kept.events("stream_recovered"), "the new description")
        run.wait_state("running")
    states = run.kept.states
    assert states[-4:] == ["lost", "recovering", "running", "stopped"]
    assert run.error is None


@pytest.mark.slow
def test_what_has_waited_across_a_reconnection_is_not_taken_for_the_same_stream() -> None:
    # Samples of both streams come with one pull, those of the first in front.
    what = scenario({**VANISH, "labels": "permuted"})
    with relaying(what) as relay, LslSource(source_id=relay.name, markers=None) as source:
        assert len(source.pull(PATIENCE_S).t_lsl)
        wait_for(lambda: relay.records, "the fault")
        n_before = source._inlet.samples_available()
        assert n_before
        wait_for(lambda: source._inlet.samples_available() > n_before + 100, "samples of the second stream")
        with pytest.raises(StreamLostError, match="is back and describes itself otherwise"):
            source.pull(0.0)


@pytest.mark.slow
def test_other_labels_are_refused(tmp_path: Path) -> None:
    what = scenario({**VANISH, "labels": "renamed"})
    with relaying(what) as relay, decoding(tmp_path, relay) as run:
        run.wait_state("running")
        wait_for(lambda: run.error, "the refusal")
    (record,) = relay.records
    assert isinstance(run.error, ChannelError)
    assert "lacks 3 of the 3 channels needed" in str(run.error)
    assert all(one.t_window[1] < record.t_lsl for one in run.kept.predictions if one.probs)


def test_consumers_that_do_not_read_hold_nobody_up(tmp_path: Path) -> None:
    config = RunConfig.model_validate({"paradigm": str(write_paradigm(tmp_path / "tiny"))})
    what = scenario(duration_s=2.0, consumers=[{"count": 2}, {"read_every_s": 0.001}])
    with WatchedDecoder(config.paradigm) as decoder:
        outcome = simulate(what, decoder, make_synthetic, config)
    message = next(one for one in outcome.messages if isinstance(one, Prediction))
    with Publisher(ANY_PORT) as publisher, Consumers(what.consumers, publisher.address) as consumers:
        wait_for(publisher.poll, "a subscriber")
        for _ in range(30_000):  # more than all queues and buffers take; one that waits would wait for ever
            publisher.send(message)

        def some_read() -> bool:
            consumers.read(now())
            return consumers.n_read > 0

        wait_for(some_read, "a message read slowly")


def test_a_second_stream_of_the_name_comes_and_goes() -> None:
    from rtbci.stream.lsl_list import list_streams

    what = scenario({"kind": "twin", "start_s": 1.0, "length_s": 30.0})
    with relaying(what) as relay:
        wait_for(lambda: relay.records, "the twin")

        def both() -> bool:
            return sum(one.info.name == relay.name for one in list_streams(1.0)) == 2

        wait_for(both, "both streams")
