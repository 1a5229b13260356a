"""What control requests do to a run."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from rtbci.clock import Clock
from rtbci.publish.control import Result
from rtbci.publish.control_messages import Mark, Pause, Request, Resume, StatusRequest, Stop, SwapProfile
from rtbci.publish.messages import Scalar, Status
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.profile_swaps import ProfileSwaps
from rtbci.stream.source import Marker

__all__ = ["RequestHandler"]


class RequestHandler:
    """Carries out control requests between two hops; a `Handler`.

    Attributes
    ----------
    paused : bool
        Predictions are not sent; the stream is drained and decoded all the same, so that `resume` is at once.
    stopped : bool
        A client asked the run to end.

    Notes
    -----
    Called by the decoder's thread alone. Every request may be repeated without harm.
    """

    def __init__(
        self,
        decoder: Decoder,
        outbox: Outbox,
        swaps: ProfileSwaps,
        send_status: Callable[[], Status],
        clock: Clock,
    ) -> None:
        self._decoder, self._outbox, self._swaps = decoder, outbox, swaps
        self._send_status, self._clock = send_status, clock
        self.paused = False
        self.stopped = False

    def __call__(self, request: Request) -> Result:
        """Carry out a request.

        Returns
        -------
        mapping or callable
            The result for the reply. For `swap_profile` what takes the way to reply: it is used once the profile
            is in use, or with the reason why the old one stays.
        """
        match request:
            case StatusRequest():
                return _plain(self._send_status())
            case Pause() | Resume():
                return self._pause(isinstance(request, Pause))
            case Mark():
                return self._mark(request.value)
            case SwapProfile():
                return partial(self._swaps.ask, request.profile)
            case Stop():
                self.stopped = True
                return {"state": "stopped"}

    def _pause(self, paused: bool) -> Mapping[str, Any]:
        self.paused = paused
        self._send_status()
        return {"paused": paused}

    def _mark(self, value: str) -> Mapping[str, Any]:
        t_lsl = self._clock()
        if self._decoder.info is not None:
            self._decoder.mark(Marker(t_lsl, value))
        data: dict[str, Scalar] = {"class": self._decoder.recipe.class_of(value)}
        self._outbox.event("marker", t_lsl, value, data)
        return {"t_lsl": t_lsl}


def _plain(message: Any) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = msgspec.to_builtins(message)
    return plain
