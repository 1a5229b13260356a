"""What the terminal presenter shows, as text."""

import math

import numpy as np
import numpy.typing as npt
from rich.align import Align
from rich.console import Group, RenderableType
from rich.text import Text

from rtbci.calibrate.presenter import Feedback
from rtbci.calibrate.schedule import Schedule
from rtbci.listing import counted
from rtbci.probe.calibration_record import CurvePoint

__all__ = ["curve_text", "instruction_text", "progress_text", "symbol_text"]

ARROWS = {"left": "<--", "right": "-->", "up": "up", "down": "down", "circle": "( )", "square": "[ ]"}
N_POINTS = 6
CURVE_COLUMNS = 41


def symbol_text(pixels: npt.NDArray[np.bool_], unicode: bool) -> Text:
    """Draw a bitmap with characters that are twice as high as wide.

    Parameters
    ----------
    pixels : ndarray of bool, shape (2 * n_rows, n_columns)
    unicode : bool
        Half blocks, so that a pixel is square; otherwise ``#`` wherever one of two is set.
    """
    upper, lower = pixels[::2], pixels[1::2]
    if not unicode:
        return Text("\n".join("".join(" #"[bit] for bit in row) for row in (upper | lower).astype(int)))
    rows = ("".join(" ▀▄█"[code] for code in row) for row in upper.astype(int) + 2 * lower)
    return Text("\n".join(rows), style="bold", no_wrap=True)


def instruction_text(schedule: Schedule, waits: bool) -> RenderableType:
    """Return what to do, which symbol means what, and how long it takes."""
    progress = schedule.progress
    width = max(len(ARROWS[cue.symbol]) for cue in schedule.cues)
    legend = "\n".join(f"{ARROWS[cue.symbol]:>{width}}  {cue.text}" for cue in schedule.cues)
    lines: list[RenderableType] = [
        Text(schedule.protocol.instruction, justify="center"),
        Align.center(Text(f"\n{legend}", style="bold cyan")),
        Text(
            f"\n{counted(progress.n_left, 'trial')}, about {math.ceil(progress.minutes_left)} min",
            justify="center",
        ),
    ]
    return Group(*lines, *([Text("\npress space to begin", style="bold", justify="center")] if waits else []))


def progress_text(feedback: Feedback) -> Text:
    """Return verdict, counts, curve and advice."""
    text = Text(justify="center")
    if feedback.accepted is not None:
        verdict = "+ kept" if feedback.accepted else f"x comes again: {feedback.reason}"
        # Blue and orange can be told apart by everybody; the sign says it too.
        text.append(verdict + "\n", style="bold bright_blue" if feedback.accepted else "bold yellow")
    progress = feedback.progress
    text.append(
        f"{progress.n_accepted} kept, {progress.n_left} to go, {math.ceil(progress.minutes_left)} min left",
        style="dim",
    )
    for line in curve_text(feedback.curve):
        text.append("\n" + line)
    if feedback.advice:
        text.append("\n" + feedback.advice)
    return text


def curve_text(curve: tuple[CurvePoint, ...]) -> list[str]:
    """Return the newest points of a learning curve as lines: accuracy and its interval on a scale of 0 to 100 %."""
    return [_curve_line(point) for point in curve[-N_POINTS:]]


def _curve_line(point: CurvePoint) -> str:
    low, middle, high = (_column(value) for value in (point.low, point.accuracy, point.high))
    bar = [" "] * CURVE_COLUMNS
    bar[low : high + 1] = "-" * (high + 1 - low)
    bar[CURVE_COLUMNS // 2] = "|" if bar[CURVE_COLUMNS // 2] == " " else "+"
    bar[middle] = "o"
    return f"{point.n_trials:3d} trials [{''.join(bar)}] {point.accuracy:3.0f} %"


def _column(percent: float) -> int:
    return round(min(max(percent, 0.0), 100.0) / 100 * (CURVE_COLUMNS - 1))
