"""The stand-in on real sockets, in a thread of its own."""

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Self

import msgspec

from rtbci.clock import Clock, cpu_s, now
from rtbci.errors import PortInUseError, ProfileError, RtbciError
from rtbci.publish.addresses import CONTROL_ADDRESS, PUBLISH_ADDRESS
from rtbci.publish.control import Control
from rtbci.publish.control_messages import Mark, Pause, Request, Resume, StatusRequest, Stop
from rtbci.publish.messages import Status, StatusContent, StreamRef
from rtbci.publish.outbox import Outbox
from rtbci.publish.zmq_publisher import Publisher

from .brain import PROFILE, Brain, hello_content

__all__ = ["BrainPublisher"]

STATUS_S = 1.0
LISTENERS_S = 0.1
STREAM = StreamRef(name="stand-in", source_id="stand-in")


class BrainPublisher:
    """Publishes a `Brain` at its pace and answers requests; a context manager with the thread ``game-brain``.

    Parameters
    ----------
    brain : Brain
        Its attributes may be set from outside.
    address, control : str
        ZMQ addresses; port 0 picks a free one.
    clock : Clock

    Attributes
    ----------
    address, control_address : str
        As bound.
    paused : bool
        Whether a client has asked for a pause.
    marks : list of str
        Texts that clients asked to be put into the session, which this has none of.

    Raises
    ------
    PortInUseError, ConfigError
        When an address cannot be bound.

    Notes
    -----
    What fails in the thread is raised by `check`.
    """

    def __init__(
        self,
        brain: Brain,
        address: str = PUBLISH_ADDRESS,
        control: str = CONTROL_ADDRESS,
        *,
        clock: Clock = now,
    ) -> None:
        self.marks: list[str] = []
        self._brain, self._clock = brain, clock
        self.paused = self._stopped = False
        self._n_predictions, self._t_start = 0, clock()
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        with ExitStack() as stack:
            publisher = stack.enter_context(_publisher(address))
            self._control = stack.enter_context(Control(control, clock=clock))
            self._outbox = stack.enter_context(Outbox(hello_content(brain.hop_s), [publisher], clock=clock))
            self._stack = stack.pop_all()
        self.address, self.control_address = publisher.address, self._control.address
        self._thread = threading.Thread(target=self._run, name="game-brain", daemon=True)

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._failure is not None:
            raise RtbciError(f"BrainPublisher: the thread has failed: {self._failure!r}") from self._failure

    def close(self) -> None:
        """End the thread and close the sockets; may be called more than once."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._stack.close()

    def _run(self) -> None:
        try:
            self._publish()
        except BaseException as error:
            self._failure = error

    def _publish(self) -> None:
        t_due = t_status = t_listeners = self._clock()
        state_sent = ""
        while not (self._stop.is_set() or self._stopped):
            t_due = max(t_due + self._brain.hop_s, self._clock() - 1.0)  # after a standstill not all at once
            self._stop.wait(max(0.0, t_due - self._clock()))
            decoded = self._brain.window(t_due)
            is_due = self._clock() - t_status >= STATUS_S
            if decoded is None and is_due:
                decoded = self._brain.lost_window(t_due)
            if decoded is not None and not self.paused:
                self._outbox.prediction(decoded)
                self._n_predictions += 1
            self._control.answer(self._carry_out)
            if self._clock() - t_listeners >= LISTENERS_S:
                t_listeners = self._clock()
                self._outbox.poll()
            if is_due or self._brain.watch.state != state_sent:
                t_status, state_sent = self._clock(), self._brain.watch.state
                self._send_status()
        self._brain.watch.state = "stopped"
        self._send_status()

    def _carry_out(self, request: Request) -> Mapping[str, Any]:
        match request:
            case Pause() | Resume():
                self.paused = isinstance(request, Pause)
                self._send_status()
                return {"paused": self.paused}
            case Mark():
                self.marks.append(request.value)
                t_lsl = self._clock() if request.t_lsl is None else request.t_lsl
                self._outbox.event("marker", t_lsl, request.value)
                return {"t_lsl": t_lsl}
            case StatusRequest():
                status: Mapping[str, Any] = msgspec.to_builtins(self._send_status())
                return status
            case Stop():
                self._stopped = True
                return {"state": "stopped"}
        raise ProfileError("stand-in: got swap_profile, need a decoder that has profiles; start `rtbci run`")

    def _send_status(self) -> Status:
        t_now = self._clock()
        uptime_s = t_now - self._t_start
        return self._outbox.status(
            StatusContent(
                state=self._brain.watch.state,
                paused=self.paused,
                stream=STREAM,
                rate_hz=None,
                latency_ms=None,
                cpu_percent=100 * cpu_s() / uptime_s if uptime_s > 1.0 else 0.0,
                uptime_s=uptime_s,
                n_predictions=self._n_predictions,
                n_gaps=0,
                n_skipped=0,
                n_overflow=0,
                profile=PROFILE,
            )
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _publisher(address: str) -> Publisher:
    try:
        return Publisher(address)
    except PortInUseError as error:
        raise PortInUseError(
            str(error).replace("--pub", "--address")
        ) from error  # the flag has that name here
