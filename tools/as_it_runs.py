"""What a population decoder's users are told to expect: its accuracy as it runs, on people whom it has not seen.

Usage, from the checkout's root, after ``tools.train_motor_imagery`` has left its folds::

    rtbci eval --paradigm motor_imagery --folds build/train_motor_imagery --data ../shared/data/eegmmidb \
        --dataset eegmmidb --track B --k 0 --json build/as_it_runs.json
    python -m tools.as_it_runs build/as_it_runs.json

The number goes into the shipped profile, from which `rtbci run` reads it, and with where it comes from into
``docs/results_as_it_runs.json``. Training writes a number of windows cut at the cues, until this has been done.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from rtbci.errors import ConfigError
from rtbci.evaluate.record import Evaluation, read_evaluation
from rtbci.probe.profile import Accuracy, read_profile, write_profile
from rtbci.recipes import read_paradigm

__all__ = ["expectation", "main"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "results_as_it_runs.json"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("evaluation", type=Path, help="what rtbci eval --json wrote")
    parser.add_argument("--paradigm", default="", help="recipe by name or folder (default: the evaluation's)")
    parser.add_argument("--page", type=Path, default=PAGE, help="where it stands with its origin")
    args = parser.parse_args(arguments)
    evaluation = read_evaluation(args.evaluation)
    recipe = read_paradigm(args.paradigm or evaluation.paradigm["name"])
    if recipe.population_folder is None:
        raise ConfigError(
            f"as_it_runs: paradigm '{recipe.name}' has no population decoder, need one; give another --paradigm"
        )
    profile = read_profile(recipe.population_folder)
    accuracy = expectation(evaluation, profile.chain_hash)
    write_profile(recipe.population_folder, msgspec.structs.replace(profile, accuracy=accuracy), replace=True)
    found: dict[str, Any] = json.loads(args.page.read_text()) if args.page.exists() else {}
    found[recipe.name] = msgspec.to_builtins(accuracy) | {
        "created": evaluation.created,
        "versions": evaluation.versions,
        "settings": evaluation.settings,
        "n_trials": evaluation.data["n_trials"],
        "folds": {one.fold: one.profile_sha256 for one in evaluation.decoders},
    }
    args.page.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
    print(accuracy.in_words)
    return 0


def expectation(evaluation: Evaluation, chain_hash: str) -> Accuracy:
    """Accuracy of an evaluation, as a profile says it.

    Parameters
    ----------
    evaluation : Evaluation
        Of decoders that were fitted without the people whom they judge, all electrodes given.
    chain_hash : str
        Of the profile's stages.

    Raises
    ------
    ConfigError
        When it is of another decoder, of people in training, of a part of the electrodes, or of one person.
    """
    settings = evaluation.settings
    wrong = []
    if evaluation.seen != "no":
        wrong.append(f"people in training: '{evaluation.seen}', need 'no'")
    if others := {one.chain_hash for one in evaluation.decoders} - {chain_hash}:
        wrong.append(f"decoders behind stages {sorted(one[:12] for one in others)}, need {chain_hash[:12]}")
    if settings.get("channels"):
        wrong.append(f"only {len(settings['channels'])} electrodes given, need all of the recordings")
    found = next(one for one in evaluation.conditions if one.k == 0).metrics["balanced_accuracy"]
    if found.mean is None or found.low is None or found.high is None:
        wrong.append(f"{found.n} people, need two or more for an interval")
    if wrong or found.mean is None or found.low is None or found.high is None:
        raise ConfigError(f"as_it_runs: got {'; '.join(wrong)}; evaluate the decoder's folds again")
    idle = evaluation.paradigm["idle"]
    rest = "" if idle is None else f"{idle} left out, "
    start_s, end_s = settings["track_start_s"], settings["track_end_s"]
    return Accuracy(
        mean=100.0 * found.mean,
        low=100.0 * found.low,
        high=100.0 * found.high,
        n=found.n,
        what=f"{rest}track {settings['track']}, {start_s:g}-{end_s:g} s after the cue, as it runs, people not seen in training "
        "(docs/results.md)",
    )


if __name__ == "__main__":
    raise SystemExit(main())
