"""`rtbci osc`: messages of a decoder passed on by OSC."""

from rich.console import Console

from rtbci.client import Client
from rtbci.clock import Clock, now
from rtbci.commands.options import teller_of
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import StreamError
from rtbci.osc import OscSender, target_of
from rtbci.publish.messages import MESSAGE_TYPES

__all__ = ["osc"]

WAIT_S = 0.2
REPORT_S = 5.0


def osc(
    address: str,
    to: str,
    console: Console,
    *,
    prefix: str,
    duration_s: float | None,
    insecure: bool,
    server_key: str | None = None,
    key: str | None = None,
    clock: Clock = now,
) -> None:
    """Pass messages on until Ctrl-C or until the time is over; a decoder may come and go.

    Raises
    ------
    ConfigError, MissingPackageError
        When something is not as needed.
    """
    tell = teller_of(console)
    host, port = target_of(to, insecure)
    with (
        OscSender(host, port, prefix) as sender,
        Client(address, tuple(MESSAGE_TYPES), server_key=server_key, key=key, clock=clock) as client,
        stop_on_signals() as stop,
    ):
        tell(f"from {address} to OSC {host}:{port}{prefix}/..., Ctrl-C ends")
        t_start = t_told = clock()
        n_lost: dict[str, int] = {}
        while not stop.is_set() and (duration_s is None or clock() - t_start < duration_s):
            try:
                sender.send(client.receive(WAIT_S))
            except StreamError:  # nothing for a while
                if client.session is None and clock() - t_told > REPORT_S:
                    t_told = clock()
                    more = ", and does it trust this key" if server_key else ""
                    tell(
                        f"nothing from {address} yet; is `rtbci run` running, and does it publish there{more}?"
                    )
            n_lost = _tell_lost(client, sender, n_lost)
        tell(f"{sender.n_sent} OSC messages sent, {sender.n_unsent} could not be sent")


def _tell_lost(client: Client, sender: OscSender, told: dict[str, int]) -> dict[str, int]:
    for topic, n_messages in client.n_lost.items():
        if n_messages and n_messages != told.get(topic, 0):
            sender.lost(topic, n_messages)
    return dict(client.n_lost)
