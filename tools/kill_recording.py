"""Kill a recording process at random moments, and see what is lost and whether the file can be read.

    python tools/kill_recording.py [--kills 200] [--together 1] [--seed 0] [--rate-hz 250] [--channels 8] [--json FILE]

Each kill has a process of its own that records in real time, as a run does: a synthetic amplifier in chunks of 5
samples, a marker and 16 predictions a second. It keeps the number of samples handed over in memory that
outlives it. After SIGKILL the file must be readable by us and by pyxdf without a wrong sample, must lack at most
one second of what was handed over, and `repair_xdf` must make it complete. Exit status 1 where that fails.
"""

import argparse
import json
import mmap
import os
import shutil
import signal
import struct
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyxdf

from rtbci.clock import now, sleep_until, utc_now
from rtbci.publish.messages import EngineRef, Prediction, ProfileRef, Quality, Trace
from rtbci.record.items import Opened
from rtbci.record.recorder import SessionRecorder
from rtbci.record.repair import repair_xdf
from rtbci.record.session_json import SessionRecord, read_session_json
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import StreamData, read_xdf_file
from rtbci.stream.source import Channel, Chunk, Marker, StreamInfo

LIMIT_S = 1.0
CHUNK = 5
MARKER_S = 1.0
PREDICTION_S = 0.0625
LONGEST_S = 2.5


class Kill(NamedTuple):
    """One kill: after how long, what was lost of that, what could be read, and what was wrong."""

    after_s: float
    lost_s: float
    n_samples: int
    problem: str


