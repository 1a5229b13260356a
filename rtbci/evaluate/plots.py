"""An evaluation in pictures, as PNG files; needs matplotlib."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from rtbci.errors import MissingPackageError
from rtbci.evaluate.record import Condition, Evaluation
from rtbci.evaluate.summary import FALSE_PER_MIN_LIMIT
from rtbci.evaluate.tables import condition_label
from rtbci.files import write_whole
from rtbci.installing import pip_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_png", "need_matplotlib", "write_plots"]

T = TypeVar("T")

SIZE_IN = (6.4, 4.4)
DPI = 130
ONE_COLUMN = 30
"""Up to so many subjects have their names under the bars."""


def need_matplotlib(flag: str = "--plots") -> None:
    """Fail early where plots cannot be drawn; `flag` is what was asked for.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"{flag}: matplotlib is not installed, need it to draw; {pip_extra('eval')}"
        ) from error


def write_plots(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Draw all plots into a folder.

    Returns
    -------
    list of Path
        coverage.png, reliability.png, sweep.png, subjects.png.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    need_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    plots: dict[str, Callable[[Axes, Evaluation], None]] = {
        "coverage": _coverage,
        "reliability": _reliability,
        "sweep": _sweep,
        "subjects": _subjects,
    }
    return [draw_png(folder / f"{name}.png", draw, evaluation) for name, draw in plots.items()]


def draw_png(path: Path, draw: Callable[["Axes", T], None], shown: T) -> Path:
    """Write what `draw` draws of `shown` as a figure with one pair of axes; returns `path`."""
    # The Agg canvas is named here, and no global state of pyplot touched: the caller may have a window open.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes, shown)
    axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_whole(path, picture.getvalue())
    return path


def _shown(evaluation: Evaluation) -> list[tuple[str, Condition]]:
    """Conditions without the baselines, which differ from k = 0 only by their trials."""
    return [
        (condition_label(one, evaluation), one)
        for one in evaluation.conditions
        if one.k == 0 or one.is_calibrated
    ]


def _title(evaluation: Evaluation, what: str) -> str:
    data = evaluation.data
    return f"{what}\n{evaluation.paradigm['name']}, {data['name']}, track {evaluation.settings['track']}, n = {data['n_subjects']}"


def _coverage(axes: "Axes", evaluation: Evaluation) -> None:
    for label, condition in _shown(evaluation):
        rows = np.array(condition.coverage)
        axes.plot(100 * rows[:, 0], 100 * rows[:, 1], marker=".", label=label)
    n = len(evaluation.paradigm["classes"]) - (evaluation.paradigm["idle"] is not None)
    axes.axhline(100 / n, color="0.6", linestyle=":", label="chance")
    axes.set(xlabel="coverage: most confident trials taken, %", ylabel="their accuracy, %", xlim=(0, 102))
    axes.set_title(_title(evaluation, "Accuracy by coverage"), fontsize=10)
    axes.legend(frameon=False)


def _reliability(axes: "Axes", evaluation: Evaluation) -> None:
    axes.plot([0, 100], [0, 100], color="0.6", linestyle=":", label="calibrated")
    for label, condition in _shown(evaluation):
        bins = np.array(condition.trial_bins)
        bins = bins[bins[:, 0] > 0]
        ece = "" if condition.ece_trials is None else f", ECE {condition.ece_trials:.3f}"
        x, y = 100 * bins[:, 1] / bins[:, 0], 100 * bins[:, 2] / bins[:, 0]
        (line,) = axes.plot(x, y, label=f"{label}{ece}")
        axes.scatter(x, y, s=10 + 200 * bins[:, 0] / bins[:, 0].sum(), color=line.get_color())
    lowest = 100 / max(2, len(evaluation.paradigm["classes"])) - 5
    axes.set(xlim=(lowest, 102), ylim=(max(0, lowest - 15), 102))
    axes.set(xlabel="confidence, %  (area: share of trials)", ylabel="accuracy, %")
    axes.set_title(_title(evaluation, "Reliability, cue-locked trials"), fontsize=10)
    axes.legend(frameon=False, loc="lower right")


def _sweep(axes: "Axes", evaluation: Evaluation) -> None:
    for label, condition in _shown(evaluation):
        false = np.array(condition.sweep_false, dtype=np.float64)
        true = np.array(condition.sweep_true, dtype=np.float64)
        (line,) = axes.plot(false, 100 * true, marker=".", label=label)
        point = condition.operating_point
        best = None if point is None else point.true_activation
        rate = None if point is None else point.false_per_min
        if best is not None and rate is not None and best.mean is not None and rate.mean is not None:
            axes.plot(
                rate.mean, 100 * best.mean, "o", markersize=9, markerfacecolor="none", color=line.get_color()
            )
    axes.axvline(FALSE_PER_MIN_LIMIT, color="0.6", linestyle=":", label=f"{FALSE_PER_MIN_LIMIT:g} a minute")
    axes.set(xlabel="false activations in a minute of idle time", ylabel="true activations, %", ylim=(0, 102))
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_xlim(left=0)
    ticks = [0, 0.5, 1, 2, 5, 10, 20, 40]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_title(_title(evaluation, "Threshold sweep, pseudo-online"), fontsize=10)
    axes.legend(frameon=False)


def _subjects(axes: "Axes", evaluation: Evaluation) -> None:
    found = [
        (accuracy, subject.name)
        for subject in evaluation.subjects
        if (score := subject.scores.get("k0")) is not None
        and (accuracy := score.metrics["balanced_accuracy"]) is not None
    ]
    found.sort()
    heights = [100 * accuracy for accuracy, _ in found]
    axes.bar(range(len(found)), heights, width=0.8)
    mean = next(one for one in evaluation.conditions if one.name == "k0").metrics["balanced_accuracy"].mean
    n = len(evaluation.paradigm["classes"]) - (evaluation.paradigm["idle"] is not None)
    axes.axhline(100 / n, color="0.4", linestyle=":", label="chance")
    if mean is not None:
        axes.axhline(100 * mean, color="C1", label=f"mean {100 * mean:.1f} %")
    if len(found) <= ONE_COLUMN:
        axes.set_xticks(range(len(found)), [name for _, name in found], rotation=90, fontsize=8)
    else:
        axes.set_xticks([])
    label = condition_label(evaluation.conditions[0], evaluation)
    axes.set(xlabel="subjects", ylabel="balanced accuracy, %", ylim=(0, 102))
    axes.set_title(_title(evaluation, f"Subjects, {label}"), fontsize=10)
    axes.legend(frameon=False, loc="upper left")
