"""`rtbci eval` where items flash."""

from pathlib import Path

from rich.console import Console

from rtbci.commands.eval_output import show_grid, write_results
from rtbci.errors import ConfigError
from rtbci.evaluate.plan import Plan
from rtbci.flashes.evaluate import evaluate_flashes, write_flash_evaluation
from rtbci.flashes.plots import write_flash_plots
from rtbci.flashes.tables import flash_grids, flash_report
from rtbci.probe.profile import read_profile
from rtbci.recipes import ParadigmRecipe

__all__ = ["judge_flashes"]


def judge_flashes(
    plan: Plan,
    recipe: ParadigmRecipe,
    console: Console,
    *,
    json: Path | None,
    markdown_file: Path | None,
    plots: Path | None,
) -> None:
    """Judge decoders of flashes, show the tables, write the files.

    Raises
    ------
    ConfigError
        When something is asked for that means nothing here.
    RtbciError
        What recordings lack.
    """
    asked = {"--k": plan.ks != (0,), "--folds": plan.folds is not None, "--channels": plan.cap is not None}
    if named := [name for name, is_given in asked.items() if is_given]:
        raise ConfigError(
            f"eval: got {', '.join(named)}, but paradigm '{recipe.name}' is judged by its flashes, in folds of its own; leave out"
        )
    path = plan.profile or recipe.population_folder
    found = evaluate_flashes(
        plan.reader,
        recipe,
        plan.subjects,
        None if path is None else read_profile(path),
        allow_seen=plan.allow_seen,
    )
    for grid in flash_grids(found):
        show_grid(grid, console)
    write_results(
        console,
        json,
        markdown_file,
        plots,
        write_json=lambda path: write_flash_evaluation(path, found),
        report=lambda: flash_report(found),
        draw=lambda folder: write_flash_plots(found, folder),
    )
