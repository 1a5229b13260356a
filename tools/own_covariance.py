"""How well a bad electrode is told by the good ones: by the population's covariance, by what a run has learnt, by an earlier run's.

    python -m tools.own_covariance --data ../shared/data/eegmmidb --subjects 25

One, two or four random electrodes of motor imagery's layout are taken out of run 12, in the decoder's band; they are told by
the conditional mean that masks use (`rtbci.stages.infer.fill_matrix`). The share of their power that is told (about the mean
of the good ones) is of the rest of the run, behind what was learnt. The population's covariance is of some of these people:
that is in its favour.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rtbci.probe.profile import read_profile
from rtbci.recipes import read_paradigm
from rtbci.recipes.stages import AlignSettings
from rtbci.stages.filter import SosFilter
from rtbci.stages.infer import fill_matrix
from rtbci.stages.mask import RIDGE
from rtbci.stages.stage import FloatArray
from rtbci.stream.labels import canonical_label

LEARNT_S = (5.0, 15.0, 30.0, 60.0)
BAND_HZ = (8.0, 30.0)
COUNTS = (1, 2, 4)
N_DRAWS = 20
SETTLE_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--subjects", type=int, default=25, help="how many")
    options = parser.parse_args()
    files = sorted(options.data.glob("S*.npz"))[: options.subjects]
    recipe = read_paradigm("motor_imagery")
    if recipe.population_folder is None:
        raise SystemExit("motor_imagery has no population decoder")
    population = read_profile(recipe.population_folder).weights["align.covariance"]
    align = next(one for one in recipe.stages if isinstance(one, AlignSettings))
    layout = [canonical_label(label) for label in recipe.input.channels]
    shown = [told(file, layout, population, align.warm_start_s) for file in files]
    show(shown, align.warm_start_s)


def told(file: Path, layout: list[str], population: FloatArray, warm_s: float) -> dict[str, list[float]]:
    """Share of power that is told, in percent, for each way and each of `COUNTS`."""
    earlier, newest, rate_hz = signals(file, layout)
    n = [round(seconds * rate_hz) for seconds in LEARNT_S]
    judged = newest[n[-1] :]
    ways = {"population": population}
    for seconds, n_learnt in zip(LEARNT_S, n, strict=True):
        own = second_moments(newest[:n_learnt])
        ways[f"run, {seconds:g} s"] = (warm_s * population + seconds * own) / (warm_s + seconds)
    ways["earlier run"] = second_moments(earlier)
    own_5 = second_moments(newest[: n[0]])
    ways["earlier run, then 5 s"] = (warm_s * ways["earlier run"] + LEARNT_S[0] * own_5) / (
        warm_s + LEARNT_S[0]
    )
    random = np.random.default_rng(int(file.stem[1:]))
    draws = {
        count: [random.choice(len(layout), count, replace=False) for _ in range(N_DRAWS)] for count in COUNTS
    }
    return {
        way: [float(np.mean([share_told(judged, moments, bad) for bad in draws[count]])) for count in COUNTS]
        for way, moments in ways.items()
    }


def signals(file: Path, layout: list[str]) -> tuple[FloatArray, FloatArray, float]:
    """Runs 4 and 12 in the decoder's band, in microvolts, shape (n_samples, n_electrodes)."""
    with np.load(file) as archive:
        rate_hz = float(archive["sfreq"].item())
        names = [canonical_label(str(name)) for name in archive["ch_names"]]
        rows = [names.index(label) for label in layout]
        runs = [archive[key][rows].T.astype(float) for key in ("run04", "run12")]
    band = [SosFilter.bandpass(*BAND_HZ, rate_hz, len(rows)).push(run) for run in runs]
    start = round(SETTLE_S * rate_hz)
    return band[0][start:], band[1][start:], rate_hz


def second_moments(signal: FloatArray) -> FloatArray:
    """Of an average-referenced signal, as the alignment has them, shape (n_electrodes, n_electrodes)."""
    centred = signal - signal.mean(axis=1, keepdims=True)
    return np.asarray(centred.T @ centred / len(centred))


def share_told(signal: FloatArray, moments: FloatArray, bad: npt.NDArray[np.intp]) -> float:
    """Of the bad electrodes' power about the mean of the good ones, in percent."""
    good = np.ones(signal.shape[1], bool)
    good[bad] = False
    matrix = fill_matrix(moments, good, RIDGE).matrix
    truth = signal[:, bad] - signal[:, good].mean(axis=1, keepdims=True)
    missed = signal[:, bad] - signal @ matrix[bad].T
    return float(100.0 * (1.0 - np.mean((missed**2).sum(axis=0) / (truth**2).sum(axis=0))))


def show(shown: list[dict[str, list[float]]], warm_s: float) -> None:
    """Means over people, and the difference to the population's with its standard error."""
    print(f"{len(shown)} people; the population counts as {warm_s:g} s\n")
    print("| told by | " + " | ".join(f"{count} bad" for count in COUNTS) + " |")
    print("|---" * (1 + len(COUNTS)) + "|")
    base = np.array([one["population"] for one in shown])
    for way in shown[0]:
        values = np.array([one[way] for one in shown])
        gain = values - base
        error = (
            gain.std(axis=0, ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.full(len(COUNTS), np.nan)
        )
        cells = [
            f"{mean:.1f} ({more:+.1f}, SE {se:.1f})"
            for mean, more, se in zip(values.mean(axis=0), gain.mean(axis=0), error, strict=True)
        ]
        print(f"| {way} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
