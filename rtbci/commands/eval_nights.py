"""`rtbci eval` of a paradigm that stages sleep: nights that people scored, decoded as live."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from rtbci.commands.eval_output import show_grid, write_results
from rtbci.errors import ConfigError
from rtbci.evaluate.tables import Grid, markdown
from rtbci.files import write_whole
from rtbci.night.hypnogram import STAGES
from rtbci.night.judge import Agreement, NightScore, judge_nights, night_rows, pooled, refuse_seen
from rtbci.night.scored import find_nights
from rtbci.probe.profile import read_profile
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.profiles import find_profile

__all__ = ["judge"]


def judge(
    recipe: ParadigmRecipe,
    places: list[str],
    console: Console,
    *,
    profile: str,
    data_set: str,
    allow_seen: bool,
    json: Path | None,
    markdown_file: Path | None,
    plots: Path | None,
) -> None:
    """Judge every night in a folder, show the tables, write the files.

    Raises
    ------
    ConfigError, FileFormatError, ProfileError
        When something is not there, or the profile was trained on these nights.
    """
    if len(places) != 1:
        raise ConfigError(
            f"--data: got {len(places)} places, need one: a folder of scored nights, or a recording"
        )
    place = Path(places[0])
    nights = find_nights(place)
    found = find_profile(recipe.name, profile)
    used = found or recipe.population_folder
    home = place if place.is_dir() else place.parent
    if not allow_seen:
        refuse_seen(None if used is None else read_profile(used), data_set or home.resolve().name, nights)
    scores = judge_nights(recipe, found, nights)
    grids = [_agreement_grid(recipe, scores), _confusion_grid(pooled(scores))]
    for grid in grids:
        show_grid(grid, console)
    write_results(
        console,
        json,
        markdown_file,
        plots,
        write_json=partial(_write_json, recipe=recipe, scores=scores),
        report=lambda: "\n".join(markdown(grid) for grid in grids) + "\n",
        draw=partial(_draw, scores=scores),
    )


def _agreement_grid(recipe: ParadigmRecipe, scores: list[NightScore]) -> Grid:
    named = [(one.name, one.agreement) for one in scores]
    rows = [_row(name, one) for name, one in [*named, ("all epochs", pooled(scores))]]
    header = (
        "night",
        "epochs",
        "not staged",
        "accuracy %",
        "kappa",
        "macro F1",
        *(f"F1 {one}" for one in STAGES),
    )
    return Grid(
        f"{recipe.name}: agreement with people, 30 s epochs, causal from the first sample on", header, rows
    )


def _row(name: str, one: Agreement) -> tuple[str, ...]:
    f1 = tuple("-" if one.f1[stage] is None else f"{one.f1[stage]:.2f}" for stage in STAGES)
    return (
        name,
        str(one.n_epochs),
        str(one.n_unscored),
        f"{100 * one.accuracy:.1f}",
        f"{one.kappa:.2f}",
        f"{one.macro_f1:.2f}",
        *f1,
    )


def _confusion_grid(one: Agreement) -> Grid:
    rows = [
        (stage, *(str(int(n)) for n in row))
        for stage, row in zip(STAGES, one.confusion.tolist(), strict=True)
    ]
    return Grid("epochs: as people say (rows), as the decoder does (columns)", ("", *STAGES), rows)


def _write_json(path: Path, recipe: ParadigmRecipe, scores: list[NightScore]) -> None:
    content: dict[str, Any] = {"paradigm": recipe.name, "nights": night_rows(scores)}
    write_whole(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")


def _draw(folder: Path, scores: list[NightScore]) -> list[Path]:
    from rtbci.night.drawn import write_png

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{one.name}.png" for one in scores]
    for path, one in zip(paths, scores, strict=True):
        write_png(path, one.decoded, one.name, one.scored)
    return paths
