"""What drift monitor and adaptation do on recordings: the numbers of docs/calibration.md, "While in use".

    python tools/while_in_use.py drift --data ../shared/data/eegmmidb --subjects S001,S004
    python tools/while_in_use.py adapt --data ../shared/data/eegmmidb --subjects S001,S004

Runs 4, 8 and 12 of EEGMMIDB, motor imagery, the population profile (which was trained on these people: the numbers compare
ways of using it, they do not say how good it is).
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from rtbci.probe.adapt import Adaptation
from rtbci.probe.drift import DriftMonitor, drift_tensors
from rtbci.probe.profile import Profile, read_profile
from rtbci.probe.recentre import Recentre
from rtbci.recipes import AlignSettings, ParadigmRecipe, read_paradigm
from rtbci.replay.read import read_recordings
from rtbci.replay.recording import Recording
from rtbci.runtime.build import build_stages, stream_gains_uv
from rtbci.runtime.decoder import Decoder
from rtbci.stages.align import RunningAlign
from rtbci.stages.stage import Chain, FloatArray
from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import match_channels
from rtbci.stream.source import Marker

KEEP_EVERY = 9
"""Of the right-hand trials one in nine is left: nine in ten trials are then left ones."""
SWAPPED = (("C3", "C4"), ("FC3", "FC4"))
GAIN, N_SCALED = 3.0, 6
JUDGED_S = (3.9, 4.1)
"""Windows of 3 s that end so long after the cue: they hold 1 to 4 s of the trial."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Drift monitor and adaptation on recordings.")
    parser.add_argument("what", choices=("drift", "adapt"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--subjects", required=True)
    options = parser.parse_args()
    recipe = read_paradigm("motor_imagery")
    recordings = {
        name: read_recordings(options.data / f"{name}.npz")[0] for name in options.subjects.split(",")
    }
    if options.what == "drift":
        show_drift(recipe, recordings)
    else:
        show_adaptation(recipe, recordings)


# -- drift -------------------------------------------------------------------------------------------


def show_drift(recipe: ParadigmRecipe, recordings: dict[str, Recording]) -> None:
    print(
        "| compared with | stream | people | advised | highest half minute: median, largest | s until advised |"
    )
    print("|---|---|---|---|---|---|")
    for reference in ("calibration", "stream"):
        for change in ("as recorded", "two pairs swapped", "six channels scaled"):
            found = [drift_of(recipe, one, change, reference) for one in recordings.values()]
            advised = [t for t, _ in found if t is not None]
            scores = np.array([score for _, score in found])
            delay = f"{np.median(advised):.0f}" if advised else "-"
            print(
                f"| {reference} | {change} | {len(found)} | {len(advised)} | {np.median(scores):.2f}, {scores.max():.2f} | "
                f"{delay} |",
                flush=True,
            )


def drift_of(
    recipe: ParadigmRecipe, recording: Recording, change: str, reference: str
) -> tuple[float | None, float]:
    """When calibrating again was advised, in seconds after the change, and the highest median of half a minute.

    Run 4 is the calibration; runs 8 and 12 are in use, changed from the middle of both on.
    """
    first, *rest = runs_of(recording)
    data = np.concatenate([run.data for run in rest])
    i_change = len(data) // 2
    data[i_change:] = changed(data[i_change:], recording, change)
    rate_hz = recording.info.rate_hz
    profile = population(recipe)
    if reference == "calibration":
        covariances = [cov for _, cov in covariances_of(recipe, recording, first.data)]
        parts = [np.mean(part, axis=0) for part in np.array_split(np.stack(covariances), 3)]
        profile = msgspec.structs.replace(profile, weights=profile.weights | drift_tensors(parts))
    monitor: DriftMonitor | None = None
    t_advised, scores = None, []
    for t_s, covariance in covariances_of(recipe, recording, data):
        monitor = monitor or DriftMonitor(profile, len(covariance))
        drift = monitor.push(t_s, covariance)
        if drift is not None:
            scores.append(drift.signal)
            if drift.advised:
                t_advised = t_s - i_change / rate_hz
    halves = [float(np.median(scores[i : i + 30])) for i in range(len(scores) - 29)]
    return t_advised, max(halves)


def changed(data: FloatArray, recording: Recording, change: str) -> FloatArray:
    at = {canonical_label(label): i for i, label in enumerate(recording.info.labels)}
    data = data.copy()
    if change == "two pairs swapped":
        for one, other in SWAPPED:
            data[:, [at[one], at[other]]] = data[:, [at[other], at[one]]]
    elif change == "six channels scaled":
        layout = read_paradigm("motor_imagery").input.channels
        data[:, [at[label] for label in layout[::6]][:N_SCALED]] *= GAIN
    return data


def covariances_of(
    recipe: ParadigmRecipe, recording: Recording, data: FloatArray
) -> list[tuple[float, FloatArray]]:
    """The newest seconds' covariance in front of the alignment, once a second."""
    info, layout = recording.info, recipe.input
    channel_map = match_channels(info, layout.channels, layout.max_interpolated, missing=layout.missing)
    stages = build_stages(recipe, info, channel_map, stream_gains_uv(info), population(recipe))
    n_stages = 1 + next(i for i, one in enumerate(recipe.stages) if isinstance(one, AlignSettings))
    chain = Chain(stages[: 1 + n_stages])
    (align,) = [one for one in chain.stages if isinstance(one, RunningAlign)]
    n, found = round(info.rate_hz), []
    for i in range(0, len(data) - n + 1, n):
        chain.push(data[i : i + n])
        if (covariance := align.recent_covariance) is not None:
            found.append(((i + n) / info.rate_hz, covariance))
    return found


# -- adaptation --------------------------------------------------------------------------------------


def show_adaptation(recipe: ParadigmRecipe, recordings: dict[str, Recording]) -> None:
    ways: dict[str, Callable[[FloatArray], FloatArray]] = {
        "none": lambda logits: logits,
        "recentring (prior 120 s)": lambda logits: through(Recentre(2, recipe.window.hop_s, 120.0), logits),
        "guarded adaptation": lambda logits: through(
            Adaptation(2, recipe.window.hop_s, population(recipe).temperature), logits
        ),
    }
    streams = {
        "as recorded": (False, 0.0),
        "9 of 10 trials left": (True, 0.0),
        "as recorded, logits lean 0.5": (False, 0.5),
        "as recorded, logits lean -0.5": (False, -0.5),
    }
    hits: dict[tuple[str, str], list[float]] = {}
    for name, recording in recordings.items():
        decoded = {one: decode(recipe, recording, one) for one in (False, True)}
        for stream, (is_cut, lean) in streams.items():
            logits, t_end, cues = decoded[is_cut]
            for way, use in ways.items():
                share = accuracy(use(logits + lean * np.array([-0.5, 0.5])), t_end, cues)
                hits.setdefault((stream, way), []).append(share)
        print(f"{name} done", flush=True)
    print("| stream | way | accuracy % | against none (SE) | worst person |\n|---|---|---|---|---|")
    for (stream, way), shares in hits.items():
        gain = np.array(shares) - np.array(hits[stream, "none"])
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        print(
            f"| {stream} | {way} | {np.mean(shares):.1f} | {gain.mean():+.1f} ({error:.1f}) | {gain.min():+.1f} |"
        )


def through(centre: Recentre | Adaptation, logits: FloatArray) -> FloatArray:
    return np.stack([centre.push(one) for one in logits])


def decode(
    recipe: ParadigmRecipe, recording: Recording, is_cut: bool
) -> tuple[FloatArray, FloatArray, list[tuple[float, int]]]:
    """Fused logits of every full window, the windows' ends, and the cues that are left with their classes."""
    plain = recipe.model_copy(update={"recentre": None})
    kept = without_right(recipe, recording) if is_cut else np.ones(recording.n_samples, bool)
    t_s = np.arange(kept.sum()) / recording.info.rate_hz
    times = recording.sample_times()
    cues = []
    for marker in recording.markers:
        name, i = recipe.class_of(marker.value), int(np.searchsorted(times, marker.t_lsl))
        if name is not None and i < len(kept) and kept[i]:
            cues.append((float(kept[:i].sum()) / recording.info.rate_hz, recipe.classes.index(name)))
    with Decoder(plain) as decoder:
        whole = replace(recording, data=recording.data[kept], t_s=t_s, markers=())
        full = [one.estimate for one in decoder.decode(whole) if one.estimate.logits is not None]
    return (
        np.stack([one.logits for one in full if one.logits is not None]),
        np.array([one.t_window[1] for one in full]),
        cues,
    )


def without_right(recipe: ParadigmRecipe, recording: Recording) -> npt.NDArray[np.bool_]:
    """Which samples stay when most right-hand trials, and the rest behind them, are cut out."""
    times, kept = recording.sample_times(), np.ones(recording.n_samples, bool)
    markers = sorted(recording.markers, key=lambda marker: marker.t_lsl)
    is_right = [recipe.class_of(marker.value) == recipe.classes[1] for marker in markers]
    for k, i in enumerate([i for i, right in enumerate(is_right) if right], start=1):
        if k % KEEP_EVERY:
            kept &= ~((times >= markers[i].t_lsl) & (times < end_of(markers, i)))
    return kept


def end_of(markers: Sequence[Marker], i: int) -> float:
    """End of the rest behind trial i, or of the trial where nothing follows soon."""
    later = [marker.t_lsl for marker in markers[i + 1 : i + 3]]
    return later[-1] if later and later[-1] - markers[i].t_lsl < 12.0 else markers[i].t_lsl + 4.0


def accuracy(logits: FloatArray, t_end: FloatArray, cues: Sequence[tuple[float, int]]) -> float:
    """Percent of the trials whose mean logits around 4 s are highest for the class asked for."""
    hits = []
    for t_cue, i_class in cues:
        inside = (t_end >= t_cue + JUDGED_S[0]) & (t_end <= t_cue + JUDGED_S[1])
        if inside.any():
            hits.append(int(logits[inside].mean(axis=0).argmax()) == i_class)
    return 100.0 * float(np.mean(hits))


# -- both --------------------------------------------------------------------------------------------


def population(recipe: ParadigmRecipe) -> Profile:
    if recipe.population is None:
        raise SystemExit(f"{recipe.name} names no population profile")
    return read_profile(recipe.folder / recipe.population)


def runs_of(recording: Recording) -> list[Recording]:
    starts = [0.0, *(before + extra for before, extra in recording.gaps())]
    stops = [*(before + extra / 2 for before, extra in recording.gaps()), None]
    return [recording.crop(start, stop) for start, stop in zip(starts, stops, strict=True)]


if __name__ == "__main__":
    main()