class Handed:
    """Number of samples handed over, in memory that outlives the process that writes it."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 8)

    def put(self, n: int) -> None:
        """Keep the number."""
        self._shared[:] = struct.pack("<q", n)

    def get(self) -> int:
        """Return the number."""
        return int(struct.unpack("<q", self._shared[:])[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200, help="how many processes")
    parser.add_argument("--together", type=int, default=1, help="how many of them at a time")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--rate-hz", type=float, default=250.0)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    kills: list[Kill] = []
    with tempfile.TemporaryDirectory() as folder:
        while len(kills) < args.kills:
            n = min(args.together, args.kills - len(kills))
            moments_s = sorted(rng.uniform(0.0, LONGEST_S, n).tolist())
            kills += _kill_some(Path(folder), moments_s, args.rate_hz, args.channels)
    bad = [one for one in kills if one.problem]
    lost_s = np.array([one.lost_s for one in kills])
    result = {
        "kills": len(kills),
        "bad": [one._asdict() for one in bad],
        "lost_s": {"median": float(np.median(lost_s)), "max": float(lost_s.max())},
        "n_samples_read": sum(one.n_samples for one in kills),
    }
    print(json.dumps(result, indent=2))
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if bad else 0


class _Child(NamedTuple):
    """A process that records, and what it keeps for us."""

    number: int
    folder: Path
    handed: Handed


def _kill_some(folder: Path, moments_s: list[float], rate_hz: float, n_channels: int) -> list[Kill]:
    """Start a process for each moment (ascending), kill each at its own, and judge what they left."""
    t_start = now()
    children = [_start(folder / f"{i}", rate_hz, n_channels) for i in range(len(moments_s))]
    statuses = []
    for child, after_s in zip(children, moments_s, strict=True):
        sleep_until(t_start + after_s)
        os.kill(child.number, signal.SIGKILL)
        statuses.append(os.waitpid(child.number, 0)[1])
    kills = []
    for child, after_s, status in zip(children, moments_s, statuses, strict=True):
        if os.WTERMSIG(status) == signal.SIGKILL:
            kills.append(_judge(child.folder, after_s, child.handed.get(), rate_hz))
        else:
            kills.append(Kill(after_s, 0.0, 0, f"ended by itself: {status}"))
        shutil.rmtree(child.folder, ignore_errors=True)
    return kills


def _start(folder: Path, rate_hz: float, n_channels: int) -> _Child:
    handed = Handed()
    sys.stdout.flush()
    number = os.fork()
    if number == 0:
        try:
            _record(folder, handed, rate_hz, n_channels)
        finally:
            os._exit(1)
    return _Child(number, folder, handed)


def _record(folder: Path, handed: Handed, rate_hz: float, n_channels: int) -> None:
    channels = tuple(Channel(f"C{i}", "microvolts") for i in range(n_channels))
    info = StreamInfo("killed", "killed", rate_hz, channels)
    recorder = SessionRecorder(folder, _record_of(), utc_now())
    recorder.start()
    recorder.take(Opened(info, ""))
    t0, n, t_marked, t_predicted, seq = now(), 0, 0.0, 0.0, 0
    while True:
        sleep_until(t0 + (n + CHUNK) / rate_hz)
        i = np.arange(n, n + CHUNK)
        t_lsl = t0 + i / rate_hz
        recorder.take(Chunk(i[:, None] + np.zeros(n_channels), t_lsl))
        n += CHUNK
        handed.put(n)
        if t_lsl[-1] - t_marked >= MARKER_S:
            t_marked = float(t_lsl[-1])
            recorder.take(Marker(t_marked, f"after {n}"))
        if t_lsl[-1] - t_predicted >= PREDICTION_S:
            t_predicted = float(t_lsl[-1])
            recorder.send(_prediction(seq, t_predicted))
            seq += 1


def _judge(folder: Path, after_s: float, n: int, rate_hz: float) -> Kill:
    path = folder / SESSION_XDF
    if not n:
        return Kill(after_s, 0.0, 0, "")  # killed before the first chunk
    n_first, problem = _read(path, n)
    lost_s = max(0.0, (n - n_first) / rate_hz)
    if not problem and lost_s > LIMIT_S:
        problem = f"lost {lost_s:.3f} s of {n / rate_hz:.3f}"
    if not problem:
        repair_xdf(path)
        n_after, problem = _read(path, n)
        if not problem and n_after != n_first:
            problem = f"the repaired file has {n_after} samples, not {n_first}"
        if not problem and n_first:
            problem = _read_by_pyxdf(path, n_first)
    if not problem and read_session_json(folder).ended is not None:
        problem = "session.json says that it has ended"
    return Kill(after_s, lost_s, n_first, problem)


def _read(path: Path, n: int) -> tuple[int, str]:
    """Number of samples in the file, and what is wrong with them: sample i must hold i in all channels."""
    try:
        file = read_xdf_file(path)
    except Exception as error:
        return 0, f"{type(error).__name__}: {error}"
    found: StreamData | None = file.named("killed")
    if found is None:
        return 0, ""
    good = found.values == np.arange(len(found.t_s))[:, None]
    if not good.all() or len(found.t_s) > n + CHUNK:  # the chunk may be handed over and not yet counted
        return len(found.t_s), "wrong samples"
    return len(found.t_s), ""


def _read_by_pyxdf(path: Path, n: int) -> str:
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    (found,) = [one for one in streams if one["info"]["name"] == ["killed"]]
    return "" if len(found["time_stamps"]) == n else f"pyxdf reads {len(found['time_stamps'])} of {n} samples"


def _record_of() -> SessionRecord:
    return SessionRecord(
        started_utc=utc_now().isoformat(),
        t_start_lsl=now(),
        paradigm="killed",
        recipe_sha256="",
        user="nobody",
        config={},
        engines=(),
        profile=None,
        versions={},
    )


def _prediction(seq: int, t_end: float) -> Prediction:
    return Prediction(
        v=1,
        session="killed",
        seq=seq,
        t_sent=now(),
        classes=("left_hand", "right_hand"),
        probs=(0.5, 0.5),
        label="left_hand",
        decision=None,
        why="below_threshold",
        t_window=(t_end - 1.0, t_end),
        age_ms=1.0,
        trace_ms=Trace(wait=1.0, filter=0.0, encode=0.0, probe=0.0, send=0.0),
        quality=Quality(score=1.0),
        profile=ProfileRef(user="", id="", generation=0),
        engine=EngineRef(name="", id=""),
    )


if __name__ == "__main__":
    sys.exit(main())
