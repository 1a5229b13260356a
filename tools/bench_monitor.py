"""What the live page costs: age of predictions and CPU of `rtbci run`, with nobody looking, one page, and five, in turn.

    python tools/bench_monitor.py [--channels 64] [--rate-hz 1000] [--rounds 40] [--seconds 2.5] [--browser chromium]

A process of its own sends the stream; one `rtbci run --monitor` decodes it all the time. Five pages are open all the
time (programs that take what a page takes, and draw nothing); how many of them look at the signal changes every few seconds,
so that whatever else the computer does falls on all alike. With `--browser` a headless browser that draws is one more
audience, in rounds of its own behind the others, since it cannot be switched so fast. The table in Markdown has percentiles over
all predictions of an audience; intervals are from 2000 bootstrap samples of the rounds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import psutil
from websockets.sync.client import ClientConnection, connect

from rtbci.client import Client
from rtbci.clock import now, sleep_until
from rtbci.publish.messages import Prediction
from rtbci.stages.stage import FloatArray

PATIENCE_S = 30.0
SETTLE_S = 3.0
SKIPPED_S = 0.5
"""Behind every change of the audience."""
N_PAGES = 5
AUDIENCES = {"nobody": 0, "1 page": 1, "5 pages": N_PAGES}
N_BROWSER_ROUNDS, BROWSER_S = 6, 10.0


class Look(NamedTuple):
    """What was seen while an audience looked: ages, what of them was spent after the samples had come, CPU."""

    ages_ms: list[float]
    spent_ms: list[float]
    run_percent: float
    page_percent: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--rate-hz", type=float, default=1000.0)
    parser.add_argument("--chunk", type=int, default=8, help="samples sent together")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=2.5, help="that each audience looks")
    parser.add_argument("--browser", default="", help="a Chromium, to draw in")
    parser.add_argument("--send", default="", help="be the sender, of a stream of this source id")
    parser.add_argument("--view", default="", help="be the pages of this address")
    args = parser.parse_args()
    if args.send:
        from tools.bench_recording import send

        send(args.send, args.channels, args.rate_hz, args.chunk)
    elif args.view:
        _view(args.view)
    else:
        _bench(args)


def _bench(args: argparse.Namespace) -> None:
    looks: dict[str, list[Look]] = {name: [] for name in AUDIENCES}
    with running(args) as (run, address, url), Client(address, timeout_s=PATIENCE_S) as client:
        page = next(one for one in psutil.Process(run.pid).children() if "monitor" in one.cmdline())
        pair = psutil.Process(run.pid), page
        with _pages(url) as pages:
            sleep_until(now() + SETTLE_S)
            for _ in range(args.rounds):
                for name, n in AUDIENCES.items():
                    _tell(pages, n)
                    looks[name].append(_look(client, *pair, args.seconds))
            _tell(pages, -1)
            kb_per_s = float(pages.stdout.readline()) / 1e3 if pages.stdout is not None else 0.0
        for _ in range(N_BROWSER_ROUNDS if args.browser else 0):
            looks.setdefault("nobody, beside the browser", []).append(_look(client, *pair, BROWSER_S))
            with _browser(args.browser, url):
                looks.setdefault("a browser", []).append(_look(client, *pair, BROWSER_S))
    _print(args, looks, kb_per_s)


@contextmanager
def running(args: argparse.Namespace) -> "Iterator[tuple[subprocess.Popen[str], str, str]]":
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
        is_running = False
        for line in run.stderr or ():
            address = line.split()[1] if line.startswith("publish:") else address
            url = line.split()[1] if line.startswith("page:") else url
            is_running |= line.startswith("state: running")
            if is_running and url:  # the page may be there before the decoder runs, or after
                break
        yield run, address, url
    finally:
        for process in (run, sender):
            process.terminate()
            process.wait()


@contextmanager
def _pages(url: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, __file__, "--view", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pages:
        try:
            yield pages
        finally:
            pages.kill()


def _tell(pages: "subprocess.Popen[str]", n: int) -> None:
    if pages.stdin is not None:
        print(n, file=pages.stdin, flush=True)


@contextmanager
def _browser(path: str, url: str) -> Iterator[None]:
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        "--window-size=1440,900",
    ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [path, *flags, f"--user-data-dir={folder}", url]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            sleep_until(now() + SETTLE_S)
            yield
        finally:
            browser.terminate()
            browser.wait()
            sleep_until(now() + 1.0)  # its helpers end after it


def _look(client: Client, run: psutil.Process, page: psutil.Process, seconds: float) -> Look:
    """Ages while an audience looks."""
    sleep_until(now() + SKIPPED_S)
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
    used = [
        100.0 * (sum(one.cpu_times()[:2]) - cpu) / took_s
        for one, cpu in zip((run, page), before, strict=True)
    ]
    return Look(ages, spent, *used)


def _print(args: argparse.Namespace, looks: dict[str, list[Look]], kb_per_s: float) -> None:
    print(
        f"{args.channels} channels, {args.rate_hz:g} Hz, chunks of {args.chunk}, {args.rounds} rounds of {args.seconds:g} s"
    )
    print(f"a page that looks takes {kb_per_s:.0f} kB/s\n")
    print(
        "| looks | predictions | age p50 / p99 (ms) | from samples to decision p50 / p99 (ms) | p50 to nobody | p90 to nobody | p99 to nobody | run (% of a core) | page (% of a core) |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, rounds in looks.items():
        base = looks["nobody, beside the browser" if "browser" in name else "nobody"]
        cells = [name, str(sum(len(look.ages_ms) for look in rounds))]
        for of in ("ages_ms", "spent_ms"):
            p50, p99 = np.percentile(_pooled(rounds, of), [50, 99])
            cells.append(f"{p50:.2f} / {p99:.2f}")
        cells += ["" if rounds is base else _ratio(rounds, base, percent) for percent in (50, 90, 99)]
        used = (np.mean([getattr(look, of) for look in rounds]) for of in ("run_percent", "page_percent"))
        cells += [f"{percent:.1f}" for percent in used]
        print(f"| {' | '.join(cells)} |")


def _pooled(rounds: list[Look], of: str) -> FloatArray:
    return np.concatenate([getattr(look, of) for look in rounds])


def _ratio(rounds: list[Look], base: list[Look], percent: float) -> str:
    """Of what was spent on a decision, with its 95 % interval by drawing rounds, the same of both."""
    rng = np.random.default_rng(0)

    def ratio(drawn: list[int]) -> float:
        a, b = (_pooled([kept[i] for i in drawn], "spent_ms") for kept in (rounds, base))
        return float(np.percentile(a, percent) / np.percentile(b, percent))

    n = min(len(rounds), len(base))
    low, high = np.percentile([ratio(rng.integers(n, size=n).tolist()) for _ in range(2000)], [2.5, 97.5])
    return f"{ratio(list(range(n))):.2f} ({low:.2f} to {high:.2f})"


def _view(url: str) -> None:
    """Take what pages take; as many look at the signal as standard input says, -1 asks for the bytes a second of one."""
    address = url.replace("http", "ws", 1) + "page"
    sockets = [connect(address, proxy=None) for _ in range(N_PAGES)]
    counts: list[tuple[float, int]] = []

    def drain(socket: ClientConnection, is_first: bool) -> None:
        for frame in socket:
            if is_first:
                counts.append((now(), len(frame)))  # noqa: PERF401 (another thread reads it meanwhile)

    for i, socket in enumerate(sockets):
        threading.Thread(target=drain, args=(socket, i == 0), daemon=True).start()
    looking_s, n_bytes, t_told, n_looking = 0.0, 0, now(), 0
    for line in sys.stdin:
        if n_looking:
            looking_s += now() - t_told
            n_bytes += sum(size for t, size in counts if t >= t_told)
        counts.clear()
        t_told, n_looking = now(), int(line)
        if n_looking < 0:
            print(n_bytes / looking_s, flush=True)
        for i, socket in enumerate(sockets):
            socket.send(json.dumps({"type": "view", "signal": i < n_looking, "filtered": False}))


if __name__ == "__main__":
    main()
