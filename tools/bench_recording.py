"""What recording costs: age of predictions, CPU and bytes of `rtbci run` with and without it, in turn.

    python tools/bench_recording.py [--channels 64] [--rate-hz 1000] [--chunk 8] [--rounds 3] [--seconds 20]

A process of its own sends the stream. In each round `rtbci run` runs once without and once with recording, on the
same stream; the table in Markdown has the medians over the rounds of each round's percentiles.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pylsl

from rtbci.client import Client
from rtbci.clock import now, sleep_until
from rtbci.errors import StreamError
from rtbci.publish.messages import Prediction, Status
from rtbci.recipes import read_paradigm
from rtbci.stream.montage import known_labels

PARADIGM = "motor_imagery"
SETTLE_S = 5.0
PATIENCE_S = 30.0


class Round(NamedTuple):
    """Percentiles of the age, mean CPU of a core, bytes of signal a minute."""

    p50_ms: float
    p99_ms: float
    cpu_percent: float
    mb_per_min: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--rate-hz", type=float, default=1000.0)
    parser.add_argument("--chunk", type=int, default=8, help="samples sent together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run, after it has settled")
    parser.add_argument("--send", default="", help="be the sender, of a stream of this source id")
    args = parser.parse_args()
    if args.send:
        send(args.send, args.channels, args.rate_hz, args.chunk)
        return
    source_id = f"bench-recording-{np.random.default_rng().integers(1 << 30)}"
    rest = ["--channels", str(args.channels), "--rate-hz", str(args.rate_hz), "--chunk", str(args.chunk)]
    sender = subprocess.Popen([sys.executable, __file__, "--send", source_id, *rest])
    try:
        rounds: dict[str, list[Round]] = {name: [] for name in ("without", "recording")}
        for _ in range(args.rounds):
            for name, kept in rounds.items():
                kept.append(_run(source_id, name == "recording", args.seconds))
    finally:
        sender.kill()
        sender.wait()
    print(f"{args.channels} channels, {args.rate_hz:g} Hz, chunks of {args.chunk}, {args.rounds} rounds\n")
    print("| run | age p50 (ms) | p99 (ms) | p99 by round | CPU (% of a core) | MB a minute |")
    print("|---|---|---|---|---|---|")
    for name, kept in rounds.items():
        p50, p99, cpu, mb = np.median(np.array(kept), axis=0)
        by_round = ", ".join(f"{one.p99_ms:.2f}" for one in kept)
        print(f"| {name} | {p50:.2f} | {p99:.2f} | {by_round} | {cpu:.1f} | {mb:.1f} |")


def _run(source_id: str, record: bool, seconds: float) -> Round:
    """One `rtbci run`, listened to."""
    port = int(np.random.default_rng().integers(20_000, 60_000))
    address = f"tcp://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        where = ["--record", folder] if record else ["--no-record"]
        command = [sys.executable, "-m", "rtbci.cli", "run", "--paradigm", PARADIGM, "--source-id", source_id]
        command += ["--pub", address, "--control", f"tcp://127.0.0.1:{port + 1}", "--markers", "none", *where]
        run = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            ages, cpus, t_listened = _listen(address, seconds)
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.xdf"))
        finally:
            run.terminate()
            run.wait()
    p50, p99 = np.percentile(ages, [50, 99])
    return Round(float(p50), float(p99), float(np.mean(cpus)), size / 1e6 / (t_listened / 60.0))


def _listen(address: str, seconds: float) -> tuple[list[float], list[float], float]:
    """Ages and CPU once it has settled; seconds since it first decoded."""
    ages: list[float] = []
    cpus: list[float] = []
    t_first = 0.0
    with Client(address, ("prediction", "status"), timeout_s=PATIENCE_S) as client:
        while not t_first or now() - t_first < SETTLE_S + seconds:
            try:
                message = client.receive()
            except StreamError as error:
                raise SystemExit(f"rtbci run said nothing: {error}") from error
            if isinstance(message, Prediction):
                t_first = t_first or now()
            if not t_first or now() - t_first < SETTLE_S:
                continue
            if isinstance(message, Prediction):
                ages.append(message.age_ms)
            elif isinstance(message, Status):
                cpus.append(message.cpu_percent)
    return ages, cpus, now() - t_first


def send(source_id: str, n_channels: int, rate_hz: float, chunk: int) -> None:
    """Send noise of electrodes as an LSL stream, the decoder's first, until it is killed."""
    wanted = list(read_paradigm(PARADIGM).input.channels)
    labels = [*wanted, *(label for label in known_labels() if label not in wanted)][:n_channels]
    info = pylsl.StreamInfo(source_id, "EEG", n_channels, rate_hz, pylsl.cf_float32, source_id)
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel").append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
        channel.append_child_value("type", "EEG")
    outlet = pylsl.StreamOutlet(info, chunk)
    rows = (10.0 * np.random.default_rng(0).standard_normal((1 << 15, n_channels))).astype(np.float32)
    t0, n = now(), 0
    while True:
        sleep_until(t0 + (n + chunk) / rate_hz)
        stamps = t0 + np.arange(n, n + chunk) / rate_hz
        outlet.push_chunk(np.take(rows, range(n, n + chunk), axis=0, mode="wrap"), stamps.tolist())
        n += chunk


if __name__ == "__main__":
    main()
