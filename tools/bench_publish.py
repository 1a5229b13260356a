"""Time from `t_sent` to the decoded message in `rtbci.Client`, over loopback.

    python tools/bench_publish.py [--subscribers 1 10] [--stopped 1] [--rate-hz 16] [--duration-s 30] [--together]

Each subscriber is a process of its own, or with --together all are in one; with --stopped there are also some whose process
is stopped (SIGSTOP). Prints a table in Markdown: percentiles over all messages of all subscribers, cost of one prediction to the
decoder's thread, CPU of the publishing process.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import zmq

from rtbci.client import Client
from rtbci.clock import cpu_s, now, sleep_until
from rtbci.publish.messages import (
    DecisionSettings,
    EngineRef,
    HelloContent,
    Prediction,
    ProfileRef,
    Quality,
    Rates,
)
from rtbci.publish.outbox import Decoded, Outbox
from rtbci.publish.zmq_publisher import Publisher

SETTLE_S = 1.0
SILENT_S = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1, 10], help="how many, for each row")
    parser.add_argument(
        "--stopped", type=int, default=0, help="subscribers that never read, beside the others"
    )
    parser.add_argument("--together", action="store_true", help="all that read are one process")
    parser.add_argument("--rate-hz", type=float, default=16.0, help="predictions per second")
    parser.add_argument("--duration-s", type=float, default=30.0, help="for each row")
    parser.add_argument("--listen", metavar="ADDRESS", help="be a subscriber (started by this program)")
    parser.add_argument("--listeners", type=int, default=1, help="be so many")
    parser.add_argument("--sleep", metavar="ADDRESS", help="be a subscriber that never reads")
    args = parser.parse_args()
    if args.listen or args.sleep:
        _subscribe(args.listen or args.sleep, args.listeners, reads=bool(args.listen))
        return
    print(
        "| subscribers | never reading | p50 ms | p99 ms | max ms | lost | one prediction, p99 us | CPU % |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for n_subscribers in args.subscribers:
        together = n_subscribers if args.together else 1
        print(_measure(n_subscribers, together, args.stopped, args.rate_hz, args.duration_s), flush=True)


def _measure(n_subscribers: int, together: int, n_stopped: int, rate_hz: float, duration_s: float) -> str:
    with Publisher("tcp://127.0.0.1:0") as publisher, Outbox(_hello(1 / rate_hz), [publisher]) as outbox:
        several = ("--listeners", str(together))
        readers = [_start("--listen", publisher.address, *several) for _ in range(n_subscribers // together)]
        stopped = [_start("--sleep", publisher.address) for _ in range(n_stopped)]
        try:
            for process in (*readers, *stopped):
                _line(process)  # says that it is connected
            cost_s, cpu_percent = _publish(outbox, rate_hz, duration_s)
            results = [json.loads(_line(process)) for process in readers]
        finally:
            for process in (*readers, *stopped):
                process.kill()
                process.communicate()
    latency_ms = np.concatenate([result["latency_ms"] for result in results])
    p50, p99 = np.percentile(latency_ms, [50, 99])
    n_lost = sum(result["n_lost"] for result in results)
    return (
        f"| {n_subscribers} | {n_stopped} | {p50:.3f} | {p99:.3f} | {latency_ms.max():.3f} | {n_lost} | "
        f"{np.percentile(cost_s, 99) * 1e6:.0f} | {cpu_percent:.1f} |"
    )


def _publish(outbox: Outbox, rate_hz: float, duration_s: float) -> tuple[list[float], float]:
    t_start, cpu_start_s = now() + SETTLE_S, cpu_s()
    quality = Quality(score=1.0)
    cost_s = []
    for i in range(int(duration_s * rate_hz)):
        t_window = t_start + i / rate_hz
        sleep_until(t_window)
        outbox.poll()
        t_decided = now()
        decoded = Decoded(
            probs=(0.3, 0.7),
            decision=None,
            why="below_threshold",
            t_window=(t_window - 3.0, t_window),
            quality=quality,
            wait_ms=(t_decided - t_window) * 1e3,
            filter_ms=0.0,
            encode_ms=0.0,
            probe_ms=0.0,
            t_decided=t_decided,
        )
        outbox.prediction(decoded)
        cost_s.append(now() - t_decided)
    return cost_s, 100 * (cpu_s() - cpu_start_s) / (now() - t_start)


def _start(*args: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, __file__, *args], stdout=subprocess.PIPE, text=True)


def _line(process: "subprocess.Popen[str]") -> str:
    if process.stdout is None or not (line := process.stdout.readline()):
        raise SystemExit(f"bench_publish: a subscriber ended early (exit code {process.poll()})")
    return line


def _subscribe(address: str, n_listeners: int, reads: bool) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(address, timeout_s=0.0)) for _ in range(n_listeners)]
        print("connected", flush=True)
        if not reads:
            os.kill(os.getpid(), signal.SIGSTOP)
        poller = zmq.Poller()
        by_socket = {client._socket: client for client in clients}
        for socket in by_socket:
            poller.register(socket, zmq.POLLIN)
        latency_ms: list[float] = []
        t_newest = now()
        while now() - t_newest < SILENT_S + SETTLE_S:
            for socket, _ in poller.poll(100):
                message = by_socket[socket]._read()
                if isinstance(message, Prediction):
                    t_newest = now()
                    latency_ms.append((t_newest - message.t_sent) * 1e3)
        n_lost = sum(client.n_lost["prediction"] for client in clients)
        print(json.dumps({"latency_ms": latency_ms, "n_lost": n_lost}), flush=True)


def _hello(hop_s: float) -> HelloContent:
    return HelloContent(
        rtbci="bench",
        paradigm="bench",
        classes=("left", "right"),
        rates_hz=Rates(stream=256.0, decoder=256.0, prediction=1 / hop_s),
        window_s=3.0,
        hop_s=hop_s,
        delay_s=0.0,
        engine=EngineRef(name="bench", id="0" * 64),
        profile=ProfileRef(user="", id="0" * 64, generation=0),
        decision=DecisionSettings(threshold=0.7, dwell_s=0.25, refractory_s=1.0, smoothing_s=0.5),
    )


if __name__ == "__main__":
    main()
