"""Open an engine on the back end that is wished for, or on the next best that is proven to give the right numbers.

Compiled engines come from the cache or are built. Every session passes the gate before it is returned, once for
each engine, back end, version and device; what it found is remembered. What cannot be used is told, with the reason,
and the next in the order is tried.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rtbci.backends.cache import EngineCache
from rtbci.backends.compiled import open_compiled, read_network
from rtbci.backends.compilers import COMPILERS, BuildOptions
from rtbci.backends.cuda import find_gpu
from rtbci.backends.gate import GateReport
from rtbci.backends.gated import gate_of
from rtbci.backends.plugin_session import open_plugin
from rtbci.backends.registry import BACKENDS, open_session
from rtbci.backends.session import Session
from rtbci.backends.tensorrt_progress import Progress
from rtbci.backends.usable import what_is_there
from rtbci.backends.words import words_of
from rtbci.errors import ConfigError, EngineError, MissingPackageError, RtbciError
from rtbci.recipes import EngineRecipe, ParadigmRecipe, Precision

__all__ = ["EngineRequest", "open_engine"]

AUTO = "auto"
FALLBACK = ("tensorrt", "tensorrt_rtx", "onnxruntime-cuda", "onnxruntime", "torch")
"""What is tried behind a back end that cannot be used: those that stand behind it here."""
SAFE = ("onnxruntime", "torch")


@dataclass(frozen=True)
class EngineRequest:
    """What is wished for.

    Parameters
    ----------
    backend : str
        One of `rtbci.backends.registry.BACKENDS`, or ``"auto"``: the GPU where there is one, else what is measured to
        be the fastest on this CPU.
    precision : str
        A `Precision` of the recipe, or ``"auto"``: its first where engines are compiled, fp32 elsewhere. What takes the
        place of a back end that needs no building computes in fp32.
    n_threads : int
        Threads of one call, on the CPU.
    fallback : bool
        Whether another back end may take its place.
    max_batch : int
        Largest batch of one call of a compiled engine.
    """

    backend: str = AUTO
    precision: str = AUTO
    n_threads: int = 1
    fallback: bool = True
    max_batch: int = 1


def _silent(_text: str) -> None:
    """Tell nobody."""


def open_engine(
    recipe: EngineRecipe,
    request: EngineRequest = EngineRequest(),
    told: Callable[[str], None] = _silent,
    build: bool = True,
    *,
    cache: EngineCache | None = None,
    paradigms: Sequence[ParadigmRecipe] = (),
    progress: Progress | None = None,
) -> Session:
    """Open an engine that has passed the gate.

    Parameters
    ----------
    recipe : EngineRecipe
    request : EngineRequest
    told : callable
        Gets a sentence about everything that a person should know. When another back end than the one that was
        wished for is taken, the last sentence says so, and why.
    build : bool
        Whether an engine that is not in the cache may be built, which takes minutes.
    cache : EngineCache, optional
        The user's by default.
    paradigms : sequence of ParadigmRecipe
        Whose decisions count too, beside those of the paradigms that come with rtbci.
    progress : callable, optional
        Of building.

    Returns
    -------
    Session
        To be closed by the caller.

    Raises
    ------
    ConfigError
        When there is no such back end, or it or the recipe does not have the precision.
    EngineError
        When no back end can be used, or, without `fallback`, the one that was wished for cannot.
    MissingPackageError
        When that is because its package is not installed.
    """
    _check_request(recipe, request)
    if recipe.plugin:
        told(f"engine '{recipe.name}': is the plug-in '{recipe.plugin}', which runs as itself")
        return open_plugin(recipe, request.n_threads)
    read_network(recipe)  # nothing can be used when the network's own file is not what it should be
    opener = _Opener(recipe, request, told, build, cache or EngineCache(told=told), paradigms, progress)
    failures: list[_Failure] = []
    for backend in _order(recipe, request, told):
        try:
            session = opener.open(backend)
        except Exception as error:  # whatever a library raises: this back end cannot be used
            failures.append(_Failure(backend, error))
            if not request.fallback:
                break
            told(f"engine '{recipe.name}': {backend} cannot be used: {words_of(error)}")
            continue
        if failures:
            told(
                f"engine '{recipe.name}': runs on {session.backend} in {session.precision}, and not on "
                f"{failures[0].backend}; {_reasons(failures)}"
            )
        return session
    raise _why_none(recipe, failures)


class _Failure(NamedTuple):
    backend: str
    error: Exception


class _Opener:
    """Opens one recipe's engine on any back end, behind the gate."""

    def __init__(
        self,
        recipe: EngineRecipe,
        request: EngineRequest,
        told: Callable[[str], None],
        build: bool,
        cache: EngineCache,
        paradigms: Sequence[ParadigmRecipe],
        progress: Progress | None,
    ) -> None:
        self._recipe, self._request, self._told, self._build = recipe, request, told, build
        self._cache, self._paradigms, self._progress = cache, paradigms, progress

    def open(self, backend: str) -> Session:
        """Open on one back end; whatever it raises means that it cannot be used."""
        recipe, request = self._recipe, self._request
        max_batch = None
        if backend in COMPILERS:
            max_batch = request.max_batch
            precision = _precision(request.precision, recipe.precisions[0])
            options, cache, told = BuildOptions(max_batch), self._cache, self._told
            session = open_compiled(
                recipe, backend, precision, options, cache, told, build=self._build, progress=self._progress
            )
        else:
            own = request.precision if backend == request.backend else AUTO
            session = open_session(recipe.onnx_path, backend, request.n_threads, _precision(own, "fp32"))
        try:
            paradigms = self._paradigms
            report = gate_of(
                session, recipe, self._cache, self._told, paradigms=paradigms, max_batch=max_batch
            )
            _check_report(report, recipe.option)
        except BaseException:
            session.close()
            raise
        return session


