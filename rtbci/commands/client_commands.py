"""`rtbci listen`, `publish` and `osc`: for whoever writes or tries a client. What they do is imported when they are called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import Key, ServerKey, console_of

__all__ = ["listen", "osc", "publish"]


def listen(
    address: Annotated[
        str | None, typer.Argument(help="ZMQ address (default: tcp://127.0.0.1:5571).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON per message.")] = False,
    topic: Annotated[
        list[str] | None, typer.Option(help="prediction, status, event, hello (default: all).")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (default: never).")
    ] = None,
    count: Annotated[int | None, typer.Option(help="Stop after this many messages (default: never).")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Also write all messages to this new file, as lines of JSON.")
    ] = None,
    server_key: ServerKey = None,
    key: Key = None,
) -> None:
    """Show predictions as they come."""
    from rtbci.listen import TOPICS
    from rtbci.listen import listen as command
    from rtbci.publish.addresses import PUBLISH_ADDRESS

    topics = topic or TOPICS
    command(
        address or PUBLISH_ADDRESS,
        as_json=json,
        topics=topics,
        duration_s=duration,
        n_messages=count,
        record=record,
        server_key=server_key,
        key=key,
    )


def publish(
    from_: Annotated[Path, typer.Option("--from", help="Messages recorded by `rtbci listen --record`.")],
    address: Annotated[
        str | None,
        typer.Option("--address", "--pub", help="ZMQ address to publish on (default: tcp://127.0.0.1:5571)."),
    ] = None,
    speed: Annotated[str, typer.Option(help="Times real time, or 'max'.")] = "1",
    loop: Annotated[bool, typer.Option(help="Begin again at the end, as a new session.")] = False,
    wait: Annotated[bool, typer.Option(help="Begin when somebody subscribes to hello.")] = False,
    format: Annotated[str, typer.Option(help="json or msgpack.")] = "json",
    key: Annotated[
        str | None,
        typer.Option(help="Key pair to encrypt with, by name (default: none on loopback, else default)."),
    ] = None,
    insecure: Annotated[bool, typer.Option(help="Allow an address that the network reaches.")] = False,
) -> None:
    """Publish recorded messages as a run does, without stream or decoder: to write and test clients."""
    from rtbci.commands import publish as command
    from rtbci.commands.replay import speed_of
    from rtbci.publish.addresses import PUBLISH_ADDRESS

    command.publish(
        from_,
        console_of(),
        address=address or PUBLISH_ADDRESS,
        speed=speed_of(speed),
        loop=loop,
        wait=wait,
        format=format,
        key=key,
        insecure=insecure,
    )


def osc(
    address: Annotated[
        str | None, typer.Argument(help="ZMQ address of the decoder (default: tcp://127.0.0.1:5571).")
    ] = None,
    to: Annotated[str, typer.Option(help="HOST:PORT that OSC messages are sent to.")] = "127.0.0.1:9000",
    prefix: Annotated[str, typer.Option(help="What all OSC addresses begin with.")] = "/rtbci",
    duration: Annotated[
        float | None, typer.Option(help="Stop after this many seconds (default: never).")
    ] = None,
    insecure: Annotated[bool, typer.Option(help="Allow a HOST other than this machine.")] = False,
    server_key: ServerKey = None,
    key: Key = None,
) -> None:
    """Pass messages on by OSC: Godot, Processing, TouchDesigner, Max, SuperCollider."""
    from rtbci.commands import osc as command
    from rtbci.publish.addresses import PUBLISH_ADDRESS

    command.osc(
        address or PUBLISH_ADDRESS,
        to,
        console_of(),
        prefix=prefix,
        duration_s=duration,
        insecure=insecure,
        server_key=server_key,
        key=key,
    )
