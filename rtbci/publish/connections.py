"""Connections that came to nothing: scans, other protocols, clients without the right server key."""

from collections import deque
from contextlib import suppress

import zmq
from zmq.utils.monitor import parse_monitor_message

from rtbci.clock import Clock
from rtbci.publish.inbound import Inbound
from rtbci.publish.refusals import Refusals

__all__ = ["Connections", "property_of"]

MAX_EVENTS = 32
REMEMBER_S = 0.25


class Connections:
    """Counts the connections to one socket that never became one of a client.

    libzmq has no event for every way to fail. What it does tell, for each connection, is that it was accepted, and that it has
    introduced itself; one that has not after the time that there is for it has failed.

    Parameters
    ----------
    name : str
        Of the socket.
    refusals : Refusals
        Where they are counted.
    limit_s : float
        A connection has to introduce itself within this time, or libzmq closes it.
    clock : Clock
        Time in seconds.
    inbound : Inbound or None
        Watches what they send.

    Notes
    -----
    Threads: one at a time.
    """

    def __init__(
        self, name: str, refusals: Refusals, limit_s: float, clock: Clock, inbound: Inbound | None = None
    ) -> None:
        self._inbound = inbound
        self._name, self._refusals, self._limit_s, self._clock = name, refusals, limit_s, clock
        self._n_accepted = self._n_good = self._n_counted = 0
        self._history: deque[tuple[float, int]] = deque()
        self._n_old = 0

    def read(self, monitor: "zmq.Socket[bytes]") -> None:
        """Read what libzmq tells; a part of it, where there is much."""
        for _ in range(MAX_EVENTS):
            try:
                told = parse_monitor_message(monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            if told["event"] == zmq.EVENT_ACCEPTED:
                self._n_accepted += 1
                if self._inbound is not None:
                    self._inbound.accepted(told["value"])
            else:  # one whose key was refused is counted where that was done
                self._n_good += 1

    def count_failures(self, at_end: bool = False) -> None:
        """Count those whose time is over; at the end all that never were clients."""
        t_now = self._clock()
        if not self._history or t_now - self._history[-1][0] >= REMEMBER_S:
            self._history.append((t_now, self._n_accepted))
        while self._history and (at_end or self._history[0][0] <= t_now - self._limit_s):
            self._n_old = self._history.popleft()[1]
        n_failed = (self._n_accepted if at_end else self._n_old) - self._n_good
        if n_failed > self._n_counted:
            n_new, self._n_counted = n_failed - self._n_counted, n_failed
            self._refusals.add(
                "handshake",
                self._name,
                f"what connected to {self._name} does not speak as a client does",
                n_new,
            )


def property_of(frame: zmq.Frame, name: str) -> str:
    """What libzmq knows of the connection that a frame came by, as ``User-Id``; empty when it does not."""
    with suppress(zmq.ZMQError):
        return str(frame.get(name))
    return ""
