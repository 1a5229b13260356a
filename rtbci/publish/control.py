"""The control socket: requests come in on a thread of their own, the decoder carries them out when it can."""

import contextlib
import queue
import socket as sockets
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Self

import msgspec
import zmq

from rtbci.clock import Clock, now
from rtbci.errors import MessageError, RateLimitError, RtbciError
from rtbci.publish.addresses import CONTROL_ADDRESS
from rtbci.publish.binding import bind
from rtbci.publish.control_entry import Entry, Parcel
from rtbci.publish.control_memory import RequestMemory
from rtbci.publish.control_messages import Failure, Reply, Request, read_id
from rtbci.publish.door import Door
from rtbci.publish.messages import VERSION
from rtbci.publish.refusals import Refusals

__all__ = ["Command", "Control", "Handler", "Result"]

MAX_WAITING = 64
"""Requests that may wait for the decoder; the next ones are refused."""

MAX_FRAME_BYTES = 1 << 20
"""A peer that sends a longer frame is cut off; up to here it gets a reply that says what is wrong."""

MAX_AT_ONCE = 8
"""Carried out in one hop; the others wait for the next one, so that none of them holds up a decision."""

MAX_READ, PAUSE_S = 5, 0.002
"""After so many frames that came at once the socket rests: a flood waits in its sender, not in our time."""

MAX_ROUTES = 8
POLL_MS = 100
LINGER_MS = 200

Result = Mapping[str, Any] | Callable[[Callable[[Mapping[str, Any] | RtbciError], None]], None]
"""What a request gave; or, where that takes time, a function that takes the way to reply."""

Handler = Callable[[Request], Result]
"""Carries out a request and returns its result; raises RtbciError to refuse it."""


class Command(NamedTuple):
    """A request that waits for the decoder, with the frames that route its reply.

    Parameters
    ----------
    number : int
        Of this command among all of this socket.
    route : tuple of bytes
        Frames that go before the reply.
    request : Request
        What is asked.
    t_due : float
        When the client is told that the decoder did not answer [s].
    """

    number: int
    route: tuple[bytes, ...]
    request: Request
    t_due: float


