"""Write the places of electrodes that the live page draws its map with, from the montage that the decoders use.

python tools/write_positions.py
"""

import json
from pathlib import Path

import numpy as np

from rtbci.stream.montage import known_labels, positions

TARGET = Path(__file__).resolve().parents[1] / "rtbci" / "monitor" / "static" / "positions.json"


def flat_positions() -> dict[str, list[float]]:
    """Canonical label -> place on a flat head: nose up, right ear right, 1 the rim at 90 degrees from the top.

    Azimuthal equidistant, as MNE draws maps.
    """
    labels = known_labels()
    x, y, z = positions(labels).T
    flat = np.hypot(x, y)
    radius = np.arctan2(flat, z) / (np.pi / 2)
    scale = np.divide(radius, flat, out=np.zeros_like(flat), where=flat > 0)
    return {
        label: [round(float(a), 3), round(float(b), 3)]
        for label, a, b in zip(labels, x * scale, y * scale, strict=True)
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(flat_positions(), separators=(",", ":"), sort_keys=True) + "\n")
