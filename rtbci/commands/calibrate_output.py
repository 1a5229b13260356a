"""What `rtbci calibrate` says at its end."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rtbci.calibrate.finish import Result

__all__ = ["say_next", "say_result"]

PAGES = {"cca": "flicker", "trca": "flicker", "erp": "speller"}
"""Which page shows what a branch of a kind reads."""


def say_result(console: Console, result: Result, report: Path, option: str) -> None:
    """Print what a calibration led to, where its report is, and how to go on, by what `ParadigmRecipe.option` gives."""
    record = result.record
    n_used = sum(one.accepted for one in record.trials)
    console.rule("calibration")
    console.print(f"trials       {n_used} used, {len(record.trials) - n_used} rejected", highlight=False)
    if record.candidates:
        console.print(_table(result))
    for one in (one for one in record.candidates if one.note and one.accuracy is not None):
        console.print(f"choice       {one.name}: {one.note}", highlight=False)
    judgement = result.fit.judgement
    if judgement is not None:
        console.print(
            f"accuracy     {judgement.accuracy:.0f} % [{judgement.low:.0f}, {judgement.high:.0f}], chance "
            f"{judgement.chance:.0f} %: every trial left out of its fit and of the choice",
            highlight=False,
        )
    confidence = record.confidence
    if confidence is not None:
        console.print(
            f"confidence   temperature {confidence.temperature:.2f}, calibration error {confidence.ece_before:.3f} before, "
            f"{confidence.ece_after:.3f} after",
            highlight=False,
        )
        if confidence.hits is not None and confidence.false_per_minute is not None:
            note = f"; {confidence.policy_note}" if confidence.policy_note else ""
            console.print(
                f"decisions    at {confidence.threshold:g}: {100 * confidence.hits:.0f} % of the trials, "
                f"{confidence.false_per_minute:.1f} false in a minute of rest (on these trials){note}",
                highlight=False,
                soft_wrap=True,
            )
    if record.eyes is not None and record.eyes.accuracy is not None:
        eyes = record.eyes
        console.print(
            f"eyes         an untrained eye rule names the side in {eyes.accuracy:.0f} % [{eyes.low:.0f}, {eyes.high:.0f}]"
            + (f"; {eyes.note}" if eyes.note else ""),
            highlight=False,
        )
    for line in record.advice:
        console.print(f"advice       {line}", highlight=False)
    if result.folder is not None:
        console.print(
            f"profile      generation {record.generation} in {result.folder}", highlight=False, soft_wrap=True
        )
        kinds = [branch.kind for branch in result.fit.profile.branches]
        say_next(console, option, record.user, kinds)
    console.print(f"report       {report}", highlight=False, soft_wrap=True)


def say_next(console: Console, option: str, user: str, kinds: Iterable[str]) -> None:
    """Print how to use what was calibrated: the run, and the page beside it where the user has to look at one.

    Parameters
    ----------
    console : Console
    option : str
        What `ParadigmRecipe.option` gives.
    user : str
    kinds : iterable of str
        Of the decoder's branches.
    """
    page = next((PAGES[kind] for kind in kinds if kind in PAGES), None)
    run = f"rtbci run --paradigm {option} --user {shlex.quote(user)}"
    console.print(
        f"next         {run}" + (f" --markers rtbci-{page}" if page else ""), highlight=False, soft_wrap=True
    )
    if page:
        console.print(
            f"             rtbci {page} page --paradigm {option}   (in another terminal)",
            highlight=False,
            soft_wrap=True,
        )


def _table(result: Result) -> Table:
    table = Table(title=None, box=None, padding=(0, 2))
    for name in ("decoder", "accuracy", "95 %", "loss", "p", ""):
        table.add_column(name, justify="left" if name in ("decoder", "") else "right")
    for one in result.record.candidates:
        if one.accuracy is None or one.low is None or one.high is None or one.loss is None:
            table.add_row(one.name, "-", "-", "-", "-", one.note[:60])
            continue
        table.add_row(
            one.name,
            f"{one.accuracy:.1f}",
            f"{one.low:.0f} to {one.high:.0f}",
            f"{one.loss:.3f}",
            "" if one.p is None else f"{one.p:.2f}",
            "used" if one.chosen else "",
        )
    return table
