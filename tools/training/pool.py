"""The people whom decoders are trained on and judged with: where their recordings are, as all tools here are told."""

import argparse
import json
from pathlib import Path

from rtbci.errors import ConfigError

__all__ = ["DATA_SET", "add_data", "folds_by_person", "recording_of", "recordings_for", "recordings_of"]

DATA_SET = "eegmmidb"
"""Folder of the recordings below ``--data``, and the data set's name in records and profiles."""
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def add_data(parser: argparse.ArgumentParser) -> None:
    """Give a tool its ``--data``."""
    parser.add_argument("--data", type=Path, default=DATA, help=f"folder of {DATA_SET}/")


def recordings_of(data: Path, limit: int | None = None) -> list[Path]:
    """Files of the first `limit` people below `data`, or of all, in the order of their names."""
    return sorted((data / DATA_SET).glob("S*.npz"))[:limit]


def recordings_for(tool: str, data: Path, n_folds: int, limit: int | None = None) -> list[Path]:
    """As `recordings_of`, for a tool that cross-validates.

    Raises
    ------
    ConfigError
        When there are fewer people than folds.
    """
    paths = recordings_of(data, limit)
    if len(paths) < n_folds:
        raise ConfigError(
            f"{tool}: found {len(paths)} subjects below {data}, need {n_folds} or more; give --data"
        )
    return paths


def recording_of(data: Path, name: str) -> Path:
    """File of one person, as S001."""
    return data / DATA_SET / f"{name}.npz"


def folds_by_person(tool: str, folder: Path, limit: int | None = None) -> dict[str, Path]:
    """Folder of the fold that did not train on each person, by the person's name (as S001), of the first `limit` people or of all.

    Raises
    ------
    ConfigError
        When no fold says whom it is for.
    """
    found = {
        name: fold
        for fold in sorted(folder.glob("fold*/"))
        for name in json.loads((fold / "subjects.json").read_text())["test"]
    }
    if not found:
        raise ConfigError(f"{tool}: found no fold*/subjects.json below {folder}, need them; train first")
    return {name: found[name] for name in sorted(found)[:limit]}
