"""`rtbci engine build`: compile, keep, check as far as this computer can."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from rtbci.backends.cache import EngineCache
from rtbci.backends.cache_entry import CachedEngine
from rtbci.backends.compiled import Plan, build_compiled, plan_of, tell_of_graph
from rtbci.backends.compilers import COMPILERS, BuildOptions
from rtbci.backends.gate import GateReport
from rtbci.backends.gated import gate_of
from rtbci.backends.lowered_check import check_lowered
from rtbci.backends.tensorrt_build import Target
from rtbci.commands.long_work import LongWork
from rtbci.commands.options import console_of, teller_of
from rtbci.commands.profile_output import Output, write_result
from rtbci.errors import ConfigError, EngineError, FileFormatError, MissingPackageError, RtbciError
from rtbci.recipes import EngineRecipe, Precision, read_engine

__all__ = ["BuildRequest", "build"]


@dataclass(frozen=True)
class BuildRequest:
    """What the command line says.

    Parameters
    ----------
    backend, precision : str
        Empty: the one that is installed, the recipe's first.
    batch : int
        Most patches or windows in one call.
    targets : list of str
        Compute capabilities; empty: the GPU that is here.
    hardware_compatible, version_compatible : bool
        See `rtbci.backends.tensorrt_build.Target`.
    out : Path or None
        Where the engine is written beside the cache.
    """

    backend: str = ""
    precision: str = ""
    batch: int = 1
    targets: Sequence[str] = field(default_factory=list)
    hardware_compatible: bool = False
    version_compatible: bool = False
    out: Path | None = None


def build(name: str, request: BuildRequest, out: Output) -> None:
    """Build an engine, or find it built.

    Raises
    ------
    ConfigError
        When the request does not fit the recipe.
    EngineError
        When it cannot be built, or fails the gate.
    FileFormatError
        When it can neither be kept nor written.
    MissingPackageError
        When no back end that compiles is installed.
    """
    recipe = read_engine(name)
    console = console_of()
    told = teller_of(console)
    plan = _plan(recipe, request)
    key = plan.key
    cache = EngineCache(told=told)
    for_what = key.device or ", ".join(key.targets)
    told(f"engine '{recipe.name}' in {key.precision} for {for_what} by {key.backend} {key.backend_version}")
    with LongWork(console) as progress:
        built = build_compiled(plan, cache, told, progress)
    if request.out is not None:
        write_result(request.out, built.data)
    elif built.folder is None:
        raise FileFormatError(
            f"engine '{recipe.name}': built, and could not be kept in {cache.root} (see above); need room and rights there, "
            "or give --out FILE"
        )
    checked = _check(recipe, plan, built, cache, told)
    out.result(_plain(recipe, built, request.out, checked), *_lines(built, request.out), *checked.lines)
    if checked.fault:
        raise EngineError(checked.fault)


@dataclass(frozen=True)
class _Checked:
    """What could be checked here: lines for people, the same for machines, and what is wrong."""

    lines: list[str]
    data: Any = None
    fault: str = ""


def _plan(recipe: EngineRecipe, request: BuildRequest) -> Plan:
    precision = request.precision or recipe.precisions[0]
    if precision not in get_args(Precision):
        raise ConfigError(
            f"engine '{recipe.name}': no precision {precision}, its recipe has {', '.join(recipe.precisions)}"
        )
    target = Target(
        capabilities=tuple(request.targets) or Target().capabilities,
        version_compatible=request.version_compatible,
        hardware_compatible=request.hardware_compatible,
    )
    options = BuildOptions(request.batch, target)
    try:
        return plan_of(recipe, request.backend or _installed(), precision, options)  # type: ignore[arg-type]
    except EngineError as error:
        if request.targets or "cuda" not in str(error):
            raise
        raise EngineError(f"{error}; or name GPUs of other computers with --target, as SM86,SM89") from error


def _installed() -> str:
    missing: list[str] = []
    for backend, compiler in COMPILERS.items():
        try:
            compiler.version()
        except MissingPackageError as error:
            missing.append(str(error))
        else:
            return backend
    raise MissingPackageError("; or ".join(missing))


def _check(
    recipe: EngineRecipe, plan: Plan, built: CachedEngine, cache: EngineCache, told: Callable[[str], None]
) -> _Checked:
    if plan.gpu is not None:
        return _check_on_gpu(recipe, plan, built, cache, told)
    line = "it was not run here: built for other GPUs; `rtbci engine check` where one is"
    if plan.key.precision not in ("fp16", "bf16"):
        return _Checked([line])
    try:
        rows = check_lowered(plan.model, recipe, plan.key.precision)
    except RtbciError as error:
        return _Checked([line, str(error)])
    worst = max(row.max_abs for row in rows)
    failed = [row.name for row in rows if not row.passed]
    said = f"its network in {plan.key.precision}, computed step by step on this CPU, differs from the reference by {worst:.2g}"
    fault = f"engine '{recipe.name}': {said}, too much for {', '.join(failed)}; take another precision"
    return _Checked([line, said], rows, fault if failed else "")


def _check_on_gpu(
    recipe: EngineRecipe, plan: Plan, built: CachedEngine, cache: EngineCache, told: Callable[[str], None]
) -> _Checked:
    key = plan.key
    session = COMPILERS[key.backend].open(
        built.data,
        key.network_id,
        key.precision,
        key.max_batch,
        host_code=plan.options.target.version_compatible,
    )
    tell_of_graph(session, recipe.name, told)
    try:
        report: GateReport = gate_of(session, recipe, cache, told, max_batch=key.max_batch)
    finally:
        session.close()
    if report.passed:
        return _Checked([f"it agrees with {report.reference}"], report)
    reasons = "; ".join(report.reasons)
    return _Checked([], report, f"engine '{recipe.name}': does not agree with {report.reference}: {reasons}")


def _lines(built: CachedEngine, file: Path | None) -> list[str]:
    entry = built.entry
    verb = (
        f"built in {entry.build_s:.1f} s"
        if built.is_new
        else f"was built {entry.built} in {entry.build_s:.1f} s"
    )
    where = [str(place) for place in (built.folder, file) if place is not None]
    return [
        f"{verb}: {entry.n_bytes / 1e6:.2f} MB, id {entry.sha256[:12]}...",
        f"in {' and '.join(where) or 'memory only: it could not be kept'}",
    ]


def _plain(recipe: EngineRecipe, built: CachedEngine, file: Path | None, checked: _Checked) -> dict[str, Any]:
    return {
        "engine": recipe.name,
        "entry": built.entry,
        "is_new": built.is_new,
        "folder": None if built.folder is None else str(built.folder),
        "file": None if file is None else str(file),
        "check": checked.data,
        "fault": checked.fault,
    }
