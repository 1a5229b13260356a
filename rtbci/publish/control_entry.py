"""What comes in at the control socket: read, held to the limits, or refused with the reason."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import zmq

from rtbci.clock import Clock
from rtbci.errors import ConfigError, RateLimitError, RtbciError
from rtbci.publish.connections import property_of
from rtbci.publish.control_messages import Request, read_request
from rtbci.publish.door import Door
from rtbci.publish.rate_limit import RateLimit
from rtbci.publish.refusals import Kind, Refusals

__all__ = ["BURST", "PER_S", "Entry", "Parcel"]

PER_S, BURST = 20.0, 100
"""Requests of one client: so many a second, and so many at once after a rest."""

ALL_PER_S, ALL_BURST = 100.0, 200
"""And of all clients together."""

_KINDS: Mapping[type[RtbciError], Kind] = {RateLimitError: "rate", ConfigError: "key"}


class Parcel(NamedTuple):
    """What has come.

    Parameters
    ----------
    route : tuple of bytes
        Frames that go before a reply; empty when nobody can be replied to.
    payload : bytes
        The request, before it is read.
    user : str
        Public key of whoever sent it, hexadecimal; empty where the socket is not encrypted.
    source : str
        Address of whoever sent it.
    """

    route: tuple[bytes, ...]
    payload: bytes
    user: str
    source: str


class Entry:
    """Reads requests and refuses what is malformed, too much, or of somebody who is not trusted any more.

    Parameters
    ----------
    refusals : Refusals
        Where every refusal is counted.
    door : Door or None
        Knows who is trusted; needed where the socket is encrypted.
    clock : Clock
        Time in seconds.

    Attributes
    ----------
    n_refused : int
        How many were refused here.

    Notes
    -----
    Threads: one at a time.
    """

    def __init__(self, refusals: Refusals, door: Door | None, clock: Clock) -> None:
        self.n_refused = 0
        self._refusals, self._door = refusals, door
        self._of_client = RateLimit(PER_S, BURST, clock)
        self._of_all = RateLimit(ALL_PER_S, ALL_BURST, clock)

    @staticmethod
    def unpack(frames: Sequence[zmq.Frame]) -> Parcel:
        """Take frames apart. DEALER clients send the payload alone, REQ clients put an empty frame before it."""
        *route, payload = (frame.bytes for frame in frames)
        is_routed = len(route) in (1, 2) and not any(route[1:])
        newest = frames[-1]
        return Parcel(
            tuple(route) if is_routed else (),
            payload,
            property_of(newest, "User-Id"),
            property_of(newest, "Peer-Address") or "an address that is not known",
        )

    def read(self, parcel: Parcel) -> Request:
        """Return the request in a parcel.

        Raises
        ------
        RtbciError
            When it is refused; it is counted then.
        """
        try:
            if not self._of_client.take(parcel.user or parcel.route[0]):
                raise RateLimitError(
                    f"control: this client sends more than {PER_S:g} requests a second, need fewer ({BURST} at once "
                    "after a rest); wait a second and send it again"
                )
            if parcel.user and not (self._door and self._door.may(bytes.fromhex(parcel.user), "control")):
                raise ConfigError(
                    "control: this key is not trusted as a controller any more, need one that is"
                )
            return read_request(parcel.payload)
        except RtbciError as error:
            self.count(parcel, error)
            raise

    def check_all(self) -> None:
        """Hold a request that is to be carried out to the limit of all clients together.

        Raises
        ------
        RateLimitError
            When there are too many.
        """
        if not self._of_all.take(None):
            raise RateLimitError(
                f"control: all clients together send more than {ALL_PER_S:g} requests a second, need fewer; "
                "try again later"
            )

    def count(self, parcel: Parcel, error: RtbciError) -> None:
        """Count a refusal."""
        self.n_refused += 1
        self._refusals.add(_KINDS.get(type(error), "request"), parcel.source, str(error))

    def count_unrouted(self, parcel: Parcel) -> None:
        """Count frames that nobody can be replied to for."""
        self.n_refused += 1
        self._refusals.add(
            "request", parcel.source, "control: has frames that are no request, need one alone"
        )
