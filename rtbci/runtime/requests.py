"""What control requests do to a run."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from rtbci.clock import Clock
from rtbci.errors import MessageError
from rtbci.publish.control import Result
from rtbci.publish.control_messages import (
    MARK_SOURCE,
    Mark,
    Pause,
    Request,
    Resume,
    StatusRequest,
    Stop,
    SwapProfile,
)
from rtbci.publish.messages import Scalar, Status
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.profile_swaps import ProfileSwaps
from rtbci.runtime.telemetry import marker_data
from rtbci.stream.source import Marker

__all__ = ["MARK_AHEAD_S", "MARK_PAST_S", "RequestHandler"]

MARK_PAST_S, MARK_AHEAD_S = 10.0, 1.0
"""How far from now the time of a marker may be: as long as windows that are locked to markers can still be cut."""


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
                return self._mark(request)
            case SwapProfile():
                return partial(self._swaps.ask, request.profile)
            case Stop():
                self.stopped = True
                return {"state": "stopped"}

    def _pause(self, paused: bool) -> Mapping[str, Any]:
        self.paused = paused
        self._send_status()
        return {"paused": paused}

    def _mark(self, request: Mark) -> Mapping[str, Any]:
        t_now = self._clock()
        t_lsl = t_now if request.t_lsl is None else request.t_lsl
        if not t_now - MARK_PAST_S <= t_lsl <= t_now + MARK_AHEAD_S:  # written so that nan fails
            raise MessageError(
                f"mark: t_lsl is {t_lsl:.3f} s where the decoder's clock shows {t_now:.3f} s, need at most {MARK_PAST_S:g} s "
                f"before and {MARK_AHEAD_S:g} s after; give the time of pylsl.local_clock() on the decoder's computer, or none"
            )
        if self._decoder.info is not None:
            self._decoder.mark(Marker(t_lsl, request.value))
        data: dict[str, Scalar] = {
            **marker_data(self._decoder.recipe, request.value),
            "source": MARK_SOURCE,
        }
        self._outbox.event("marker", t_lsl, request.value, data)
        return {"t_lsl": t_lsl}


def _plain(message: Any) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = msgspec.to_builtins(message)
    return plain
