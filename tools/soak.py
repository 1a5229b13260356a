"""A long run under faults: 64 channels, 1000 Hz, a fault every minute, `rtbci run` with recording, a subscriber.

    python tools/soak.py --minutes 60 --out soak        # writes soak/soak.json and soak/soak.svg

Three processes: the synthetic amplifier behind a chaos relay, which also bothers the run with one subscriber that never
reads and a slow one; `rtbci run`; and this one, which subscribes, and reads memory and CPU of the run every five
seconds. At the end the run is stopped as by Ctrl-C, and the session's file is read and compared with what was sent.
Exit status 1 when a limit is not kept: memory grows by 1 MB an hour or more once it is warm, resident or its own (a
system that is short of memory pages out, which would hide a leak), a hop is missed outside of the faults, a message or
a recorded sample is lost, or the file cannot be read.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rtbci.chaos.flow import Injected
from rtbci.chaos.relay import ChaosRelay
from rtbci.client import Client
from rtbci.clock import now
from rtbci.errors import StreamError
from rtbci.loopback.child import RtbciProcess
from rtbci.loopback.hops import HopLog, Span, complement
from rtbci.publish.messages import Event, Prediction, Status
from rtbci.recipes import read_paradigm
from rtbci.record.session_json import read_session_json
from rtbci.record.sessions import list_sessions, xdf_of
from rtbci.record.xdf_read import read_xdf_file
from tools.soaking.figure import draw
from tools.soaking.judged import Seen, judge_hops, judge_recorded
from tools.soaking.plan import NumberedAmp, soak_scenario

MEMORY_LIMIT_MB_PER_H = 1.0
JUDGED_MINUTES = 20.0
"""A straight line through less than this says nothing of an hour."""
LOOK_S = 5.0
PATIENCE_S = 60.0
SETTLE_S = 5.0
RATE_HZ = 1000.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every-s", type=float, default=60.0, help="a fault every so often, in seconds")
    parser.add_argument("--warm-up", type=float, default=15.0, help="minutes before memory is judged")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate-hz", type=float, default=RATE_HZ)
    parser.add_argument("--paradigm", default="motor_imagery")
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder of the results")
    parser.add_argument(
        "--work", type=Path, help="folder of the recording, deleted at the end (default: temporary)"
    )
    parser.add_argument(
        "--send", default="", help="be the sender of a stream of this name (used by the tool itself)"
    )
    parser.add_argument("--consume", default="", help="where its slow subscribers listen")
    args = parser.parse_args()
    if args.send:
        return _send(args)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.work is not None:
        args.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        result = Soak(args, Path(work)).run()
    (args.out / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(result, args.out / "soak.svg")
    shown = {key: value for key, value in result.items() if key not in ("series", "by_minute", "faults")}
    print(json.dumps(shown, indent=1))
    return 1 if result["broken"] else 0


def _send(args: argparse.Namespace) -> int:
    """Be the amplifier: faults are written to `records.jsonl` in the folder of the results."""
    scenario = soak_scenario(args.minutes, args.seed, args.every_s)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with (args.out / "records.jsonl").open("wb", buffering=0) as file:
        ChaosRelay(
            NumberedAmp(args.rate_hz, args.seed, args.send),
            scenario,
            name=args.send,
            source_id=args.send,
            log=lambda record: file.write(msgspec.json.encode(record) + b"\n"),
            consume=args.consume,
        ).run(stop)
    return 0


class Soak:
    """One soak, from the start of the processes to the result."""

    def __init__(self, args: argparse.Namespace, work: Path) -> None:
        self._args, self._work = args, work
        self._log = HopLog()
        self._events: Counter[str] = Counter()
        self._status: Status | None = None
        self._looks: list[tuple[float, float, float, float]] = []  # time, MB, s of CPU, MB of its own
        self._load: list[float] = []

    def run(self) -> dict[str, Any]:
        """Run it; what is in soak.json."""
        args = self._args
        port = int(np.random.default_rng().integers(20_000, 60_000))
        address, name = f"tcp://127.0.0.1:{port}", f"soak-{port}"
        command = [
            sys.executable,
            __file__,
            "--send",
            name,
            "--consume",
            address,
            "--minutes",
            str(args.minutes),
        ]
        command += ["--every-s", str(args.every_s), "--seed", str(args.seed), "--rate-hz", str(args.rate_hz)]
        run_args = [
            "run",
            "--paradigm",
            args.paradigm,
            "--source-id",
            name,
            "--pub",
            address,
            "--markers",
            "none",
        ]
        run_args += ["--control", "tcp://127.0.0.1:0", "--record", str(self._work), "--timeout", "30"]
        sender = subprocess.Popen([*command, "--out", str(args.out)])
        try:
            with (
                RtbciProcess(run_args) as run,
                Client(address, ("prediction", "status", "event"), timeout_s=PATIENCE_S) as client,
            ):
                run.wait_line("publish:", PATIENCE_S)
                whole = self._listen(run, client)
                n_lost = dict(client.n_lost)
                status = run.end()
        finally:
            sender.terminate()
            sender.wait()
        return self._result(whole, n_lost, status, run.said)

    def _listen(self, run: RtbciProcess, client: Client) -> Span:
        """Take everything until the time is over; when predictions were due."""
        t_first, t_look = 0.0, 0.0
        duration_s = 60.0 * self._args.minutes
        while True:
            try:
                message = client.receive()
            except StreamError as error:
                raise SystemExit(f"the run said nothing: {error}; {run.said}") from error
            t_now = now()
            if isinstance(message, Prediction):
                self._log.push(message)
                if not t_first and message.probs is not None:
                    t_first = message.t_sent
            elif isinstance(message, Status):
                self._status = message
            elif isinstance(message, Event):
                self._events[message.kind] += 1
            if t_first and t_now - t_look >= LOOK_S:
                t_look = t_now
                used = run.usage()
                self._looks.append((t_now, used.rss_mb, used.cpu_s, own_mb(run.pid)))
                self._load.append(os.getloadavg()[0])
            if t_first and t_now - t_first >= duration_s - 10.0:  # the stream began some seconds before
                return Span(t_first + SETTLE_S, t_now - 1.0)

    def _result(self, whole: Span, n_lost: dict[str, int], status: int, said: list[str]) -> dict[str, Any]:
        args = self._args
        text = (args.out / "records.jsonl").read_text()
        records = [msgspec.json.decode(line, type=Injected) for line in text.splitlines()]
        records = [one for one in records if one.t_lsl < whole.t_to]
        window = read_paradigm(args.paradigm).window
        seen = judge_hops(self._log, records, whole, window.length_s, window.hop_s)
        (kept,) = list_sessions(self._work)
        recorded = judge_recorded(read_xdf_file(xdf_of(kept.folder)), records, args.rate_hz)
        ended = read_session_json(kept.folder).ended
        result: dict[str, Any] = {
            "minutes": args.minutes,
            "rate_hz": args.rate_hz,
            "hop_s": window.hop_s,
            "seed": args.seed,
            "memory": self._memory(),
            "hops": seen._asdict(),
            "age_ms": self._ages(records, whole),
            "n_out_of_turn": self._log.n_out_of_turn,
            "n_lost": n_lost,
            "status": msgspec.to_builtins(self._status),
            "events": dict(self._events),
            "recorded": recorded._asdict() | {"n_bytes": kept.n_bytes, "ended": msgspec.to_builtins(ended)},
            "run_exit_status": status,
            "run_said_last": said[-3:],
            "load_average": {"median": float(np.median(self._load)), "max": float(np.max(self._load))},
            "n_cores": os.cpu_count(),
            "faults": [self._fault(one) for one in records],
            "by_minute": self._by_minute(records, whole),
            "series": self._series(),
        }
        result["broken"] = self._broken(result, seen)
        return result

    def _broken(self, result: dict[str, Any], seen: Seen) -> list[str]:
        """Which limits were not kept."""
        ended = result["recorded"]["ended"] or {}
        limits = {
            "memory": not result["memory"]["is_judged"] or is_flat(result["memory"]),
            "hops missed": seen.n_missed == 0,
            "messages lost": not any(result["n_lost"].values()) and not self._log.n_out_of_turn,
            "session ended": bool(ended) and not ended["n_samples_lost"] and not ended["n_messages_lost"],
            "file": not result["recorded"]["n_damages"] and not result["recorded"]["n_missing"],
            "stamps": not result["recorded"]["n_wrong_stamps"],
            "exit status": result["run_exit_status"] == 0,
        }
        return [name for name, kept in limits.items() if not kept]

    def _memory(self) -> dict[str, float]:
        """Straight lines through the resident and its own memory, by least squares, once it is warm."""
        looks = np.array(self._looks)
        minutes = (looks[:, 0] - looks[0, 0]) / 60.0
        from_minute = min(self._args.warm_up, 0.5 * float(minutes[-1]))
        warm = minutes >= from_minute
        (slope, own_slope), (at_zero, _) = np.polyfit(minutes[warm], looks[warm][:, [1, 3]], 1)
        return {
            "from_minute": from_minute,
            "is_judged": bool(minutes[-1] - from_minute >= JUDGED_MINUTES),
            "slope_mb_per_h": 60.0 * float(slope),
            "at_start_mb": float(at_zero + slope * from_minute),
            "first_mb": float(looks[0, 1]),
            "last_mb": float(looks[-1, 1]),
            "max_mb": float(looks[:, 1].max()),
            "own_slope_mb_per_h": 60.0 * float(own_slope),
            "own_first_mb": float(looks[0, 3]),
            "own_last_mb": float(looks[-1, 3]),
        }

    def _peace(self, records: list[Injected], whole: Span) -> list[Span]:
        off = [Span(one.t_lsl - 0.1, one.t_lsl + (one.length_s or 0.0) + 6.0) for one in records]
        return complement(off, whole)

    def _ages(self, records: list[Injected], whole: Span) -> dict[str, float]:
        """Percentiles of the age outside of faults."""
        ages = self._in_spans(self._peace(records, whole))
        p50, p95, p99, highest = np.percentile(ages, [50, 95, 99, 100])
        return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "max": float(highest)}

    def _in_spans(self, spans: list[Span]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        t_sent, inside = self._log.t_sent, np.zeros(len(self._log.t_sent), bool)
        for span in spans:
            inside |= (t_sent >= span.t_from) & (t_sent <= span.t_to)
        return self._log.age_ms[inside]

    def _by_minute(self, records: list[Injected], whole: Span) -> list[dict[str, float]]:
        rows = []
        for i in range(int((whole.t_to - whole.t_from) / 60.0)):
            minute = Span(whole.t_from + 60.0 * i, whole.t_from + 60.0 * (i + 1))
            ages = self._in_spans(self._peace(records, minute))
            if len(ages):
                p50, p99, highest = (round(float(x), 2) for x in np.percentile(ages, [50, 99, 100]))
                rows.append({"minute": i + 0.5, "p50_ms": p50, "p99_ms": p99, "max_ms": highest})
        return rows

    def _series(self) -> dict[str, list[float]]:
        """Memory and CPU, every half minute."""
        looks = np.array(self._looks)[:: max(1, round(30.0 / LOOK_S))]
        cpu = 100.0 * np.diff(looks[:, 2]) / np.diff(looks[:, 0])
        return {
            "minute": [round(float(t), 3) for t in (looks[:, 0] - looks[0, 0]) / 60.0],
            "rss_mb": [round(float(x), 3) for x in looks[:, 1]],
            "own_mb": [round(float(x), 3) for x in looks[:, 3]],
            "cpu_percent": [round(float(x), 2) for x in cpu],
        }

    def _fault(self, one: Injected) -> dict[str, Any]:
        minute = (one.t_lsl - self._looks[0][0]) / 60.0
        return {"kind": one.kind, "minute": round(minute, 3), "length_s": round(one.length_s or 0.0, 3)}


def own_mb(pid: int) -> float:
    """Memory that no file backs, in RAM or paged out [MB of 2^20 bytes]; Linux."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "VmSwap")) / 1024.0


def is_flat(memory: dict[str, float]) -> bool:
    """Whether neither the resident nor its own memory grows by as much as the limit."""
    return max(memory["slope_mb_per_h"], memory["own_slope_mb_per_h"]) < MEMORY_LIMIT_MB_PER_H


if __name__ == "__main__":
    sys.exit(main())
