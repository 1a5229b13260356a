"""How late decisions are around a swap of the profile, against the rest of the same run.

    python tools/bench_swap.py --swaps 20 --every-s 4

Decodes the synthetic amplifier in real time with the population decoder. Copies of it that lie ready are moved into a
user's folder one by one, as a calibration in another process would, and the run follows them.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import numpy as np

from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.config import RunConfig
from rtbci.probe.profile import read_profile, write_profile
from rtbci.publish.messages import Event, Message, Prediction
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.runtime.profile_watch import ProfileWatch

USER = "bench"
AROUND_S = (1.5, 0.5)
"""Predictions so long before the swap (reading, building, warming) and after it count as around it."""


class Kept:
    """A sink that keeps predictions and swaps."""

    def __init__(self) -> None:
        self.predictions: list[Prediction] = []
        self.t_swapped: list[float] = []

    def send(self, message: Message) -> None:
        """See `Sink.send`."""
        if isinstance(message, Prediction):
            self.predictions.append(message)
        elif isinstance(message, Event) and message.kind == "profile_swapped":
            self.t_swapped.append(message.t_sent)

    def poll(self) -> bool:
        """Nobody needs a hello."""
        return False

    def close(self) -> None:
        """Nothing to close."""


def main() -> None:
    parser = argparse.ArgumentParser(description="How late decisions are around a swap of the profile.")
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--every-s", type=float, default=4.0)
    options = parser.parse_args()
    recipe = read_paradigm("motor_imagery")
    population = recipe.population_folder
    if population is None:
        raise SystemExit("motor_imagery names no population profile")
    base = msgspec.structs.replace(read_profile(population), user=USER)
    stop, kept = threading.Event(), Kept()
    with tempfile.TemporaryDirectory() as folder, Decoder(recipe) as decoder:
        root, ready = Path(folder) / "profiles", Path(folder) / "ready"
        (root / USER).mkdir(parents=True)
        for i in range(1, options.swaps + 1):
            write_profile(ready / f"{i:04d}", msgspec.structs.replace(base, generation=i))

        def appear() -> None:
            time.sleep(10.0)
            for i in range(1, options.swaps + 1):
                (ready / f"{i:04d}").rename(root / USER / f"{i:04d}")
                time.sleep(options.every_s)
            stop.set()

        threading.Thread(target=appear, daemon=True).start()
        source = AmpSource(SyntheticAmp(seed=0))
        LiveRun(RunConfig(), decoder, lambda _lost: source, [kept], watch=ProfileWatch(root, USER)).run(stop)
    report(kept)


def report(kept: Kept) -> None:
    predictions = [one for one in kept.predictions if one.probs is not None]
    t_sent = np.array([one.t_sent for one in predictions])
    before_s, after_s = AROUND_S
    is_around = np.zeros(len(t_sent), bool)
    for t in kept.t_swapped:
        is_around |= (t_sent > t - before_s) & (t_sent < t + after_s)
    ends = np.array([one.t_window[1] for one in kept.predictions])
    seqs = [one.seq for one in kept.predictions]
    print(
        f"{len(kept.t_swapped)} swaps, {len(seqs)} predictions, numbered without a gap: {seqs == list(range(len(seqs)))}"
    )
    print(f"from window to window {1e3 * np.diff(ends).min():.1f} to {1e3 * np.diff(ends).max():.1f} ms")
    print("| | predictions | what | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|---|")
    for name, where in (("around a swap", is_around), ("else", ~is_around)):
        chosen = [one for one, there in zip(predictions, where, strict=True) if there]
        for what, values in (
            ("age_ms", [one.age_ms for one in chosen]),
            ("computing (filter, encode, probe)", [_computing(one) for one in chosen]),
            ("probe", [one.trace_ms.probe for one in chosen]),
        ):
            p50, p99 = np.percentile(values, [50, 99])
            print(f"| {name} | {len(chosen)} | {what} | {p50:.2f} | {p99:.2f} | {max(values):.2f} |")


def _computing(one: Prediction) -> float:
    return one.trace_ms.filter + one.trace_ms.encode + one.trace_ms.probe


if __name__ == "__main__":
    main()
