"""Where the recordings are that some tests read; those tests skip with a reason where they are absent."""

import os
from pathlib import Path

import pytest

__all__ = ["data_dir", "needs_data"]


def data_dir() -> Path:
    """Folder of the recordings: `RTBCI_DATA`, else ``../shared/data`` beside the checkout."""
    given = os.environ.get("RTBCI_DATA")
    return Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"


needs_data = pytest.mark.skipif(
    not (data_dir() / "README.md").is_file(),
    reason=f"no recordings at {data_dir()}; set RTBCI_DATA to their folder",
)
