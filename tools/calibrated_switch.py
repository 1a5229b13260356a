"""What a calibration is worth to the switch of imagery against rest as it runs: trials met and false activations.

Usage, from the checkout's root, after ``tools.train_rest_switch`` has left its folds::

    python -m tools.calibrated_switch --jobs 2

Everybody is calibrated on their first recordings by `rtbci.calibrate`, rest included, and the last one is decoded whole, by the
population's decoder of a fold without them and by their own; the decision's policy is chosen on the people of the other folds. Prints a
Markdown table of both.
"""

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
import numpy as np

from rtbci.calibrate.fit import fit_user
from rtbci.errors import ConfigError
from rtbci.evaluate.decode import decode_run
from rtbci.evaluate.npz_runs import read_npz_runs
from rtbci.evaluate.online import Span
from rtbci.evaluate.trials import find_trials
from rtbci.probe.profile import Profile, read_profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.recipes.markers import with_markers
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from tools.rest_switch.streaming import judge_online, online_rows
from tools.training.folds import use_one_thread
from tools.training.judge import markdown_table
from tools.training.pool import add_data, folds_by_person, recording_of
from tools.training.user_trials import features_by_run

__all__ = ["main"]

PARADIGM = "motor_imagery_rest"
REST_MARKERS = ("T0=rest",)
"""In these recordings; for the calibration alone, since a live user's rest has no cue."""
TITLES = ("decoder", "aim: at most false a minute", "trials met %", "false a minute", "s from cue", "people with half of the trials met %", "policy of all people")  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data(parser)
    parser.add_argument("--folds", type=Path, default=Path("build/rest_switch"))
    parser.add_argument("--subjects-limit", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args(arguments)
    try:
        of_fold = folds_by_person("calibrated_switch", args.folds, args.subjects_limit)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    jobs = [(name, fold, recording_of(args.data, name)) for name, fold in of_fold.items()]
    with ProcessPoolExecutor(args.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        people = list(pool.map(_one, jobs))
    folds = np.array([int(fold.name.removeprefix("fold")) for fold in of_fold.values()])
    recipe, rows = read_paradigm(PARADIGM), []
    for i, decoder in enumerate(("population", "calibrated")):
        judged, _ = judge_online([one[i] for one in people], folds, recipe)
        rows += [[decoder, *row] for row in online_rows(judged)]
    print(markdown_table(TITLES, rows))
    return 0


def _one(job: tuple[str, Path, Path]) -> tuple[list[Span], list[Span]]:
    """What the population's decoder and the user's own say in the last recording."""
    name, fold, path = job
    use_one_thread()
    recipe, population, runs = read_paradigm(PARADIGM), read_profile(fold / "profile"), read_npz_runs(path)
    own = _calibrated(with_markers(recipe, REST_MARKERS), population, runs[:-1])
    return _last(recipe, population, runs, name), _last(recipe, own, runs, name)


def _calibrated(recipe: ParadigmRecipe, population: Profile, runs: list[Recording]) -> Profile:
    trials = [trial for run in features_by_run(recipe, population, runs) for trial in run]
    return fit_user(population, trials, "judged", recipe.decision).profile


def _last(recipe: ParadigmRecipe, profile: Profile, runs: list[Recording], name: str) -> list[Span]:
    trials = [one for one in find_trials(runs, recipe, name) if one.i_run == len(runs) - 1]
    with Decoder(recipe, profile=msgspec.structs.replace(profile, decision=None)) as decoder:
        windows = decode_run(decoder, runs[-1])
    return [Span.of(windows, windows.probs, trials, recipe.idle, -1.0)]


if __name__ == "__main__":
    raise SystemExit(main())
