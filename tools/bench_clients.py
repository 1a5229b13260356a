"""Time from `t_sent` to the decoded message in the clients of several languages, over loopback.

    (cd clients/node && npm install)
    nice -n -10 python -m tools.bench_clients [--languages python node cpp] [--rounds 5] [--duration-s 20] [--address tcp://127.0.0.1:5571]

`rtbci publish` plays a recorded stream in real time, or with --address whatever publishes there is listened to; one subscriber at a time listens, the languages in turn within a round. All read
the same clock: that of LSL is the operating system's monotonic one (Linux). Prints a table in Markdown, medians over rounds.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtbci.client import Client
from rtbci.clock import now
from rtbci.publish.messages import Prediction

ROOT = Path(__file__).resolve().parents[1]
STREAM = ROOT / "docs/clients/streams/motor_imagery.jsonl"
WARM_S = 1.0


class Round(NamedTuple):
    """Percentiles of one subscriber's latencies [ms], and what it lost."""

    p50: float
    p99: float
    longest: float
    n_messages: int
    n_lost: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--languages", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration-s", type=float, default=20.0, help="of each subscriber in each round")
    parser.add_argument("--address", help="of a publisher that is there, as `rtbci run` (default: start one)")
    parser.add_argument(
        "--listen", nargs=2, metavar=("ADDRESS", "S"), help="be a subscriber (started by this program)"
    )
    args = parser.parse_args()
    if args.listen:
        _listen(args.listen[0], float(args.listen[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        commands = {language: COMMANDS[language](Path(folder)) for language in args.languages}
        rounds: dict[str, list[Round]] = {language: [] for language in args.languages}
        publisher, address = (None, args.address) if args.address else _publish()
        try:
            for _ in range(args.rounds):
                for language, command in commands.items():
                    rounds[language].append(_measure([*command, address, str(args.duration_s)]))
        finally:
            if publisher is not None:
                publisher.terminate()
                publisher.wait()
    print("| client | p50 ms | p99 ms | longest ms | p50 of rounds | p99 of rounds | messages | lost |")
    print("|---|---|---|---|---|---|---|---|")
    for language, measured in rounds.items():
        print(_row(language, measured))


def _row(language: str, rounds: list[Round]) -> str:
    p50, p99 = [one.p50 for one in rounds], [one.p99 for one in rounds]
    return (
        f"| {language} | {statistics.median(p50):.3f} | {statistics.median(p99):.3f} | "
        f"{max(one.longest for one in rounds):.2f} | {min(p50):.3f} to {max(p50):.3f} | {min(p99):.3f} to {max(p99):.3f} | "
        f"{sum(one.n_messages for one in rounds)} | {sum(one.n_lost for one in rounds)} |"
    )


def _publish() -> "tuple[subprocess.Popen[str], str]":
    options = ["--from", str(STREAM), "--loop", "--pub", "tcp://127.0.0.1:0"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rtbci.cli", "publish", *options], stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr or ():
        if line.startswith("publish: "):
            return process, line.split()[1]
    raise SystemExit("bench_clients: rtbci publish ended early")


def _measure(command: list[str]) -> Round:
    said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    latency_ms = np.array(said["latency_ms"])
    p50, p99 = np.percentile(latency_ms, [50, 99])
    return Round(float(p50), float(p99), float(latency_ms.max()), len(latency_ms), said["n_lost"])


def _python(_folder: Path) -> list[str]:
    return [sys.executable, "-m", "tools.bench_clients", "--listen"]


def _node(_folder: Path) -> list[str]:
    return ["node", str(ROOT / "tools/bench_clients.mjs")]


def _cpp(folder: Path) -> list[str]:
    program = folder / "bench_clients"
    source, header = ROOT / "tools/bench_clients.cpp", ROOT / "clients/cpp"
    compiler = shutil.which("g++") or "g++"
    subprocess.run(
        [compiler, "-std=c++17", "-O2", f"-I{header}", str(source), "-o", str(program), "-lzmq"], check=True
    )
    return [str(program)]


COMMANDS: dict[str, Callable[[Path], list[str]]] = {"python": _python, "node": _node, "cpp": _cpp}


def _listen(address: str, duration_s: float) -> None:
    latency_ms, t_start, n_lost = [], now(), 0
    with Client(address) as client:
        for message in client:
            t_heard = now()
            if isinstance(message, Prediction) and t_heard - t_start > WARM_S:
                latency_ms.append((t_heard - message.t_sent) * 1e3)
            n_lost = max(n_lost, client.n_lost["prediction"])
            if t_heard - t_start > WARM_S + duration_s:
                break
    print(json.dumps({"latency_ms": latency_ms, "n_lost": n_lost}))


if __name__ == "__main__":
    main()
