"""What a run keeps of its past, counted in objects: a collector that never comes by itself, in simulated time."""

import gc
import sys
import threading
import weakref
from collections import deque

import pytest

from rtbci.config import RunConfig
from rtbci.publish.messages import Message, Status
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.stream.simulated_time import SimulatedClock, SteppedAcquisition
from rtbci.stream.source import StreamInfo
from rtbci.stream.synthetic import SyntheticSource
from tests.tiny import LABELS, write_paradigm

MINUTES = 11.0
COUNTED = (360, 600)
"""Statuses, one a second; before, the points fill up that the rate over five minutes is measured by."""
N_CYCLES = 5
N_LOWEST = 15
"""Counted is the lowest of as many statuses as there are between two looks of the collector: blocks go up and down between them by 370."""


class Cycle:
    """Hangs on itself: only the collector lets go of it."""

    def __init__(self) -> None:
        self.itself = self


class Counts:
    """A sink that leaves something to the collector once a minute, and counts Python's blocks of memory."""

    def __init__(self) -> None:
        self.n_statuses = 0
        self.left: list[weakref.ref[Cycle]] = []
        self.n_still_there = -1
        self.n_blocks: list[int] = []
        self._recent: deque[int] = deque(maxlen=N_LOWEST)

    def send(self, message: Message) -> None:
        if not isinstance(message, Status):
            return
        self.n_statuses += 1
        self._recent.append(sys.getallocatedblocks())
        if self.n_statuses in COUNTED:
            self.n_blocks.append(min(self._recent))
        if self.n_statuses % 60 == 0 and len(self.left) < N_CYCLES:
            self.left.append(weakref.ref(Cycle()))

    def poll(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Counts:
    paradigm = str(write_paradigm(tmp_path_factory.mktemp("memory") / "tiny"))
    clock, found = SimulatedClock(), Counts()

    def connect(_lost: StreamInfo | None) -> SyntheticSource:
        return SyntheticSource(LABELS, 128.0, chunk=16, clock=clock, sleep_until=clock.sleep_until)

    config = RunConfig.model_validate({"paradigm": paradigm, "duration_s": 60.0 * MINUTES})
    with Decoder(paradigm) as decoder:
        run = LiveRun(config, decoder, connect, [found], None, clock, acquire=SteppedAcquisition)
        gc.collect()
        gc.disable()  # as good as in a run: as many objects are freed as are made, and the collector hardly ever comes
        try:
            run.run(threading.Event())
            found.n_still_there = sum(one() is not None for one in found.left)
        finally:
            gc.enable()
    assert found.n_statuses > COUNTED[1]
    return found


@pytest.mark.slow
def test_what_hangs_on_itself_is_let_go(counts: Counts) -> None:
    assert (len(counts.left), counts.n_still_there) == (N_CYCLES, 0)


@pytest.mark.slow
def test_statuses_leave_nothing_in_memory(counts: Counts) -> None:
    """CPython 3.11 and 3.12 would keep a block of each, 240 more than now."""
    before, after = counts.n_blocks
    assert after - before < 200  # 93 and 106 with CPython 3.11, 13 with 3.12; without the collector 299
