"""`rtbci feedback`: its options. What it does is imported when it is called."""

from typing import Annotated, Any

import typer

from rtbci.commands.limits import OpensStreams
from rtbci.commands.options import (
    Config,
    Ignore,
    Key,
    ParadigmName,
    ServerKey,
    SourceId,
    StreamName,
    Unit,
    console_of,
    stream_settings,
)

__all__ = ["app"]

app = typer.Typer(
    help="Neurofeedback: a page that shows the continuous output, and the user's baseline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command(cls=OpensStreams)
def page(
    address: Annotated[
        str | None, typer.Argument(help="Where the run publishes (default: tcp://127.0.0.1:5571).")
    ] = None,
    server_key: ServerKey = None,
    key: Key = None,
    at: Annotated[
        str, typer.Option(help="Serve the page at HOST:PORT; port 0: any. For phones see docs/feedback.md.")
    ] = "127.0.0.1:5581",
    open_: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Serve to the network without TLS.")
    ] = None,
    config: Config = None,
) -> None:
    """Serve the neurofeedback page of a run; `rtbci run --monitor` serves it too, at /feedback/."""
    from rtbci.commands import monitor as command
    from rtbci.config import read_config
    from rtbci.monitor.feed import ClientKeys
    from rtbci.publish.addresses import PUBLISH_ADDRESS

    flags: dict[str, Any] = {"monitor.address": at, "monitor.insecure": insecure}
    publish = address or PUBLISH_ADDRESS
    command.monitor(
        publish,
        command.control_beside(publish),
        read_config(config, flags).monitor,
        console_of(),
        opens=open_,
        keys=ClientKeys(server_key, key),
        feedback=True,
    )


@app.command(cls=OpensStreams)
def baseline(
    user: Annotated[str, typer.Option(help="Whose profile it is kept in.")],
    paradigm: ParadigmName = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile to add it to (default: the user's newest, or population).")
    ] = None,
    stream: StreamName = None,
    source_id: SourceId = None,
    unit: Unit = None,
    ignore: Ignore = None,
    config: Config = None,
) -> None:
    """Measure what is usual for a user at rest, eyes open, and keep it in a profile: runs then need not learn it."""
    from rtbci.commands import feedback_baseline as command
    from rtbci.config import read_config

    flags: dict[str, Any] = {
        "paradigm": paradigm,
        "user": user,
        "profile": profile,
        **stream_settings(name=stream, source_id=source_id, unit=unit, ignore=ignore),
    }
    command.measure(read_config(config, flags), console_of())