def _check_request(recipe: EngineRecipe, request: EngineRequest) -> None:
    backend, precision = request.backend, request.precision
    if backend != AUTO and backend not in BACKENDS:
        raise ConfigError(
            f"engine '{recipe.name}': no back end '{backend}', have {', '.join(BACKENDS)}, auto"
        )
    if precision not in (AUTO, *recipe.precisions):
        raise ConfigError(
            f"engine '{recipe.name}': no precision {precision}, its recipe has {', '.join(recipe.precisions)}, auto"
        )
    if backend == AUTO or backend in COMPILERS:
        return
    if precision not in (AUTO, *(own := BACKENDS[backend].precisions)):
        raise ConfigError(
            f"engine '{recipe.name}': {backend} computes in {' or '.join(own)}, got {precision}; "
            f"take {own[0]}, or one of {', '.join(COMPILERS)}"
        )


def _precision(wished: str, default: Precision) -> Precision:
    return default if wished == AUTO else wished  # type: ignore[return-value]  # `_check_request`: one of the recipe's


def _order(recipe: EngineRecipe, request: EngineRequest, told: Callable[[str], None]) -> Iterator[str]:
    """Back ends in the order in which they are tried, each once."""
    tried: set[str] = set()
    for backend in _candidates(recipe, request, told):
        if backend not in tried:
            tried.add(backend)
            yield backend


def _candidates(recipe: EngineRecipe, request: EngineRequest, told: Callable[[str], None]) -> Iterator[str]:
    wished = request.backend
    if wished != AUTO:
        yield wished
        # What nobody asked for and cannot be used here is no news: only what is there stands in.
        there = {one.backend for one in what_is_there() if one.can_run}
        behind = FALLBACK[FALLBACK.index(wished) + 1 :] if wished in FALLBACK else SAFE
        yield from (one for one in behind if one in there or one in SAFE)
        return
    if _has_gpu():
        there = {one.backend for one in what_is_there() if one.can_run}
        yield from (one for one in FALLBACK if one in there and BACKENDS[one].kind == "gpu")
    yield _fastest(recipe, request, told)
    yield from SAFE


def _has_gpu() -> bool:
    """Whether it is worth loading libraries for one: they are large."""
    try:
        find_gpu()
    except RtbciError:
        return False
    return True


def _fastest(recipe: EngineRecipe, request: EngineRequest, told: Callable[[str], None]) -> str:
    from rtbci.backends.fastest import fastest_backend

    return fastest_backend(recipe.onnx_path, request.n_threads, told=told).backend


def _check_report(report: GateReport, option: str) -> None:
    if not report.passed:
        raise EngineError(
            f"{report.backend} in {report.precision} on {report.device} does not agree with {report.reference}: "
            f"{'; '.join(report.reasons)}; `rtbci engine check {option}` shows all numbers"
        )


def _reasons(failures: Sequence[_Failure]) -> str:
    return "; ".join(f"{one.backend}: {words_of(one.error)}" for one in failures)


def _why_none(recipe: EngineRecipe, failures: Sequence[_Failure]) -> Exception:
    if len(failures) == 1 and isinstance(failures[0].error, RtbciError):
        return failures[0].error
    kind = (
        MissingPackageError
        if all(isinstance(one.error, MissingPackageError) for one in failures)
        else EngineError
    )
    return kind(f"engine '{recipe.name}': no back end can be used: {_reasons(failures)}")
