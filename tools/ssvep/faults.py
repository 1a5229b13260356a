"""What masks buy without an alignment: the flicker decoder on recordings with electrodes that come loose.

    python -m tools.ssvep.faults --data ../shared/data/ssvep-exo

Electrodes are drawn at random for each person and are bad from 10 s on to the end. The recordings have no unit: each is scaled so that its
median electrode has a spread of 10 uV in the decoder's band. Judged is the window of 4 s that begins half a second after the cue, among
the targets. The population profile was fitted on these people: the numbers compare, they do not say how good it is.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from rtbci.chaos.flow import Samples
from rtbci.chaos.injector import Injector
from rtbci.chaos.scenario import Scenario
from rtbci.evaluate.decode import decode_run
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.stages.filter import SosFilter
from rtbci.stream.source import Chunk

PARADIGM = "ssvep"
START_S, JUDGED_S = 10.0, (4.45, 4.6)
SPREAD_UV = 10.0
KINDS: dict[str, dict[str, object]] = {
    "noise": {"amplitude": 200.0},
    "flat": {},
    "line_noise": {"amplitude": 500.0, "freq_hz": 50.0},
    "nan": {},
}
COUNTS = (1, 2, 3)
REQUIRED = "Oz"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="ssvep-exo")
    parser.add_argument("--kinds", default=",".join(KINDS))
    options = parser.parse_args()
    paths = sorted(options.data.rglob("*_raw.fif"))
    people = [scaled(read_recordings(path)[0]) for path in paths]
    print(f"clean: {_row([accuracies(one) for one in people])}", flush=True)
    print("| fault | electrodes | people | unmasked | masked | gain (SE) |\n|---|---|---|---|---|---|")
    for kind in options.kinds.split(","):
        for count in (*COUNTS, REQUIRED):
            found = np.array(
                [accuracies(spoiled(one, kind, drawn(one, count, i), i)) for i, one in enumerate(people)]
            )
            print(f"| {kind} | {count} | {len(people)} | {_row(found)} |", flush=True)


def drawn(recording: Recording, count: int | str, seed: int) -> list[str]:
    """Labels of the electrodes that are spoiled."""
    if isinstance(count, str):
        return [count]
    labels = [channel.label for channel in recording.info.channels]
    return [str(label) for label in np.random.default_rng(100 * seed + count).choice(labels, count, False)]


def scaled(recording: Recording) -> Recording:
    """In something like microvolts."""
    band = SosFilter.bandpass(4.0, 72.0, recording.info.rate_hz, recording.data.shape[1], 2)
    heard = band.push(recording.data.astype(np.float64))[round(5 * recording.info.rate_hz) :]
    return replace(recording, data=recording.data * (SPREAD_UV / np.median(heard.std(axis=0))))


def spoiled(recording: Recording, kind: str, labels: list[str], seed: int) -> Recording:
    """With some electrodes bad from `START_S` on to the end."""
    long_s = 10.0 * recording.duration_s
    fault = {"kind": kind, "start_s": START_S, "length_s": long_s, "channels": labels, **KINDS[kind]}
    scenario = Scenario.model_validate(
        {
            "schema": 1,
            "title": kind,
            "seed": seed,
            "duration_s": recording.duration_s + 1.0,
            "faults": [fault],
        }
    )
    whole = Chunk(recording.data.copy(), recording.sample_times())
    actions = Injector(scenario, recording.info).push(whole).actions
    return replace(
        recording, data=np.concatenate([one.chunk.data for one in actions if isinstance(one, Samples)])
    )


def accuracies(recording: Recording) -> tuple[float, float]:
    """Share of the trials behind the fault's begin that are right, without and with masks; one without probabilities is wrong."""
    return accuracy(recording, masks=False), accuracy(recording, masks=True)


def accuracy(recording: Recording, *, masks: bool) -> float:
    """See `accuracies`."""
    with Decoder(PARADIGM, mask=masks) as decoder:
        windows = decode_run(decoder, recording)
        targets = [i for i in range(len(decoder.classes)) if i != decoder.recipe.idle]
        right = []
        for marker in recording.markers:
            name = decoder.recipe.class_of(marker.value)
            if name is None or marker.t_lsl < START_S + 5.0:
                continue
            since = windows.t_newest - marker.t_lsl
            inside = np.flatnonzero((since >= JUDGED_S[0]) & (since <= JUDGED_S[1]) & windows.full)
            said = windows.logits[inside].mean(axis=0)[targets].argmax() if len(inside) else -1
            right.append(said == decoder.classes.index(name))
    return float(np.mean(right))


def _row(found: object) -> str:
    unmasked, masked = 100 * np.array(found).T
    gain = masked - unmasked
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return f"{unmasked.mean():.1f} | {masked.mean():.1f} | {gain.mean():+.1f} ({error:.1f})"


if __name__ == "__main__":
    main()
