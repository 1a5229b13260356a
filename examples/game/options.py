"""What can be chosen, and what comes of a run of the program."""

from dataclasses import dataclass, field
from typing import Literal

from rtbci.publish.addresses import CONTROL_ADDRESS, PUBLISH_ADDRESS

from .chance import Against
from .world import Pace

__all__ = ["CUE_STREAM", "BrainKind", "Options", "Report"]

CUE_STREAM = "rtbci-game-cues"

BrainKind = Literal["decoder", "keyboard", "autopilot"]
"""Who says what is imagined: any decoder that publishes; the arrow keys; the game's own cues."""


@dataclass(frozen=True)
class Options:
    """What the command line says; see ``--help``."""

    address: str = PUBLISH_ADDRESS
    control: str = CONTROL_ADDRESS
    server_key: str | None = None
    key: str | None = None
    open_publish: bool = False
    open_control: bool = False
    brain: BrainKind = "decoder"
    accuracy: float = 0.8
    noise_s: float = 1.5
    n_gates: int = 20
    pace: Pace = field(default_factory=Pace)
    seed: int | None = None
    size: tuple[int, int] = (1280, 720)
    fullscreen: bool = False
    sound: bool = True
    cue_stream: str = CUE_STREAM
    left: str = ""
    right: str = ""
    fps: int = 60
    autostart: bool = False
    seconds: float | None = None


@dataclass(frozen=True)
class Report:
    """What came of a run: lanterns against chance, points of the last game, messages, and lines for people."""

    against: Against
    points: int
    n_predictions: int
    n_lost: int
    lines: list[str]
