"""`rtbci profile`: the users' decoders on this computer. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import Json, one_target, output_of

__all__ = ["DEFAULT_PARADIGM", "app"]

app = typer.Typer(
    help="Users' profiles: list, show, compare, export, import, roll back, delete.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="USER, USER@GENERATION, 'population' or a profile's folder.")]
Paradigm = Annotated[str, typer.Option(help="Recipe by name or folder.")]
DEFAULT_PARADIGM = "motor_imagery"


@app.command("list")
def list_(
    paradigm: Annotated[str | None, typer.Option(help="Recipe by name or folder (default: all).")] = None,
    json: Json = False,
) -> None:
    """List all users' profiles: generation, date, trials, accuracy, and which one is in use."""
    from rtbci.commands import profile_verbs as verbs

    verbs.list_profiles(paradigm, output_of(json))


@app.command()
def show(name: Name, paradigm: Paradigm = DEFAULT_PARADIGM, json: Json = False) -> None:
    """Show one profile, and whether it fits the paradigm as it is now."""
    from rtbci.commands import profile_verbs as verbs

    verbs.show(name, paradigm, output_of(json))


@app.command()
def compare(first: Name, second: Name, paradigm: Paradigm = DEFAULT_PARADIGM, json: Json = False) -> None:
    """Say what two profiles differ in."""
    from rtbci.commands import profile_verbs as verbs

    verbs.compare(first, second, paradigm, output_of(json))


@app.command()
def export(
    name: Name,
    file: Annotated[
        Path | None, typer.Argument(help="Where to write it, as u01.zip.", show_default=False)
    ] = None,
    paradigm: Paradigm = DEFAULT_PARADIGM,
    out: Annotated[Path | None, typer.Option(help="The same, as for `rtbci session export`.")] = None,
    force: Annotated[bool, typer.Option(help="Replace the file if it is there.")] = False,
    json: Json = False,
) -> None:
    """Write a profile as one portable file."""
    from rtbci.commands import profile_verbs as verbs

    target = one_target("profile export", file, out, "u01.zip")
    verbs.export(name, target, paradigm, output_of(json), force=force)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="What `rtbci profile export` wrote.")],
    user: Annotated[str, typer.Option(help="For this user (default: the file's).")] = "",
    paradigm: Annotated[
        str | None, typer.Option(help="Recipe by name or folder (default: the file's).")
    ] = None,
    json: Json = False,
) -> None:
    """Check an exported profile and make it its user's newest."""
    from rtbci.commands import profile_verbs as verbs

    verbs.import_file(file, user, paradigm, output_of(json))


@app.command()
def rollback(
    user: Annotated[str, typer.Argument(help="Whose.")],
    to: Annotated[
        int | None,
        typer.Option(help="Generation (default: the newest sound one that differs from the one in use)."),
    ] = None,
    paradigm: Paradigm = DEFAULT_PARADIGM,
    json: Json = False,
) -> None:
    """Make an older generation the newest, by writing it again; nothing is lost."""
    from rtbci.commands import profile_verbs as verbs

    verbs.rollback(user, to, paradigm, output_of(json))


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="USER@GENERATION, or USER for everything of that user.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    paradigm: Paradigm = DEFAULT_PARADIGM,
    json: Json = False,
) -> None:
    """Delete a generation, or a user's profiles, for good."""
    from rtbci.commands import profile_verbs as verbs

    verbs.delete(name, paradigm, output_of(json), sure=yes)
