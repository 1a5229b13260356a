"""A judgement of flashes in pictures, as PNG files; needs matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

from rtbci.evaluate.plots import draw_png, need_matplotlib
from rtbci.flashes.evaluate import FlashEvaluation
from rtbci.flashes.trying import Trying

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_flash_plots"]


def write_flash_plots(found: FlashEvaluation, folder: Path) -> list[Path]:
    """Draw ``SUBJECT_stopping.png`` and ``SUBJECT_posterior.png`` of each subject with selections.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    need_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for one in found.subjects:
        if one.trying is None:
            continue
        for name, draw in (("stopping", _stopping), ("posterior", _posterior)):
            written.append(draw_png(folder / f"{one.name}_{name}.png", draw, one.trying))
    return written


def _stopping(axes: "Axes", trying: Trying) -> None:
    for rule, label, mark in (
        ("fixed", "fixed number of repetitions", "s--"),
        ("posterior", "as soon as sure enough", "o-"),
    ):
        found = [one for one in trying.spells if one.rule == rule]
        right = [100 * one.right for one in found]
        spread = (
            [max(100 * (one.right - one.right_low), 0.0) for one in found],
            [max(100 * (one.right_high - one.right), 0.0) for one in found],
        )
        axes.errorbar([one.flashes for one in found], right, yerr=spread, fmt=mark, capsize=2, label=label)
    axes.set(xlabel="flashes for an item, mean", ylabel="items right (%)", ylim=(0, 102))
    axes.legend(frameon=False, loc="lower right")


def _posterior(axes: "Axes", trying: Trying) -> None:
    axes.plot([0, 100], [0, 100], color="0.7", linewidth=1)
    total = sum(n for n, _, _ in trying.bins)
    for n, mean, right in trying.bins:
        axes.plot(100 * mean, 100 * right, "o", color="C0", markersize=3 + 12 * (n / total) ** 0.5)
    axes.set(xlabel="posterior (%)", ylabel="right (%)", xlim=(0, 101), ylim=(0, 101))
