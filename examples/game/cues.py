"""Tell whoever imagines what the game asks for: a person sees it, a synthetic user gets it as markers."""

from typing import Protocol

from rtbci.calibrate.markers_out import CueMarkers

from .brain import Brain, Intent

__all__ = ["BrainCues", "Cues", "LslCues", "NoCues"]


class Cues(Protocol):
    """Where cues go."""

    @property
    def words(self) -> str:
        """Who gets them, for the screen; may be empty."""
        ...

    def send(self, intent: Intent, class_name: str, t_lsl: float) -> None:
        """Say that from `t_lsl` [s] on a hand is to be imagined, or ``rest``; `class_name` is the decoder's name for it."""
        ...


class NoCues:
    """Only the screen shows them."""

    words = ""

    def send(self, intent: Intent, class_name: str, t_lsl: float) -> None:
        """Do nothing."""


class LslCues:
    """As an LSL stream of markers: the class's name, or ``rest``.

    `rtbci amp --follow NAME` does what they say, `rtbci run` records them with the EEG and announces them as events.
    """

    def __init__(self, markers: CueMarkers) -> None:
        self._markers = markers

    @property
    def words(self) -> str:
        """Whether somebody listens."""
        return "cues received" if self._markers.has_consumers else ""

    def send(self, intent: Intent, class_name: str, t_lsl: float) -> None:  # noqa: ARG002 - the stand-in goes by it
        """Send a marker with the time of the picture."""
        self._markers.push(class_name, t_lsl)


class BrainCues:
    """To the stand-in itself, which imagines what the game asks for."""

    words = "autopilot"

    def __init__(self, brain: Brain) -> None:
        self._brain = brain

    def send(self, intent: Intent, class_name: str, t_lsl: float) -> None:  # noqa: ARG002 - for markers
        """Set the intent."""
        self._brain.intent = intent
