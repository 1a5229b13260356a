"""`rtbci eval`: the standard judgement of a decoder."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rtbci.commands.checking import Checks
from rtbci.commands.eval_flashes import judge_flashes
from rtbci.commands.eval_output import show_grid, write_results
from rtbci.commands.options import names_of
from rtbci.commands.profile_output import write_result
from rtbci.errors import ConfigError, FileFormatError
from rtbci.evaluate.calibrators import find_calibrator
from rtbci.evaluate.compare import compare
from rtbci.evaluate.data import MOABB_PREFIX, RenamedReader, open_data
from rtbci.evaluate.evaluate import evaluate
from rtbci.evaluate.plan import Plan
from rtbci.evaluate.plots import need_matplotlib, write_plots
from rtbci.evaluate.record import Evaluation, read_evaluation, write_evaluation
from rtbci.evaluate.tables import (
    difference_grid,
    evaluation_grids,
    markdown,
    markdown_report,
)
from rtbci.evaluate.trials import check_track
from rtbci.recipes import read_paradigm
from rtbci.recipes.markers import named_markers
from rtbci.runtime.parts import POPULATION
from rtbci.runtime.profiles import find_profile
from rtbci.stream.caps import read_cap

__all__ = ["compare_files", "judge", "numbers_of", "plan_of"]


def numbers_of(text: str) -> tuple[int, ...]:
    """Numbers of trials from the command line: ``0,5,10``.

    Raises
    ------
    ConfigError
        When one is no number, or below 0.
    """
    try:
        numbers = tuple(int(part) for part in names_of(text))
    except ValueError as error:
        raise ConfigError(f"--k: got '{text}', need numbers with commas between; as 0,5,10") from error
    if any(number < 0 for number in numbers):
        raise ConfigError(f"--k: got '{text}', need numbers of trials, 0 or more")
    return numbers


def plan_of(
    *,
    paradigm: str,
    places: Sequence[str],
    track: str,
    ks: str,
    profile: str,
    folds: Path | None,
    allow_seen: bool,
    data_set: str,
    subjects: str,
    calibrator: str,
    remaining: str,
    n_jobs: int,
    ray: str,
    backend: str,
    channels: str = "",
    maps: Sequence[str] = (),
    labels: Sequence[str] = (),
    task: str = "",
) -> Plan:
    """Make a plan of what the command line says.

    Raises
    ------
    ConfigError, FileFormatError, ProfileError
        When it names something that is not there; all of it, before a recording is read.
    """
    checks = Checks()
    checks.need(remaining in ("later", "all"), f"--remaining: got '{remaining}', need 'later' or 'all'")
    checks.need(n_jobs >= 1, f"--jobs: got {n_jobs}, need 1 or more")
    checks.need(
        folds is None or profile in ("", POPULATION),
        "eval: got --folds and --profile, need one of them; each fold brings its own profile",
    )
    numbers, cap = checks.take(lambda: numbers_of(ks)), checks.take(lambda: read_cap(channels))
    checks.take(lambda: find_calibrator(calibrator))
    recipe = checks.take(lambda: read_paradigm(paradigm))
    found: Path | None = None
    named: dict[str, tuple[str, ...]] | None = {}
    if recipe is not None:
        whose = f"paradigm '{recipe.name}' has"
        if recipe.flashes is None:
            checks.take(lambda: check_track(track, recipe))
        named = checks.take(lambda: named_markers(maps, recipe.classes, whose))
        found = checks.take(lambda: find_profile(recipe.name, profile))
    reader = checks.take(lambda: open_data(places, data_set, task))
    checks.end()
    assert reader is not None  # else it has been told
    if named or labels:
        reader = RenamedReader(reader, named or {}, labels)
    return Plan(
        paradigm=paradigm,
        reader=reader,
        track=track,
        ks=numbers or (),
        profile=found,
        folds=folds,
        allow_seen=allow_seen,
        is_named=bool(data_set) or any(place.startswith(MOABB_PREFIX) for place in places),
        calibrator=calibrator,
        remaining="later" if remaining == "later" else "all",
        subjects=tuple(names_of(subjects)),
        n_jobs=n_jobs,
        ray=ray,
        backend=backend,
        cap=cap,
    )


def judge(
    plan: Plan, console: Console, *, json: Path | None, markdown_file: Path | None, plots: Path | None
) -> None:
    """Evaluate, show the tables, write the files."""
    if plots is not None:
        need_matplotlib()
    _check_writable([json, markdown_file])
    recipe = read_paradigm(plan.paradigm)
    if recipe.flashes is not None:
        judge_flashes(plan, recipe, console, json=json, markdown_file=markdown_file, plots=plots)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    progress = Console(stderr=True)
    with Progress(*columns, console=progress, disable=not progress.is_terminal) as bar:
        task = bar.add_task("subjects", total=None)
        evaluation = evaluate(plan, lambda n, total: bar.update(task, completed=n, total=total))
    _show(evaluation, console)
    write_results(
        console,
        json,
        markdown_file,
        plots,
        write_json=lambda path: write_evaluation(path, evaluation),
        report=lambda: markdown_report(evaluation),
        draw=lambda folder: write_plots(evaluation, folder),
    )


def compare_files(first: Path, second: Path, console: Console, markdown_file: Path | None) -> None:
    """Paired tests between two evaluations on disk."""
    names = (first.stem, second.stem) if first.stem != second.stem else (str(first), str(second))
    differences = compare(read_evaluation(first), read_evaluation(second), names)
    grid = difference_grid(f"{names[1]} against {names[0]}, same subjects", differences)
    show_grid(grid, console)
    if markdown_file is not None:
        write_result(markdown_file, markdown(grid).encode())
        console.print(f"written: {markdown_file}", markup=False, highlight=False)


def _show(evaluation: Evaluation, console: Console) -> None:
    for text in evaluation.warnings:
        console.print("[bold yellow]note:[/] ", end="")
        console.print(text, markup=False, highlight=False)
    for grid in evaluation_grids(evaluation):
        show_grid(grid, console)
    seconds = [one.wall_s for one in evaluation.subjects]
    recorded = sum(one.recorded_s for one in evaluation.subjects)
    decoding = sum(one.decoding_s for one in evaluation.subjects)
    console.print(
        f"{sum(seconds) / len(seconds):.1f} s a subject; decoding {recorded / decoding:.0f} times faster than real time",
        highlight=False,
    )


def _check_writable(paths: Sequence[Path | None]) -> None:
    """Find out now, not after an hour, that a result has no place."""
    for path in filter(None, paths):
        if path.is_dir():
            raise ConfigError(f"eval: {path} is a folder, need the name of a file to write; add one")
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise FileFormatError(
                f"eval: {path}: nothing can be written in {above}, need a place for the results; choose another one"
            )
