"""`rtbci engine check`: engines against the reference, on every back end that can be used here."""

import fnmatch
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from rtbci.backends.cache import EngineCache
from rtbci.backends.compiled import open_compiled
from rtbci.backends.compilers import COMPILERS, BuildOptions
from rtbci.backends.gate import (
    GateReport,
    check_session,
    has_torch_weights,
    open_reference,
    reference_name,
)
from rtbci.backends.gate_windows import gate_windows
from rtbci.backends.gated import gate_of
from rtbci.backends.golden import run_each
from rtbci.backends.plugin_session import BACKEND, open_plugin
from rtbci.backends.registry import BACKENDS, open_session
from rtbci.backends.remembering import RememberingSession
from rtbci.backends.session import Session
from rtbci.backends.usable import Usable, what_is_there, why_not
from rtbci.backends.words import words_of
from rtbci.commands.long_work import LongWork
from rtbci.commands.options import console_of, teller_of
from rtbci.commands.profile_output import Output, table_of
from rtbci.errors import ConfigError
from rtbci.recipes import EngineRecipe, Precision, list_recipes, read_engine
from rtbci.runtime.engine_gate import check_decisions, paradigms_of

__all__ = ["check"]

LIKE_EEG = ("noise", "bursts")
PLUGIN = Usable(backend=BACKEND, can_run=True, device="cpu")

TITLES = ("engine", "back end", "type", "differs", "allowed", "1 - cosine", "decisions", "gate")


class _Result(NamedTuple):
    """One engine on one back end: a report, or why there is none."""

    engine: str
    backend: str
    precision: str
    report: GateReport | None
    why_not: str = ""
    is_fault: bool = False


def check(names: Sequence[str], backends: Sequence[str], precisions: Sequence[str], out: Output) -> bool:
    """Run the gate and show what it finds; returns whether everything passed.

    Parameters
    ----------
    names : sequence of str
        Engines by name, pattern (``dare_*``) or folder; empty: all that come with rtbci.
    backends, precisions : sequence of str
        Only these; empty: all. A back end that is named and cannot be used counts as a fault.
    out : Output

    Raises
    ------
    ConfigError
        When there is no such engine or back end.
    """
    if unknown := [name for name in backends if name not in BACKENDS]:
        raise ConfigError(f"check: no back end {', '.join(unknown)}, have {', '.join(BACKENDS)}")
    recipes = [read_engine(name) for name in _named(names)]
    console = console_of()
    usable = [one for one in what_is_there() if not backends or one.backend in backends]
    planned: list[tuple[EngineRecipe, Usable, Precision]] = [
        (recipe, one, precision)
        for recipe in recipes
        for one in ([PLUGIN] if recipe.plugin else usable)
        for precision in _precisions(recipe, one.backend)
        if not precisions or precision in precisions
    ]
    n_runs = sum(not _why_not(*one) for one in planned)
    results: list[_Result] = []
    i_run = 0
    with closing(_References()) as compared:
        for recipe, one, precision in planned:
            if why := _why_not(recipe, one, precision):
                lacks_precision = one.can_run and why_not(one.backend, precision)
                is_named = precision in precisions if lacks_precision else bool(backends)
                results.append(_Result(recipe.name, one.backend, precision, None, why, is_named))
                continue
            i_run += 1
            teller_of(console)(f"{i_run} of {n_runs}: {recipe.name} on {one.backend} in {precision}")
            results.append(_result(recipe, one.backend, precision, console, compared))
    reports = [one.report for one in results if one.report is not None]
    if not reports and not any(one.is_fault for one in results):
        raise ConfigError(f"check: nothing to check in {', '.join(precisions)}; leave --precision out")
    references = sorted({report.reference for report in reports})
    rows = [_row(one.report) for one in results if one.report is not None]
    table: list[Table | str] = [table_of(TITLES, rows), f"reference: {', '.join(references)}"] if rows else []
    out.result([_plain(one) for one in results], *table, *_remarks(results))
    return all(report.passed for report in reports) and not any(one.is_fault for one in results)


def _precisions(recipe: EngineRecipe, backend: str) -> Sequence[Precision]:
    """All that a back end computes an engine in."""
    if backend in COMPILERS:
        return recipe.precisions
    own = BACKENDS[backend].precisions if backend in BACKENDS else ()
    return ["fp32", *(one for one in own if one != "fp32" and one in recipe.precisions)]


def _why_not(recipe: EngineRecipe, one: Usable, precision: Precision) -> str:
    """Why an engine cannot be checked on a back end here; empty where it can."""
    if one.backend == "torch" and not has_torch_weights(recipe):
        return f"{recipe.name} has no weights for it"
    if one.can_run:
        return why_not(one.backend, precision)
    return f"{one.why_not}; {one.remedy}" if one.remedy else one.why_not


