"""`rtbci monitor`: its options. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rtbci.commands.options import Config, Key, ServerKey, console_of

__all__ = ["monitor"]


def monitor(
    address: Annotated[
        str | None, typer.Argument(help="Where the run publishes (default: tcp://127.0.0.1:5571).")
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="Its control address (default: the port behind where it publishes).")
    ] = None,
    server_key: ServerKey = None,
    key: Key = None,
    at: Annotated[
        str | None, typer.Option(help="Serve the page at HOST:PORT (default: 127.0.0.1:5580; port 0: any).")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Begin with the check before a session: go or no go.")
    ] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate chain, PEM (default: an own one).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Serve to the network without TLS.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Another page that may read messages, as https://lab.example.")
    ] = None,
    config: Config = None,
    beside: Annotated[
        bool,
        typer.Option(
            "--beside", help="As `rtbci run` starts it: ends with standard input, gives way to the decoder."
        ),
    ] = False,
    inherited: Annotated[
        int | None,
        typer.Option(
            help="With --beside: descriptor of the listening socket; -1: it comes on standard input.",
            hidden=True,
        ),
    ] = None,
    open_publish: Annotated[
        bool,
        typer.Option("--open-publish", help="What it publishes is not encrypted, only its control address."),
    ] = False,
    open_control: Annotated[
        bool,
        typer.Option(
            "--open-control", help="The control address is not encrypted, as with a run of this computer."
        ),
    ] = False,
) -> None:
    """Serve the live page of a run, of this computer or another one: signal, decisions, latency, buttons."""
    from rtbci.commands import monitor as command
    from rtbci.config import read_config
    from rtbci.monitor.feed import ClientKeys
    from rtbci.publish.addresses import PUBLISH_ADDRESS

    flags: dict[str, Any] = {
        "monitor.address": at,
        "monitor.tls_cert": str(tls_cert) if tls_cert else None,
        "monitor.tls_key": str(tls_key) if tls_key else None,
        "monitor.insecure": insecure,
        "monitor.origins": origin or None,
    }
    settings = read_config(config, flags).monitor
    publish = address or PUBLISH_ADDRESS
    command.monitor(
        publish,
        control or command.control_beside(publish),
        settings,
        console_of(),
        opens=open_,
        keys=ClientKeys(server_key, key),
        open_publish=open_publish,
        open_control=open_control,
        checks=check,
        beside=beside,
        inherited=inherited,
    )
