"""What the value of paradigms/alpha does on the few recordings that are at hand: docs/results_alpha.md.

python -m tools.alpha_value --data ../shared/data
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.probe.band_power import profile_of_recipe
from rtbci.probe.profile_record import BaselineEntry, Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray
from rtbci.stream.health import unbroken
from rtbci.stream.labels import with_labels
from tools.workload.measures import Told, auc, decoded
from tools.workload.sessions import SessionReader

__all__ = ["EVENTS_S", "PAIRS", "Windows", "arithmetic", "cyton", "streamed", "within"]

Flags = npt.NDArray[np.bool_]
MUSE = ("data_2017-01-27-16.11.50.csv", "p300_subject1.csv", "ssvep_subject1.csv")
CYTON = "OpenBCI_GUI-v6-blinks-jawClench-alpha.txt"
MONTAGE = ("FP1", "FP2", "C3", "C4", "P7", "P8", "O1", "O2")
"""Of a Cyton, as the OpenBCI GUI shows it; the file names no electrodes."""
EVENTS_S: dict[str, tuple[tuple[float, float], ...]] = {
    "eyes open, still": ((18.0, 28.0), (77.0, 80.0)),
    "blinks": ((4.0, 7.0), (13.0, 18.0)),
    "jaw clenched": ((8.0, 10.0), (11.0, 13.0), (82.0, 83.0), (84.0, 85.0)),
    "strong alpha, no blinks": ((30.0, 75.0),),
}
"""Seen in the signal: 1-4 Hz at Fp1 (blinks), 70-110 Hz at P7 (jaw). The file's name says what was done, not when."""
PAIRS = (("O1", "O2"), ("P3", "P4"), ("P7", "P8"))
LAG_S = 0.5
"""Of the band's filters."""


class Windows(NamedTuple):
    """Windows with a value, shape (n,): first and newest sample in seconds of the recording, log odds, value."""

    t_first: FloatArray
    t_last: FloatArray
    odds: FloatArray
    value: FloatArray


def streamed(recipe: ParadigmRecipe, recording: Recording, profile: Profile | None = None) -> Windows:
    """Decode a recording as a run would."""
    with Decoder(recipe, profile=profile) as decoder:
        found = [one for one in decoder.decode(recording) if one.value is not None]
    t_0 = float(recording.t_s[0]) if recording.t_s is not None else 0.0
    rows = [
        (*one.estimate.t_window, one.estimate.logits[1] - one.estimate.logits[0], one.value)
        for one in found
        if one.estimate.logits is not None
    ]
    first, last, odds, value = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Windows(first - t_0, last - t_0, odds, value)


def within(windows: Windows, spans_s: Sequence[tuple[float, float]], *, whole: bool) -> Flags:
    """Which windows are all within one of the spans (`whole`), or touch one, shape (n,) of bool."""
    first, last = windows.t_first - LAG_S, windows.t_last - LAG_S
    hits = [(first >= a) & (last <= b) if whole else (last > a) & (first < b) for a, b in spans_s]
    return np.asarray(np.any(hits, axis=0))


def cyton(recipe: ParadigmRecipe, folder: Path) -> tuple[Windows, dict[str, Flags]]:
    """The value of the OpenBCI recording against its own still stretches with open eyes, and which windows are of what."""
    recording = read_recordings(folder / "formats" / "openbci" / CYTON)[0]
    recording = replace(recording, info=with_labels(recording.info, MONTAGE))
    bare = profile_of_recipe(recipe)
    assert bare is not None
    assert recipe.value is not None
    assert recipe.value.baseline is not None
    spread = recipe.value.baseline.spread
    nothing = msgspec.structs.replace(
        bare, baseline=BaselineEntry(centre=[0.0, 0.0], spread=spread, length_s=1.0)
    )
    odds = streamed(recipe, recording, nothing)
    usual = float(np.median(odds.odds[within(odds, EVENTS_S["eyes open, still"], whole=True)])) / 2.0
    known = BaselineEntry(centre=[-usual, usual], spread=spread, length_s=13.0)
    windows = streamed(recipe, recording, msgspec.structs.replace(bare, baseline=known))
    is_artefact = ("blinks", "jaw clenched")
    return windows, {
        what: within(windows, spans, whole=what not in is_artefact) for what, spans in EVENTS_S.items()
    }


def arithmetic(recipe: ParadigmRecipe, folder: Path, pair: tuple[str, str]) -> dict[str, Told]:
    """Value of each person of EEGMAT at rest and calculating, by one pair of electrodes."""
    layout = recipe.input.model_copy(update={"channels": pair, "required": pair, "takes": {}})
    branch = recipe.branches[0].model_copy(update={"electrodes": pair})
    changed = recipe.model_copy(update={"input": layout, "branches": (branch,)})
    usual = recipe.value.baseline if recipe.value else None
    reader = SessionReader(folder / "eegmat", usual.length_s if usual else 0.0)
    return {name: decoded(changed, reader.read(name)[0])[1] for name in reader.subjects()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="What the value of paradigms/alpha does on real recordings.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    recipe = read_paradigm("alpha")
    print(
        "| EEGMAT, value at rest / calculating (AUC of rest above) | O1, O2 | P3, P4 | P7, P8 |\n|---|---|---|---|"
    )
    by_pair = [arithmetic(recipe, data, pair) for pair in PAIRS]
    for name in by_pair[0]:
        cells = (one[name] for one in by_pair)
        print(
            f"| {name} | "
            + " | ".join(
                f"{one.rest.mean():.2f} / {one.task.mean():.2f} ({auc(one.task, one.rest):.2f})"
                for one in cells
            )
            + " |"
        )
    print("\n| OpenBCI, O1 and O2 | windows | mean value | 5 to 95 % |\n|---|---|---|---|")
    windows, parts = cyton(recipe, data)
    for what, which in parts.items():
        low, high = np.percentile(windows.value[which], [5, 95])
        print(f"| {what} | {which.sum()} | {windows.value[which].mean():.2f} | {low:.2f} to {high:.2f} |")
    closed, still = (windows.odds[parts[one]] for one in ("strong alpha, no blinks", "eyes open, still"))
    print(f"\nsingle windows, strong alpha above still: AUC {auc(still, closed):.2f}")
    print(
        "\n| Muse, TP9 and TP10 | gaps | windows with a value | 5 to 95 % | largest step |\n|---|---|---|---|---|"
    )
    for file in MUSE:
        recording = read_recordings(data / "muse" / file)[0]
        value = streamed(recipe, recording).value
        n_gaps = 0 if recording.t_s is None else len(unbroken(recording.t_s, recording.info.rate_hz)) - 1
        low, high = np.percentile(value, [5, 95])
        print(
            f"| {file} | {n_gaps} | {len(value)} | {low:.2f} to {high:.2f} | {np.abs(np.diff(value)).max():.2f} |"
        )


if __name__ == "__main__":
    main()
