"""What `judge_streamed` found, as a page of tables."""

from collections.abc import Mapping
from typing import Any

from tools.training.baselines.self_paced import LIMITS_PER_MIN
from tools.training.baselines.table import decoder_name, p_value
from tools.training.judge import markdown_table

__all__ = ["self_paced_page"]


def self_paced_page(found: Mapping[str, Any]) -> str:
    """Tables in Markdown of what `judge_streamed` returns."""
    threshold = found["threshold"]
    parts = [
        "### Self-paced: every window, rest included, without calibration",
        _decoders(found, threshold),
        f"Threshold {threshold:g}, but for the last columns; means over subjects, in brackets the 95 % interval. Best: at the "
        "threshold that is best for the other folds' subjects. Met at so many false: between two thresholds of the sweep.",
        "### Self-paced: paired tests over subjects",
        _tests(found, threshold),
        "Difference (SE), p of the paired t test, p of Wilcoxon's.",
        f"{found['n_subjects']} subjects; folds {found['folds']}; a window every {1e3 * found['hop_s']:g} ms.",
    ]
    return "\n\n".join(parts) + "\n"


def _decoders(found: Mapping[str, Any], threshold: float) -> str:
    header = [
        "decoder",
        f"nMCC at {threshold:g}",
        "trials met %",
        "first wrong %",
        "false a minute",
        "best nMCC",
        *(f"met % at {limit:g} false a minute" for limit in LIMITS_PER_MIN),
    ]
    rows = []
    for one in found["decoders"]:
        at = one["at_recipe"]
        rows.append(
            [
                decoder_name(one["name"]),
                _interval(at["online_nmcc"], 1.0, 3),
                _interval(at["true_activation"], 100.0, 1),
                _number(at["wrong_first_activation"], 100.0, 1),
                _number(at["false_per_min"], 1.0, 1),
                _interval(one["best_nmcc"], 1.0, 3),
                *(_interval(met, 100.0, 1) for met in one["met_at"]),
            ]
        )
    return markdown_table(header, rows)


def _number(summary: Mapping[str, Any], factor: float, digits: int) -> str:
    return "-" if summary["mean"] is None else f"{factor * summary['mean']:.{digits}f}"


def _interval(summary: Mapping[str, Any] | None, factor: float, digits: int) -> str:
    if summary is None or summary["low"] is None:
        return "-"
    mean, low, high = (f"{factor * summary[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def _tests(found: Mapping[str, Any], threshold: float) -> str:
    """One row a pair, one column for each thing that is tested."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for one in found["tests"]:
        factor, digits, unit = (1.0, 3, "") if "nMCC" in one["metric"] else (100.0, 1, " %")
        text = f"{factor * one['mean']:+.{digits}f}{unit} ({factor * one['se']:.{digits}f}), "
        text += f"{p_value(one['p_t'])}, {p_value(one['p_wilcoxon'])}"
        cells.setdefault((one["second"], one["first"]), {})[one["metric"]] = text
    metrics = list(dict.fromkeys(one["metric"] for one in found["tests"]))
    header = ["comparison", *(f"nMCC at {threshold:g}" if one == "nMCC" else one for one in metrics)]
    rows = [
        [f"{decoder_name(second)} - {decoder_name(first)}", *(of_pair[metric] for metric in metrics)]
        for (second, first), of_pair in cells.items()
    ]
    return markdown_table(header, rows)
