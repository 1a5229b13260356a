"""What the live page costs: age of predictions and CPU of `rtbci run`, with nobody looking, pages, and a browser, in turn.

    python tools/bench_monitor.py [--channels 64] [--rate-hz 1000] [--rounds 5] [--seconds 20] [--browser chromium]

A process of its own sends the stream; one `rtbci run --monitor` decodes it all the time. In each round every audience
looks for a while: nobody, one page, five pages (programs that take what a page takes, and draw nothing), and a headless
browser that draws. The table in Markdown has percentiles over the predictions of all rounds, and how they compare with
those of nobody looking, round by round.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np
import psutil
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from rtbci.client import Client
from rtbci.clock import now, sleep_until
from rtbci.publish.messages import Prediction

PATIENCE_S = 30.0
SETTLE_S = 3.0


class Look(NamedTuple):
    """What was seen while an audience looked."""

    ages_ms: list[float]
    spent_ms: list[float]
    run_percent: float
    page_percent: float
    bytes_per_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--rate-hz", type=float, default=1000.0)
    parser.add_argument("--chunk", type=int, default=8, help="samples sent together")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="that each audience looks")
    parser.add_argument("--browser", default="", help="a Chromium, to draw in")
    parser.add_argument("--send", default="", help="be the sender, of a stream of this source id")
    parser.add_argument("--view", default="", help="be a page of this address")
    args = parser.parse_args()
    if args.send:
        from tools.bench_recording import send

        send(args.send, args.channels, args.rate_hz, args.chunk)
    elif args.view:
        _view(args.view)
    else:
        _bench(args)


def _bench(args: argparse.Namespace) -> None:
    audiences = {"nobody": 0, "1 page": 1, "5 pages": 5} | ({"a browser": -1} if args.browser else {})
    with _running(args) as (run, address, url):
        page = next(one for one in psutil.Process(run.pid).children() if "monitor" in one.cmdline())
        looks: dict[str, list[Look]] = {name: [] for name in audiences}
        with Client(address, timeout_s=PATIENCE_S) as client:
            sleep_until(now() + SETTLE_S)
            for _ in range(args.rounds):
                for name, n in audiences.items():
                    with _audience(n, url, args.browser) as viewers:
                        sleep_until(now() + SETTLE_S)
                        looks[name].append(
                            _look(client, psutil.Process(run.pid), page, args.seconds, viewers)
                        )
    _print(args, looks)


@contextmanager
def _running(args: argparse.Namespace) -> "Iterator[tuple[subprocess.Popen[str], str, str]]":
    """The sender and the run; its ZMQ address and its page's."""
    source_id = f"bench-monitor-{np.random.default_rng().integers(1 << 30)}"
    rest = ["--channels", str(args.channels), "--rate-hz", str(args.rate_hz), "--chunk", str(args.chunk)]
    sender = subprocess.Popen([sys.executable, __file__, "--send", source_id, *rest])
    any_port = "tcp://127.0.0.1:0"
    command = [sys.executable, "-m", "rtbci.cli", "run", "--source-id", source_id, "--markers", "none"]
    command += [
        "--wait",
        "--no-record",
        "--pub",
        any_port,
        "--control",
        any_port,
        "--monitor-at",
        "127.0.0.1:0",
    ]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        address = url = ""
        for line in run.stderr or ():
            address = line.split()[1] if line.startswith("publish:") else address
            url = line.split()[1] if line.startswith("page:") else url
            if line.startswith("state: running"):
                break
        yield run, address, url
    finally:
        for process in (run, sender):
            process.terminate()
            process.wait()


@contextmanager
def _audience(n: int, url: str, browser: str) -> "Iterator[list[subprocess.Popen[bytes]]]":
    with tempfile.TemporaryDirectory() as folder:
        if n < 0:
            flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
            commands = [[browser, *flags, "--window-size=1440,900", f"--user-data-dir={folder}", url]]
        else:
            commands = [[sys.executable, __file__, "--view", url]] * n
        viewers = [
            subprocess.Popen(one, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for one in commands
        ]
        try:
            yield viewers
        finally:
            for viewer in viewers:
                viewer.terminate()
                viewer.wait()
            sleep_until(now() + 0.5)  # a browser's helpers end after it


def _look(
    client: Client,
    run: psutil.Process,
    page: psutil.Process,
    seconds: float,
    viewers: "list[subprocess.Popen[bytes]]",
) -> Look:
    """Ages, and what was spent of them after the samples had come, while an audience looks."""
    client.latest()
    ages: list[float] = []
    spent: list[float] = []
    t_start = now()
    before = [sum(one.cpu_times()[:2]) for one in (run, page)]
    while now() - t_start < seconds:
        message = client.receive()
        if isinstance(message, Prediction) and message.probs is not None:
            ages.append(message.age_ms)
            spent.append(message.age_ms - message.trace_ms.wait)
    took_s = now() - t_start
    assert all(viewer.poll() is None for viewer in viewers)
    used = [
        100.0 * (sum(one.cpu_times()[:2]) - cpu) / took_s
        for one, cpu in zip((run, page), before, strict=True)
    ]
    return Look(ages, spent, used[0], used[1], _bytes_per_s(viewers))


def _bytes_per_s(viewers: "list[subprocess.Popen[bytes]]") -> float:
    """What the first of the pages has taken; NaN of a browser, and where there is none."""
    if not viewers or (out := viewers[0].stdout) is None or viewers[0].args[0] != sys.executable:  # type: ignore[index]
        return float("nan")
    viewers[0].terminate()
    rates = [float(line) for line in out.read().split()]
    return float(np.median(rates)) if rates else float("nan")


def _print(args: argparse.Namespace, looks: dict[str, list[Look]]) -> None:
    print(
        f"{args.channels} channels, {args.rate_hz:g} Hz, chunks of {args.chunk}, {args.rounds} rounds of {args.seconds:g} s\n"
    )
    print(
        "| looks | age p50 / p99 (ms) | p99 against nobody | decided in p50 / p99 (ms) | p99 against nobody | run (% of a core) | page (% of a core) | kB/s a page |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, rounds in looks.items():
        cells = [name]
        for of in ("ages_ms", "spent_ms"):
            p50, p99 = np.percentile([value for look in rounds for value in getattr(look, of)], [50, 99])
            base = [np.percentile(getattr(look, of), 99) for look in looks["nobody"]]
            ratios = [
                np.percentile(getattr(look, of), 99) / one for look, one in zip(rounds, base, strict=True)
            ]
            cells += [
                f"{p50:.2f} / {p99:.2f}",
                f"{np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            ]
        for of, form in (("run_percent", ".1f"), ("page_percent", ".1f"), ("bytes_per_s", ".0f")):
            value = float(np.median([getattr(look, of) for look in rounds]))
            cells.append(format(value / 1e3 if of == "bytes_per_s" else value, form))
        print(f"| {' | '.join(cells)} |")


def _view(url: str) -> None:
    """Take what a page takes, until killed."""
    with suppress(ConnectionClosed), connect(url.replace("http", "ws", 1) + "page", proxy=None) as socket:
        socket.send(json.dumps({"type": "view", "signal": True, "filtered": False}))
        n_bytes, t_said = 0, now()
        for frame in socket:
            n_bytes += len(frame)
            if now() - t_said >= 1.0:
                print(n_bytes / (now() - t_said), flush=True)
                n_bytes, t_said = 0, now()


if __name__ == "__main__":
    main()
