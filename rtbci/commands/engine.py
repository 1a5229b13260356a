"""`rtbci engine`: what can be compiled, and whether it is right. What it does is imported when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from rtbci.commands.options import Json, names_of, output_of

__all__ = ["app"]

app = typer.Typer(
    help="Engines and back ends: list, build, import, check, bench, cache.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cache_app = typer.Typer(
    help="Compiled engines on this computer.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(cache_app, name="cache")

Name = Annotated[str, typer.Argument(help="Engine by name or folder.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """List engines, back ends that can be used here, and compiled engines."""
    from rtbci.commands import engine_list as verbs

    verbs.list_engines(output_of(json))


@app.command()
def build(
    name: Name,
    backend: Annotated[
        str, typer.Option(help="tensorrt or tensorrt_rtx (default: the one that is there).")
    ] = "",
    precision: Annotated[str, typer.Option(help="fp32, fp16 or bf16 (default: the recipe's first).")] = "",
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
        targets=names_of(target.upper()),
        hardware_compatible=hardware_compatible,
        version_compatible=version_compatible,
        out=out,
    )
    verbs.build(name, request, output_of(json))


@app.command("import")
def import_(
    braindecode: Annotated[str, typer.Option(help="Model of braindecode, as EEGNet.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    weights: Annotated[
        Path | None,
        typer.Option(help="File of weights: .safetensors, or a state dict of torch (default: random)."),
    ] = None,
    hub: Annotated[str, typer.Option(help="OWNER/NAME on Hugging Face to fetch weights from.")] = "",
    paradigm: Annotated[
        str,
        typer.Option(help="Takes channels, rate, window and classes from this recipe, by name or folder."),
    ] = "",
    channels: Annotated[str, typer.Option(help="Electrodes in order, as C3,CZ,C4.")] = "",
    rate: Annotated[
        float | None, typer.Option(help="Sampling rate of the input, Hz (default: that of --paradigm).")
    ] = None,
    window: Annotated[
        float | None, typer.Option(help="Length of the input, seconds (default: that of --paradigm).")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="Number of classes (default: that of --paradigm).")
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Factor from microvolts to the model's unit (default: the model's, where known; 1)."
        ),
    ] = None,
    zscore: Annotated[
        bool | None,
        typer.Option(
            "--zscore/--no-zscore",
            help="z-score each channel of a window (default: the model's, where known; no).",
        ),
    ] = None,
    output: Annotated[str, typer.Option(help="logits or features.")] = "logits",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Further argument of the model, as F1=16; repeat it."),
    ] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx/--torch", help="Export to ONNX, or leave it to torch.")
    ] = True,
    new_head: Annotated[
        bool,
        typer.Option(
            "--new-head", help="Let the classifier keep random weights where the file has none that fit."
        ),
    ] = False,
    name: Annotated[str, typer.Option(help="Name of the engine (default: the folder's).")] = "",
    json: Json = False,
) -> None:
    """Make a model of braindecode into an engine: weights, scaling, ONNX file, golden numbers."""
    from rtbci.commands import engine_import as verbs

    flags = verbs.ImportFlags(
        model=braindecode,
        weights=weights,
        hub=hub,
        paradigm=paradigm,
        channels=names_of(channels),
        rate_hz=rate,
        window_s=window,
        n_classes=classes,
        scale=scale,
        zscore=zscore,
        output=output,
        options=set_ or [],
        onnx=onnx,
        new_head=new_head,
        name=name,
        out=out,
    )
    verbs.import_engine(flags, output_of(json))


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Engines by name, pattern ('dare_*') or folder (default: all).")
    ] = None,
    backend: Annotated[str, typer.Option(help="Back ends, as onnxruntime,openvino (default: all).")] = "",
    precision: Annotated[str, typer.Option(help="As fp32,fp16 (default: all of the recipe).")] = "",
    json: Json = False,
) -> None:
    """Compare engines with the reference, and show by how much they differ."""
    from rtbci.commands import engine_check as verbs

    if not verbs.check(names or [], names_of(backend), names_of(precision), output_of(json)):
        raise typer.Exit(6)


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Engines, or sizes: nano, light, small, base, deep (default: all engines)."),
    ] = None,
    backend: Annotated[
        str, typer.Option(help="As onnxruntime,torch.compile (default: all that can be used here).")
    ] = "",
    precision: Annotated[
        str, typer.Option(help="Beside fp32 on the CPU; of compiled engines, as fp16 (default: all).")
    ] = "",
    batches: Annotated[str, typer.Option(help="Batches for throughput.")] = "1,4,16,64,256",
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each back end.")] = 10,
    threads: Annotated[int, typer.Option(min=1, help="Threads of one call, on the CPU.")] = 1,
    memory: Annotated[bool, typer.Option(help="Measure memory too.")] = True,
    out: Annotated[Path | None, typer.Option(help="Write the numbers to this file, as JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a table for a page to this file.")] = None,
    json: Json = False,
) -> None:
    """Measure engines: one patch, a full window, many users, memory, all back ends in turns."""
    from rtbci.backends.bench import BenchPlan
    from rtbci.commands import engine_bench as verbs

    plan = BenchPlan(n_rounds=rounds, batches=_numbers(batches), n_threads=threads, memory=memory)
    request = verbs.BenchRequest(names or [], names_of(backend), names_of(precision), plan, out, markdown)
    verbs.bench(request, output_of(json))


@cache_app.command("show")
def cache_show(json: Json = False) -> None:
    """Show compiled engines, each read and verified."""
    from rtbci.commands import engine_list as verbs

    verbs.show_cache(output_of(json))


@cache_app.command("clear")
def cache_clear(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, json: Json = False
) -> None:
    """Remove all compiled engines and what is remembered of them; they are built again when needed."""
    from rtbci.commands import engine_list as verbs

    verbs.clear_cache(output_of(json), sure=yes)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in names_of(text))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise typer.BadParameter(f"got {text!r}, need whole numbers from 1 on, as 1,16,256")
    return numbers
