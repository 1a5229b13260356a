"""An evaluation in tables: rows of text first, then Markdown or a terminal's table of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from rtbci.evaluate.record import Condition, Evaluation, OperatingPoint
from rtbci.evaluate.statistics import Difference, Summary
from rtbci.listing import counted
from rtbci.runtime.parts import POPULATION

__all__ = ["Grid", "condition_label", "difference_grid", "evaluation_grids", "markdown", "markdown_report"]
__all__ += ["rich_table"]

SEEN = {"yes": " (seen in training)", "some": " (partly seen in training)", "unknown": "", "no": ""}

MOST_LISTED = 8
"""Electrodes that a heading names; the note above the tables names all."""

SHOWN = (
    ("balanced_accuracy", "balanced accuracy %", 100.0, 1),
    ("kappa", "kappa", 1.0, 2),
    ("nmcc", "nMCC", 1.0, 3),
    ("itr_bits_per_min", "ITR bit/min", 1.0, 2),
)
"""Cue-locked: metric, heading, factor, digits."""

SHOWN_ONLINE = (
    ("imagery_windows_balanced_accuracy", "windows of imagery %", 100.0, 1),
    ("online_balanced_accuracy", "states %", 100.0, 1),
    ("online_nmcc", "states nMCC", 1.0, 3),
    ("true_activation", "true activations %", 100.0, 1),
    ("wrong_first_activation", "first one wrong %", 100.0, 1),
    ("false_per_min", "false per idle min", 1.0, 1),
    ("first_correct_s", "first correct s", 1.0, 2),
)


@dataclass(frozen=True)
class Grid:
    """A table as text.

    Parameters
    ----------
    title : str
    header : tuple of str
    rows : sequence of tuple of str
    """

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def condition_label(condition: Condition, evaluation: Evaluation) -> str:
    """A condition in words, with what makes its numbers worth less."""
    as_it_is = _as_it_is(evaluation)
    if condition.k == 0:
        text = as_it_is
    elif condition.is_calibrated:
        text = f"k = {condition.k} a class"
    else:
        text = f"{as_it_is}, trials of k = {condition.k}"
    return text + SEEN[evaluation.seen]


def _as_it_is(evaluation: Evaluation) -> str:
    """What was judged, before the evaluation calibrated it: a user's profile, or a decoder that no user calibrated."""
    users = {(one.user, one.generation, one.n_trials) for one in evaluation.decoders}
    user, generation, n_trials = users.pop() if len(users) == 1 else ("", 0, 0)
    if user in ("", POPULATION):
        return "no calibration"
    which = f", generation {generation}" if generation else ""
    return f"profile of {user}{which}, fitted on {counted(n_trials, 'trial')}"


def evaluation_grids(evaluation: Evaluation) -> list[Grid]:
    """All tables of an evaluation."""
    named = [(condition_label(one, evaluation), one) for one in evaluation.conditions]
    return [
        Grid(
            f"Cue-locked, {_rules(evaluation)}",
            ("", *(heading for _, heading, _, _ in SHOWN), "ECE", "trials", "subjects"),
            [_cue_row(label, one) for label, one in named],
        ),
        Grid(
            "Pseudo-online, idle time included",
            ("", *(heading for _, heading, _, _ in SHOWN_ONLINE), "ECE"),
            [_online_row(label, one) for label, one in named],
        ),
        Grid(
            "At most 2 false activations a minute",
            (
                "",
                "threshold",
                "true activations %",
                "false per idle min",
                "held-out threshold: true %",
                "false",
            ),
            [
                _point_row(label, one.operating_point)
                for label, one in named
                if one.operating_point is not None
            ],
        ),
        *(
            [difference_grid("Calibrated against not, same trials", evaluation.tests)]
            if evaluation.tests
            else []
        ),
        _eye_grid(evaluation),
    ]


def difference_grid(title: str, differences: Sequence[Difference]) -> Grid:
    """Paired comparisons as a table."""
    header = ("metric", "of", "against", "difference", "95 % interval", "n", "p, t", "p, Wilcoxon")
    rows = [
        (
            one.metric,
            one.second,
            one.first,
            _signed(one.mean),
            "-" if one.low is None or one.high is None else f"{one.low:+.3f} to {one.high:+.3f}",
            str(one.n),
            _p(one.p_t),
            _p(one.p_wilcoxon),
        )
        for one in differences
    ]
    return Grid(title, header, rows)


