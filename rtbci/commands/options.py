"""What commands have in common: options, and where they say things. Imports nothing that takes long."""

import io
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rtbci.commands.output import StandardError
from rtbci.errors import ConfigError

__all__ = [
    "Address",
    "Config",
    "Ignore",
    "Json",
    "Key",
    "Labels",
    "Map",
    "Monitor",
    "MonitorAt",
    "ParadigmName",
    "ServerKey",
    "SessionsIn",
    "SourceId",
    "StreamName",
    "Unit",
    "console_of",
    "flags_typed",
    "names_of",
    "one_target",
    "output_of",
    "stream_settings",
    "teller_of",
    "typed",
    "write_anything",
]

Config = Annotated[
    str | None, typer.Option(help="TOML file, or the name of one that comes with rtbci (lab; default: none).")
]
Address = Annotated[
    str | None,
    typer.Option("--pub", "--publish", help="ZMQ address to publish on (default: tcp://127.0.0.1:5571)."),
]
ParadigmName = Annotated[str | None, typer.Option(help="Recipe by name or folder (default: motor_imagery).")]
StreamName = Annotated[
    str | None,
    typer.Option(
        help="Name of the LSL stream, or properties that `rtbci streams` tells, as name=EEG,host=lab2 or uid=... (default: the only EEG stream)."
    ),
]
SourceId = Annotated[str | None, typer.Option(help="source_id of the LSL stream (default: any).")]
Unit = Annotated[
    str | None, typer.Option(help="V, mV, uV or nV, where the stream states it wrongly (default: as stated).")
]
Ignore = Annotated[str | None, typer.Option(help="Electrodes to treat as missing, as C5,T7 (default: none).")]
Labels = Annotated[
    str | None,
    typer.Option(
        help="Names of all the stream's channels in their order, where it states none or wrong ones (default: as stated)."
    ),
]
Map = Annotated[list[str] | None, typer.Option(help="Marker text to class, TEXT=CLASS; repeat it.")]
Key = Annotated[
    str | None, typer.Option(help="Key pair of your own by name (default, with --server-key: default).")
]
ServerKey = Annotated[
    str | None,
    typer.Option(
        help="Public key of the decoder, or its name among the trusted servers: encrypts (default: none)."
    ),
]
Monitor = Annotated[
    bool | None, typer.Option("--monitor", help="Serve a live page beside it (default: none).")
]
MonitorAt = Annotated[
    str | None, typer.Option(help="Serve the live page at HOST:PORT (default: 127.0.0.1:5580; port 0: any).")
]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable, on standard output.")]
SessionsIn = Annotated[
    Path | None,
    typer.Option("--in", help="Folder of sessions (default: sessions in the user's data folder)."),
]


def names_of(text: str) -> list[str]:
    """Names between commas."""
    return [name for part in text.split(",") if (name := part.strip())]


def one_target(command: str, file: Path | None, out: Path | None, usual: str) -> Path:
    """Where to write, which a command takes as an argument or as ``--out``.

    Raises
    ------
    ConfigError
        When it is given in no way, or in both.
    """
    if (file is None) == (out is None):
        given = "no file" if file is None else f"{file} and --out {out}"
        raise ConfigError(
            f"{command}: got {given}, need one to write to; give it once, as {usual} or --out {usual}"
        )
    return file or out or Path(usual)


def stream_settings(
    *,
    name: str | None,
    source_id: str | None,
    unit: str | None,
    ignore: str | None,
    labels: str | None = None,
    markers: str | None = None,
    map: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What the options say of the stream, by names of the configuration; None: not given."""
    return {
        "stream.name": name,
        "stream.source_id": source_id,
        "stream.markers": markers,
        "stream.map": map,
        "stream.unit": unit,
        "stream.ignore": None if ignore is None else names_of(ignore),
        "stream.labels": None if labels is None else names_of(labels),
    }


def typed(context: typer.Context, without: Sequence[str] = ()) -> str:
    """The options that a command was given, in words that a shell takes: for a line that says how to go on.

    Parameters
    ----------
    context : typer.Context
    without : sequence of str
        Names of parameters that are left out.
    """
    return shlex.join(
        word for option in _typed(context, without) for word in _words(option, context.params[option.name])
    )


def flags_typed(context: typer.Context, without: Sequence[str] = ()) -> list[str]:
    """Their flags alone, also of those that were given what they are without; see `typed`."""
    return [option.opts[0] for option in _typed(context, without)]


def _typed(context: typer.Context, without: Sequence[str]) -> list[Any]:
    return [
        option
        for option in context.command.params
        if option.name and option.name not in without and _is_typed(context, option.name)
    ]


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _words(option: Any, value: Any) -> Iterator[str]:
    if isinstance(value, bool):
        yield option.opts[0] if value else option.secondary_opts[0]
        return
    for one in value if isinstance(value, list | tuple) else [value]:
        yield from (option.opts[0], str(one))


def write_anything() -> None:
    """Have characters that a terminal or a pipe cannot show (ASCII, Latin-1, cp1252) shown as a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def console_of(stderr: bool = True) -> Any:
    """A console on standard error, for what people are told and nothing ends for; or on standard output, for results."""
    from rich.console import Console

    errors: Any = StandardError()
    return Console(file=errors, stderr=True, soft_wrap=True) if stderr else Console(soft_wrap=True)


def teller_of(console: Any) -> Callable[[str], None]:
    """What prints a line as it is: brackets in names are no markup."""

    def tell(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    return tell


def output_of(json: bool) -> Any:
    """Where a command with ``--json`` shows its result; see `rtbci.commands.profile_output.Output`."""
    from rtbci.commands.profile_output import Output

    return Output(json)
