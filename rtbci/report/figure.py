"""Drawings as SVG to put into a page, in the page's own colours; no global state of pyplot is touched."""

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["INK", "MUTED", "PAPER", "SERIES", "draw_svg"]

INK, MUTED, PAPER = "#010203", "#040506", "#070809"
SERIES = ("#0a0b0c", "#0d0e0f", "#101112", "#131415", "#161718")
"""Stand-ins: `draw_svg` replaces them by the page's variables, which follow the reader's dark or light scheme."""
VARIABLES = {INK: "--ink", MUTED: "--muted", PAPER: "--paper"} | {
    color: f"--series-{i}" for i, color in enumerate(SERIES)
}
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud
    "text.parse_math": False,  # a "$" in a channel's name is a "$"
    "font.size": 9.0,
    "font.family": "sans-serif",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.0,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
}


def draw_svg(
    name: str,
    title: str,
    size_in: tuple[float, float],
    draw: Callable[["Figure", "Axes"], None],
    sides: tuple[float, float] | None = None,
) -> str:
    """Draw on one pair of axes.

    Parameters
    ----------
    name : str
        Unique in the page: ids inside the drawing are made from it.
    title : str
        Read aloud in place of the drawing.
    size_in : (float, float)
        Width and height in inches; the page scales it to the room there is, up to this size and a half.
    draw : callable
        Gets the figure and its axes.
    sides : (float, float), optional
        Where the axes begin and end, as shares of the width, so that drawings below each other line up; a side whose labels need
        more room is where these let it be.

    Returns
    -------
    str
        An ``<svg>`` element; all text in it is escaped.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {**SETTINGS, "svg.hashsalt": name}
    with mpl.rc_context(settings):
        figure = Figure(figsize=size_in, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(figure, axes)
        if sides is not None:
            _line_up(figure, axes, *sides)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return _for_page(text.getvalue(), name, title, size_in)


def _line_up(figure: "Figure", axes: "Axes", left: float, right: float) -> None:
    """Move the sides of axes that have been laid out, inwards alone."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    box = axes.get_position()
    left, right = max(left, box.x0), min(right, box.x1)
    axes.set_position((left, box.y0, right - left, box.height))


def _for_page(svg: str, name: str, title: str, size_in: tuple[float, float]) -> str:
    """Cut out the element, make its ids its own, and let it take the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(id="|url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)
    for color, variable in VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    max_px = round(96 * 1.25 * size_in[0])
    attributes = f'class="drawing" role="img" aria-label="{_attribute(title)}" style="max-width:{max_px}px"'
    return re.sub(r'<svg ([^>]*?)width="[^"]*"', rf"<svg {attributes} \1", svg, count=1).replace(
        f'height="{72 * size_in[1]:g}pt" ', "", 1
    )


def _attribute(text: str) -> str:
    from html import escape

    return escape(text, quote=True).replace("\\", "&#92;")
