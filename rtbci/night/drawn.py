"""A hypnogram to look at: as text, as a figure, as a table."""

import csv
import io
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rtbci.evaluate.plots import need_matplotlib
from rtbci.files import write_whole
from rtbci.night.hypnogram import STAGES, Hypnogram, SleepStatistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ROWS", "csv_of", "draw_stages", "statistics_rows", "text_hypnogram", "write_png"]

ROWS = ("W", "REM", "N1", "N2", "N3")
"""From top to bottom, as hypnograms are drawn."""
WIDTH = 96
COLORS = {"W": "#d98e04", "REM": "#b3261e", "N1": "#7fb3d5", "N2": "#3b7dd8", "N3": "#1f3a7a"}


def text_hypnogram(hypnogram: Hypnogram) -> list[str]:
    """Lines of text, one for each stage: a block where the stage is the most frequent one of a column's time."""
    n = len(hypnogram.stages)
    if not n:
        return ["nothing was scored yet"]
    edges = np.linspace(0, n, min(WIDTH, n) + 1).astype(int)
    most = [_most(hypnogram.stages[i:j]) for i, j in itertools.pairwise(edges)]
    lines = [
        f"{stage:>4} " + "".join("█" if one == stage else "·" if one is None else " " for one in most)
        for stage in ROWS
    ]
    hours = "     0 h" + f"{n / 120:.1f} h".rjust(max(len(most) - 3, 6))
    return [*(line.rstrip() for line in lines), hours]


def statistics_rows(found: SleepStatistics) -> list[tuple[str, str]]:
    """Names and values for people."""
    slept = max(found.sleep_min, 1e-9)
    rows = [
        ("recorded", f"{found.recorded_min:.1f} min"),
        ("total sleep time", f"{found.sleep_min:.1f} min"),
        ("sleep efficiency", f"{100 * found.efficiency:.1f} % of the recording"),
        ("sleep latency", "no sleep" if found.onset_min is None else f"{found.onset_min:.1f} min"),
        (
            "REM latency",
            "no REM"
            if found.rem_latency_min is None
            else f"{found.rem_latency_min:.1f} min after sleep onset",
        ),
        ("wake after sleep onset", f"{found.waso_min:.1f} min"),
    ]
    rows += [
        (stage, f"{minutes:.1f} min" + ("" if stage == "W" else f", {100 * minutes / slept:.1f} % of sleep"))
        for stage, minutes in found.stage_min.items()
    ]
    return [*rows, ("not scored", f"{found.unscored_min:.1f} min")]


def csv_of(hypnogram: Hypnogram) -> bytes:
    """A table with a row for each epoch: begin in seconds from the first, stage (empty: not scored), probabilities."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("start_s", "stage", *STAGES))
    for i, (start_s, stage) in enumerate(zip(hypnogram.starts_s.tolist(), hypnogram.stages, strict=True)):
        row = [] if hypnogram.probs is None else hypnogram.probs[i].tolist()
        writer.writerow(
            (f"{start_s:g}", stage or "", *("" if np.isnan(one) else f"{one:.4f}" for one in row))
        )
    return text.getvalue().encode()


def draw_stages(
    axes: "Axes", hypnogram: Hypnogram, color: str, at: Callable[[float], float], *, is_bold: bool = True
) -> None:
    """Draw a hypnogram as steps; REM is marked, what was not scored is a hole.

    Parameters
    ----------
    axes : Axes
    hypnogram : Hypnogram
    color : str
    at : callable
        From seconds since the first epoch to the axis.
    is_bold : bool
        False: thin, to lie under another one.
    """
    for start, stop in _runs(hypnogram):
        rows = [ROWS.index(str(one)) for one in hypnogram.stages[start:stop]]
        x = [at(30.0 * i) for i in range(start, stop + 1)]
        axes.step(x, [*rows, rows[-1]], where="post", color=color, linewidth=1.3 if is_bold else 0.8)
        for i, row in enumerate(rows):
            if row == ROWS.index("REM") and is_bold:
                axes.plot(x[i : i + 2], (row, row), color=color, linewidth=4.0, solid_capstyle="butt")
    axes.set_yticks(range(len(ROWS)), ROWS)
    axes.set(ylim=(len(ROWS) - 0.5, -0.5))


def write_png(path: Path, hypnogram: Hypnogram, title: str, scored: Hypnogram | None = None) -> None:
    """Draw a hypnogram, its probabilities where there are any, and another one above it.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    need_matplotlib("--png")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [("stages", hypnogram)] if scored is None else [("true stages", scored), ("decoded", hypnogram)]
    has_probs = hypnogram.probs is not None
    figure = Figure(figsize=(9.0, 1.7 * (len(shown) + has_probs) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(shown) + has_probs, 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, one) in zip(rows, shown, strict=False):
        draw_stages(axes, one, "#1f3a7a", lambda seconds: seconds / 3600.0)
        axes.set_ylabel(name)
    if hypnogram.probs is not None:
        order = [STAGES.index(stage) for stage in ROWS]
        values = np.nan_to_num(hypnogram.probs[:, order]).T
        x = (hypnogram.starts_s + 15.0) / 3600.0
        rows[-1].stackplot(x, values, colors=[COLORS[one] for one in ROWS], labels=ROWS, linewidth=0)
        rows[-1].set(ylim=(0, 1), ylabel="probability")
        figure.legend(loc="outside right center", fontsize=8, frameon=False)
    rows[-1].set(xlabel="hours", xlim=(0, max(len(hypnogram.stages), 1) / 120.0))
    figure.suptitle(title, fontsize=10)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_whole(path, picture.getvalue())


def _runs(hypnogram: Hypnogram) -> list[tuple[int, int]]:
    """Stretches without a hole."""
    runs, start = [], None
    for i, one in enumerate((*hypnogram.stages, None)):
        if one is None and start is not None:
            runs.append((start, i))
            start = None
        elif one is not None and start is None:
            start = i
    return runs


def _most(stages: tuple[str | None, ...]) -> str | None:
    known = [one for one in stages if one is not None]
    return max(ROWS, key=known.count) if known else None
