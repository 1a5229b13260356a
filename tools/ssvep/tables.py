"""Results as Markdown tables."""

from typing import Any

import numpy as np

from tools.ssvep.variants import METHODS

__all__ = ["report"]


def report(results: dict[str, Any]) -> str:
    """All tables."""
    curves = [
        f"Windows from {one['reaction_s']:g} s after the cue:\n\n{_curve(one)}" for one in results["curves"]
    ]
    return "\n\n".join([*curves, _subjects(results), _shipped(results), _online(results)])


def _mean(row: dict[str, Any], method: str, what: str) -> float:
    return float(np.mean(row[method][what]))


def _curve(results: dict[str, Any]) -> str:
    names = [name for name, _, _ in METHODS.values()]
    lines = [
        f"| window (s) | {' | '.join(names)} | gain on plain CCA (95 %) | p |",
        "|" + "---|" * (len(names) + 3),
    ]
    for row in results["rows"]:
        cells = [
            f"{_mean(row, one, 'accuracy'):.1f} ({_mean(row, one, 'itr_bits_per_min'):.1f})"
            for one in METHODS
        ]
        gain = row["difference"]
        lines.append(
            f"| {row['length_s']:g} | {' | '.join(cells)} | {gain['mean']:+.1f} ({gain['low']:+.1f} to {gain['high']:+.1f}) "
            f"| {gain['p_t']:.3f} |"
        )
    return "\n".join(lines)


def _subjects(results: dict[str, Any]) -> str:
    last = results["curves"][0]["rows"][-1]
    lines = [f"| windows of {last['length_s']:g} s | {' | '.join(results['subjects'])} |"]
    lines.append("|" + "---|" * (len(results["subjects"]) + 1))
    for method, (name, _, _) in METHODS.items():
        lines.append(f"| {name} | {' | '.join(f'{one:.0f}' for one in last[method]['accuracy'])} |")
    return "\n".join(lines)


def _shipped(results: dict[str, Any]) -> str:
    lines = ["| newest sample, s after the cue | accuracy | by subject |", "|---|---|---|"]
    for row in results["shipped"]:
        each = ", ".join(f"{one:.0f}" for one in row["accuracy"])
        lines.append(f"| {row['end_s']:g} | {np.mean(row['accuracy']):.1f} | {each} |")
    return "\n".join(lines)


def _online(results: dict[str, Any]) -> str:
    lines = [
        "| threshold | first decision right | wrong | none | median time to it (s) | false a minute of rest |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['threshold']:g} | {100 * row['right']:.0f} % | {100 * row['wrong']:.0f} % | {100 * row['none']:.0f} % "
        f"| {row['median_s']:.2f} | {row['false_per_min']:.2f} |"
        for row in results["online"]
    ]
    return "\n".join(lines)
