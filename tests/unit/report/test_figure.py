import xml.etree.ElementTree as ET

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rtbci.report.figure import INK, SERIES, draw_svg


def draw(figure: Figure, axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=SERIES[0])
    axes.set_title("<b>$x & y", color=INK)


def test_a_drawing_is_an_element_of_its_own_in_the_pages_colours() -> None:
    svg = draw_svg("one", 'a "title" <i>', (3.0, 2.0), draw)
    assert svg.startswith('<svg class="drawing" role="img" aria-label="a &quot;title&quot; &lt;i&gt;"')
    element = ET.fromstring(svg)
    assert element.get("width") is None
    assert element.get("viewBox") is not None
    assert "var(--series-0)" in svg
    assert "var(--ink)" in svg
    assert SERIES[0] not in svg
    assert "&lt;b&gt;$x &amp; y" in svg


def test_ids_of_two_drawings_do_not_meet() -> None:
    ids = [
        {node.get("id") for node in ET.fromstring(draw_svg(name, "t", (3.0, 2.0), draw)).iter()} - {None}
        for name in ("one", "two")
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_the_same_drawing_gives_the_same_text() -> None:
    assert draw_svg("one", "t", (3.0, 2.0), draw) == draw_svg("one", "t", (3.0, 2.0), draw)


def test_settings_of_the_caller_are_left_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw_svg("one", "t", (3.0, 2.0), draw)
    assert dict(mpl.rcParams) == before
