"""What a dipole in the brain, or at the eyes, does to the electrodes: a spherical head, through MNE."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtbci.errors import ChannelError
from rtbci.stream.labels import canonical_label
from rtbci.stream.montage import has_position, positions
from rtbci.stream.source import FloatArray

__all__ = ["Dipole", "dipole_at", "scalp_gains"]

HEAD_RADIUS_M = 0.095
REFERENCE = ("A1", "A2")
# fmt: off
GRID = (
    "FP1", "FPZ", "FP2", "AF7", "AF3", "AFZ", "AF4", "AF8", "F7", "F5", "F3", "F1", "FZ", "F2", "F4",
    "F6", "F8", "FT7", "FC5", "FC3", "FC1", "FCZ", "FC2", "FC4", "FC6", "FT8", "T7", "C5", "C3", "C1",
    "CZ", "C2", "C4", "C6", "T8", "TP7", "CP5", "CP3", "CP1", "CPZ", "CP2", "CP4", "CP6", "TP8", "P7",
    "P5", "P3", "P1", "PZ", "P2", "P4", "P6", "P8", "PO7", "PO3", "POZ", "PO4", "PO8", "O1", "OZ", "O2",
)
# fmt: on
"""The scalp on which a dipole's largest potential is set to 1, whatever electrodes the amplifier has."""


@dataclass(frozen=True)
class Dipole:
    """A current dipole.

    Parameters
    ----------
    place : ndarray, shape (3,)
        In radii of the head from its centre; x right, y front, z up. The brain ends at 0.9.
    axis : ndarray, shape (3,)
        Direction of its positive end; any length.
    """

    place: FloatArray
    axis: FloatArray


def dipole_at(label: str, depth: float = 0.8) -> Dipole:
    """Put a dipole under an electrode, pointing at it.

    Parameters
    ----------
    label : str
        A place of the 10-05 system.
    depth : float
        Distance from the centre, in radii of the head.
    """
    outwards = positions([canonical_label(label)])[0]
    return Dipole(outwards * depth, outwards)


def scalp_gains(
    labels: Sequence[str], dipoles: Sequence[Dipole], reference: Sequence[str] = REFERENCE
) -> FloatArray:
    """Potential of each electrode for each dipole, by a sphere of three layers (brain, skull, scalp).

    Takes about 0.3 s, most of it MNE's import.

    Parameters
    ----------
    labels : sequence of str
        Electrodes, in any spelling of the 10-05 system.
    dipoles : sequence of Dipole
        Strengths do not matter: each dipole's largest potential on the scalp is made 1.
    reference : sequence of str
        Electrodes whose mean is subtracted; empty: the potential against infinity.

    Returns
    -------
    ndarray of float64, shape (n_labels, n_dipoles)
        Microvolts at each electrode for one microvolt at the place where the dipole is strongest.

    Raises
    ------
    ChannelError
        When a label has no place on the head, or is given twice.
    """
    wanted = [canonical_label(label) for label in labels]
    unknown = [label for label, name in zip(labels, wanted, strict=True) if not has_position(name)]
    if unknown:
        raise ChannelError(
            f"amplifier channels: {', '.join(unknown)} not in the 10-05 system; use names such as C3 or FPZ"
        )
    if len(set(wanted)) < len(wanted):
        twice = sorted({name for name in wanted if wanted.count(name) > 1})
        raise ChannelError(f"amplifier channels: {', '.join(twice)} given twice, need each once; remove one")
    electrodes = list(dict.fromkeys([*wanted, *reference, *GRID]))
    raw_gains = _sphere(electrodes, dipoles)
    index = {label: i for i, label in enumerate(electrodes)}
    largest = np.abs(raw_gains[[index[label] for label in GRID]]).max(axis=0)
    gains: FloatArray = raw_gains / largest
    picked: FloatArray = gains[[index[label] for label in wanted]]
    return picked - gains[[index[label] for label in reference]].mean(axis=0) if reference else picked


def _sphere(electrodes: Sequence[str], dipoles: Sequence[Dipole]) -> FloatArray:
    """Potentials (n_electrodes, n_dipoles) in volts, against infinity, for dipoles of 10 nAm."""
    import mne

    places = dict(zip(electrodes, positions(electrodes) * HEAD_RADIUS_M, strict=True))
    info = mne.create_info(list(electrodes), 100.0, "eeg", verbose="ERROR")
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), verbose="ERROR")
    sphere = mne.make_sphere_model((0.0, 0.0, 0.0), HEAD_RADIUS_M, info, verbose="ERROR")
    axes = np.array([dipole.axis / np.linalg.norm(dipole.axis) for dipole in dipoles])
    described = mne.Dipole(
        times=np.arange(len(dipoles), dtype=float),  # one "time" per dipole, as MNE wants it
        pos=np.array([dipole.place for dipole in dipoles]) * HEAD_RADIUS_M,
        amplitude=np.full(len(dipoles), 1e-8),
        ori=axes,
        gof=np.full(len(dipoles), 100.0),
        verbose="ERROR",
    )
    made: Any = mne.make_forward_dipole(described, sphere, info, verbose="ERROR")
    return np.asarray(made[0]["sol"]["data"], np.float64)
