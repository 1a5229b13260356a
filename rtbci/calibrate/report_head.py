"""The report's drawings of the brain: maps over the scalp, time and frequency."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rtbci.calibrate.report_signals import BANDS_HZ, Epochs, band_change_db, time_frequency_db
from rtbci.report.figure import INK, MUTED, SERIES, draw_svg
from rtbci.stages.stage import FloatArray
from rtbci.stream.montage import positions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BandMaps", "band_maps", "time_frequency_svgs"]

HEAD_RADIUS_M = 0.095
MAP_FROM = 8
"""Fewer electrodes make no map: bars instead."""
HANDS = ("C3", "C4")
LEAST_DB = 1.0
COLORS = "RdBu_r"

BandMaps = dict[str, list[str]]


def band_maps(epochs: Epochs, classes: list[str]) -> BandMaps:
    """Maps of each band: one for each class, and with two classes their difference.

    Returns
    -------
    dict of str to list of str
        Drawings by the band's name; within a band all classes have one scale.
    """
    found = {}
    for band, band_hz in BANDS_HZ.items():
        if band_hz[0] >= 0.4 * epochs.rate_hz:
            continue
        changes = {classes[i]: x for i, x in band_change_db(epochs, band_hz).items()}
        limit_db = max(LEAST_DB, float(np.percentile(np.abs(list(changes.values())), 98)))
        drawings = [
            _map_svg(f"{band}{i}", f"{name}, {band}", epochs.labels, x, limit_db)
            for i, (name, x) in enumerate(changes.items())
        ]
        if len(changes) == 2:
            (first, a), (second, b) = changes.items()
            limit_db = max(LEAST_DB, float(np.percentile(np.abs(b - a), 98)))
            title = f"{second} against {first}"
            drawings.append(_map_svg(f"{band}d", title, epochs.labels, b - a, limit_db))
        found[band] = drawings
    return found


def time_frequency_svgs(epochs: Epochs, classes: list[str]) -> list[str]:
    """Time and frequency at C3 and C4 for each class, those of them that there are; one scale for all."""
    found = {
        (classes[i], label): time_frequency_db(epochs, label, int(i))
        for i in np.unique(epochs.i_class)
        for label in HANDS
        if label in epochs.labels
    }
    if not found:
        return []
    limit_db = max(LEAST_DB, float(np.percentile(np.abs([x for _, x in found.values()]), 98)))
    return [
        _time_frequency_svg(f"tf{i}", f"{name}, at {label}", epochs, *found[name, label], limit_db)
        for i, (name, label) in enumerate(found)
    ]


def _map_svg(name: str, title: str, labels: list[str], change_db: FloatArray, limit_db: float) -> str:
    def draw(figure: "Figure", axes: "Axes") -> None:
        axes.set_title(title)
        if len(labels) < MAP_FROM:
            _bars(axes, labels, change_db, limit_db)
            return
        image = _topomap(axes, labels, change_db, limit_db)
        _scale(figure, axes, image, limit_db)

    return draw_svg(name, title, (2.3, 2.6), draw)


def _topomap(axes: "Axes", labels: list[str], change_db: FloatArray, limit_db: float) -> Any:
    import mne

    info = mne.create_info(labels, 1.0, "eeg", verbose="ERROR")
    places = dict(zip(labels, HEAD_RADIUS_M * positions(labels), strict=True))
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), verbose="ERROR")
    image, contours = mne.viz.plot_topomap(
        change_db,
        info,
        axes=axes,
        show=False,
        cmap=COLORS,
        vlim=(-limit_db, limit_db),
        contours=4,
        sensors=False,
        sphere=(0.0, 0.0, 0.0, HEAD_RADIUS_M),
    )
    for line in axes.lines:
        line.set_color(INK)
    contours.set(edgecolor="#00000040", linewidth=0.5)
    _mark_hands(axes, info)
    return image


def _mark_hands(axes: "Axes", info: Any) -> None:
    """Dots at C3 and C4, so that the side can be read."""
    for label in HANDS:
        if label in info["ch_names"]:
            x, y, _ = info["chs"][info["ch_names"].index(label)]["loc"][:3]
            # MNE draws electrodes as azimuthal equidistant projections, the rim at 90 degrees.
            z = info["chs"][info["ch_names"].index(label)]["loc"][2]
            flat = np.hypot(x, y)
            radius = HEAD_RADIUS_M * np.arctan2(flat, z) / (np.pi / 2)
            place = (x / flat * radius, y / flat * radius)
            axes.plot(*place, "o", markersize=3.5, color="black")
            axes.annotate(
                label, place, (0, 4), textcoords="offset points", ha="center", fontsize=7, color="black"
            )


def _bars(axes: "Axes", labels: list[str], change_db: FloatArray, limit_db: float) -> None:
    axes.barh(range(len(labels)), change_db, color=[SERIES[0] if x < 0 else SERIES[1] for x in change_db])
    axes.axvline(0.0, color=MUTED, linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    _percent_ticks(axes.set_xticks, limit_db)
    axes.set(xlim=(-1.3 * limit_db, 1.3 * limit_db))


def _time_frequency_svg(
    name: str, title: str, epochs: Epochs, frequencies_hz: FloatArray, change_db: FloatArray, limit_db: float
) -> str:
    def draw(figure: "Figure", axes: "Axes") -> None:
        axes.set_title(title)
        step = max(1, round(epochs.rate_hz / 32))  # 32 columns a second: a page needs no more
        half_s, half_hz = step / epochs.rate_hz / 2, 0.5  # a pixel reaches half a step to either side
        image = axes.imshow(
            change_db[:, ::step],
            cmap=COLORS,
            vmin=-limit_db,
            vmax=limit_db,
            origin="lower",
            aspect="auto",
            interpolation="none",  # the page scales the pixels
            extent=(
                epochs.t_s[0] - half_s,
                epochs.t_s[::step][-1] + half_s,
                frequencies_hz[0] - half_hz,
                frequencies_hz[-1] + half_hz,
            ),
        )
        axes.axvline(0.0, color="black", linewidth=1.0, linestyle="--")
        axes.set(xlabel="seconds after the cue", ylabel="Hz")
        _scale(figure, axes, image, limit_db)

    return draw_svg(name, title, (3.4, 2.7), draw)


def _scale(figure: "Figure", axes: "Axes", image: Any, limit_db: float) -> None:
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.8, aspect=25, pad=0.03)
    _percent_ticks(bar.set_ticks, limit_db)
    bar.outline.set_visible(False)


def _percent_ticks(set_ticks: Any, limit_db: float) -> None:
    """Ticks of a scale in dB, as change in percent."""
    ticks = [-limit_db, 0.0, limit_db]
    labels = [f"{100 * (10 ** (x / 10) - 1):+.0f} %" if x else "0" for x in ticks]
    set_ticks(ticks, labels=labels)