class Control:
    """Takes control requests on a ZeroMQ ROUTER socket; a context manager with a thread.

    Parameters
    ----------
    address : str
        ``tcp://127.0.0.1:PORT``; port 0 picks a free one.
    insecure : bool
        Allow an address that the network can reach: everybody there may then stop the decoder.
    door : Door or None
        Decides who may connect, and counts what was refused.
    encrypted : bool
        Speak CURVE, and let only those in whom the door trusts as controllers.
    answer_within_s : float
        A request that the decoder has not taken up by then is answered with an error, and not carried out.
    clock : Clock
        Time in seconds.

    Attributes
    ----------
    address : str
        As bound, with the real port.
    refusals : Refusals
        What was malformed, too long, too much, or of nobody who is trusted; the door's, where there is one.

    Raises
    ------
    PortInUseError, ConfigError
        See `rtbci.publish.binding.bind`.

    Notes
    -----
    Threads: the socket belongs to the thread ``rtbci-control``. `answer`, `commands` and `reply` belong to
    the decoder's thread and never wait. What fails in the socket's thread is raised by the next `commands` or
    `answer`.
    """

    def __init__(
        self,
        address: str = CONTROL_ADDRESS,
        *,
        insecure: bool = False,
        door: Door | None = None,
        encrypted: bool = False,
        answer_within_s: float = 5.0,
        clock: Clock = now,
    ) -> None:
        self.refusals = Refusals(clock) if door is None else door.refusals
        self._door = door
        self._entry, self._memory = Entry(self.refusals, door, clock), RequestMemory()
        self._answer_within_s = answer_within_s
        self._clock = clock
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[tuple[Command, Reply]] = queue.SimpleQueue()
        self._waiting: dict[
            int, Command
        ] = {}  # this and the next: the socket's thread alone reads and writes them
        self._also: dict[int, list[tuple[bytes, ...]]] = {}
        # Whoever takes a command out of this first has it: the decoder carries it out, or it is refused as overdue.
        self._untaken: dict[int, Command] = {}
        self._n_commands = 0
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._context = zmq.Context() if door is None else door.context
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, LINGER_MS)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        try:
            if door is not None:
                door.guard(self._socket, "control", encrypted=encrypted)
            self.address = bind(self._socket, "Control", address, "--control", insecure, encrypted)
        except BaseException:
            self._socket.close(linger=0)
            self._end_context()
            raise
        # A byte into one end wakes the thread, which polls the other: replies leave at once.
        self._wake, self._woken = sockets.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="rtbci-control", daemon=True)
        self._thread.start()

    @property
    def n_refused(self) -> int:
        """Requests that were refused before the decoder saw them."""
        return self._entry.n_refused

    def commands(self) -> Iterator[Command]:
        """Yield the commands that wait, oldest first; each needs a `reply`. Takes 0.2 us when there are none.

        Raises
        ------
        RtbciError
            When the socket's thread has failed.
        """
        if self._failure is not None:
            raise RtbciError(f"Control: the thread has failed: {self._failure!r}") from self._failure
        while not self._commands.empty():
            command = self._commands.get_nowait()
            # One that was refused as overdue is there no more: its client was told that nothing happened.
            if self._untaken.pop(command.number, None) is not None:
                yield command

    def reply(self, command: Command, result: Mapping[str, Any] | RtbciError) -> None:
        """Answer a command with its result, or with the error that refuses it.

        Raises
        ------
        TypeError
            When the result cannot be written as JSON.
        """
        request_id = command.request.id
        if isinstance(result, RtbciError):
            reply = _refusal(request_id, result)
        else:
            reply = Reply(v=VERSION, id=request_id, ok=True, result=msgspec.to_builtins(dict(result)))
        self._replies.put((command, reply))
        # When it would block, so many wakes are under way that one more is not needed.
        with contextlib.suppress(BlockingIOError):
            self._wake.send(b"\0")

    def answer(self, handler: Handler) -> int:
        """Carry out the commands that wait, a few at a time, and reply to each; call once per hop.

        Parameters
        ----------
        handler : callable
            Takes the request (`StatusRequest`, `SwapProfile`, ...), returns the result; raises RtbciError to
            refuse it. What takes its time is returned as a function: it is given the way to reply, and replies later,
            in this thread.

        Returns
        -------
        int
            How many there were.

        Raises
        ------
        Exception
            What `handler` raised that is no RtbciError; the client is told first.
        """
        n_commands = 0
        for command in islice(self.commands(), MAX_AT_ONCE):
            n_commands += 1
            try:
                result: Result | RtbciError = handler(command.request)
            except RtbciError as error:
                result = error
            except Exception as error:
                self.reply(command, RtbciError(f"control: the decoder failed: {error!r}"))
                raise
            if callable(result):
                result(partial(self.reply, command))
            else:
                self.reply(command, result)
        return n_commands

    def close(self) -> None:
        """Send the last replies, end the thread, free the port; may be called more than once."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.send(b"\0")
        self._thread.join()
        self._wake.close()
        self._woken.close()
        self._end_context()

    def _end_context(self) -> None:
        if self._door is None:
            self._context.term()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._woken.fileno(), zmq.POLLIN)
        try:
            while not self._stop.is_set():
                ready = dict(poller.poll(POLL_MS))
                if self._woken.fileno() in ready:
                    self._woken.recv(4096)
                if self._socket in ready:
                    self._receive()
                self._send_replies()
                self._refuse_overdue()
            self._send_replies()
        except BaseException as error:
            self._failure = error
        finally:
            self._socket.close()

    def _receive(self) -> None:
        """Read what has come."""
        for _ in range(MAX_READ):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            parcel = Entry.unpack(frames)
            if parcel.route:
                self._take_in(parcel)
            else:
                self._entry.count_unrouted(parcel)
        self._stop.wait(PAUSE_S)

    def _take_in(self, parcel: Parcel) -> None:
        try:
            request = self._entry.read(parcel)
        except RtbciError as error:
            self._send(parcel.route, _refusal(read_id(parcel.payload), error))
            return
        if self._was_seen(parcel, request):
            return
        try:
            if len(self._waiting) >= MAX_WAITING:
                raise RateLimitError(
                    f"control: {MAX_WAITING} requests wait already, need fewer; try again later"
                )
            self._entry.check_all()
        except RtbciError as error:
            self._entry.count(parcel, error)
            self._send(parcel.route, _refusal(request.id, error))
            return
        self._n_commands += 1
        command = Command(self._n_commands, parcel.route, request, self._clock() + self._answer_within_s)
        self._memory.add(parcel.user, request, command.number)
        self._waiting[command.number] = self._untaken[command.number] = command
        self._commands.put(command)

    def _was_seen(self, parcel: Parcel, request: Request) -> bool:
        """Answer a request that has come before: as it was answered, or together with the first one."""
        seen = self._memory.find(parcel.user, request)
        if seen is None:
            return False
        if seen.request != request:
            error = MessageError(
                f"control: this client has used the id {request.id!r} for another request, need a new one"
            )
            self._entry.count(parcel, error)
            self._send(parcel.route, _refusal(request.id, error))
        elif seen.reply is not None:
            self._send(parcel.route, seen.reply)
        else:
            routes = self._also.setdefault(seen.number, [])
            if parcel.route not in routes and len(routes) < MAX_ROUTES:
                routes.append(parcel.route)
        return True

    def _send_replies(self) -> None:
        while not self._replies.empty():
            command, reply = self._replies.get_nowait()
            if self._waiting.pop(command.number, None) is not None:
                self._memory.answered(command.number, reply)
                self._send_to_all(command, reply)

    def _refuse_overdue(self) -> None:
        t_now = self._clock()
        # Oldest first, as they were put in.
        for command in list(self._waiting.values()):
            if command.t_due > t_now:
                break
            if self._untaken.pop(command.number, None) is None:
                continue  # it is being carried out, and will be answered
            del self._waiting[command.number]
            self._memory.forget(command.number)
            error = RtbciError(
                f"control: the decoder did not take up the request in {self._answer_within_s:g} s, need "
                f"one that runs; nothing was done"
            )
            self._send_to_all(command, _refusal(command.request.id, error))

    def _send_to_all(self, command: Command, reply: Reply) -> None:
        for route in dict.fromkeys((command.route, *self._also.pop(command.number, ()))):
            self._send(route, reply)

    def _send(self, route: tuple[bytes, ...], reply: Reply) -> None:
        # A ROUTER drops what it cannot deliver (client gone, or not reading) and does not wait.
        self._socket.send_multipart([*route, msgspec.json.encode(reply)], flags=zmq.NOBLOCK)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _refusal(request_id: int | str | None, error: RtbciError) -> Reply:
    failure = Failure(kind=type(error).__name__, message=str(error))
    return Reply(v=VERSION, id=request_id, ok=False, error=failure)
