"""The speller's page as what asks for letters in `rtbci calibrate`."""

import threading
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from rtbci.calibrate.markers_out import CueMarkers
from rtbci.commands.speller_verbs import measured_words, open_page
from rtbci.recipes import ParadigmRecipe
from rtbci.speller.grid import letters_for
from rtbci.speller.session import Plan, Session

__all__ = ["LettersOnPage"]

TAIL_S = 5.0
"""Behind the last letter: its last windows come, or never will."""


class LettersOnPage:
    """Asks for letters on a page, in a thread of its own, until there are enough; a context manager.

    Parameters
    ----------
    recipe : ParadigmRecipe
        With `flashes`.
    n_letters : int
    seed : int
        Of letters and flashes.
    marker_stream : str
        Name of the LSL stream of its markers.
    stop : threading.Event
        Ends it; set by it some seconds behind the last letter, and where it fails.
    say : callable
        Takes lines for the person at the terminal.
    browser : bool
        Whether to open the page.

    Raises
    ------
    RtbciError
        When the context is left: whatever ended the page.
    """

    def __init__(
        self,
        recipe: ParadigmRecipe,
        n_letters: int,
        seed: int,
        marker_stream: str,
        stop: threading.Event,
        say: Callable[[str], None],
        *,
        browser: bool = True,
    ) -> None:
        self._recipe, self._n, self._seed = recipe, n_letters, seed
        self._marker_stream, self._stop, self._say, self._browser = marker_stream, stop, say, browser
        self._error: BaseException | None = None
        self._stack = ExitStack()
        self._thread = threading.Thread(target=self._run, name="rtbci-letters", daemon=True)

    def __enter__(self) -> Self:
        self._markers = self._stack.enter_context(CueMarkers(self._marker_stream, self._marker_stream))
        self._page = self._stack.enter_context(open_page(self._recipe, self._say))
        self._say(f"letters: {self._page.url}")
        if self._browser:
            webbrowser.open(self._page.url)
        self._thread.start()
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._say(measured_words(self._page.measured(), self._page.frames))
        self._stack.close()
        if kind is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        assert self._recipe.flashes is not None  # asked for by whoever calibrates flashes
        try:
            wanted = letters_for(self._page.items, self._n, self._seed)
            plan = Plan(wanted, self._recipe.flashes.max_repetitions, decision_s=0.0, seed=self._seed)
            if Session(self._page, self._markers, None, plan, self._say).run(self._stop):
                self._stop.wait(TAIL_S)
        except BaseException as error:
            self._error = error  # raised where the context is left
        finally:
            self._stop.set()
