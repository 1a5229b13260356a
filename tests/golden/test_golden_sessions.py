"""Recorded sessions, decoded again: every bit where libraries and processor are as they were, else the same decisions."""

from pathlib import Path

import pytest

from rtbci.verify.verify import verify

SESSIONS = sorted(path for path in (Path(__file__).parent / "recorded").iterdir() if path.is_dir())


def test_they_are_three_and_small() -> None:
    assert len(SESSIONS) == 3
    for folder in SESSIONS:
        assert sum(path.stat().st_size for path in folder.rglob("*")) < 500_000


@pytest.mark.parametrize("folder", SESSIONS, ids=lambda folder: folder.name)
def test_what_was_recorded_is_decoded_again(folder: Path) -> None:
    """A change that is meant to change numbers comes with new ones: tools/golden_sessions.py."""
    found = verify(folder)
    assert found.verdict == "identical" if found.exact else found.verdict in ("identical", "same"), found
    assert found.notes == ()
    assert found.n_compared > 100
    assert found.n_decisions >= 3
    assert found.n_compared + found.n_said_lost == found.n_predictions
