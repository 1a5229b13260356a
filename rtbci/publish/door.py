"""The door of a runtime's sockets: who may connect, decided when they do, and what was turned away."""

import threading
from collections.abc import Mapping
from typing import Literal, Self

import zmq

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError, RtbciError
from rtbci.keys.curve import DEFAULT_KEY, KeyPair, list_keys, read_key
from rtbci.keys.roles import Role, may
from rtbci.keys.trusted import TrustedKeys
from rtbci.publish.addresses import is_local
from rtbci.publish.connections import Connections
from rtbci.publish.inbound import Inbound
from rtbci.publish.refusals import Refusals

__all__ = ["Domain", "Door", "open_door"]

Domain = Literal["publish", "control"]
NEEDED: Mapping[Domain, Role] = {"publish": "listener", "control": "controller"}
THREADS: Mapping[Domain, int] = {"publish": 1, "control": 2}
"""Each socket has an I/O thread of libzmq to itself, as bits of an affinity: a flood on one is none on the other."""

ZAP_ADDRESS = "inproc://zeromq.zap.01"
"""Where libzmq asks, by its protocol for authentication (ZeroMQ RFC 27)."""

HANDSHAKE_S = 3.0
"""A connection that has not said who it is by then is closed."""

BAN_S = 60.0
"""How long a key that has abused a socket may not connect."""

POLL_MS, WATCH_MS = 250, 25
"""How often it is looked for revoked keys; and what subscribers send, while there are any."""

COUNTED = zmq.EVENT_ACCEPTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
"""What is counted of connections. Not every failure is an event of its own: some only lack the success."""


