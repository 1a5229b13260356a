"""`rtbci publish`: recorded messages again, for clients."""

from pathlib import Path
from typing import get_args

from rich.console import Console

from rtbci.commands.options import teller_of
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import ConfigError
from rtbci.listing import counted
from rtbci.publish.codec import Format
from rtbci.publish.door import open_door
from rtbci.publish.message_file import FileSummary
from rtbci.publish.message_player import MessagePlayer
from rtbci.publish.zmq_publisher import Publisher

__all__ = ["publish"]


def publish(
    path: Path,
    console: Console,
    *,
    address: str,
    speed: float,
    loop: bool,
    wait: bool,
    format: str,
    key: str | None,
    insecure: bool,
) -> None:
    """Play a file of messages until its end or Ctrl-C; encrypted with the key that is named, or that the address needs.

    Raises
    ------
    ConfigError, FileFormatError, PortInUseError
        When something is not as needed; nothing is published then.
    """
    tell = teller_of(console)
    if key and insecure:
        raise ConfigError("publish: got --key and --insecure, need one of them; a key encrypts every address")
    door, _ = open_door(key or "", (address,), insecure=insecure)
    with (
        door,
        Publisher(
            address, format=_format_of(format), insecure=insecure, door=door, encrypted=door.has_key
        ) as publisher,
    ):
        player = MessagePlayer(path, publisher, speed=speed)
        for line in _introduction(path, player.summary):
            tell(line)
        tell(f"publish: {publisher.address}")
        if door.has_key:
            tell(f"key:     {door.public.hex()}")
        with stop_on_signals() as stop:
            if wait:
                tell("waiting for a subscriber")
            ended = not wait or player.wait_for_listener(stop)
            while ended and (ended := player.play(stop)) and loop:
                pass
        tell(f"{'end of the file' if ended else 'stopped'}: {counted(player.n_sent, 'message')} sent")
        if refused := door.refusals.said():
            tell(f"refused: {refused}")


def _introduction(path: Path, summary: FileSummary) -> list[str]:
    hellos = summary.hellos.values()
    paradigms = ", ".join(sorted({hello.paradigm for hello in hellos}))
    lines = [
        f"{path}: {counted(summary.n_messages, 'message')} in {summary.duration_s:.1f} s, {counted(len(hellos), 'session')}, {paradigms}"
    ]
    if summary.is_torn:
        lines.append("note: the last line is torn, as after a kill; it is left out")
    return lines


def _format_of(text: str) -> Format:
    formats: tuple[Format, ...] = get_args(Format)
    for known in formats:
        if text == known:
            return known
    raise ConfigError(f"--format: got '{text}', need one of {', '.join(formats)}")
