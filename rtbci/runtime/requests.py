"""What control requests do to a run."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rtbci.clock import Clock
from rtbci.publish.control_messages import Mark, Pause, Request, Resume, StatusRequest, Stop, SwapProfile
from rtbci.publish.messages import Scalar, Status
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.profiles import find_profile
from rtbci.runtime.telemetry import hello_of, profile_ref
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
        self, decoder: Decoder, outbox: Outbox, send_status: Callable[[], Status], clock: Clock
    ) -> None:
        self._decoder, self._outbox, self._send_status, self._clock = decoder, outbox, send_status, clock
        self.paused = False
        self.stopped = False

    def __call__(self, request: Request) -> Mapping[str, Any]:
        """Carry out a request.

        Returns
        -------
        mapping
            The result for the reply.

        Raises
        ------
        ProfileError
            When a profile to swap in does not fit; the old one stays in use.
        """
        match request:
            case StatusRequest():
                return _plain(self._send_status())
            case Pause() | Resume():
                return self._pause(isinstance(request, Pause))
            case Mark():
                return self._mark(request.value)
            case SwapProfile():
                return self._swap(request.profile)
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

    def _swap(self, name: str) -> Mapping[str, Any]:
        self._decoder.swap_profile(find_profile(self._decoder.recipe.name, name))
        profile = profile_ref(self._decoder)
        self._outbox.announce(hello_of(self._decoder))
        data: dict[str, Scalar] = {"id": profile.id, "generation": profile.generation}
        self._outbox.event("profile_swapped", self._clock(), profile.user, data)
        return _plain(profile)


def _plain(message: Any) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = msgspec.to_builtins(message)
    return plain
