"""What the guard of paradigms/alpha finds of artefacts put into real recordings, and what it refuses of them as they are.

python -m tools.value_guard --data ../shared/data

Bursts are noise of 20 to 60 Hz for a second, as of a jaw; blinks half-waves of 0.35 s; both in the two electrodes that are read, one artefact in
8 to 10 s from 64 s on. *Told*: a window that holds some of it is refused. *Windows*: share of those that hold some of one. *Refused*: share of all windows behind
the first minute, of the recordings as they are; nobody has marked what artefacts these have of their own.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.runtime.build import build_stages
from rtbci.runtime.guarding import find_guard
from rtbci.stages.filter import SosFilter
from rtbci.stages.stage import Chain, FloatArray
from rtbci.stream.layout import electrode_columns, match_channels
from tools.alpha_value import MUSE, Flags
from tools.training.judge import markdown_table

KINDS = (("burst", 6.0), ("burst", 12.0), ("burst", 30.0), ("blink", 15.0), ("blink", 150.0))
"""Standard deviation of bursts, height of blinks, in microvolts."""
FIRST_S, EVERY_S, JITTER_S, LAST_S = 64.0, 8.0, 2.0, 10.0
BURST_S, BLINK_S, FADE_S = 1.0, 0.35, 0.05
BASELINE_S = 60.0
BEGIN_S = 0.1
"""A window that holds less than this of an artefact need not be refused."""


class Found(NamedTuple):
    """Of one recording: ends of windows in seconds, and which of them are refused."""

    t_s: FloatArray
    refused: Flags


def recordings(data: Path) -> Iterator[tuple[str, Recording, tuple[str, str]]]:
    """Names, recordings, and the two electrodes that are read."""
    for path in sorted((data / "eegmat").glob("Subject*_1.edf")):
        yield path.stem, read_recordings(path)[0], ("O1", "O2")
    for name in MUSE:
        yield name, read_recordings(data / "muse" / name)[0], ("TP9", "TP10")
    for path in sorted((data / "eegmmidb").glob("S*.npz"))[::9]:
        yield path.stem, read_npz_runs(path)[0], ("O1", "O2")


def refused(recipe: ParadigmRecipe, recording: Recording, pair: tuple[str, str]) -> Found:
    """What a run would refuse, window by window."""
    layout = recipe.input.model_copy(update={"channels": pair, "required": pair, "takes": {}})
    recipe = recipe.model_copy(update={"input": layout})
    info, length_s, hop_s = recording.info, recipe.window.length_s, recipe.window.hop_s
    channel_map = match_channels(info, pair, 0.0, missing="interpolate", required=pair, min_found=1)
    stages = build_stages(recipe, info, channel_map, np.ones(info.n_channels), None)
    chain, guard = Chain(stages), find_guard(stages)
    assert guard is not None
    rate_hz, n_out = stages[-1].rate_out_hz, 0
    ends: list[float] = []
    is_refused: list[bool] = []
    hop, length = round(hop_s * rate_hz), round(length_s * rate_hz)
    for i in range(0, recording.n_samples, 4096):  # far less than the guard remembers
        before, n_out = n_out, n_out + len(chain.push(recording.data[i : i + 4096]))
        for n in range((before // hop + 1) * hop, n_out + 1, hop):
            if n >= length:
                ends.append(n / rate_hz)
                is_refused.append(guard.clean(n) < 1.0)
    return Found(np.array(ends), np.array(is_refused, dtype=bool))


def spoilt(
    recording: Recording, pair: tuple[str, str], kind: str, level_uv: float
) -> tuple[Recording, list[tuple[float, float]]]:
    """A recording with artefacts, and from when to when each lasts, in seconds."""
    rng, rate_hz = np.random.default_rng(1), recording.info.rate_hz
    by_label = electrode_columns(recording.info, pair)
    columns, data, t_s = [by_label[one] for one in pair], recording.data.copy(), FIRST_S
    spans: list[tuple[float, float]] = []
    n = round((BURST_S if kind == "burst" else BLINK_S) * rate_hz)
    while t_s < recording.duration_s - LAST_S:
        i = round(t_s * rate_hz)
        shape = _burst(n, rate_hz, rng) if kind == "burst" else np.hanning(n)[:, None] * np.ones(2)
        data[i : i + n, columns] += level_uv * shape
        spans.append((t_s, t_s + n / rate_hz))
        t_s += EVERY_S + JITTER_S * float(rng.uniform())
    return replace(recording, data=data), spans


def _burst(n: int, rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """Noise that both electrodes have in common, and as much of their own."""
    high_hz, n_settle = min(60.0, 0.45 * rate_hz), round(rate_hz)
    noise = SosFilter.bandpass(20.0, high_hz, rate_hz, 3, 4).push(rng.standard_normal((n + n_settle, 3)))[-n:]
    noise /= noise.std(axis=0)
    fade = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / (FADE_S * rate_hz))
    return np.asarray(np.sqrt(0.5) * (noise[:, :1] + noise[:, 1:]) * fade[:, None])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description="What the guard of paradigms/alpha finds, and refuses for nothing."
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    recipe = read_paradigm("alpha")
    clean: dict[str, float] = {}
    told: dict[tuple[str, float], list[bool]] = {one: [] for one in KINDS}
    windows: dict[tuple[str, float], list[bool]] = {one: [] for one in KINDS}
    for name, recording, pair in recordings(data):
        found = refused(recipe, recording, pair)
        clean[name] = 100.0 * float(found.refused[found.t_s > BASELINE_S].mean())
        for one in KINDS:
            changed, spans = spoilt(recording, pair, *one)
            found = refused(recipe, changed, pair)
            for start, stop in spans:
                holds = (found.t_s > start + BEGIN_S) & (found.t_s < stop + recipe.window.length_s)
                told[one].append(bool(found.refused[holds].any()))
                windows[one] += found.refused[holds].tolist()
        print(f"{name}: {clean[name]:.1f} % refused as it is", flush=True)
    rows = [
        [
            kind,
            f"{uv:g}",
            str(len(told[kind, uv])),
            *(f"{100 * np.mean(of[kind, uv]):.0f}" for of in (told, windows)),
        ]
        for kind, uv in KINDS
    ]
    print(markdown_table(["artefact", "uV", "number", "told %", "windows %"], rows))
    shares = list(clean.values())
    print(
        f"refused as they are: mean {np.mean(shares):.1f}, median {np.median(shares):.1f}, most {max(shares):.1f} % of {len(shares)} recordings"
    )


if __name__ == "__main__":
    main()
