"""The sockets of `rtbci run`: opened with the keys that they need, and what is said of them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from rich.console import Console

from rtbci.config import PublishSettings
from rtbci.keys.curve import DEFAULT_KEY
from rtbci.keys.trusted import TrustedKeys
from rtbci.publish.addresses import is_local
from rtbci.publish.control import Control
from rtbci.publish.door import Door, open_door
from rtbci.publish.zmq_publisher import Publisher
from rtbci.runtime.news import News

__all__ = ["RunSockets", "open_sockets"]

REFUSED = "refused"
"""Kind of the event that tells of a connection, a frame or a request that was refused."""


class RunSockets(NamedTuple):
    """Publisher and control socket, and the door in front of both.

    Parameters
    ----------
    publisher : Publisher
        Where messages go out.
    control : Control
        Where requests come in.
    door : Door
        Decides who may connect to them.
    public : str
        Key of this run, hexadecimal; empty where nothing is encrypted.
    encrypted : tuple of bool
        Whether publisher and control socket are.
    settings : PublishSettings
        As configured.
    """

    publisher: Publisher
    control: Control
    door: Door
    public: str
    encrypted: tuple[bool, bool]
    settings: PublishSettings

    @property
    def key_flags(self) -> list[str]:
        """Flags of `rtbci monitor` for a program of this user's beside the run: it has the run's own key."""
        if not any(self.encrypted):
            return []
        flags = ["--server-key", self.public, "--key", self.settings.key or DEFAULT_KEY]
        for flag, is_encrypted in zip(("--open-publish", "--open-control"), self.encrypted, strict=True):
            flags += [] if is_encrypted else [flag]
        return flags

    def news(self) -> Sequence[News]:
        """What the door has to tell."""
        self.door.check()
        return [News(REFUSED, one.source, one.data) for one in self.door.refusals.news()]

    def news_beside(self, *others: Callable[[], Sequence[News]]) -> Callable[[], Sequence[News]]:
        """What the door and others have to tell."""

        def news() -> Sequence[News]:
            return [*self.news(), *(item for other in others for item in other())]

        return news

    def say(self, console: Console) -> None:
        """Say which sockets are encrypted, with which key, or loudly that they are not."""
        open_ones = [one for one in (self.publisher.address, self.control.address) if not is_local(one)]
        if self.settings.insecure and open_ones:
            console.print(
                f"INSECURE: everybody who reaches {' and '.join(open_ones)} may read what is decoded"
                f"{' and STOP or change this run' if self.control.address in open_ones else ''}; nothing is encrypted",
                markup=False,
                highlight=False,
                style="bold red",
            )
        if self.public:
            both = "publish and control" if all(self.encrypted) else "what the network reaches"
            console.print(f"key:     {self.public}  (encrypts {both})", markup=False, highlight=False)
            if not TrustedKeys().n_users:
                console.print(
                    "warning: no key is trusted yet, only programs with this run's own key pair can connect; `rtbci keys trust NAME KEY` lets "
                    "somebody else in, also now",
                    markup=False,
                    highlight=False,
                    style="yellow",
                )

    def say_end(self, console: Console) -> None:
        """Say what was refused, if anything was."""
        if said := self.door.refusals.said():
            console.print(f"refused: {said}", markup=False, highlight=False)


def open_sockets(publish: PublishSettings, stack: ExitStack) -> RunSockets:
    """Open the sockets of a run; closed with the stack.

    Raises
    ------
    ConfigError
        When an address is none, or the network reaches it and there is no key.
    PortInUseError
        When one is taken.
    """
    addresses = publish.address, publish.control
    door, always = open_door(publish.key, addresses, insecure=publish.insecure)
    stack.enter_context(door)

    def is_encrypted(address: str) -> bool:
        return door.has_key and (always or not (publish.insecure or is_local(address)))

    encrypted = [is_encrypted(address) for address in addresses]
    publisher = Publisher(
        publish.address, format=publish.format, insecure=publish.insecure, door=door, encrypted=encrypted[0]
    )
    stack.enter_context(publisher)
    control = Control(publish.control, insecure=publish.insecure, door=door, encrypted=encrypted[1])
    stack.enter_context(control)
    public = door.public.hex() if any(encrypted) else ""
    return RunSockets(publisher, control, door, public, (encrypted[0], encrypted[1]), publish)
