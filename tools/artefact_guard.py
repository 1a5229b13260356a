"""What the guard against artefacts finds, what it refuses for nothing, and what that does to decisions.

Usage, from the checkout's root::

    python -m tools.artefact_guard found --subjects 20
    python -m tools.artefact_guard decided --subjects 8

`found` puts artefacts into runs of EEGMMIDB (``--data``) and counts, for guards of several kinds and limits, the artefacts that
are told and the clean time that is refused. `decided` decodes the recordings with and without artefacts by ``--paradigm``
with a guard, and counts decisions. The population's decoder was trained on these people: the numbers compare with and without
a guard, they do not say how good it is.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.decide.policy import DecisionPolicy
from rtbci.evaluate.decode import Windows
from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.files import write_whole
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.recipes.guard import GuardSettings, PotatoSettings
from rtbci.replay.recording import Recording
from rtbci.runtime.build import build_stages
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.guarding import guard_place
from rtbci.stages.guard import Guard
from rtbci.stages.stage import Chain, FloatArray
from rtbci.stream.layout import match_channels
from tools.riemann.artefacts import Event, Spoiled, spoil
from tools.training.folds import use_one_thread
from tools.training.judge import markdown_table

LIMITS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
ANSWER_S = 1.0
"""An artefact is found when the guard tells of it from its start to so long after its end."""
REGIONS = (
    ("FC5", "FC3", "C5", "C3", "CP5", "CP3"),
    ("FC6", "FC4", "C6", "C4", "CP6", "CP4"),
    ("FC1", "FCZ", "FC2", "C1", "CZ", "C2", "CP1", "CPZ", "CP2"),
    ("T7", "FC5", "C5", "CP5", "P7"),
    ("T8", "FC6", "C6", "CP6", "P8"),
    ("P3", "PZ", "P4", "O1", "OZ", "O2"),
)
BANDS_HZ = ((8.0, 13.0), (20.0, 30.0))
FIELD = tuple(PotatoSettings(channels=one) for one in REGIONS)
GUARDS = {
    "one potato, all electrodes": GuardSettings(potatoes=(PotatoSettings(),)),
    "field of six regions, Fisher": GuardSettings(potatoes=FIELD),
    "field of six regions, Liptak": GuardSettings(potatoes=FIELD, method="liptak"),
    "field of six regions in two bands, Fisher": GuardSettings(
        potatoes=tuple(PotatoSettings(channels=one, band_hz=band) for one in REGIONS for band in BANDS_HZ)
    ),
}


def main() -> None:
    """Do what is asked for."""
    options = _options()
    use_one_thread()
    paths = sorted((options.data / "eegmmidb").glob("S*.npz"))[:: options.every][: options.subjects]
    recipe = read_paradigm(options.paradigm)
    runs = [(f"{path.stem}/{i}", run) for path in paths for i, run in enumerate(read_npz_runs(path))]
    spoiled = [(spoil(run, seed), run) for seed, (_, run) in enumerate(runs)]
    found = measure_found(recipe, spoiled) if options.what == "found" else measure_decided(recipe, spoiled)
    result = {"subjects": [path.stem for path in paths], "rows": found}
    if options.out is not None:
        write_whole(options.out, (json.dumps(result, indent=1) + "\n").encode())
    header = list(dict.fromkeys(key for row in found for key in row))
    print(markdown_table(header, [[_text(row.get(key)) for key in header] for row in found]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the guard against artefacts does.")
    parser.add_argument("what", choices=("found", "decided"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--paradigm", default="motor_imagery")
    parser.add_argument("--subjects", type=int, default=20)
    parser.add_argument("--every", type=int, default=3, help="of the data set's people")
    parser.add_argument("--out", type=Path, default=None)
    return parser.parse_args()


def _text(x: Any) -> str:
    return "" if x is None else f"{x:.3g}" if isinstance(x, float) else str(x)


# -- what is found ------------------------------------------------------------------------------------


def measure_found(recipe: ParadigmRecipe, runs: Sequence[tuple[Spoiled, Recording]]) -> list[dict[str, Any]]:
    """For every guard and limit: share of artefacts of each kind that are told, share of clean time that is refused."""
    before = [(_before(recipe, one.recording), _before(recipe, clean)) for one, clean in runs]
    rows: list[dict[str, Any]] = []
    for name, settings in GUARDS.items():
        guarded = recipe.model_copy(update={"guard": settings})
        told = [(judged(guarded, spoiled), judged(guarded, clean)) for spoiled, clean in before]
        for limit in LIMITS:
            row: dict[str, Any] = {"guard": name, "limit": limit}
            hits: dict[str, list[bool]] = {}
            for (times_p, _), (one, _) in zip(told, runs, strict=True):
                for event in one.events:
                    hits.setdefault(event.kind, []).append(_is_told(times_p, event, limit))
            row |= {f"{kind} %": 100.0 * float(np.mean(one)) for kind, one in hits.items()}
            bad = np.concatenate([_refused(p, limit, settings) for _, (_, p) in told])
            row["clean time refused %"] = 100.0 * float(bad.mean())
            rows.append(row)
        print(f"{name} done", flush=True)
    return rows


def _chain(recipe: ParadigmRecipe, recording: Recording) -> tuple[Chain, Chain]:
    """Stages up to the guard, and the guard."""
    info, layout = recording.info, recipe.input
    channel_map = match_channels(info, layout.channels, 0.0, missing="interpolate", required=(), min_found=1)
    gains = np.ones(info.n_channels)
    stages = build_stages(recipe, info, channel_map, gains, None)
    place = 1 + (guard_place(recipe) or 0)
    return Chain(stages[:place]), Chain(stages[place : place + 1])


def _before(recipe: ParadigmRecipe, recording: Recording) -> FloatArray:
    """What the guard sees."""
    guarded = recipe.model_copy(update={"guard": GuardSettings()})
    return _chain(guarded, recording)[0].push(recording.data)


def judged(recipe: ParadigmRecipe, signal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Times of the blocks that a guard has judged, in seconds, and their probabilities."""
    from rtbci.runtime.guarding import guard_stage

    rate_hz = 256.0
    guard: Guard = guard_stage(recipe, recipe.input.channels, rate_hz)
    times, p = [], []
    for i in range(0, len(signal), 4096):
        guard.push(signal[i : i + 4096])
        for i_end, one in guard.judged_since(i):
            times.append(i_end / rate_hz)
            p.append(one)
    return np.array(times), np.array(p)


