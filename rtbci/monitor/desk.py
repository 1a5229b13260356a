"""Orders from a page to the run: checked, sent to the control socket from a thread, answered."""

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from rtbci.errors import MessageError, RtbciError
from rtbci.monitor.feed import NO_KEYS, ClientKeys
from rtbci.publish.control_client import ControlClient

__all__ = ["Desk", "Order", "View", "read_from_page"]

MAX_TEXT = 4096


class Order(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="order", forbid_unknown_fields=True
):
    """A button that was pressed; `profiles` asks what could be swapped to, `computer` for room on its disk."""

    id: int
    cmd: Literal["pause", "resume", "mark", "swap_profile", "stop", "profiles", "computer"]
    text: Annotated[str, Meta(max_length=512)] = ""


class View(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="view", forbid_unknown_fields=True
):
    """What the page shows now: whether any signal, and whether filtered."""

    signal: bool
    filtered: bool


_DECODER: msgspec.json.Decoder[Order | View] = msgspec.json.Decoder(Order | View)


def read_from_page(text: str) -> Order | View:
    """Return what a page says.

    Raises
    ------
    MessageError
        When it is nonsense.
    """
    if len(text) > MAX_TEXT:
        raise MessageError(f"monitor: a page sent {len(text)} letters, need at most {MAX_TEXT}")
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MessageError(f"monitor: a page sent what is no order: {error}") from error


class Desk:
    """Sends orders, one after the other.

    Parameters
    ----------
    address : str
        Of the run's control socket; it need not be there yet.
    keys : ClientKeys
        Where it is encrypted.
    """

    def __init__(self, address: str, keys: ClientKeys = NO_KEYS) -> None:
        self._client = ControlClient(address, server_key=keys.server_key, key=keys.key)
        self._turn = asyncio.Lock()

    async def carry_out(self, order: Order) -> dict[str, Any]:
        """Send an order, and return what the page is told: `ok`, and `error` where it was refused."""
        fields = {"mark": {"value": order.text}, "swap_profile": {"profile": order.text}}.get(order.cmd, {})
        async with self._turn:
            try:
                result = await asyncio.to_thread(self._client.request, order.cmd, **fields)
            except RtbciError as error:
                return {"id": order.id, "cmd": order.cmd, "ok": False, "error": str(error)}
        return {"id": order.id, "cmd": order.cmd, "ok": True, "result": result}

    def close(self) -> None:
        """Close the socket; one that an order still waits on goes with the program."""
        if not self._turn.locked():
            self._client.close()