class _References:
    """What the engines are compared with; one for all back ends of an engine, so that it computes the windows once."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._session: Session | None = None

    def of(self, recipe: EngineRecipe) -> Session:
        """The reference of an engine; that of the one before it is closed."""
        if self._session is None or self._folder != recipe.folder:
            self.close()
            self._folder = recipe.folder
            self._session = RememberingSession(open_reference(recipe))
        return self._session

    def close(self) -> None:
        """Close the newest; may be called more than once."""
        if self._session is not None:
            self._session.close()
        self._session = None


def _result(
    recipe: EngineRecipe, backend: str, precision: Precision, console: Console, references: _References
) -> _Result:
    try:
        report = _report(recipe, backend, precision, console, references)
    except Exception as error:
        # Whatever a library raises is a finding; the other engines are checked all the same.
        return _Result(recipe.name, backend, precision, None, words_of(error), True)
    return _Result(recipe.name, backend, precision, report)


def _named(names: Sequence[str]) -> list[str]:
    """Engines that are meant: patterns are of those that come with rtbci."""
    known = list_recipes("engines")
    found = [fnmatch.filter(known, one) or [one] for one in names] if names else [known]
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


def _report(
    recipe: EngineRecipe, backend: str, precision: Precision, console: Console, references: _References
) -> GateReport:
    told = teller_of(console)
    if recipe.plugin:
        return _plugin_report(recipe, told)
    cache = EngineCache(told=told)
    session = _open(recipe, backend, precision, cache, console)
    try:
        return gate_of(
            session,
            recipe,
            cache,
            told,
            anew=True,
            max_batch=1 if backend in COMPILERS else None,
            reference=references.of(recipe),
        )
    finally:
        session.close()


def _plugin_report(recipe: EngineRecipe, told: Callable[[str], None]) -> GateReport:
    """A plug-in against itself made once more, and against its golden numbers; nothing is remembered, for its code may change.

    It must answer to what looks like EEG. In a run an error costs predictions and nothing else, so on windows that are silent, saturated or
    not a number it may fail; both fail alike, or differ.
    """
    with closing(open_plugin(recipe)) as session, closing(open_plugin(recipe)) as reference:
        for kind in LIKE_EEG:
            run_each(session, gate_windows(recipe, session.input_shape)[kind])
        session.tolerant = reference.tolerant = True
        report = check_session(session, recipe, reference, reference_name(recipe))
        decisions = check_decisions(session, reference, recipe, paradigms_of(recipe))
        if session.n_failures:
            told(
                f"engine '{recipe.name}': fails on {session.n_failures} windows that are silent, saturated or not a number "
                f"({session.failure}); a run publishes no probabilities of such"
            )
    return msgspec.structs.replace(report, decisions=tuple(decisions))


def _open(
    recipe: EngineRecipe, backend: str, precision: Precision, cache: EngineCache, console: Console
) -> Session:
    if backend not in COMPILERS:
        return open_session(recipe.onnx_path, backend, precision=precision)
    with LongWork(console) as progress:
        told = teller_of(console)
        return open_compiled(recipe, backend, precision, BuildOptions(), cache, told, progress=progress)


def _row(report: GateReport) -> Sequence[str]:
    worst = max(report.windows, key=lambda row: row.max_abs)
    cosine = min(row.cosine for row in report.windows)
    n, n_differ = (
        sum(getattr(row, name) for row in report.decisions) for name in ("n_decisions", "n_decisions_differ")
    )
    return (
        report.engine,
        report.backend,
        report.precision,
        f"{worst.max_abs:.1e}",
        f"{report.max_abs:.0e}",
        f"{1 - cosine:.0e}",
        f"{n - n_differ} of {n}" if report.decisions else "none",
        "passed" if report.passed else "FAILED",
    )


def _remarks(results: Sequence[_Result]) -> list[str]:
    """What does not fit into the table: why an engine failed, and what could not be checked here."""
    lines = [
        f"FAILED {one.engine} on {one.backend} in {one.precision}: {reason}"
        for one in results
        if one.report is not None
        for reason in one.report.reasons
    ]
    lines += [
        f"FAILED {'; '.join(where)}: {why}"
        for why, where in _by_reason(one for one in results if one.is_fault).items()
    ]
    away = {one.backend: one.why_not for one in results if one.report is None and not one.is_fault}
    return lines + [f"not checked: {backend}: {why}" for backend, why in away.items()]


def _by_reason(results: Iterable[_Result]) -> dict[str, list[str]]:
    """A back end that is not there is said once, whatever was to be checked on it."""
    found: dict[str, dict[tuple[str, str], list[str]]] = {}
    for one in results:
        found.setdefault(one.why_not, {}).setdefault((one.engine, one.backend), []).append(one.precision)
    return {
        why: [
            f"{engine} on {backend} in {', '.join(precisions)}"
            for (engine, backend), precisions in where.items()
        ]
        for why, where in found.items()
    }


def _plain(one: _Result) -> dict[str, Any]:
    passed = None if one.report is None else one.report.passed
    return {
        "engine": one.engine,
        "backend": one.backend,
        "precision": one.precision,
        "passed": False if one.is_fault else passed,
        "why_not": one.why_not,
        "report": one.report,
    }
