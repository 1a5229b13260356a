"""A paradigm of four flashing items, and recordings in which the item attended to evokes a response."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from rtbci.flashes.epochs import cut_epochs
from rtbci.flashes.evaluate import fit_any
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.stream.source import Channel, Marker, StreamInfo

__all__ = ["GROUPS", "ITEMS", "RATE_HZ", "attended", "fitted", "flash_recipe", "write_flash_paradigm"]

ITEMS = ("a", "b", "c", "d")
GROUPS = {"r1": "ab", "r2": "cd", "c1": "ac", "c2": "bd"}
LABELS = ("CZ", "PZ", "OZ")
RATE_HZ = 128.0
SOA_S = 0.2

RECIPE = """
schema = 1
name = "tiny_flash"
title = "four items"
classes = ["a", "b", "c", "d"]
{population}
[input]
channels = ["CZ", "PZ", "OZ"]
unit_check = false
[[stages]]
kind = "bandpass"
low_hz = 0.5
high_hz = 20.0
order = 2
[[stages]]
kind = "resample"
rate_hz = 64.0
[window]
policy = "marker"
length_s = 0.75
hop_s = 0.125
[[branches]]
name = "erp"
kind = "erp"
[flashes]
grid = [["a", "b"], ["c", "d"]]
soa_s = 0.2
{flashes}
[decision]
threshold = {threshold}
dwell_s = 0.0
smoothing_s = 0.0
refractory_s = 2.0
"""


def write_flash_paradigm(
    folder: Path, flashes: str = "max_repetitions = 6", *, threshold: float = 0.95, population: bool = False
) -> Path:
    """Write the recipe, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = RECIPE.format(
        flashes=flashes, threshold=threshold, population='population = "population"' if population else ""
    )
    (folder / "recipe.toml").write_text(text)
    return folder


def flash_recipe(
    folder: Path, flashes: str = "max_repetitions = 6", threshold: float = 0.95
) -> ParadigmRecipe:
    """The recipe, read."""
    return read_paradigm(str(write_flash_paradigm(folder, flashes, threshold=threshold)))


def attended(
    items: Sequence[str],
    n_repetitions: int = 6,
    *,
    height_uv: float = 8.0,
    seed: int = 0,
    with_trials: bool = True,
    with_cues: bool = True,
) -> Recording:
    """Selections of these items, one after the other, 2 s apart; noise of 5 uV, a response 0.3 s after each target."""
    rng, markers, targets, t = np.random.default_rng(seed), list[Marker](), list[float](), 2.0
    for item in items:
        if with_cues:
            markers.append(Marker(t - 0.6, f"cue/{item}"))
        if with_trials:
            markers.append(Marker(t - 0.2, "trial/begin"))
        for _ in range(n_repetitions):
            for name in rng.permutation(list(GROUPS)):
                markers.append(Marker(t, f"flash/{name}"))
                targets += [t] if item in GROUPS[name] else []
                t += SOA_S
        if with_trials:
            markers.append(Marker(t - 0.1, "trial/end"))
        t += 2.0 if with_trials else 3.0
    times = np.arange(round((t + 1.0) * RATE_HZ)) / RATE_HZ
    data = rng.normal(0.0, 5.0, (len(times), len(LABELS)))
    for t_flash in targets:
        data[:, :2] += height_uv * np.exp(-0.5 * ((times - t_flash - 0.3) / 0.06) ** 2)[:, None] * [0.6, 1.0]
    info = StreamInfo(
        "flash", "flash-id", RATE_HZ, tuple(Channel(label, "microvolts", "EEG") for label in LABELS)
    )
    return Recording(info, data, tuple(sorted(markers, key=lambda one: one.t_lsl)))


@cache
def fitted(folder: Path) -> Profile:
    """A profile for the paradigm in this folder; fitted once."""
    recipe = read_paradigm(str(folder))
    found = cut_epochs([attended("abcd" * 2, seed=9)], recipe)
    return fit_any(found, recipe).profile(recipe, found.rate_hz, "ada")
