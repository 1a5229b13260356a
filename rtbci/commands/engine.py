"""`rtbci engine`: what can be compiled, and whether it is right. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(
    help="Engines and back ends: list, build, check, bench, cache.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cache_app = typer.Typer(
    help="Compiled engines on this computer.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(cache_app, name="cache")

Name = Annotated[str, typer.Argument(help="Engine by name or folder.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable, on standard output.")]


def _output(json: bool) -> Any:
    from rtbci.commands.profile_output import Output

    return Output(json, fit=True)


@app.command("list")
def list_(json: Json = False) -> None:
    """List engines, back ends that can be used here, and compiled engines."""
    from rtbci.commands import engine_list as verbs

    verbs.list_engines(_output(json))


@app.command()
def build(
    name: Name,
    backend: Annotated[
        str, typer.Option(help="tensorrt or tensorrt_rtx (default: the one that is there).")
    ] = "",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or bf16 [the recipe's first].")] = "",
    batch: Annotated[int, typer.Option(min=1, help="Most patches or windows in one call.")] = 1,
    target: Annotated[
        str, typer.Option(help="GPUs to build for, as SM86,SM89 (default: the one that is here).")
    ] = "",
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="For all GPUs from Ampere on; somewhat slower.")
    ] = False,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="For later versions of TensorRT too.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the engine to this file too.")] = None,
    json: Json = False,
) -> None:
    """Compile an engine for a GPU and keep it in the cache."""
    from rtbci.commands import engine_build as verbs

    request = verbs.BuildRequest(
        backend=backend,
        precision=precision,
        batch=batch,
        targets=[name.strip().upper() for name in target.split(",") if name.strip()],
        hardware_compatible=hardware_compatible,
        version_compatible=version_compatible,
        out=out,
    )
    verbs.build(name, request, _output(json))


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Engines by name or folder (default: all).")
    ] = None,
    backend: Annotated[str, typer.Option(help="Back ends, as onnxruntime,openvino (default: all).")] = "",
    precision: Annotated[str, typer.Option(help="As fp32,fp16 (default: all of the recipe).")] = "",
    json: Json = False,
) -> None:
    """Compare engines with the reference, and show by how much they differ."""
    from rtbci.commands import engine_check as verbs

    if not verbs.check(names or [], _parts(backend), _parts(precision), _output(json)):
        raise typer.Exit(6)


@cache_app.command("show")
def cache_show(json: Json = False) -> None:
    """Show compiled engines, each read and verified."""
    from rtbci.commands import engine_list as verbs

    verbs.show_cache(_output(json))


@cache_app.command("clear")
def cache_clear(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, json: Json = False
) -> None:
    """Remove all compiled engines and what is remembered of them; they are built again when needed."""
    from rtbci.commands import engine_list as verbs

    verbs.clear_cache(_output(json), sure=yes)


def _parts(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]
