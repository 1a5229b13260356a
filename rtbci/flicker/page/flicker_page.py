"""Flickering targets on a web page: its server's side."""

import math
import threading
from collections.abc import Mapping

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError
from rtbci.flicker.frames import check_frequencies
from rtbci.flicker.profile import targets_of
from rtbci.recipes import ParadigmRecipe
from rtbci.recipes.branches import StimulusSettings
from rtbci.web.counted_page import CountedPage
from rtbci.web.page_messages import encode

__all__ = ["FlickerPage", "open_page"]

WHAT = "flicker page"
REFRESH_TOLERANCE = 0.02
INSTRUCTION = (
    "Look at the target that you want, or at the one that is framed; at none of them to say nothing."
)


class FlickerPage(CountedPage):
    """Serves the page, and tells it what to show.

    Parameters
    ----------
    title : str
    targets : mapping of str to float
        Frequency of each, Hz.
    stimulus : StimulusSettings
        Refresh rate that the frequencies were checked for, and waveform.
    instruction : str
        What the user does.
    port : int
        0 picks a free one.
    clock : callable
        Time in seconds of the local LSL clock.

    Attributes
    ----------
    targets : dict of str to float
    flicker_s : float
        How long targets had flickered when the newest step was shown, frames counted, in seconds; NaN where they do not.

    Raises
    ------
    PortInUseError
        When another program has the port.

    Notes
    -----
    Brightness is a function of the number of the frame since the flicker began; a frame that was dropped is counted, so that
    the phase stays and only that frame's brightness is missing. Space, Escape or a tap makes it dark at once; nothing is shown then
    until the start key. Only for browsers on this machine.
    """

    def __init__(
        self,
        title: str,
        targets: Mapping[str, float],
        stimulus: StimulusSettings,
        *,
        instruction: str = INSTRUCTION,
        port: int = 0,
        clock: Clock = now,
    ) -> None:
        self.targets = dict(targets)
        self.flicker_s = math.nan
        self._title, self._stimulus, self._instruction = title, stimulus, instruction
        self._line = ""
        super().__init__(WHAT, "rtbci.flicker.page", self._greeting, port, clock)

    def wait_for_start(self, stop: threading.Event) -> bool:
        """Wait for a page and its start key, and for its refresh rate; False when stopped.

        Raises
        ------
        ConfigError
            When the display refreshes at another rate than the recipe's frequencies were checked for.
        """
        refresh_hz = self._refresh_hz(stop)
        if refresh_hz is None:
            return False
        if abs(refresh_hz / self._stimulus.refresh_hz - 1) > REFRESH_TOLERANCE:
            raise ConfigError(
                f"flicker page: the display refreshes {refresh_hz:.1f} times a second, the recipe says "
                f"{self._stimulus.refresh_hz:g} Hz; set [stimulus] refresh_hz to {refresh_hz:.0f} and check again with "
                "rtbci flicker check, or set the display"
            )
        return True

    def show(self, step: str, target: str | None = None) -> float:
        """Have the page show something, and return when it was seen.

        Parameters
        ----------
        step : {'flicker', 'cue', 'rest', 'count', 'look', 'dark', 'break', 'done'}
            Begin to flicker; ask for a target; ask for nothing, still flickering; change nothing; ask for a target, or for none of them,
            while all are dark; nothing but dark targets; a break, until `wait_for_start`; end.
        target : str, optional
            What is asked for.

        Returns
        -------
        float
            Seconds of the local LSL clock, one usual frame after the frame that drew it began; NaN when it was not seen. `flicker_s` is
            the flicker's own time then.
        """
        index = None if target is None else list(self.targets).index(target)
        t_lsl, i_frame = self._order(step, index)
        self.flicker_s = math.nan if i_frame is None else i_frame / self._stimulus.refresh_hz
        return t_lsl

    def tell(self, line: str) -> None:
        """Show a line while nothing flickers."""
        self._line = line
        self._send("tell", text=line)

    def _greeting(self) -> list[str]:
        targets = [{"name": name, "hz": hz} for name, hz in self.targets.items()]
        return [
            encode(
                "flickers",
                title=self._title,
                instruction=self._instruction,
                targets=targets,
                waveform=self._stimulus.waveform,
                refresh_hz=self._stimulus.refresh_hz,
            ),
            encode("tell", text=self._line),
        ]


def open_page(
    recipe: ParadigmRecipe, title: str = "", port: int = 0, instruction: str = INSTRUCTION
) -> FlickerPage:
    """Open the page of a paradigm's targets.

    Raises
    ------
    ConfigError
        When the paradigm has none, or the display that the recipe names cannot show them.
    PortInUseError
        When another program has the port.
    """
    targets, stimulus = targets_of(recipe), recipe.stimulus or StimulusSettings()
    check_frequencies(
        list(targets.values()), stimulus.refresh_hz, stimulus.waveform, f"paradigm '{recipe.name}'"
    )
    return FlickerPage(
        title or recipe.title or recipe.name, targets, stimulus, instruction=instruction, port=port
    )