class Door:
    """Decides who may connect to the sockets that it guards; a context manager with a thread.

    Without a key everybody may, and only connections that are none are counted. With one, a guarded socket that is to be
    encrypted speaks CURVE alone, and every connection is looked up among the trusted keys as they are then.

    Parameters
    ----------
    key : KeyPair or None
        Of this runtime.
    trusted : TrustedKeys or None
        Who may connect; None: those of the user's folder.
    handshake_s : float
        A connection that has not said who it is by then is closed.
    clock : Clock
        Time in seconds.

    Attributes
    ----------
    context : zmq.Context
        To make the guarded sockets in. Ended with the door, when they are closed.
    refusals : Refusals
        Who was turned away; the sockets add to it.

    Notes
    -----
    Threads: sockets are guarded before they are bound, by whoever makes them. The thread ``rtbci-door`` answers libzmq and
    reads what it tells of connections. Should it fail, nobody is let in any more: sockets are told to refuse all
    whom nobody vouches for (``ZAP_ENFORCE_DOMAIN``); the failure is raised by `check`.
    """

    def __init__(
        self,
        key: KeyPair | None = None,
        trusted: TrustedKeys | None = None,
        *,
        handshake_s: float = HANDSHAKE_S,
        clock: Clock = now,
    ) -> None:
        self.context = zmq.Context(len(THREADS))
        self.refusals = Refusals(clock)
        self._key, self._trusted = key, TrustedKeys() if trusted is None else trusted
        self._clock, self._handshake_s = clock, handshake_s
        self._inbound = Inbound(self.refusals, clock)
        self._monitors: list[tuple[Domain, zmq.Socket[bytes]]] = []
        self._n_monitors = 0
        self._admitted: set[tuple[bytes, Domain]] = set()
        self._revoked: set[Domain] = set()
        self._banned: dict[bytes, float] = {}
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._zap = self.context.socket(zmq.REP)
        self._zap.setsockopt(zmq.LINGER, 0)
        self._zap.bind(ZAP_ADDRESS)
        self._thread = threading.Thread(target=self._run, name="rtbci-door", daemon=True)
        self._thread.start()

    @property
    def has_key(self) -> bool:
        """Whether sockets can be encrypted."""
        return self._key is not None

    @property
    def public(self) -> bytes:
        """Public key of this runtime; empty without one."""
        return b"" if self._key is None else self._key.public

    def guard(self, socket: "zmq.Socket[bytes]", domain: Domain, *, encrypted: bool) -> None:
        """Look after a socket of this door's context; before it is bound.

        Parameters
        ----------
        socket : zmq.Socket
            Publisher or control socket.
        domain : {'publish', 'control'}
            Which of them it is: says the role that is needed.
        encrypted : bool
            Speak CURVE, and let only trusted keys in.

        Raises
        ------
        ConfigError
            When it is to be encrypted and there is no key.
        """
        socket.setsockopt(zmq.AFFINITY, THREADS[domain])
        socket.setsockopt(zmq.HANDSHAKE_IVL, round(self._handshake_s * 1e3))
        if encrypted:
            if self._key is None:
                raise ConfigError(
                    f"{domain}: is to be encrypted and there is no key; `rtbci keys new` makes one"
                )
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, self._key.secret)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, self._key.public)
            socket.setsockopt(zmq.ZAP_DOMAIN, domain.encode("ascii"))
            socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        self._n_monitors += 1
        address = f"inproc://rtbci-door-{self._n_monitors}"
        socket.monitor(address, COUNTED)
        monitor = self.context.socket(zmq.PAIR)
        # libzmq's I/O thread would wait for us, and everybody with it, if this queue could be full.
        monitor.setsockopt(zmq.RCVHWM, 0)
        monitor.connect(address)
        self._monitors.append((domain, monitor))

    def watch(self, address: str) -> None:
        """Cut off subscribers that flood the publisher, which is bound to this address; on TCP, and Linux."""
        port = address.rpartition(":")[2]
        self._inbound.port = int(port) if address.startswith("tcp://") and port.isdigit() else 0

    @property
    def n_cut(self) -> int:
        """Connections to the publisher that were cut off because of what they sent."""
        return self._inbound.n_cut

    def may(self, public: bytes, domain: Domain) -> bool:
        """Whether somebody with this key may use a socket now; a damaged file of trusted keys lets nobody in."""
        if self._is_own(public):
            return True
        try:
            return may(self._trusted.role_of(public), NEEDED[domain])
        except RtbciError:
            return False

    def _is_own(self, public: bytes) -> bool:
        """Whoever has this runtime's own key pair is its user, as the live page beside it."""
        return self._key is not None and public == self._key.public

    def ban(self, public: bytes, why: str) -> None:
        """Let a key not connect for a minute, whoever trusts it."""
        self._banned[public] = self._clock() + BAN_S
        self.refusals.tell(f"key {public.hex()[:16]}", f"may not connect for {BAN_S:g} s: {why}")

    def take_revoked(self, domain: Domain) -> bool:
        """Whether a key that is connected has been revoked since the last call: then everybody has to connect anew."""
        if domain not in self._revoked:
            return False
        self._revoked.discard(domain)
        return True

    def check(self) -> None:
        """Raise what has ended the thread, if anything has.

        Raises
        ------
        RtbciError
            From then on nobody is let in.
        """
        if self._failure is not None:
            raise RtbciError(f"Door: the thread has failed: {self._failure!r}") from self._failure

    def close(self) -> None:
        """End the thread and the context; after the guarded sockets. May be called more than once."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            self.context.term()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._zap, zmq.POLLIN)
        known: dict[zmq.Socket[bytes], Connections] = {}
        try:
            while not self._stop.is_set():
                known = self._watch_newest(poller, known)
                for socket, _ in poller.poll(WATCH_MS if self._inbound else POLL_MS):
                    if socket is self._zap:
                        self._answer()
                    else:
                        known[socket].read(socket)
                self._inbound.look()
                for one in known.values():
                    one.count_failures()
                self._look_for_revoked()
        except BaseException as error:
            self._failure = error
        finally:
            for one in known.values():
                one.count_failures(at_end=True)
            for socket in (self._zap, *(monitor for _, monitor in self._monitors)):
                socket.close(linger=0)

    def _watch_newest(
        self, poller: zmq.Poller, known: "dict[zmq.Socket[bytes], Connections]"
    ) -> "dict[zmq.Socket[bytes], Connections]":
        """Listen to what libzmq tells of the sockets that there are now."""
        monitors = list(self._monitors)
        of_domain: dict[Domain, zmq.Socket[bytes]] = dict(monitors)
        newest: dict[zmq.Socket[bytes], Domain] = {one: domain for domain, one in of_domain.items()}
        for domain, monitor in monitors:
            if monitor in newest:
                if monitor not in known:
                    poller.register(monitor, zmq.POLLIN)
                continue
            # Its socket was closed and opened anew since.
            if monitor in known:
                poller.unregister(monitor)
            monitor.close(linger=0)
            self._monitors.remove((domain, monitor))
        return {
            monitor: known.get(monitor) or self._connections(domain) for monitor, domain in newest.items()
        }

    def _connections(self, domain: Domain) -> Connections:
        inbound = self._inbound if domain == "publish" else None
        return Connections(domain, self.refusals, self._handshake_s, self._clock, inbound)

    def _answer(self) -> None:
        """Tell libzmq whether a connection may stay."""
        version, request_id, domain_name, address, _, mechanism, *credentials = self._zap.recv_multipart()
        source = address.decode("ascii", "replace")
        domain: Domain = "control" if domain_name == b"control" else "publish"
        reason, user = "only CURVE is spoken here", b""
        if mechanism == b"CURVE" and len(credentials) == 1:
            reason = self._reason_to_refuse(credentials[0], domain)
            user = credentials[0].hex().encode("ascii")
        if not reason:
            self._admitted.add((credentials[0], domain))
        if reason:
            self.refusals.add("key", source, reason)
            self._zap.send_multipart([version, request_id, b"400", b"not trusted", b"", b""])
        else:
            self._zap.send_multipart([version, request_id, b"200", b"OK", user, b""])

    def _look_for_revoked(self) -> None:
        """Notice keys that were let in and may not be there any more; costs 3 us for each of them."""
        for public, domain in list(self._admitted):
            if not self.may(public, domain):
                self._admitted.discard((public, domain))
                self._revoked.add(domain)

    def _reason_to_refuse(self, public: bytes, domain: Domain) -> str:
        """Why a key may not connect; empty when it may."""
        if self._is_own(public):
            return ""
        if self._banned.get(public, 0.0) > self._clock():
            return f"key {public.hex()[:16]} has abused a socket and has to wait"
        try:
            known = self._trusted.who(public)
        except RtbciError as error:
            return f"nobody is let in: {error}"
        if known is None:
            return f"key {public.hex()[:16]} is not trusted"
        needed = NEEDED[domain]
        role = None if known.role == "server" else known.role
        return (
            "" if may(role, needed) else f"{known.name} is trusted as {known.role}, need {needed} to {domain}"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def open_door(key_name: str, addresses: tuple[str, ...], *, insecure: bool = False) -> tuple[Door, bool]:
    """Make the door for a runtime's addresses, with the key that they need.

    Parameters
    ----------
    key_name : str
        Of the key pair that all sockets are encrypted with; empty: the default one, and only where an address can be
        reached from the network.
    addresses : tuple of str
        Where sockets will be bound.
    insecure : bool
        The network may reach them unencrypted.

    Returns
    -------
    door : Door
        Close it after the sockets.
    always : bool
        Whether sockets on loopback are encrypted, too.

    Raises
    ------
    ConfigError, FileFormatError
        When the key is named and cannot be read.
    """
    if key_name:
        return Door(read_key(key_name)), True
    is_needed = not insecure and not all(map(is_local, addresses))
    has_default = is_needed and any(one.name == DEFAULT_KEY for one in list_keys())
    return Door(read_key() if has_default else None), False
