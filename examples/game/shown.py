"""What one frame shows, apart from the world itself."""

from dataclasses import dataclass

from rtbci.publish.messages import Hello, Prediction, Status

from .messages import Link
from .play import Play
from .steering import Hands, Wind

__all__ = ["Shown"]


@dataclass(frozen=True)
class Shown:
    """Everything that is drawn.

    Parameters
    ----------
    play : Play
    wind : Wind
        That acts now.
    link : str
        How the line is.
    hello, status, prediction : message or None
        The newest of the decoder.
    hands : Hands or None
        None until a hello has come.
    n_lost : int
        Predictions that did not arrive.
    to_frame_ms : float or None
        From a message being sent to its frame, smoothed; None where clocks differ.
    address : str
        Where the decoder should publish.
    note : str
        A line for a few seconds; may be empty.
    cues : str
        Who gets the cues; may be empty.
    cue_stream : str
        Name of the markers for a synthetic user; empty: none are sent.
    keyboard : bool
        Whether the arrow keys are the brain.
    """

    play: Play
    wind: Wind
    link: Link
    hello: Hello | None
    status: Status | None
    prediction: Prediction | None
    hands: Hands | None
    n_lost: int
    to_frame_ms: float | None
    address: str
    note: str
    cues: str
    cue_stream: str
    keyboard: bool
