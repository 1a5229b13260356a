"""Where electrodes sit on the head, and spherical splines between them; loads MNE when called."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from rtbci.errors import ChannelError
from rtbci.stream.labels import canonical_label
from rtbci.stream.source import FloatArray

__all__ = ["angles_deg", "has_position", "places", "positions", "spline_weights"]

HEAD_RADIUS_M = 0.095
MONTAGES = ("colin27_1005", "standard_1005")
"""The same template under its newer and its older name (MNE 1.13 renamed it)."""


def has_position(label: str) -> bool:
    """Whether a canonical label is a place of the 10-05 system (Oostenveld, Praamstra 2001)."""
    return label in _template()


def places() -> tuple[str, ...]:
    """Canonical labels of all places of the 10-05 system."""
    return tuple(_template())


def positions(labels: Sequence[str]) -> FloatArray:
    """Directions of electrodes from the centre of the head.

    Parameters
    ----------
    labels : sequence of str
        Canonical labels of the 10-05 system.

    Returns
    -------
    ndarray of float64, shape (n_labels, 3)
        Unit vectors; x to the right ear, y to the nose, z up. A new array.

    Raises
    ------
    ChannelError
        Names the labels that have no place in the 10-05 system.
    """
    template = _template()
    if unknown := [label for label in labels if label not in template]:
        raise ChannelError(
            f"positions: {', '.join(unknown)} not in the 10-05 system; use names such as FC5 or CZ"
        )
    return np.array([template[label] for label in labels]).reshape(len(labels), 3)


def angles_deg(labels: Sequence[str], others: Sequence[str]) -> FloatArray:
    """Angles between electrodes as seen from the centre of the head, degrees, (n_labels, n_others)."""
    cosines = positions(labels) @ positions(others).T
    return np.asarray(np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0))))


def spline_weights(available: Sequence[str], missing: Sequence[str]) -> FloatArray:
    """Weights that give missing electrodes as sums of available ones, by spherical splines.

    Interpolation is linear, so the weights are what MNE makes of one unit sample per available electrode
    (Perrin et al. 1989, doi:10.1016/0013-4694(89)90180-6).

    Returns
    -------
    ndarray of float64, shape (n_missing, n_available)
        Each row sums to 1: a potential common to all electrodes is kept.
    """
    import mne

    labels = [*available, *missing]
    samples = np.zeros((len(labels), len(available)))
    np.fill_diagonal(samples, 1.0)
    raw: Any = mne.io.RawArray(samples, mne.create_info(labels, 1.0, "eeg"), verbose="ERROR")
    places = dict(zip(labels, HEAD_RADIUS_M * positions(labels), strict=True))
    raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), verbose="ERROR")
    raw.info["bads"] = list(missing)
    raw.interpolate_bads(method={"eeg": "spline"}, origin=(0.0, 0.0, 0.0), verbose="ERROR")
    weights: FloatArray = raw.get_data()[len(available) :]
    return weights


@cache
def _template() -> dict[str, FloatArray]:
    """Canonical label -> unit vector from the centre of the sphere that fits the template best."""
    import mne

    name = next(name for name in MONTAGES if name in mne.channels.get_builtin_montages())
    placed: dict[str, FloatArray] = mne.channels.make_standard_montage(name).get_positions()["ch_pos"]
    points = np.array(list(placed.values()))
    # |p|^2 = 2 p.c + (r^2 - |c|^2) is linear in the centre c.
    design = np.column_stack((2 * points, np.ones(len(points))))
    centre = np.linalg.lstsq(design, (points**2).sum(axis=1), rcond=None)[0][:3]
    directions = points - centre
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return {canonical_label(name): direction for name, direction in zip(placed, directions, strict=True)}
