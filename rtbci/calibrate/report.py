"""A calibration as one HTML page that needs nothing else: for the user first, for the specialist below."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rtbci.calibrate.trial import CalibrationTrial
from rtbci.probe.calibration_record import CalibrationRecord
from rtbci.recipes import ParadigmRecipe
from rtbci.report.page import as_markup, need_packages, write_page

__all__ = ["EXTRA", "write_report"]

TEMPLATE = "report.html.j2"
EXTRA = "calibrate"
"""Of rtbci: brings the packages that the page needs."""


def write_report(
    path: Path,
    record: CalibrationRecord,
    trials: Sequence[CalibrationTrial],
    recipe: ParadigmRecipe,
    rhythms: str = "",
) -> Path:
    """Write the report of a calibration.

    One file without scripts and without anything from the network; it can be mailed and printed.

    Parameters
    ----------
    path : Path
        The HTML file; replaced when it is there.
    record : CalibrationRecord
        What was found.
    trials : sequence of CalibrationTrial
        With their raw signals, for the maps and the channels; may be empty.
    recipe : ParadigmRecipe
        Names the classes that the trials' `i_class` counts.
    rhythms : str
        What maps of rhythms show when the user does as asked, of the paradigm's protocol.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MissingPackageError
        When Jinja2 or matplotlib is not installed.
    FileFormatError
        When it cannot be written there.
    """
    need_packages(EXTRA)
    from rtbci.calibrate.report_signals import look_at_channels
    from rtbci.calibrate.report_words import words_of

    words = words_of(record, look_at_channels(record, trials)) | {"rhythms": rhythms}
    words |= _drawings(record, trials, recipe)
    return write_page(path, "rtbci.calibrate", TEMPLATE, words)


def _drawings(
    record: CalibrationRecord, trials: Sequence[CalibrationTrial], recipe: ParadigmRecipe
) -> dict[str, Any]:
    """All drawings as markup (their text is escaped); an empty string where there is nothing to draw."""
    from rtbci.calibrate.report_plots import (
        bake_off_svg,
        coverage_svg,
        curve_svg,
        reliability_svg,
        timeline_svg,
    )
    from rtbci.calibrate.report_words import chance_percent

    chance, confidence = chance_percent(record), record.confidence
    measured = any(one.accuracy is not None for one in record.candidates)
    reliability = confidence is not None and any(row[2] > 0 for row in confidence.reliability)
    drawings = {
        "curve": curve_svg(record.curve, chance) if record.curve else "",
        "bake_off": bake_off_svg(record.candidates, chance) if measured else "",
        "reliability": reliability_svg(confidence) if confidence and reliability else "",
        "coverage": coverage_svg(confidence, chance) if confidence and confidence.coverage else "",
        "timeline": timeline_svg(record) if record.trials else "",
    }
    of_rhythms = not recipe.flickers  # mu and beta say nothing of what is looked at
    brain = _brain(record, trials, recipe) if of_rhythms else {}
    return {name: as_markup(svg) for name, svg in drawings.items()} | brain | {"of_rhythms": of_rhythms}


def _brain(
    record: CalibrationRecord, trials: Sequence[CalibrationTrial], recipe: ParadigmRecipe
) -> dict[str, Any]:
    from rtbci.calibrate.report_head import MAP_FROM, band_maps, time_frequency_svgs
    from rtbci.calibrate.report_signals import cut_epochs

    epochs = cut_epochs(record, trials, recipe.window.length_s)
    if epochs is None or not epochs.can_compare:
        return {"maps": {}, "time_frequency": [], "are_maps": False, "n_epochs": 0, "active": (0.0, 0.0)}
    classes = list(recipe.classes)
    maps = {
        band: [as_markup(svg) for svg in drawings] for band, drawings in band_maps(epochs, classes).items()
    }
    return {
        "maps": maps,
        "are_maps": len(epochs.labels) >= MAP_FROM,
        "time_frequency": [as_markup(svg) for svg in time_frequency_svgs(epochs, classes)],
        "n_epochs": len(epochs.i_class),
        "active": (epochs.t_s[epochs.active][0], epochs.t_s[epochs.active][-1]),
    }
