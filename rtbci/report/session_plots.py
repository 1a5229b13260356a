"""The drawings of a session's report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rtbci.night.drawn import draw_stages
from rtbci.night.hypnogram import Hypnogram
from rtbci.publish.message_parts import TRACE_PARTS
from rtbci.publish.messages import Prediction
from rtbci.report.figure import INK, MUTED, SERIES, draw_svg
from rtbci.report.session_facts import SessionFacts, SpreadMap
from rtbci.stages.electrode_faults import FLAT_UV, NOISY_UV
from rtbci.stages.stage import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "age_svg",
    "ages_in_time_svg",
    "channels_svg",
    "hypnogram_svg",
    "probabilities_svg",
    "states_svg",
]

WIDE_IN = 7.6
SIDES = (0.11, 0.97)
"""Where axes of time begin and end in the width, so that what was at a time stands below each other."""
N_POINTS = 600
"""More points than a page has pixels would only make it large."""
MANY, SEEN, IN_A_ROW = 6, 0.1, 9
"""Of more classes only those are drawn that were this probable once, and so many are named in a row."""
WHILE = 4.0
"""Usual steps from prediction to prediction."""
STATE_COLORS = {
    "running": SERIES[0],
    "warming_up": SERIES[4],
    "paused": MUTED,
    "stale": SERIES[1],
    "lost": SERIES[1],
    "recovering": SERIES[3],
    "waiting": MUTED,
    "stopped": INK,
}


class _Axis:
    """Time of the session in seconds, or in minutes when it was long."""

    def __init__(self, facts: SessionFacts) -> None:
        self.t0, self.length_s = facts.t_span[0], max(facts.duration_s, 1e-3)
        self.per, self.unit = (60.0, "minutes") if self.length_s > 300 else (1.0, "seconds")

    def at(self, t_lsl: float | FloatArray) -> FloatArray:
        return np.asarray((np.asarray(t_lsl) - self.t0) / self.per)

    def label(self, axes: "Axes") -> None:
        axes.set(xlabel=f"{self.unit} since the start", xlim=(0, self.length_s / self.per))


def states_svg(facts: SessionFacts) -> str:
    """States in time, with gaps, markers and decisions."""
    axis = _Axis(facts)

    def draw(_: "Figure", axes: "Axes") -> None:
        for period in facts.periods:
            start, stop = axis.at(period.t_start), axis.at(period.t_stop)
            wide = max(float(stop - start), 0.002 * axis.length_s / axis.per)
            hatch = "//" if period.state in ("stale", "lost") else ""
            axes.barh(
                3,
                wide,
                left=float(start),
                height=0.7,
                color=STATE_COLORS.get(period.state, MUTED),
                hatch=hatch,
            )
            if float(stop - start) > 0.1 * axis.length_s / axis.per:
                axes.annotate(period.state.replace("_", " "), (float(start), 3.5), fontsize=8, va="bottom")
        decisions = [event.t_lsl for event in facts.events if event.kind == "decision"]
        rows = (
            (2, [t for t, _ in facts.gaps], SERIES[1]),
            (1, [marker.t_lsl for marker in facts.markers], INK),
            (0, decisions, SERIES[2]),
        )
        for y, times, color in rows:
            shown = _thinned(np.array(sorted(times)), N_POINTS)
            axes.plot(axis.at(shown), np.full(len(shown), float(y)), "|", color=color, markersize=12)
        axes.set_yticks([3, 2, 1, 0], ["state", "gaps", "markers", "decisions"])
        axes.set(ylim=(-0.6, 4.1))
        axis.label(axes)

    return draw_svg("states", "States, gaps, markers and decisions in time", (WIDE_IN, 2.0), draw, SIDES)


def probabilities_svg(facts: SessionFacts) -> str:
    """Probabilities in time, averaged where there are more of them than can be seen."""
    axis = _Axis(facts)
    classes = facts.predictions[0].classes
    rows = [(one.t_window[1], one.probs) for one in facts.predictions if one.probs and one.classes == classes]

    def draw(figure: "Figure", axes: "Axes") -> None:
        t, probs = np.array([t for t, _ in rows]), np.array([p for _, p in rows])
        edges = np.linspace(t[0], t[-1] + 1e-9, N_POINTS + 1)
        in_bin = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, N_POINTS - 1)
        counts = np.bincount(in_bin, minlength=N_POINTS)
        breaks = _breaks(t)
        for c in (drawn := _drawn(probs)):
            sums = np.bincount(in_bin, weights=probs[:, c], minlength=N_POINTS)
            with np.errstate(invalid="ignore"):
                mean = np.where(counts > 0, 100 * sums / counts, np.nan)
            few = len(t) <= N_POINTS
            broken = np.insert(t, breaks, np.nan), np.insert(100 * probs[:, c], breaks, np.nan)
            x, y = broken if few else (edges[:-1], mean)
            name, color = classes[c].replace("_", " "), SERIES[c % len(SERIES)]
            axes.plot(axis.at(x), y, color=color, linewidth=1.1, label=name)
        axes.set(ylabel="probability, %", ylim=(-3, 103))
        axis.label(axes)
        figure.legend(loc="outside upper right", ncols=min(len(drawn), IN_A_ROW), fontsize=8)

    return draw_svg("probabilities", "Probabilities in time", (WIDE_IN, 2.1), draw, SIDES)


def hypnogram_svg(facts: SessionFacts, night: Hypnogram, marked: Hypnogram | None) -> str:
    """Stages of sleep in time; thin and in another colour what markers say of them."""
    axis = _Axis(facts)

    def draw(figure: "Figure", axes: "Axes") -> None:
        for one, color, is_bold in ((marked, SERIES[1], False), (night, SERIES[0], True)):
            if one is not None:
                draw_stages(axes, one, color, lambda s: float(axis.at(night.t0_s + s)), is_bold=is_bold)
        axis.label(axes)
        if marked is not None:
            names = (("decoded", SERIES[0]), ("as markers say", SERIES[1]))
            handles = [axes.plot([], [], color=color, label=name)[0] for name, color in names]
            figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=8)

    return draw_svg("hypnogram", "Stages of sleep in time", (WIDE_IN, 2.1), draw, SIDES)


def age_svg(predictions: Sequence[Prediction]) -> str:
    """How often each age came, and at the side the parts' medians and 99th percentiles."""
    ages = np.array([one.age_ms for one in predictions])

    def draw(_: "Figure", axes: "Axes") -> None:
        high = float(np.percentile(ages, 99.5))
        top = max(high * 1.1, high * 0.9)  # stamps of another clock: below zero
        low = min(0.0, float(ages.min()))
        top = top if top > low else low + 1.0
        axes.hist(np.minimum(ages, top), bins=40, range=(low, top), color=SERIES[0])
        for percent in (50, 99):
            value = float(np.percentile(ages, percent))
            axes.axvline(value, color=INK, linewidth=1, linestyle="--")
            axes.annotate(
                f"p{percent} {value:.1f} ms",
                (value, axes.get_ylim()[1] * (0.97 if percent == 50 else 0.85)),
                fontsize=8,
            )
        axes.set(xlabel="age of predictions when sent, ms", ylabel="predictions")

    return draw_svg("age", "How often each age came", (3.9, 2.7), draw)


