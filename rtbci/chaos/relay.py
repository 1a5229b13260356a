"""Send a faulty stream through LSL: outlets that come, misbehave and go as the scenario says."""

import math
import threading
from collections.abc import Callable

from rtbci.chaos.consumers import Consumers
from rtbci.chaos.flow import Action, Appear, Disappear, Injected, Samples
from rtbci.chaos.injector import TWIN_LIVES
from rtbci.chaos.scenario import Scenario
from rtbci.chaos.source import FaultyStreams
from rtbci.clock import Clock, now
from rtbci.replay.outlet import Outlet
from rtbci.stream.source import Source

__all__ = ["ChaosRelay"]

POLL_S = 0.1


class ChaosRelay:
    """Takes samples from a source, injects a scenario's faults, and offers the result as LSL streams.

    Parameters
    ----------
    source : Source
        Paced by the LSL clock; opened by `run` and closed at its end.
    scenario : Scenario
    name, source_id : str
        Of the faulty stream.
    log : callable, optional
        Is given a record of each fault as it is injected.
    consume : str
        ZMQ address that the scenario's consumers subscribe to.
    clock : Clock

    Notes
    -----
    `run` works in the calling thread; another thread may only set its event.
    """

    def __init__(
        self,
        source: Source,
        scenario: Scenario,
        *,
        name: str,
        source_id: str,
        log: Callable[[Injected], None] | None = None,
        consume: str = "",
        clock: Clock = now,
    ) -> None:
        self._clock = clock
        self._streams = FaultyStreams(source, scenario, clock=clock, log=log, name=name, source_id=source_id)
        self._streams.connect(self)
        self._consumers = Consumers(scenario.consumers, consume)
        self._outlets: dict[int, Outlet] = {}

    def run(self, stop: threading.Event, duration_s: float | None = None) -> None:
        """Send until `stop` is set, the source ends, or `duration_s` seconds have gone by.

        Raises
        ------
        StreamError
            When the source cannot be opened, or is lost.
        ChannelError
            When the scenario names channels that it lacks.
        """
        t_end = self._clock() + (math.inf if duration_s is None else duration_s)
        try:
            with self._streams as streams, self._consumers as consumers:
                while not stop.is_set() and self._clock() < t_end:
                    streams.advance(POLL_S)
                    self._send_markers()
                    consumers.read(self._clock())
        except EOFError:
            return
        finally:
            for outlet in self._outlets.values():
                outlet.close()
            self._outlets.clear()

    def receive(self, action: Action) -> None:
        """Take what the streams do; called by `FaultyStreams`."""
        if isinstance(action, Appear):
            self._outlets[action.life] = Outlet(action.info)
        elif isinstance(action, Disappear):
            self._outlets.pop(action.life).close()
        elif isinstance(action, Samples):
            self._outlets[action.life].push(action.chunk.data, action.chunk.t_lsl)

    def _send_markers(self) -> None:
        markers = self._streams.take_markers()
        for life, outlet in self._outlets.items():
            if life < TWIN_LIVES and markers:
                outlet.push_markers(markers)
