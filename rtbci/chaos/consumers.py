"""Subscribers that read slowly or not at all."""

from collections.abc import Sequence
from typing import Self

import zmq

from rtbci.chaos.scenario import Consumer
from rtbci.errors import ConfigError

__all__ = ["Consumers"]

HIGH_WATER = 10
"""Messages that each keeps: what is sent beyond them stays with the publisher."""


class Consumers:
    """ZMQ subscribers as a scenario describes them; no thread, `read` is called again and again.

    Parameters
    ----------
    settings : sequence of Consumer
    address : str
        Where predictions are published.

    Attributes
    ----------
    n_read : int
        Messages that all of them have read.

    Raises
    ------
    ConfigError
        From entering, when the address is none.
    """

    def __init__(self, settings: Sequence[Consumer], address: str) -> None:
        self._every_s = [one.read_every_s for one in settings for _ in range(one.count)]
        self._address = address
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._sockets: list[zmq.Socket[bytes]] = []
        self._t_next = [-float("inf")] * len(self._every_s)
        self.n_read = 0

    def read(self, t_now: float) -> None:
        """Let each read one message, if it is time for it to."""
        for i, (socket, every_s) in enumerate(zip(self._sockets, self._every_s, strict=True)):
            if every_s is None or t_now < self._t_next[i]:
                continue
            self._t_next[i] = t_now + every_s
            if socket.poll(0):
                socket.recv_multipart()
                self.n_read += 1

    def __enter__(self) -> Self:
        self._context = context = zmq.Context()
        for _ in self._every_s:
            socket = context.socket(zmq.SUB)
            self._sockets.append(socket)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
            socket.subscribe("")
            try:
                socket.connect(self._address)
            except zmq.ZMQError as error:
                self.__exit__()
                raise ConfigError(
                    f"chaos: cannot connect to {self._address!r} ({error.strerror}), need tcp://HOST:PORT or "
                    "ipc://PATH; correct --consume"
                ) from error
        return self

    def __exit__(self, *exc: object) -> None:
        for socket in self._sockets:
            socket.close()
        self._sockets = []
        if self._context is not None:
            self._context.term()
