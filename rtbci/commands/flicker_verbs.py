"""What `rtbci flicker` does."""

import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from rtbci.commands.options import teller_of
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import ConfigError, ProfileError
from rtbci.flicker.frames import COMMON_REFRESH_HZ, check_frequencies, shown
from rtbci.flicker.profile import cca_branch, profile_for, targets_of
from rtbci.probe.profile import read_profile, write_profile
from rtbci.recipes import ParadigmRecipe, ResampleSettings, StimulusSettings, read_paradigm

__all__ = ["Asked", "check", "page", "write"]


class Asked(NamedTuple):
    """What the page asks for.

    Parameters
    ----------
    n_trials : int
        Of each target; 0: it asks for nothing.
    seed : int
        Of their order.
    """

    n_trials: int
    seed: int


def check(paradigm: str, refresh_hz: float | None, console: Console) -> None:
    """Show a table, and fail when the display cannot show the targets.

    Raises
    ------
    ConfigError
        Says what to change.
    """
    recipe, stimulus = _recipe(paradigm)
    rate_hz = refresh_hz or stimulus.refresh_hz
    if not rate_hz > 0:
        raise ConfigError(f"--refresh: got {rate_hz:g} Hz, need a rate above 0, as 60")
    targets = targets_of(recipe)
    rates = sorted({*COMMON_REFRESH_HZ, rate_hz})
    table = Table("on and off, at", *(f"{one:g} Hz" for one in rates))
    for name, hz in targets.items():
        table.add_row(f"{name} ({hz:g} Hz)", *(_cell(hz, one) for one in rates))
    console.print(table)
    console.print(
        f"as a sampled sine each is exact on displays of more than {2 * max(targets.values()):g} Hz",
        highlight=False,
    )
    check_frequencies(list(targets.values()), rate_hz, stimulus.waveform, f"paradigm '{recipe.name}'")
    console.print(
        f"{recipe.name}: all targets are exact as {stimulus.waveform} on a display of {rate_hz:g} Hz",
        highlight=False,
    )


def page(paradigm: str, asked: Asked, port: int, browser: bool, markers: str, console: Console) -> None:
    """Serve the page until it has asked for everything, or until Ctrl-C."""
    recipe, _ = _recipe(paradigm)
    from rtbci.web.needed import need_page

    need_page("flicker page", "calibrate", "use a stimulus program of your own and its markers")
    from rtbci.calibrate.markers_out import CueMarkers
    from rtbci.flicker.page.flicker_page import open_page
    from rtbci.flicker.session import run_session

    tell = teller_of(console)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        outlet = stack.enter_context(CueMarkers(markers, markers))
        shown_page = stack.enter_context(open_page(recipe, port=port))
        tell(f"page {shown_page.url}   (markers as LSL stream '{markers}'; Ctrl-C stops)")
        if browser:
            webbrowser.open(shown_page.url)
        run_session(shown_page, outlet, asked.n_trials, asked.seed, recipe.trial_s, stop, tell)
        tell(_measured(shown_page.measured()))


def write(folder: Path, fitted: str, force: bool, console: Console) -> None:
    """Write a recipe's population profile.

    Raises
    ------
    ConfigError, ProfileError
        When recipe and weights do not fit each other, or a profile is there and `force` is False.
    """
    recipe = read_paradigm(str(folder))
    source = read_paradigm(fitted)
    if recipe.population_folder is None:
        raise ConfigError(
            f'{folder}/recipe.toml: names no population, need one; add population = "population"'
        )
    if source.population_folder is None:
        raise ProfileError(f"paradigm '{source.name}': has no population profile, need one; name another")
    rates = [one.rate_hz for one in recipe.stages if isinstance(one, ResampleSettings)]
    if not rates:
        raise ConfigError(
            f"{folder}/recipe.toml: has no resample stage, need one that says the decoder's rate; add it"
        )
    made = profile_for(recipe, read_profile(source.population_folder), rates[-1])
    write_profile(recipe.population_folder, made, replace=force)
    console.print(f"wrote {recipe.population_folder}, for {', '.join(recipe.classes)}", highlight=False)


def _recipe(paradigm: str) -> tuple[ParadigmRecipe, StimulusSettings]:
    recipe = read_paradigm(paradigm)
    cca_branch(recipe)
    return recipe, recipe.stimulus or StimulusSettings()


def _cell(frequency_hz: float, refresh_hz: float) -> str:
    found = shown(frequency_hz, refresh_hz)
    return f"exact, {found.frames} frames" if found.frames else f"no: {found.nearest_hz:.4g} Hz"


def _measured(numbers: dict[str, float]) -> str:
    if "frame_ms" not in numbers:
        return "no page was connected"
    return (
        f"frames: {numbers['n_frames']:.0f}, {1e3 / numbers['frame_ms']:.2f} a second (spread "
        f"{numbers['frame_jitter_ms']:.2f} ms), {numbers['n_dropped']:.0f} dropped; page's clock known to "
        f"{numbers.get('clock_error_ms', float('nan')):.2f} ms"
    )
