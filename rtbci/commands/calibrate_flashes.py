"""`rtbci calibrate` where items flash: cued items from recordings, or from the markers of whoever shows the flashes."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rtbci.calibrate.store import lock_user
from rtbci.commands.calibrate_base import Request
from rtbci.commands.calibrate_output import say_next
from rtbci.commands.marker_news import line_of
from rtbci.commands.options import teller_of
from rtbci.commands.run import lsl_factory
from rtbci.commands.status_line import StreamWords
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.errors import CalibrationError, ConfigError
from rtbci.evaluate.data import subject_of
from rtbci.evaluate.statistics import wilson
from rtbci.flashes.collect import FlashCollector
from rtbci.flashes.contest import Contest, hold_contest
from rtbci.flashes.epochs import FlashEpochs, cut_epochs
from rtbci.flashes.fit import need_pyriemann
from rtbci.probe.profile import Profile, read_profile
from rtbci.recipes import ParadigmRecipe
from rtbci.replay.read import read_recordings
from rtbci.runtime.live import LiveRun
from rtbci.runtime.profile_list import add_generation
from rtbci.runtime.profiles import find_profile
from rtbci.stream.marker_choice import SeenMarkers

__all__ = ["calibrate_flashes"]

N_ITEMS = 10
"""Cued items, unless told."""


def calibrate_flashes(config: RunConfig, request: Request, recipe: ParadigmRecipe, console: Console) -> Path:
    """Calibrate on cued items, write a profile, say what came of it.

    Returns
    -------
    Path
        The profile's generation.

    Raises
    ------
    ConfigError
        When the request asks for what is not there.
    CalibrationError
        When flashes cannot be told better than by chance, and the profile was not wanted anyway.
    RtbciError
        What stream or recordings lack.
    """
    _check(config, request)
    need_pyriemann()
    population = _population(recipe, config, request.files, console)
    release = lock_user(recipe.name, config.user)
    try:
        if request.files:
            runs = [run for path in request.files for run in read_recordings(path)]
            runs = [run.labelled(config.stream.labels) for run in runs]
            found = cut_epochs(runs, recipe, config.stream.unit)
        else:
            found = _follow(config, request, recipe, console)
        with console.status("fitting ..."):
            contest = hold_contest(found, recipe, config.user, population)
        _show(contest, found, recipe, console)
        if not contest.usable and not request.anyway:
            area = contest.chosen.area
            raise CalibrationError(
                f"calibrate: flashes of '{config.user}' are told with AUC {area.value:.2f} [{area.low:.2f}, {area.high:.2f}], "
                "which cannot be told from chance (0.5), so no profile was written; check the electrodes and that markers come "
                "at the onset of flashes, ask for more items, or write it all the same with --anyway"
            )
        folder = add_generation(recipe.name, contest.profile, None)
    finally:
        release()
    console.print(f"profile      generation {int(folder.name)} in {folder}", highlight=False, soft_wrap=True)
    say_next(console, recipe.option, config.user, [branch.kind for branch in recipe.branches])
    return folder


def _check(config: RunConfig, request: Request) -> None:
    if not request.files and request.cues not in ("page", "markers"):
        raise ConfigError(
            f"--cues: got '{request.cues}', need page or markers where items flash: a terminal cannot show flashes at known "
            "times; for a program of your own that says which item to attend to (cue/ITEM) give --cues markers and --markers "
            "STREAM, or recordings with --from"
        )
    given = {
        "--resume": request.resume,
        "--report": request.report,
        "--protocol": request.protocol,
        "--map": config.stream.map,
    }
    if named := [name for name, value in given.items() if value]:
        raise ConfigError(f"calibrate: got {', '.join(named)}, which flashes have no use for; leave out")


def _population(
    recipe: ParadigmRecipe, config: RunConfig, files: Sequence[Path], console: Console
) -> Profile | None:
    """What takes part in the bake-off; not on recordings that it was fitted on."""
    path = find_profile(recipe.name, config.profile) or recipe.population_folder
    found = None if path is None else read_profile(path)
    names = {subject_of(file) for file in files}
    if found is None or not (seen := sorted(names & {one.rpartition("/")[2] for one in found.trained_on})):
        return found
    console.print(
        f"the population decoder was fitted on {', '.join(seen)}, so it is not compared on it",
        highlight=False,
    )
    return None


def _follow(config: RunConfig, request: Request, recipe: ParadigmRecipe, console: Console) -> FlashEpochs:
    """Cued items of the live stream, until there are enough or it is stopped."""

    def say(line: str) -> None:
        console.print(line, highlight=False)

    def say_markers(seen: SeenMarkers) -> None:
        teller_of(console)(line_of(seen))

    n_wanted, shows = request.n_trials or N_ITEMS, request.cues == "page"
    profile = find_profile(recipe.name, config.profile)
    if shows:
        stream = config.stream.model_copy(update={"markers": request.cue_stream})
        config = config.model_copy(update={"stream": stream})
    with ExitStack() as stack:
        collector = stack.enter_context(FlashCollector(recipe, n_wanted, say, profile))
        stop = stack.enter_context(stop_on_signals())
        collector.enough = stop
        if shows:
            from rtbci.commands.calibrate_speller import LettersOnPage

            asked = (recipe, n_wanted, request.seed or 0, request.cue_stream)
            stack.enter_context(LettersOnPage(*asked, stop, say, browser=request.browser))
        else:
            say(f"following markers cue/ITEM and flash/GROUP; {n_wanted} items, Ctrl-C when there are enough")
        make_source = lsl_factory(config, None if shows else say_markers)
        LiveRun(config, collector, make_source, [StreamWords(teller_of(console))]).run(stop)
        return collector.collected()


def _show(contest: Contest, found: FlashEpochs, recipe: ParadigmRecipe, console: Console) -> None:
    n_targets = int(found.is_target.sum())
    console.rule("calibration")
    console.print(
        f"flashes      {len(found.flashes)}, {n_targets} attended to, {found.n_lost} lost; "
        f"{contest.profile.n_trials} selections",
        highlight=False,
    )
    table = Table(title=None, box=None, padding=(0, 2))
    for name in ("decoder", "AUC of flashes", "loss", "items right", ""):
        table.add_column(name, justify="left" if name in ("decoder", "") else "right", no_wrap=True)
    for one in contest.contenders:
        low, high = wilson(one.n_right, one.n_items)
        table.add_row(
            one.name,
            f"{one.area.value:.3f} [{one.area.low:.2f}, {one.area.high:.2f}]",
            f"{one.loss:.3f}",
            f"{one.n_right} of {one.n_items} [{100 * low:.0f}, {100 * high:.0f} %]"
            if one.n_items
            else "no cues",
            "used" if one is contest.chosen else "",
        )
    console.print(table)
    console.print(
        f"             each selection left out of its fit; {len(recipe.classes)} items to choose from",
        highlight=False,
    )
