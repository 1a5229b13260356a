"""How long a run takes to decode again after a stream was really gone: the numbers of docs/reliability.md.

    python tools/bench_recovery.py --losses 12

A synthetic amplifier behind a chaos relay, on LSL, goes away for longer than the run waits for it and is made anew. Told is what of
the new stream is not in the first full window (until the run has found it and connected), and how long after the new stream's first
sample that window was decoded; its length is to be taken off to compare paradigms.
"""

import argparse
import threading
import time
import uuid

import numpy as np

from rtbci.chaos.relay import ChaosRelay
from rtbci.chaos.scenario import Scenario
from rtbci.commands.run import lsl_factory
from rtbci.config import RunConfig
from rtbci.publish.messages import Message, Prediction
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.live import LiveRun
from rtbci.stream.synthetic import SyntheticSource

EVERY_S, FIRST_S = 16.0, 8.0
LOST_S = 5.0


class Heard:
    """A sink that keeps predictions with probabilities."""

    def __init__(self) -> None:
        self.full: list[Prediction] = []

    def send(self, message: Message) -> None:
        """See `Sink.send`."""
        if isinstance(message, Prediction) and message.probs is not None:
            self.full.append(message)

    def poll(self) -> bool:
        """Nobody new."""
        return False

    def close(self) -> None:
        """Nothing to close."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--losses", type=int, default=12)
    parser.add_argument("--paradigm", default="motor_imagery")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    lengths = LOST_S + 0.3 + 2.5 * rng.random(options.losses)  # ends at any moment of the search
    faults = [
        {"kind": "vanish", "start_s": FIRST_S + EVERY_S * i, "length_s": float(length_s)}
        for i, length_s in enumerate(lengths)
    ]
    duration_s = FIRST_S + EVERY_S * options.losses
    scenario = Scenario.model_validate(
        {"schema": 1, "title": "losses", "seed": 1, "duration_s": duration_s, "faults": faults}
    )
    name, stop, heard = f"recovery-{uuid.uuid4().hex[:8]}", threading.Event(), Heard()
    gone: list[float] = []
    relay = ChaosRelay(
        SyntheticSource(seed=1), scenario, name=name, source_id=name, log=lambda one: gone.append(one.t_lsl)
    )
    relaying = threading.Thread(target=relay.run, args=(stop,))
    relaying.start()
    config = RunConfig.model_validate(
        {
            "paradigm": options.paradigm,
            "stream": {"source_id": name, "markers": "none"},
            "watch": {"lost_s": LOST_S},
            "duration_s": duration_s + 1.0,
        }
    )
    with Decoder(options.paradigm) as decoder:
        length_s = decoder.recipe.window.length_s
        LiveRun(config, decoder, lsl_factory(config), [heard]).run(stop)
    stop.set()
    relaying.join()
    time.sleep(0.1)
    missed, decoded = [], []
    for t_gone, away_s in zip(gone, lengths, strict=False):
        back = t_gone + away_s
        after = [one for one in heard.full if back - 0.1 <= one.t_window[0] < back + EVERY_S - away_s]
        if after:
            missed.append(after[0].t_window[0] - back)
            decoded.append(after[0].t_sent - back)
    print(f"{len(missed)} of {options.losses} losses; windows of {length_s:g} s")
    for what, values in (("new stream not in the window", missed), ("first window decoded after", decoded)):
        print(f"{what}: median {np.median(values):.2f} s, worst {max(values):.2f} s")


if __name__ == "__main__":
    main()
