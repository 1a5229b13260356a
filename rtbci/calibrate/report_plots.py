"""The report's drawings of numbers: learning curve, bake-off, reliability, coverage, trials."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rtbci.probe.calibration_record import CalibrationRecord, CandidateScore, Confidence, CurvePoint
from rtbci.report.figure import INK, MUTED, SERIES, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bake_off_svg", "coverage_svg", "curve_svg", "reliability_svg", "timeline_svg"]

SIZE_IN = (3.9, 2.9)
SHORT = 22
"""Longer labels would leave no room for what they label."""


def curve_svg(curve: Sequence[CurvePoint], chance: float) -> str:
    """Accuracy by number of trials, with its interval; both axes in plain units."""

    def draw(_: "Figure", axes: "Axes") -> None:
        n, mean, low, high = np.array([(p.n_trials, p.accuracy, p.low, p.high) for p in curve]).T
        axes.fill_between(n, low, high, color=SERIES[0], alpha=0.2, linewidth=0, label="95 % interval")
        axes.plot(n, mean, color=SERIES[0], marker="o", markersize=4, label="accuracy")
        _chance_line(axes, chance)
        axes.locator_params(axis="x", integer=True)
        axes.set(xlabel="trials used", ylabel="accuracy, %", ylim=(min(30.0, chance - 10, low.min()), 102))
        axes.legend(loc="lower right", fontsize=8)

    return draw_svg("curve", "Accuracy by number of trials", SIZE_IN, draw)


def bake_off_svg(candidates: Sequence[CandidateScore], chance: float) -> str:
    """Accuracies with their intervals, one line a decoder, the chosen one filled."""
    measured = [one for one in candidates if one.accuracy is not None]

    def draw(_: "Figure", axes: "Axes") -> None:
        for y, one in enumerate(reversed(measured)):
            accuracy = one.accuracy or 0.0
            low = accuracy if one.low is None else one.low
            high = accuracy if one.high is None else one.high
            color = SERIES[0] if one.chosen else MUTED
            axes.plot((low, high), (y, y), color=color, linewidth=2.5 if one.chosen else 1.5)
            axes.plot(accuracy, y, "o", markersize=8 if one.chosen else 6, color=color)
        names = [
            one.name if len(one.name) <= SHORT else f"{one.name[:SHORT]}..." for one in reversed(measured)
        ]
        axes.set_yticks(range(len(measured)), names)
        axes.axvline(chance, color=MUTED, linestyle=":")
        axes.set(xlabel="accuracy, %", ylim=(-0.6, len(measured) - 0.4))

    return draw_svg("bakeoff", "Accuracy of each decoder", (SIZE_IN[0], 0.9 + 0.34 * len(measured)), draw)


def reliability_svg(confidence: Confidence) -> str:
    """Accuracy by confidence; the size of a dot is its share of the trials."""

    def draw(_: "Figure", axes: "Axes") -> None:
        sure, right, count = np.array([row for row in confidence.reliability if row[2] > 0]).T
        axes.plot([0, 100], [0, 100], color=MUTED, linestyle=":", label="as sure as right")
        axes.plot(100 * sure, 100 * right, color=SERIES[0], linewidth=1)
        axes.scatter(100 * sure, 100 * right, s=15 + 200 * count / count.sum(), color=SERIES[0])
        lowest = max(0.0, min(40.0, 100 * sure.min() - 5))
        axes.set(xlim=(lowest, 102), ylim=(-3, 104))
        axes.set(xlabel="how sure the decoder was, %", ylabel="how often it was right, %")
        axes.legend(loc="lower right", fontsize=8)

    return draw_svg("reliability", "Reliability of the confidence", SIZE_IN, draw)


def coverage_svg(confidence: Confidence, chance: float) -> str:
    """Accuracy when only the surest answers are taken."""

    def draw(_: "Figure", axes: "Axes") -> None:
        share, right = np.array(confidence.coverage).T
        axes.plot(100 * share, 100 * right, color=SERIES[0], marker="o", markersize=4)
        _chance_line(axes, chance)
        axes.set(xlabel="answers taken, surest first, %", ylabel="of these right, %")
        axes.set(xlim=(0, 103), ylim=(min(30.0, chance - 10, 100 * right.min() - 3), 104))
        axes.legend(loc="lower right", fontsize=8)

    return draw_svg("coverage", "Accuracy by share of answers taken", SIZE_IN, draw)


def timeline_svg(record: CalibrationRecord) -> str:
    """Every trial at its time: right, wrong, or rejected."""
    cues = list(dict.fromkeys((*record.classes, *(one.cue for one in record.trials))))
    t_first = min(one.t_cue for one in record.trials)
    kinds = {
        "right": ("o", SERIES[0], SERIES[0]),
        "wrong": ("o", "none", SERIES[1]),
        "kept": (".", INK, INK),
        "rejected": ("x", MUTED, MUTED),
    }

    def draw(figure: "Figure", axes: "Axes") -> None:
        for kind, (marker, face, edge) in kinds.items():
            at = [
                ((one.t_cue - t_first) / 60, cues.index(one.cue))
                for one in record.trials
                if outcome(record, one.i_trial) == kind
            ]
            if at:
                x, y = np.array(at).T
                axes.plot(x, y, marker, color=edge, markerfacecolor=face, markersize=5.5, label=kind)
        axes.set_yticks(range(len(cues)), [cue if len(cue) <= SHORT else f"{cue[:SHORT]}..." for cue in cues])
        axes.set(xlabel="minutes since the first cue", ylim=(-0.6, len(cues) - 0.4))
        figure.legend(loc="outside upper right", ncols=4, fontsize=8)

    return draw_svg("timeline", "Trials in time", (4.6, 1.2 + 0.36 * len(cues)), draw)


def outcome(record: CalibrationRecord, i_trial: int) -> str:
    """What became of a trial: ``right``, ``wrong``, ``rejected``, or ``kept`` where no answer was noted."""
    trial = next(one for one in record.trials if one.i_trial == i_trial)
    if not trial.accepted:
        return "rejected"
    if len(trial.log_probs) != len(record.classes) or trial.cue not in record.classes:
        return "kept"
    answer = record.classes[int(np.argmax(trial.log_probs))]
    return "right" if answer == trial.cue else "wrong"


def _chance_line(axes: "Axes", chance: float) -> None:
    axes.axhline(chance, color=MUTED, linestyle=":", label=f"chance, {chance:.0f} %")
