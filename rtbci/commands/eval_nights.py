"""`rtbci eval` of a paradigm that stages sleep: nights that people scored, decoded as live."""

from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from rtbci.commands.eval_output import show_grid
from rtbci.commands.options import teller_of
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
    _write(recipe, scores, grids, json, markdown_file, plots, console)


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


def _write(
    recipe: ParadigmRecipe,
    scores: list[NightScore],
    grids: list[Grid],
    json: Path | None,
    markdown_file: Path | None,
    plots: Path | None,
    console: Console,
) -> None:
    written: list[Path] = []
    if json is not None:
        content: dict[str, Any] = {"paradigm": recipe.name, "nights": night_rows(scores)}
        write_whole(json, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
        written.append(json)
    report = markdown_file or (json.with_suffix(".md") if json is not None else None)
    if report is not None:
        write_whole(report, ("\n".join(markdown(grid) for grid in grids) + "\n").encode())
        written.append(report)
    if plots is not None:
        from rtbci.night.drawn import write_png

        plots.mkdir(parents=True, exist_ok=True)
        for one in scores:
            path = plots / f"{one.name}.png"
            write_png(path, one.decoded, one.name, one.scored)
            written.append(path)
    for path in written:
        teller_of(console)(f"written: {path}")
