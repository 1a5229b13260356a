"""How soon the live page is painted, and how soon the signal is on it: the numbers of docs/monitor.md.

    python -m tools.bench_paint --times 20

`rtbci run --monitor` on a stream of noise (64 channels, 1000 Hz, chunks of 8); a headless Chromium that is running goes to the page
again and again. Times are the browser's own, from the moment that the page was asked for. The first visit is told apart.
"""

import argparse
import os
from contextlib import ExitStack

import numpy as np

from tests.integration.browser import Chromium, Tab
from tools.bench_monitor import running

PAINTED = "performance.getEntriesByName('first-contentful-paint')"
SIGNAL = "performance.getEntriesByName('signal')"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--rate-hz", type=float, default=1000.0)
    parser.add_argument("--chunk", type=int, default=8, help="samples sent together")
    options = parser.parse_args()
    with ExitStack() as stack:
        _run, _address, url = stack.enter_context(running(options))
        tab = stack.enter_context(stack.enter_context(Chromium()).tab("about:blank", 1280, 900))
        times = [_visit(tab, url) for _ in range(options.times + 1)]
    print(
        f"load {os.getloadavg()[0]:.1f}, first visit: painted {times[0][0]:.0f} ms, signal {times[0][1]:.0f} ms"
    )
    for what, values in zip(("painted", "signal"), np.transpose(times[1:]), strict=True):
        print(f"{what}: median {np.median(values):.0f} ms, worst of {len(values)} {values.max():.0f} ms")


def _visit(tab: Tab, url: str) -> tuple[float, float]:
    tab.load("about:blank")
    tab.load(url)
    tab.wait_for(f"{PAINTED}.length && {SIGNAL}.length", 60.0)
    return tuple(tab.evaluate(f"{what}[0].startTime") for what in (PAINTED, SIGNAL))


if __name__ == "__main__":
    main()
