"""`rtbci control`: ask a running decoder to do something. What it does is imported when it is called."""

from typing import Annotated, Any

import typer

from rtbci.commands.limits import OpensStreams
from rtbci.commands.options import Json, Key, ServerKey, output_of

__all__ = ["app"]

app = typer.Typer(
    help="Ask a running decoder: status, pause, resume, mark, swap, stop.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Address = Annotated[
    str | None,
    typer.Option(help="ZMQ address of its control socket (default: tcp://127.0.0.1:5572)."),
]


@app.command(cls=OpensStreams)
def status(
    address: Address = None, server_key: ServerKey = None, key: Key = None, json: Json = False
) -> None:
    """Show how it is."""
    reply = _ask("status", address, server_key, key)
    output_of(json).result(reply, *(f"{name:<14} {_said(value)}" for name, value in reply.items()))


@app.command(cls=OpensStreams)
def pause(address: Address = None, server_key: ServerKey = None, key: Key = None, json: Json = False) -> None:
    """Send no predictions until resume; recording goes on."""
    output_of(json).result(_ask("pause", address, server_key, key), "paused")


@app.command(cls=OpensStreams)
def resume(
    address: Address = None, server_key: ServerKey = None, key: Key = None, json: Json = False
) -> None:
    """Send predictions again."""
    output_of(json).result(_ask("resume", address, server_key, key), "sends predictions")


@app.command(cls=OpensStreams)
def mark(
    text: Annotated[str, typer.Argument(help="Text of the marker, at most 512 letters.")],
    time: Annotated[
        float | None, typer.Option(help="When it was, in seconds of the decoder's LSL clock (default: now).")
    ] = None,
    address: Address = None,
    server_key: ServerKey = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Put a marker into the session."""
    reply = _ask("mark", address, server_key, key, value=text, t_lsl=time)
    output_of(json).result(reply, f"marked at {reply['t_lsl']:.3f} s")


@app.command(cls=OpensStreams)
def swap(
    profile: Annotated[str, typer.Argument(help="USER, USER@GENERATION, a path, population or previous.")],
    address: Address = None,
    server_key: ServerKey = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Decode with another profile from the next hop on."""
    reply = _ask("swap_profile", address, server_key, key, profile=profile)
    whose = f"{reply['user']}, generation {reply['generation']}" if reply["user"] else "the population's"
    output_of(json).result(reply, f"decodes with {whose}")


@app.command(cls=OpensStreams)
def stop(address: Address = None, server_key: ServerKey = None, key: Key = None, json: Json = False) -> None:
    """End the run, as Ctrl-C does."""
    output_of(json).result(_ask("stop", address, server_key, key), "stopped")


def _ask(
    cmd: str, address: str | None, server_key: str | None, key: str | None, **fields: Any
) -> dict[str, Any]:
    from rtbci.publish.addresses import CONTROL_ADDRESS
    from rtbci.publish.control_client import ControlClient

    with ControlClient(address or CONTROL_ADDRESS, server_key=server_key, key=key) as client:
        return client.request(cmd, **fields)


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(one)}" for name, one in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