def _is_told(times_p: tuple[FloatArray, FloatArray], event: Event, limit: float) -> bool:
    times, p = times_p
    during = (times > event.start_s) & (times <= event.stop_s + ANSWER_S)
    return bool((p[during] < limit).any())


def _refused(p: FloatArray, limit: float, settings: GuardSettings) -> FloatArray:
    """Which blocks of a clean recording are refused, hold included, as 0 and 1."""
    n_hold = round(settings.hold_s / settings.block_s)
    bad = (p < limit).astype(float)
    return np.array([bad[max(0, i - n_hold) : i + 1].max() for i in range(len(bad))])


# -- what is decided ----------------------------------------------------------------------------------


def measure_decided(
    recipe: ParadigmRecipe, runs: Sequence[tuple[Spoiled, Recording]]
) -> list[dict[str, Any]]:
    """Decisions with and without artefacts, without and with a guard: right in trials, false at rest, while one lasts."""
    guard = GuardSettings(potatoes=FIELD, limit=1e-4)
    recipe = recipe.model_copy(update={"guard": guard})
    rows = []
    with Decoder(recipe) as decoder:
        decoded = [
            (kind, one, decode(decoder, recording))
            for one, clean in runs
            for kind, recording in (("as recorded", clean), ("with artefacts", one.recording))
        ]
    for kind in ("as recorded", "with artefacts"):
        mine = [(one, windows) for what, one, windows in decoded if what == kind]
        rows += [
            {"recordings": kind, "guard": hold or "none", **_counts(recipe, mine, hold)}
            for hold in (None, *HOLDS)
        ]
        for threshold in THRESHOLDS:  # what a guard has to be better than
            decision = recipe.decision.model_copy(update={"threshold": threshold})
            surer = recipe.model_copy(update={"decision": decision})
            name = f"none, threshold {threshold:g}"
            rows.append({"recordings": kind, "guard": name, **_counts(surer, mine, None)})
    return rows


