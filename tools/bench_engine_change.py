"""How late decisions are while an engine is prepared beside a run and put in use, against the same run without.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tools/bench_engine_change.py --engine openvino --runs 5 --seconds 20

Decodes the synthetic amplifier in real time. Runs with and without a change take turns; each change is prepared with an
empty cache, so that building and checking are in it. One thread for matrices, as `rtbci run` has it.
"""

import argparse
import os
import tempfile
import threading
from typing import NamedTuple

import numpy as np

from rtbci.amp.source import AmpSource
from rtbci.amp.synthetic import SyntheticAmp
from rtbci.config import RunConfig
from rtbci.publish.messages import Event, Message, Prediction
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import EngineChange
from rtbci.runtime.engine_process import EngineProcess, import_backend
from rtbci.runtime.live import LiveRun


class Kept:
    """A sink that keeps predictions and what became of the engine."""

    def __init__(self) -> None:
        self.predictions: list[Prediction] = []
        self.engine_events: list[Event] = []

    def send(self, message: Message) -> None:
        """See `Sink.send`."""
        if isinstance(message, Prediction):
            self.predictions.append(message)
        elif isinstance(message, Event) and message.kind.startswith("engine_"):
            self.engine_events.append(message)

    def poll(self) -> bool:
        """Nobody needs a hello."""
        return False

    def close(self) -> None:
        """Nothing to close."""


class Lateness(NamedTuple):
    """Of predictions with probabilities: what they are called, their ages, and the time of the encoder, in milliseconds."""

    name: str
    ages_ms: list[float]
    encode_ms: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description="How late decisions are around a change of the engine.")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--paradigm", default="motor_imagery")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    import_backend(options.engine)
    without, before, after = (
        Lateness("without a change", [], []),
        Lateness("until it", [], []),
        Lateness("from it on", [], []),
    )
    for _ in range(options.runs):
        keep(without, play(options, changing=False).predictions)
        kept = play(options, changing=True)
        for event in kept.engine_events:
            print(
                f"{event.kind}: {event.value} {event.data.get('backend', '')} {event.data.get('reason', '')}"
            )
        changed = [one.engine.backend != "onnxruntime" for one in kept.predictions]
        i_change = changed.index(True) if True in changed else len(changed)
        keep(before, kept.predictions[:i_change])
        keep(after, kept.predictions[i_change:])
    print(
        "| predictions | number | age p50 ms | p99 ms | max ms | encode p50 ms |\n|---|---|---|---|---|---|"
    )
    for one in (without, before, after):
        if one.ages_ms:
            p50, p99 = np.percentile(one.ages_ms, [50, 99])
            print(
                f"| {one.name} | {len(one.ages_ms)} | {p50:.2f} | {p99:.2f} | {max(one.ages_ms):.2f} "
                f"| {np.median(one.encode_ms):.2f} |"
            )


def play(options: argparse.Namespace, *, changing: bool) -> Kept:
    """One run in real time."""
    kept, recipe = Kept(), read_paradigm(options.paradigm)
    config = RunConfig.model_validate({"duration_s": options.seconds})
    source = AmpSource(SyntheticAmp(seed=0))
    with tempfile.TemporaryDirectory() as folder, Decoder(recipe) as decoder:
        os.environ["XDG_CACHE_HOME"] = folder
        change = (
            EngineChange(decoder, EngineProcess(recipe, options.engine, options.precision))
            if changing
            else None
        )
        try:
            if change is not None:
                change.start()
            LiveRun(config, decoder, lambda _lost: source, [kept], change=change).run(threading.Event())
        finally:
            if change is not None:
                change.close()
    seqs = [one.seq for one in kept.predictions]
    if seqs != list(range(len(seqs))):
        raise SystemExit(f"predictions are numbered {seqs}, need no gap")
    return kept


def keep(where: Lateness, predictions: list[Prediction]) -> None:
    """Of those that were decoded."""
    decoded = [one for one in predictions if one.probs is not None]
    where.ages_ms.extend(one.age_ms for one in decoded)
    where.encode_ms.extend(one.trace_ms.encode for one in decoded)


if __name__ == "__main__":
    main()