def markdown(grid: Grid) -> str:
    """A table in Markdown, under its title."""
    lines = [f"### {grid.title}", "", "| " + " | ".join(grid.header) + " |", "|" + "---|" * len(grid.header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in grid.rows]) + "\n"


def rich_table(grid: Grid) -> Table:
    """A table for the terminal."""
    table = Table(title=grid.title, title_justify="left")
    for i, heading in enumerate(grid.header):
        table.add_column(heading, justify="left" if i == 0 else "right")
    for row in grid.rows:
        table.add_row(*row)
    return table


def markdown_report(evaluation: Evaluation) -> str:
    """The whole evaluation in Markdown."""
    data, paradigm = evaluation.data, evaluation.paradigm
    head = (
        f"## {paradigm['name']} on {data['name']}, {_rules(evaluation)}\n\n"
        f"{counted(data['n_subjects'], 'subject')}, {counted(data['n_runs'], 'run')}, {counted(data['n_trials'], 'trial')}, "
        f"{data['recorded_min']:.0f} minutes; means over subjects with 95 % intervals; {evaluation.created}, "
        f"rtbci {evaluation.versions['rtbci']}.\n"
    )
    warnings = "".join(f"- **{text}**\n" for text in evaluation.warnings)
    return "\n".join(
        [head, *([warnings] if warnings else []), *(markdown(grid) for grid in evaluation_grids(evaluation))]
    )


def _rules(evaluation: Evaluation) -> str:
    """What a heading says of the rules: the track, and the electrodes where they were chosen."""
    settings = evaluation.settings
    text, channels = f"track {settings['track']}", settings.get("channels")  # older files have none
    if not channels:
        return text
    listed = ", ".join(channels) if len(channels) <= MOST_LISTED else f"{len(channels)} electrodes"
    return f"{text}, only {settings.get('cap') or listed}"


def _cue_row(label: str, condition: Condition) -> tuple[str, ...]:
    numbers = [_interval(condition.metrics[name], factor, digits) for name, _, factor, digits in SHOWN]
    n = condition.metrics["balanced_accuracy"].n
    return (label, *numbers, _plain(condition.ece_trials, 3), str(condition.n_trials), str(n))


def _online_row(label: str, condition: Condition) -> tuple[str, ...]:
    numbers = [_interval(condition.metrics[name], factor, digits) for name, _, factor, digits in SHOWN_ONLINE]
    return (label, *numbers, _plain(condition.ece_windows, 3))


def _point_row(label: str, point: OperatingPoint) -> tuple[str, ...]:
    return (
        label,
        _plain(point.threshold, 3),
        _interval(point.true_activation, 100.0, 1),
        _interval(point.false_per_min, 1.0, 1),
        _interval(point.held_out_true, 100.0, 1),
        _interval(point.held_out_false, 1.0, 1),
    )


def _eye_grid(evaluation: Evaluation) -> Grid:
    eye = evaluation.eye
    rows = [
        ("frontal electrodes recorded", ", ".join(eye.channels) or "none"),
        ("output explained by them (R²)", _plain(eye.r2, 3)),
        ("class from them alone, balanced accuracy %", _interval(eye.frontal_accuracy, 100.0, 1)),
        (
            "untrained eye rule (F8 - F7 at 0.25-0.5 s), balanced accuracy %",
            _interval(eye.eye_rule, 100.0, 1),
        ),
        ("verdict", eye.note),
    ]
    return Grid("Eye check", ("", "value"), rows)


def _interval(summary: Summary | None, factor: float, digits: int) -> str:
    if summary is None or summary.mean is None:
        return "-"
    mean = f"{factor * summary.mean:.{digits}f}"
    if summary.low is None or summary.high is None:
        return mean
    return f"{mean} [{factor * summary.low:.{digits}f}, {factor * summary.high:.{digits}f}]"


def _plain(x: float | None, digits: int) -> str:
    return "-" if x is None else f"{x:.{digits}f}"


def _signed(x: float | None) -> str:
    return "-" if x is None else f"{x:+.3f}"


def _p(p: float | None) -> str:
    if p is None:
        return "-"
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"
