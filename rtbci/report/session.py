"""A session as one HTML page that needs nothing else."""

from pathlib import Path
from typing import Any

from rtbci.night.drawn import statistics_rows
from rtbci.night.hypnogram import statistics
from rtbci.night.session import hypnogram_of, marked_stages
from rtbci.report.page import as_markup, need_packages, write_page
from rtbci.report.session_facts import SessionFacts, read_facts

__all__ = ["write_session_report"]


def write_session_report(session: Path, path: Path) -> Path:
    """Write the report of a session, whole, cut short or damaged.

    Parameters
    ----------
    session : Path
        Its folder, or an XDF file.
    path : Path
        The HTML file; replaced when it is there.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MissingPackageError
        When Jinja2 or matplotlib is not installed.
    FileFormatError
        When the session cannot be read at all, or the report cannot be written there.
    """
    need_packages("calibrate")
    from rtbci.report.session_words import words_of_session

    facts = read_facts(session)
    # Without data there is nothing to be quick with: those ages say how long the stream has been away.
    aged = [one for one in facts.predictions if one.probs is not None]
    drawings = _drawings(facts, aged)
    words = words_of_session(facts, aged) | {"night": []}
    if (night := hypnogram_of(facts.predictions)) is not None:
        from rtbci.report.session_plots import hypnogram_svg

        drawings["hypnogram_drawing"] = hypnogram_svg(facts, night, marked_stages(facts.markers, night))
        words["night"] = statistics_rows(statistics(night))
    words |= {name: as_markup(svg) for name, svg in drawings.items()}
    return write_page(path, "rtbci.report", "session.html.j2", words)


def _drawings(facts: SessionFacts, aged: list[Any]) -> dict[str, str]:
    """All drawings; an empty string where there is nothing to draw."""
    from rtbci.report import session_plots as plots

    timed = [one for one in aged if one.seq not in facts.foreign]
    return {
        "states_drawing": plots.states_svg(facts),
        "probabilities_drawing": plots.probabilities_svg(facts) if aged else "",
        "age_drawing": plots.age_svg(timed) if timed else "",
        "ages_drawing": plots.ages_in_time_svg(facts, timed) if timed else "",
        "channels_drawing": plots.channels_svg(facts, facts.spread) if facts.spread is not None else "",
    }
