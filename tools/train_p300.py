"""Fit, judge and write the shipped P300 decoder.

Usage, from the checkout's root::

    python -m tools.train_p300

Reads ``../shared/data/p300-bi2012`` (or ``--data``), fits on all its flashes, and writes ``paradigms/p300/population``.
"""

import argparse
from pathlib import Path

import numpy as np

from rtbci.evaluate.data import open_data
from rtbci.flashes.emulate import assign_groups, find_repetitions
from rtbci.flashes.epochs import cut_epochs
from rtbci.flashes.fit import block_folds, crossed_scores
from rtbci.flashes.judge import Selection, play, wilson
from rtbci.flashes.profile import flash_profile
from rtbci.flashes.user_fit import MAX_FOLDS, crossed_evidence, fit_flashes
from rtbci.probe.profile import Accuracy, write_profile
from rtbci.recipes import read_paradigm
from rtbci.runtime.deciding import item_policy


def main() -> None:
    """Do everything."""
    parser = argparse.ArgumentParser(description="Fit, judge and write the shipped P300 decoder.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/p300-bi2012"))
    options = parser.parse_args()
    recipe = read_paradigm("p300")
    reader = open_data([str(options.data)])
    subjects = reader.subjects()
    runs = [run for name in subjects for run in reader.read(name)]
    found = cut_epochs(runs, recipe)
    folds = block_folds(found.i_selection, MAX_FOLDS)
    crossed = crossed_evidence(crossed_scores(found.epochs, found.is_target, folds), found.is_target, folds)
    repetitions = find_repetitions(found.is_target, recipe)
    rng, policy = np.random.default_rng(0), item_policy(recipe, recipe.decision)

    def selection(start: int) -> Selection:
        some = repetitions[start : start + 8]
        item = str(rng.choice(recipe.classes))
        names = assign_groups(some, item, recipe, rng)
        return Selection(item, tuple(names), tuple(float(crossed[i]) for one in some for i in one.flashes))

    selections = [selection(i) for i in range(0, len(repetitions), 8)]
    fit = fit_flashes(found, recipe, selections)
    outcomes = [play(one, policy) for one in selections]
    n_right = sum(one.decision == each.item for one, each in zip(outcomes, selections, strict=True))
    low, high = wilson(n_right, len(selections))
    accuracy = Accuracy(
        mean=100.0 * n_right / len(selections),
        low=100.0 * low,
        high=100.0 * high,
        n=len(selections),
        what="items of 36, emulated from the flashes of one person, each left out of the fit",
    )
    profile = flash_profile(
        recipe,
        fit.probe,
        fit.evidence,
        found.rate_hz,
        "population",
        temperature=fit.temperature,
        n_trials=fit.n_selections,
        trained_on=[f"{reader.name}/{name}" for name in subjects],
        accuracy=accuracy,
    )
    write_profile(recipe.folder / "population", profile, replace=True)
    print(fit.area, accuracy)


if __name__ == "__main__":
    main()
