"""Fit, judge and write the shipped P300 decoder.

Usage, from the checkout's root::

    python -m tools.train_p300

Reads ``../shared/data/p300-bi2012`` (or ``--data``: a folder of recordings with target and nontarget markers), judges by
`rtbci eval` in chronological folds, compares with the foundation encoder, fits on all flashes, and writes
``paradigms/p300/population`` and ``docs/results_p300.json``. ``--no-encoders`` leaves the comparison as it is in that file, which takes longest.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from rtbci.evaluate.data import open_data
from rtbci.files import write_whole
from rtbci.flashes.epochs import cut_epochs
from rtbci.flashes.evaluate import FlashEvaluation, evaluate_flashes, fit_any
from rtbci.probe.profile import Accuracy, write_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from tools.p300.encoders import compare_encoders, encoder_table


def main() -> None:
    """Do everything."""
    options = _options()
    recipe, reader = read_paradigm("p300"), open_data([str(options.data)])
    subjects = reader.subjects()
    runs = [run for name in subjects for run in reader.read(name)]
    judged = evaluate_flashes(reader, recipe)
    found = cut_epochs(runs, recipe)
    fit = fit_any(found, recipe)
    profile = fit.profile(
        recipe,
        found.rate_hz,
        "population",
        n_trials=fit.n_selections,
        trained_on=[f"{reader.name}/{name}" for name in subjects],
        accuracy=_accuracy(judged, recipe),
    )
    write_profile(recipe.folder / "population", profile, replace=True)
    earlier = json.loads(options.out.read_text()) if options.out.exists() else {}
    results: dict[str, Any] = {**earlier, "judged": msgspec.to_builtins(judged)}
    if options.encoders:
        results["encoders"] = compare_encoders(runs, recipe)
        print(encoder_table(results["encoders"]))
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Fit, judge and write the shipped P300 decoder.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/p300-bi2012"))
    parser.add_argument("--out", type=Path, default=Path("docs/results_p300.json"))
    parser.add_argument("--encoders", action=argparse.BooleanOptionalAction, default=True)
    return parser.parse_args()


def _accuracy(judged: FlashEvaluation, recipe: ParadigmRecipe) -> Accuracy:
    """Of the one subject's items at the recipe's threshold."""
    (subject,) = judged.subjects
    if subject.trying is None:
        raise SystemExit(f"{judged.data}: has no selections to judge, need repetitions with two targets each")
    threshold = recipe.decision.threshold
    spell = next(one for one in subject.trying.spells if one.rule == "posterior" and one.value == threshold)
    return Accuracy(
        mean=100.0 * spell.right,
        low=100.0 * spell.right_low,
        high=100.0 * spell.right_high,
        n=subject.n_selections,
        what=f"items of {len(recipe.classes)} at posterior {threshold:g}, emulated from one person's flashes, each left out of "
        "the fit; nothing is known of other people",
    )


if __name__ == "__main__":
    main()