HOLDS = ("1 s", "whole window")
THRESHOLDS = (0.72, 0.75, 0.8, 0.85)


def decode(decoder: Decoder, recording: Recording) -> tuple[Windows, FloatArray]:
    """Windows, and what the guard says of each."""
    verdicts = decoder.decode(recording)
    estimates = [one.estimate for one in verdicts]
    nothing = np.full(len(decoder.classes), np.nan)
    probs = np.array([nothing if one.probs is None else one.probs for one in estimates])
    times = [np.array([one.t_window[i] for one in estimates]) for i in (0, 1)]
    windows = Windows(times[0], times[1], probs, probs, tuple(one.decision for one in verdicts))
    return windows, np.array([one.clean for one in estimates])


def _counts(
    recipe: ParadigmRecipe, runs: Sequence[tuple[Spoiled, tuple[Windows, FloatArray]]], hold: str | None
) -> dict[str, float]:
    found = {"right": 0, "trials": 0, "false": 0, "during": 0, "refused": 0, "windows": 0}
    rest_s = during_s = 0.0
    hop_s, length_s = recipe.window.hop_s, recipe.window.length_s
    for one, (windows, clean) in runs:
        bad = clean < 1.0
        if hold == "whole window":
            n = round((length_s - 1.0) / hop_s)
            bad = np.array([bad[max(0, i - n) : i + 1].any() for i in range(len(bad))])
        bad &= hold is not None
        decided = _decide(recipe, windows, bad)
        t = windows.t_newest
        late = t > 45.0  # the guard has learnt
        found["refused"] += int((bad & late).sum())
        found["windows"] += int(late.sum())
        is_rest = late.copy()
        for i, marker in enumerate(one.recording.markers):
            after = one.recording.markers[i + 1].t_lsl if i + 1 < len(one.recording.markers) else t[-1]
            name = recipe.class_of(marker.value)
            inside = late & (t >= marker.t_lsl + 0.5) & (t <= after)
            if name is None or not inside.any():
                continue
            is_rest &= ~inside
            found["trials"] += 1
            found["right"] += int(name in [decided[k] for k in np.flatnonzero(inside)])
        rest_s += hop_s * int(is_rest.sum())
        found["false"] += sum(decided[k] is not None for k in np.flatnonzero(is_rest))
        for event in one.events:
            during = (t >= event.start_s) & (t <= event.stop_s + length_s)
            during_s += hop_s * int(during.sum())
            found["during"] += sum(decided[k] is not None for k in np.flatnonzero(during))
    return {
        "trials met %": 100.0 * found["right"] / found["trials"],
        "false a minute of rest": 60.0 * found["false"] / rest_s,
        "decisions a minute while an artefact is in the window": 60.0 * found["during"] / during_s,
        "windows refused %": 100.0 * found["refused"] / found["windows"],
    }


def _decide(recipe: ParadigmRecipe, windows: Windows, bad: npt.NDArray[np.bool_]) -> list[str | None]:
    policy = DecisionPolicy(recipe.classes, idle=recipe.idle, **recipe.decision.model_dump())
    decided: list[str | None] = []
    for is_bad, t, p, full in zip(bad, windows.t_newest, windows.probs, windows.full, strict=True):
        if is_bad or not full:
            policy.interrupt()
            decided.append(None)
        else:
            decided.append(policy.push(p.tolist(), float(t)).decision)
    return decided


if __name__ == "__main__":
    main()
