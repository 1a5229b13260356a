"""Cuts off peers that send the publisher more than subscribers ever do; where the kernel says how much that is (Linux)."""

import os
import socket as sockets
import struct
import sys
from contextlib import suppress
from typing import NamedTuple

from rtbci.clock import Clock
from rtbci.publish.refusals import Refusals

__all__ = ["Inbound"]

ALLOWED_BYTES, ALLOWED_PER_S = 16_384, 1_024
"""What a connection may send: a handshake and some subscriptions, then heartbeats."""

RECEIVED = struct.Struct("128xQ")
"""Where `tcpi_bytes_received` is in Linux's `struct tcp_info` (since 4.1)."""


class _Connection(NamedTuple):
    inode: int
    t_accepted: float


class Inbound:
    """Watches the TCP connections that libzmq has accepted for a publisher.

    libzmq applies all that a subscriber has sent in one go, in the thread that sends, for as long as more comes. It has no way to
    close one connection; the kernel has.

    Parameters
    ----------
    refusals : Refusals
        Where those that are cut off are counted.
    clock : Clock
        Time in seconds.

    Attributes
    ----------
    port : int
        Where the publisher listens; 0: not on TCP.
    n_cut : int
        Connections that were cut off.

    Notes
    -----
    Threads: one at a time. A look costs 6 us for each connection. Files belong to libzmq and may be closed and used anew for something
    else at any moment: one is only touched through a duplicate that is still the same socket, with our port.
    """

    def __init__(self, refusals: Refusals, clock: Clock) -> None:
        self._refusals, self._clock = refusals, clock
        self._connections: dict[int, _Connection] = {}
        self.port = 0
        self.n_cut = 0

    def __len__(self) -> int:
        return len(self._connections)

    def accepted(self, file: int) -> None:
        """Watch a connection from now on."""
        if sys.platform != "linux":  # others have no such number, or have it elsewhere
            return
        with suppress(OSError):  # it is closed already
            self._connections[file] = _Connection(os.fstat(file).st_ino, self._clock())

    def look(self) -> None:
        """Cut off whoever has sent too much."""
        for file, connection in list(self._connections.items()):
            try:
                is_there = self._look_at(file, connection)
            except OSError:
                is_there = False
            if not is_there:
                del self._connections[file]

    def _look_at(self, file: int, connection: _Connection) -> bool:
        duplicate = os.dup(file)
        if os.fstat(duplicate).st_ino != connection.inode:
            os.close(duplicate)
            return False
        with sockets.socket(fileno=duplicate) as one:
            if one.getsockname()[1] != self.port:
                return False
            told = one.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, RECEIVED.size)
            if len(told) < RECEIVED.size:  # a kernel before 4.1
                return False
            (n_received,) = RECEIVED.unpack(told)
            allowed = ALLOWED_BYTES + ALLOWED_PER_S * (self._clock() - connection.t_accepted)
            if n_received <= allowed:
                return True
            source = str(one.getpeername()[0])
            one.shutdown(sockets.SHUT_RDWR)
        self.n_cut += 1
        self._refusals.add("flood", source, f"has sent {n_received} bytes, as no subscriber does: cut off")
        return False