def ages_in_time_svg(facts: SessionFacts, predictions: Sequence[Prediction]) -> str:
    """Medians of the parts in time, one on the other, and the 99th percentile of the age."""
    axis = _Axis(facts)
    t = np.array([one.t_window[1] for one in predictions])
    parts = np.array([[getattr(one.trace_ms, name) for name in TRACE_PARTS] for one in predictions])
    ages = np.array([one.age_ms for one in predictions])
    n = min(120, max(len(t) // 16, min(len(t), 24)))  # few windows, as of sleep, are shown each by itself
    groups = np.array_split(np.arange(len(t)), n)

    def draw(figure: "Figure", axes: "Axes") -> None:
        middle = axis.at(np.array([t[group].mean() for group in groups]))
        stack = np.array([np.median(parts[group], axis=0) for group in groups]).T
        axes.stackplot(middle, stack, labels=TRACE_PARTS, colors=[MUTED, *SERIES[:4]], linewidth=0)
        worst = [float(np.percentile(ages[group], 99)) for group in groups]
        axes.plot(middle, worst, color=INK, linewidth=1, label="age, p99")
        below = max(worst) <= 0.0 and stack.sum(axis=0).max() <= 0.0  # stamps of a clock that is ahead
        axes.set(ylabel="ms", ylim=(None, 0) if below else (0, None))
        axis.label(axes)
        figure.legend(loc="outside upper right", ncols=6, fontsize=8)

    return draw_svg("ages", "Latency in time", (WIDE_IN, 2.2), draw, SIDES)


def channels_svg(facts: SessionFacts, spread: SpreadMap) -> str:
    """Each channel's strength in time; what no EEG can be is marked."""
    axis = _Axis(facts)

    def draw(figure: "Figure", axes: "Axes") -> None:
        from matplotlib.colors import LogNorm

        x = axis.at(spread.t_s)
        step = float(x[1] - x[0]) if len(x) > 1 else axis.length_s / axis.per
        edges = (float(x[0]), float(x[-1]) + step)
        values = np.clip(np.nan_to_num(spread.spread_uv, nan=1e-9), 1e-9, None)
        image = axes.imshow(
            values,
            aspect="auto",
            cmap="cividis",
            norm=LogNorm(vmin=1.0, vmax=100.0),
            interpolation="none",
            extent=(edges[0], edges[1], len(spread.labels) - 0.5, -0.5),
        )
        faulty = ~((spread.spread_uv >= FLAT_UV) & (spread.spread_uv <= NOISY_UV))
        rows, columns = np.nonzero(faulty)
        axes.plot(x[columns] + step / 2, rows, "x", color=SERIES[1], markersize=3.5)
        every = max(1, -(-len(spread.labels) // 32))
        axes.set_yticks(range(0, len(spread.labels), every), spread.labels[::every], fontsize=7)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=30, pad=0.02, extend="both")
        bar.set_label("spread, µV")
        bar.set_ticks([1, 3, 10, 30, 100], labels=["1", "3", "10", "30", "100"])
        bar.outline.set_visible(False)
        axis.label(axes)

    tall = float(np.clip(0.11 * len(spread.labels) + 0.9, 1.6, 6.0))
    return draw_svg("channels", "Strength of each channel in time", (WIDE_IN, tall), draw, (SIDES[0], 1.0))


def _drawn(probs: FloatArray) -> list[int]:
    """Indices of the classes that are drawn: all, or of many those that were somewhat probable at some time."""
    n = probs.shape[1]
    return [c for c in range(n) if n <= MANY or probs[:, c].max() >= SEEN]


def _breaks(t: FloatArray) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    """Indices of the predictions before which there were none for a while: no line is drawn to them."""
    steps = np.diff(t)
    return np.flatnonzero(steps > WHILE * np.median(steps)) + 1 if len(steps) else np.zeros(0, dtype=np.intp)


def _thinned(times: FloatArray, n_most: int) -> FloatArray:
    """At most `n_most` of the times, evenly from first to last."""
    if len(times) <= n_most:
        return times
    return np.asarray(times[np.linspace(0, len(times) - 1, n_most).astype(int)])
