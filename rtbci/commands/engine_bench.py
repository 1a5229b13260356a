"""`rtbci engine bench`: how fast engines are, on every back end that can be used here, in one run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap

import msgspec

from rtbci.backends.bench import BenchPlan, BenchResult, bench_engine
from rtbci.backends.bench_contenders import Contender, torch_on_gpu
from rtbci.backends.bench_tables import bench_markdown, bench_table, gpu_lines, gpu_markdown, gpu_table
from rtbci.backends.cache import EngineCache
from rtbci.backends.compiled import open_compiled
from rtbci.backends.compilers import COMPILERS, BuildOptions
from rtbci.backends.registry import BACKENDS, open_session
from rtbci.backends.usable import what_is_there
from rtbci.commands.options import console_of, teller_of
from rtbci.commands.profile_output import Output, write_result
from rtbci.encoder.sizes import PATCH_SAMPLES, RATE_HZ, SIZES
from rtbci.errors import ConfigError
from rtbci.recipes import EngineInput, EngineOutput, EngineRecipe, Precision, list_recipes, read_engine
from rtbci.stream.caps import CAPS

__all__ = ["BenchRequest", "bench"]

ALL: tuple[Precision, ...] = ("fp32", "fp16", "bf16")
"""Precisions of an engine of random weights."""
WIDTH = 79
TORCH_GPU = "torch-cuda"
"""Eager torch and torch.compile on the GPU: no back end of rtbci, and what a GPU is compared with."""


@dataclass(frozen=True)
class BenchRequest:
    """What the command line says.

    Parameters
    ----------
    names : sequence of str
        Engines, or sizes of the encoder; empty: all engines that come with rtbci.
    backends : sequence of str
        Only these; empty: all that can be used here.
    precisions : sequence of str
        Empty: all of the recipe. Back ends that need no building take part in fp32 whatever is named.
    plan : BenchPlan
    file, markdown : Path or None
        Where JSON and a table for a page are written.
    """

    names: Sequence[str]
    backends: Sequence[str]
    precisions: Sequence[str]
    plan: BenchPlan
    file: Path | None = None
    markdown: Path | None = None


def bench(request: BenchRequest, out: Output) -> None:
    """Measure and show.

    Raises
    ------
    ConfigError
        When there is no such engine, size or back end.
    EngineError
        When none of the back ends can be opened.
    FileFormatError
        When a file cannot be written.
    """
    known = [*BACKENDS, "torch.compile", TORCH_GPU]
    if unknown := [name for name in request.backends if name not in known]:
        raise ConfigError(f"bench: no back end {', '.join(unknown)}, have {', '.join(known)}")
    engines = [
        name if name in SIZES else read_engine(name) for name in request.names or list_recipes("engines")
    ]
    told = teller_of(console_of())
    with TemporaryDirectory() as folder:
        results = [_bench(engine, request, Path(folder), told) for engine in engines]
    if request.file is not None:
        write_result(request.file, msgspec.json.format(msgspec.json.encode(results)))
    if request.markdown is not None:
        page = [part for part in (bench_markdown(results), gpu_markdown(results)) if part]
        write_result(request.markdown, "\n\n".join(page).encode() + b"\n")
    absent = [f"not measured: {name}: {why}" for result in results for name, why in result.absent.items()]
    where = [f"{results[0].cpu}, {results[0].n_cores} cores"]
    on_gpu = [table for result in results if (table := gpu_table(result)) is not None]
    what = ", ".join(dict.fromkeys(line for result in results for line in gpu_lines(result)))
    out.result(
        results,
        *(bench_table(result) for result in results),
        *on_gpu,
        *where,
        *wrap(what, WIDTH),
        *dict.fromkeys(absent),
    )


def _bench(
    engine: EngineRecipe | str, request: BenchRequest, folder: Path, told: Callable[[str], None]
) -> BenchResult:
    if isinstance(engine, EngineRecipe) and engine.plugin:
        raise ConfigError(
            f"bench: engine '{engine.name}' is the plug-in '{engine.plugin}', need an ONNX file to compare back ends on; "
            "leave it out"
        )
    wanted = request.backends
    plain = [
        name for name in wanted if name == "torch.compile" or (name in BACKENDS and name not in COMPILERS)
    ]
    # Engines of random weights are of no use to anybody later.
    cache = EngineCache(folder if isinstance(engine, str) else None, told=told)

    def others(path: Path) -> list[Contender]:
        recipe = _recipe_of(path, engine, max(request.plan.batches)) if isinstance(engine, str) else engine
        return _on_gpu(recipe, request, cache, told)

    own = ALL if isinstance(engine, str) else engine.precisions
    low = [name for name in own if name in (request.precisions or own)]
    return bench_engine(
        engine, plain if wanted else None, request.plan, precisions=low, others=others, told=told
    )


def _on_gpu(
    recipe: EngineRecipe, request: BenchRequest, cache: EngineCache, told: Callable[[str], None]
) -> list[Contender]:
    """What runs on the GPU: all that is named, else what can be used here."""
    there = {one.backend for one in what_is_there() if one.can_run and BACKENDS[one.backend].kind == "gpu"}
    wanted = request.backends or [*sorted(there), *([TORCH_GPU] if there else [])]
    largest = min(max(request.plan.batches), recipe.max_batch)
    found: list[Contender] = []
    for backend in wanted:
        for precision in recipe.precisions:
            if request.precisions and precision not in request.precisions:
                continue
            if backend in COMPILERS:
                options = BuildOptions(largest)
                open_ = partial(open_compiled, recipe, backend, precision, options, cache, told)
                found.append(Contender(f"{backend} {precision}", open_))
            elif backend == TORCH_GPU:
                found += torch_on_gpu(recipe.onnx_path, precision)
        if backend == "onnxruntime-cuda" and not request.backends:
            found.append(Contender(backend, partial(open_session, recipe.onnx_path, backend)))
    return found


def _recipe_of(path: Path, size: str, max_batch: int) -> EngineRecipe:
    """A recipe for an engine of random weights, as `write_random_engine` writes it."""
    dims = SIZES[size]
    recipe = EngineRecipe(
        schema=1,
        name=size,
        kind="patch",
        onnx=path.name,
        precisions=ALL,
        max_batch=max_batch,
        input=EngineInput(name="patch", channels=CAPS["10-20"], rate_hz=RATE_HZ, n_samples=PATCH_SAMPLES),
        output=EngineOutput(name="features", meaning="features", shape=(dims.n_summary, dims.n_features)),
    )
    return recipe.model_copy(update={"folder": path.parent})
