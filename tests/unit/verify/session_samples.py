"""Sessions recorded in simulated time, and what a liar would do to them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rtbci.chaos.simulate import Outcome
from rtbci.record.recorder import WRITE_S, SessionRecorder
from rtbci.record.session_json import JSON_NAME
from rtbci.record.xdf_format import SESSION_XDF
from tests.chaos_samples import make_synthetic, scenario
from tests.unit.record.samples import have_written
from tools.simulated_session import record_session

__all__ = ["FAULTS", "change_json", "recorded", "recorded_in_time", "recrafted"]

FAULTS = (
    {"kind": "dropout", "per_minute": 30.0, "length_s": 0.004, "max_length_s": 0.2},
    {"kind": "nan", "per_minute": 10.0, "length_s": 0.004, "max_length_s": 0.1},
    {"kind": "burst", "per_minute": 10.0, "length_s": 0.3, "max_length_s": 1.0},
    {"kind": "vanish", "start_s": 6.0, "length_s": 0.5},
)


def recorded(
    folder: Path,
    paradigm: Path,
    *,
    seconds: float = 10.0,
    faults: Sequence[dict[str, Any]] = FAULTS,
    settings: dict[str, Any] | None = None,
    made: Callable[[SessionRecorder], object] = id,
    **more: Any,
) -> Outcome:
    """Record a session of the tiny paradigm."""
    what = scenario(*faults, duration_s=seconds)
    return record_session(
        folder, what, make_synthetic, {"paradigm": str(paradigm), **(settings or {})}, made=made, **more
    )


def recorded_in_time(folder: Path, paradigm: Path, seconds: float = 10.0) -> Outcome:
    """The same, written as often as in real time: a file that is cut has what was before the cut."""
    recorders: list[SessionRecorder] = []
    n_writes = round(seconds / WRITE_S)
    acts = [(i * WRITE_S, lambda: have_written(recorders[0])) for i in range(1, n_writes)]
    return recorded(folder, paradigm, seconds=seconds, acts=acts, made=recorders.append)


def change_json(folder: Path, change: Callable[[Any], object]) -> None:
    """Change what `session.json` says."""
    path = folder / JSON_NAME
    content = msgspec.json.decode(path.read_bytes())
    change(content)
    path.write_bytes(msgspec.json.encode(content))


def recrafted(folder: Path, old: bytes, new: bytes) -> None:
    """Exchange some bytes of the file, and take its checksums off it, as somebody would who wants it to look sound."""
    path = folder / SESSION_XDF
    content = path.read_bytes()
    assert len(old) == len(new)
    assert old in content
    path.write_bytes(content.replace(old, new, 1).replace(b"rtbci-checksum", b"other-checksum"))
