"""What a run says and answers while its decoder is busy with one window for long, or for good."""

from collections.abc import Callable, Sequence

from rtbci.errors import RtbciError
from rtbci.publish.control import Answers, Result
from rtbci.publish.control_messages import Request, StatusRequest, Stop
from rtbci.publish.outbox import Outbox
from rtbci.runtime.news import News
from rtbci.runtime.requests import RequestHandler
from rtbci.stream.acquire import Acquiring

__all__ = ["BUSY_S", "BusyTalk"]

BUSY_S = 1.0
"""A decoder that takes longer than this for one chunk is told to be busy."""
TOLD_S = 10.0
STATUS_S = 1.0


class BusyTalk:
    """Speaks for a run whose decoder does not return.

    Parameters
    ----------
    outbox : Outbox
    control : Answers or None
    requests : RequestHandler
    send_status : callable

    Notes
    -----
    Called by the thread that looks after the run, which touches nothing here that the decoder may be using.
    """

    def __init__(
        self,
        outbox: Outbox,
        control: Answers | None,
        requests: RequestHandler,
        send_status: Callable[[], object],
    ) -> None:
        self._outbox, self._control, self._requests, self._send_status = (
            outbox,
            control,
            requests,
            send_status,
        )
        self._t_status = self._t_told = -float("inf")

    def tell(
        self,
        t_now: float,
        acquisition: Acquiring,
        news: Callable[[], Sequence[News]],
        tell_news: Callable[[News, float], None],
    ) -> None:
        """Say what there is to say, when the decoder has been busy for `BUSY_S` or more.

        Parameters
        ----------
        t_now : float
            In seconds of the local LSL clock.
        acquisition : Acquiring
            Knows how long it has been, and what waits.
        news : callable
            What else there is to tell; see `LiveRun`.
        tell_news : callable
            Tells it.
        """
        busy_s = acquisition.busy_s(t_now)
        if busy_s < BUSY_S:
            return
        for item in news():
            tell_news(item, t_now)
        if self._control is not None:
            self._control.answer(self._answer)
        if t_now - self._t_status >= STATUS_S:
            self._t_status = t_now
            self._send_status()
        if t_now - self._t_told >= TOLD_S:
            self._t_told = t_now
            self._outbox.event("decoder_busy", t_now, "", {"busy_s": busy_s})

    def _answer(self, request: Request) -> Result:
        if isinstance(request, StatusRequest | Stop):
            return self._requests(request)
        raise RtbciError(
            "control: the decoder has been busy with one window for more than a second, need it between two windows; "
            "nothing was done, try again later"
        )
