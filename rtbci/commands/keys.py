"""`rtbci keys`: who may listen and who may control. What it does is imported when it is called."""

from typing import Annotated

import typer

from rtbci.commands.options import Json, output_of

__all__ = ["app"]

app = typer.Typer(
    help="Keys: who may listen to this computer's decoder, and who may control it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
token_app = typer.Typer(
    help="Tokens, for browsers: new, list, revoke.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(token_app, name="token")

Name = Annotated[str, typer.Argument(help="Letters, digits, '_', '.', '-'.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What the key pair is called on this computer.")] = "default",
    replace: Annotated[bool, typer.Option("--replace", help="In the place of one of that name.")] = False,
    json: Json = False,
) -> None:
    """Make a key pair of your own; shows its public key, which others are given."""
    from rtbci.commands import keys_verbs as verbs

    verbs.new(name, replace, output_of(json))


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(help="One of your own (default: all, and all trusted).")
    ] = None,
    json: Json = False,
) -> None:
    """Show public keys: your own, and those of others that are trusted. Secret keys are never shown."""
    from rtbci.commands import keys_verbs as verbs

    verbs.show(name, output_of(json))


@app.command()
def trust(
    name: Name,
    key: Annotated[str, typer.Argument(help="Their public key, as `rtbci keys show` gives it there.")],
    role: Annotated[
        str,
        typer.Option(
            help="listener, controller (may listen, too), or server: a decoder that you connect to."
        ),
    ] = "listener",
    json: Json = False,
) -> None:
    """Trust somebody's public key; runs that are going on see it at once."""
    from rtbci.commands import keys_verbs as verbs

    verbs.trust_key(name, key, role, output_of(json))


@app.command()
def revoke(name: Name, json: Json = False) -> None:
    """Trust a key no longer: no new connections, no control requests."""
    from rtbci.commands import keys_verbs as verbs

    verbs.revoke_key(name, output_of(json))


@app.command()
def certificate(
    host: Annotated[
        list[str] | None, typer.Option(help="Name or address that others reach this computer by; repeat it.")
    ] = None,
    json: Json = False,
) -> None:
    """Make or show the certificate of this computer's pages, and the fingerprint to compare in the browser."""
    from rtbci.commands import keys_verbs as verbs

    verbs.certificate(host or [], output_of(json))


@app.command("lsl-loopback")
def lsl_loopback(
    undo: Annotated[bool, typer.Option("--undo", help="Take it back.")] = False, json: Json = False
) -> None:
    """Let LSL streams be found on this computer only (writes lsl_api.cfg, keeps what was there)."""
    from rtbci.commands import keys_verbs as verbs

    verbs.lsl_loopback(undo, output_of(json))


@token_app.command("new")
def token_new(
    name: Name,
    role: Annotated[str, typer.Option(help="listener or controller.")] = "listener",
    json: Json = False,
) -> None:
    """Make a token; it is shown once, only a hash of it is kept."""
    from rtbci.commands import keys_verbs as verbs

    verbs.token_new(name, role, output_of(json))


@token_app.command("list")
def token_list(json: Json = False) -> None:
    """List tokens by name."""
    from rtbci.commands import keys_verbs as verbs

    verbs.token_list(output_of(json))


@token_app.command("revoke")
def token_revoke(name: Name, json: Json = False) -> None:
    """Let a token count no longer."""
    from rtbci.commands import keys_verbs as verbs

    verbs.token_revoke(name, output_of(json))
