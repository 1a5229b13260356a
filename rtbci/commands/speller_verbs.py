"""What `rtbci speller` does."""

import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from rtbci.clock import now
from rtbci.commands.options import teller_of
from rtbci.commands.profile_output import Output, table_of
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import ConfigError
from rtbci.flashes.epochs import flashes_of
from rtbci.publish.addresses import PUBLISH_ADDRESS
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.speller.decisions import HeardDecisions
from rtbci.speller.display import COMMON_REFRESH_HZ, FlashFrames, flash_frames
from rtbci.speller.grid import letters_for, rows_of
from rtbci.speller.text import items_of_text

if TYPE_CHECKING:
    from rtbci.speller.page.speller_page import SpellerPage

__all__ = ["Asked", "Heard", "check", "measured_words", "open_page", "page"]

HELLO_S = 2.0
"""How long a run is waited for before it is said to be missing."""
AFTER_S = 1.5
"""A decision comes this long after the last window at most."""


class Asked(NamedTuple):
    """What the page asks for; see `rtbci.commands.speller.page`."""

    text: str
    n_letters: int
    repetitions: int | None
    pause_s: float
    seed: int


class Heard(NamedTuple):
    """Which run decides."""

    address: str | None
    key: str | None
    server_key: str | None


def check(paradigm: str, refresh_hz: float | None, console: Console) -> None:
    """Show a table, and fail when a display that was named cannot show the flashes.

    Raises
    ------
    ConfigError
        Says what to change.
    """
    recipe = read_paradigm(paradigm)
    flashes = flashes_of(recipe)
    n_groups = len(flashes.named_groups(recipe.classes))
    rows = [
        _row(flash_frames(flashes.soa_s, flashes.flash_s, hz, f"paradigm '{recipe.name}'"), n_groups)
        for hz in ((refresh_hz,) if refresh_hz is not None else COMMON_REFRESH_HZ)
    ]
    titles = ("display", "flash to flash", "a flash lasts", "flashes/s", "a repetition")
    Output(json=False, console=console).result(None, table_of(titles, rows))
    console.print(
        f"asked for: {flashes.soa_s:g} s from flash to flash, {flashes.flash_s:g} s of light, {n_groups} groups of "
        f"{len(recipe.classes)} items; windows are cut where a flash was shown, so whole frames of any display will do",
        highlight=False,
    )


def page(
    paradigm: str, asked: Asked, heard: Heard, port: int, browser: bool, markers: str, console: Console
) -> None:
    """Serve the page until everything was spelled, or until Ctrl-C."""
    recipe = read_paradigm(paradigm)
    flashes = flashes_of(recipe)
    if asked.text and asked.n_letters:
        raise ConfigError("speller: got --text and --letters, need one of them at most; leave one out")
    items = recipe.classes
    wanted = items_of_text(asked.text, items) or letters_for(items, asked.n_letters, asked.seed)
    from rtbci.calibrate.markers_out import CueMarkers
    from rtbci.speller.session import Plan, Session

    tell = teller_of(console)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        decisions = None
        if not asked.n_letters:
            address = heard.address or PUBLISH_ADDRESS
            decisions = stack.enter_context(HeardDecisions(address, items, heard.key, heard.server_key))
        outlet = stack.enter_context(CueMarkers(markers, markers))
        shown = stack.enter_context(open_page(recipe, tell, port))
        tell(f"page {shown.url}   (markers as LSL stream '{markers}'; Ctrl-C stops)")
        if browser:
            webbrowser.open(shown.url)
        if decisions is not None:
            _look_for(decisions, recipe, tell, stop, heard.server_key is not None)
        plan = Plan(
            wanted,
            asked.repetitions or flashes.max_repetitions,
            0.0 if decisions is None else recipe.window.t_min_s + recipe.window.length_s + AFTER_S,
            pause_s=asked.pause_s,
            seed=asked.seed,
        )
        session = Session(shown, outlet, decisions, plan, tell)
        session.run(stop)
        if decisions is not None:
            tell(session.score.words())
        tell(measured_words(shown.measured(), shown.frames))


def open_page(recipe: ParadigmRecipe, say: Callable[[str], None], port: int = 0) -> "SpellerPage":
    """Serve the page of a recipe whose items flash.

    Raises
    ------
    MissingPackageError
        Without the packages that pages are served with.
    """
    from rtbci.web.needed import need_page

    need_page("speller page", "calibrate", "use a stimulus program of your own and its markers")
    from rtbci.speller.page.speller_page import SpellerPage

    flashes, rows = flashes_of(recipe), rows_of(recipe)
    return SpellerPage(
        recipe.title or recipe.name,
        [item for row in rows for item in row],
        len(rows[0]),
        flashes.named_groups(recipe.classes),
        flashes.soa_s,
        flashes.flash_s,
        say=say,
        port=port,
    )


def measured_words(numbers: dict[str, float], frames: FlashFrames | None) -> str:
    """What is known of the display, in a line."""
    if "frame_ms" not in numbers or frames is None:
        return "no page was connected"
    return (
        f"{numbers['n_flashes']:.0f} flashes, {numbers['n_late']:.0f} late, {numbers['n_unsure']:.0f} left out as not certain; "
        f"frames: {1e3 / numbers['frame_ms']:.2f} a second (spread {numbers['frame_jitter_ms']:.2f} ms), "
        f"{numbers['n_dropped']:.0f} of {numbers['n_frames']:.0f} dropped; page's clock known to "
        f"{numbers.get('clock_error_ms', float('nan')):.2f} ms"
    )


def _look_for(
    decisions: HeardDecisions,
    recipe: ParadigmRecipe,
    tell: Callable[[str], None],
    stop: Event,
    is_encrypted: bool,
) -> None:
    t_due = now() + HELLO_S
    while not decisions.is_there and now() < t_due and not stop.wait(0.05):
        pass
    if not decisions.is_there and not stop.is_set():
        keys = " and trusts this key" if is_encrypted else "; one that is encrypted needs --server-key"
        tell(
            f"no run is heard at {decisions.address} yet: nothing will be decided until "
            f"`rtbci run --paradigm {recipe.option}` publishes there{keys} (--run names "
            "another address)"
        )


def _row(frames: FlashFrames, n_groups: int) -> tuple[str, ...]:
    return (
        f"{frames.refresh_hz:g} Hz",
        f"{1e3 * frames.soa_s:.1f} ms, {frames.soa} frames",
        f"{1e3 * frames.flash_s:.1f} ms, {frames.on} frames",
        f"{frames.flashes_hz:.2f}",
        f"{n_groups * frames.soa_s:.2f} s",
    )
