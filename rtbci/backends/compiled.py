"""From a recipe to a compiled engine in the cache: lowered, built once, found again."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple

from rtbci.backends.cache import EngineCache
from rtbci.backends.cache_entry import CachedEngine, EngineKey
from rtbci.backends.compilers import COMPILERS, BuildOptions
from rtbci.backends.cuda import Gpu, find_gpu
from rtbci.backends.onnx_file import check_network, read_onnx
from rtbci.backends.session import Session
from rtbci.backends.tensorrt_api import check_driver
from rtbci.backends.tensorrt_build import CURRENT
from rtbci.backends.tensorrt_progress import Progress
from rtbci.backends.timing_store import TimingStore
from rtbci.errors import ConfigError, EngineError
from rtbci.recipes import EngineRecipe, Precision

__all__ = ["Plan", "build_compiled", "lowered", "open_compiled", "plan_of", "read_network", "tell_of_graph"]

TARGET_OPTIONS = ("version_compatible", "hardware_compatible")


class Plan(NamedTuple):
    """What is to be compiled.

    Parameters
    ----------
    key : EngineKey
        What the engine will depend on.
    model : bytes
        The ONNX file that is compiled, in the precision that is wanted.
    options : BuildOptions
    gpu : Gpu or None
        What it is for; None when it is built ahead for other computers.
    name : str
        The recipe's.
    """

    key: EngineKey
    model: bytes
    options: BuildOptions
    gpu: Gpu | None
    name: str


def read_network(recipe: EngineRecipe) -> bytes:
    """Content of a recipe's ONNX file.

    Raises
    ------
    EngineError
        When it cannot be read, or is not the file that the recipe names.
    """
    data = read_onnx(recipe.onnx_path)
    check_network(recipe, sha256(data).hexdigest())
    return data


def plan_of(
    recipe: EngineRecipe,
    backend: str,
    precision: Precision | None = None,
    options: BuildOptions | None = None,
) -> Plan:
    """Say what an engine will be made of and depend on; compiles nothing.

    Parameters
    ----------
    recipe : EngineRecipe
    backend : str
        One of `COMPILERS`.
    precision : str, optional
        The recipe's first by default.
    options : BuildOptions, optional
        For one patch or window at a time on this computer's GPU by default.

    Raises
    ------
    ConfigError
        When the recipe does not allow the precision or the batch.
    EngineError
        When there is no GPU and no target was named, or the ONNX file cannot be used.
    MissingPackageError
        When the back end or onnx is not installed.
    """
    options = options or BuildOptions()
    precision = precision or recipe.precisions[0]
    _check(recipe, backend, precision, options)
    version = COMPILERS[backend].version()
    is_ahead = options.target.capabilities != (CURRENT,)
    gpu = None if is_ahead else find_gpu()
    if gpu is not None:
        check_driver(backend, gpu)
    network = read_network(recipe)
    model = lowered(network, precision)
    key = EngineKey(
        network_id=sha256(network).hexdigest(),
        graph_id=sha256(model).hexdigest(),
        precision=precision,
        max_batch=options.max_batch,
        fixed_batch=options.fixed_batch,
        backend=backend,
        backend_version=version,
        device="" if gpu is None else gpu.name,
        targets=tuple(sorted(options.target.capabilities, key=_number)) if gpu is None else (gpu.capability,),
        driver="" if gpu is None else gpu.driver,
        options=tuple(name for name in TARGET_OPTIONS if getattr(options.target, name)),
    )
    return Plan(key, model, options, gpu, recipe.name)


def build_compiled(
    plan: Plan, cache: EngineCache, told: Callable[[str], None], progress: Progress | None = None
) -> CachedEngine:
    """Find an engine in the cache, or build it.

    Raises
    ------
    EngineError
        When it cannot be built.
    """
    key = plan.key
    timings = TimingStore(cache.root / "timing", told)
    timings_name = f"{key.backend} {key.backend_version} {key.device} {','.join(key.targets)} {key.driver}"

    def make() -> bytes:
        made = COMPILERS[key.backend].build(plan.model, plan.options, timings.read(timings_name), progress)
        if made.timing_cache:
            timings.write(timings_name, made.timing_cache)
        return made.data

    return cache.find(key) or cache.build(key, make, plan.name)


def open_compiled(
    recipe: EngineRecipe,
    backend: str,
    precision: Precision,
    options: BuildOptions,
    cache: EngineCache,
    told: Callable[[str], None],
    *,
    build: bool = True,
    progress: Progress | None = None,
) -> Session:
    """Open a compiled engine on this computer's GPU, from the cache or built now; it has not passed the gate.

    Raises
    ------
    EngineError
        When it cannot be built or run, or is not built and must not be.
    RtbciError
        See `plan_of`.
    """
    plan = plan_of(recipe, backend, precision, options)
    found = cache.find(plan.key)
    if found is None:
        if not build:
            raise EngineError(
                f"{backend}: no engine for {plan.key.device} in {precision} is built yet, need one; "
                f"`rtbci engine build {recipe.option} --backend {backend} --precision {precision}`"
            )
        told(f"engine '{recipe.name}': building it for {plan.key.device} in {precision}")
        found = build_compiled(plan, cache, told, progress)
        told(f"engine '{recipe.name}': built in {found.entry.build_s:.1f} s")
    session = COMPILERS[backend].open(found.data, plan.key.network_id, precision, options.max_batch)
    tell_of_graph(session, recipe.name, told)
    return session


def tell_of_graph(session: Session, name: str, told: Callable[[str], None]) -> None:
    """Tell when a compiled engine's work could not be recorded as a CUDA graph."""
    if why := getattr(session, "why_no_graph", ""):
        told(f"engine '{name}': runs without a CUDA graph, which takes longer: {why}")


def _check(recipe: EngineRecipe, backend: str, precision: Precision, options: BuildOptions) -> None:
    if backend not in COMPILERS:
        raise ConfigError(
            f"engine '{recipe.name}': back end '{backend}' needs no building; need one of {_all(COMPILERS)}"
        )
    if recipe.plugin:
        raise ConfigError(
            f"engine '{recipe.name}': is the plug-in '{recipe.plugin}', need an ONNX file to build; run it as it is"
        )
    if precision not in recipe.precisions:
        raise ConfigError(
            f"engine '{recipe.name}': precision {precision} is not one of its recipe's {_all(recipe.precisions)}; "
            "take one of these"
        )
    if not 1 <= options.max_batch <= recipe.max_batch:
        raise ConfigError(
            f"engine '{recipe.name}': batch of {options.max_batch}, need 1 to {recipe.max_batch} (its recipe's max_batch)"
        )


def _number(capability: str) -> tuple[int, str]:
    """Sorts SM89 before SM120."""
    return len(capability), capability


def _all(names: Iterable[str]) -> str:
    return ", ".join(names)


def lowered(network: bytes, precision: Precision) -> bytes:
    """A network in the precision that it is to run in; itself in fp32."""
    if precision not in ("fp16", "bf16"):
        return network
    from rtbci.backends.precision import lower_precision

    return lower_precision(network, precision)
