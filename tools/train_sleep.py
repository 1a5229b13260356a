"""Fit a decoder of sleep stages, judge it on nights that it has not seen, and write its profile.

Usage, from the checkout's root::

    python -m tools.train_sleep --data DIR [--paradigm sleep_eog] [--out FOLDER]
    python -m tools.train_sleep --simulated 24

With ``--data`` a folder of scored nights (Sleep-EDF: ``SC4001E0-PSG.edf`` beside ``SC4001EC-Hypnogram.edf``; see
`rtbci.night.scored`), every fifth night is kept aside and judged, then all are fitted and the profile is written to
``--out``, for ``rtbci run --paradigm sleep --profile FOLDER``. With ``--simulated`` the nights are made up by
`rtbci.amp.sleeper`; that is how the shipped profiles were made, for want of nights of people, and the agreement it
prints is with simulated stages.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rtbci.amp.night import draw_night
from rtbci.amp.sleeper import SleepingAmp
from rtbci.clock import utc_now
from rtbci.errors import ConfigError
from rtbci.night.fit import FittedStages, fit_stages
from rtbci.night.hypnogram import Hypnogram
from rtbci.night.judge import NightScore, agreement, pooled
from rtbci.night.scored import ScoredNight, find_nights, read_night
from rtbci.night.windows import decode_night, features_of, stager_profile
from rtbci.probe.profile import Profile, write_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.stages.stage import FloatArray

N_APART = 5
RATE_HZ = 100.0
SIMULATED = "simulated"

Features = tuple[FloatArray, Sequence[str | None]]


def main() -> None:
    """Do everything."""
    options = _options()
    recipe = read_paradigm(options.paradigm)
    data, nights = _nights(options, recipe)
    features = [(features_of(recipe, one.recording).values, one.hypnogram.stages) for one in nights]
    print(f"{len(nights)} nights, {sum(len(one.hypnogram.stages) for one in nights)} epochs")
    tested = nights[::N_APART] if len(nights) >= 2 else []
    if tested:
        kept = [one for i, one in enumerate(features) if i % N_APART]
        apart = _profile(recipe, fit_stages(kept, recipe.classes), [])
        for line in _judged(recipe, apart, tested):
            print(line)
    fitted = fit_stages(features, recipe.classes)
    profile = _profile(recipe, fitted, [f"{data}/{one.name}" for one in nights])
    out = options.out or recipe.folder / "population"
    write_profile(out, profile, replace=True)
    print(f"written: {out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fit a decoder of sleep stages.")
    parser.add_argument("--paradigm", default="sleep")
    parser.add_argument("--data", type=Path, help="folder of scored nights")
    parser.add_argument("--simulated", type=int, default=0, help="so many simulated nights instead")
    parser.add_argument("--seed", type=int, default=1000, help="of the first simulated night")
    parser.add_argument("--cycles", type=int, default=5, help="of a simulated night")
    parser.add_argument("--out", type=Path, help="profile to write (default: the paradigm's population)")
    return parser.parse_args()


def _nights(options: argparse.Namespace, recipe: ParadigmRecipe) -> tuple[str, list[ScoredNight]]:
    if options.data is not None:
        files = find_nights(options.data)
        return options.data.resolve().name, [read_night(one, recipe) for one in files]
    if not options.simulated:
        raise ConfigError(
            "train: got neither --data nor --simulated, need one of them; name a folder of scored nights"
        )
    seeds = range(options.seed, options.seed + options.simulated)
    return SIMULATED, [simulated_night(seed, recipe.input.channels, options.cycles) for seed in seeds]


def simulated_night(seed: int, channels: Sequence[str], n_cycles: int = 5) -> ScoredNight:
    """A night of somebody who was made up."""
    course = draw_night(np.random.default_rng(seed), n_cycles)
    amp = SleepingAmp(course, channels, RATE_HZ, seed)
    data, markers = amp.generate(round(course.duration_s * RATE_HZ))
    return ScoredNight(f"seed-{seed}", Recording(amp.info, data, tuple(markers)), Hypnogram(course.stages))


def _profile(recipe: ParadigmRecipe, fitted: FittedStages, trained_on: list[str]) -> Profile:
    return stager_profile(
        recipe,
        fitted.tensors,
        n_trials=sum(fitted.n_epochs.values()),
        trained_on=trained_on,
        created=utc_now().isoformat(timespec="seconds"),
    )


def _judged(recipe: ParadigmRecipe, profile: Profile, nights: Sequence[ScoredNight]) -> list[str]:
    scores = []
    for night in nights:
        decoded = decode_night(recipe, profile, night.recording)
        scores.append(
            NightScore(
                night.name, night.hypnogram, decoded, agreement(night.hypnogram.stages, decoded.stages)
            )
        )
    rows = [(one.name, one.agreement) for one in scores] + [("all", pooled(scores))]
    lines = ["nights kept apart:"]
    for name, one in rows:
        f1 = ", ".join(f"{stage} {value:.2f}" for stage, value in one.f1.items() if value is not None)
        lines.append(
            f"  {name}: accuracy {100 * one.accuracy:.1f} %, kappa {one.kappa:.3f}, F1 {f1}; {one.n_epochs} epochs"
        )
    return lines


if __name__ == "__main__":
    main()
