"""Kill a process that writes profiles at random moments, and see whether every profile is whole.

    python tools/kill_profiles.py [--kills 200] [--seed 0] [--json FILE]

Each kill has a process of its own that does, without a pause, what calibrations and `rtbci profile` do: trials are kept, the user's
next generation is written with its calibration.json, an older one is deleted, the newest is exported. How far it came is in
memory that outlives it. After SIGKILL all generations that there are must be sound, none that was written may be missing,
the export must be the old file or the new one, every trial that was kept must be read, and the next generation must get a
number that was never given. Exit status 1 where that fails.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from rtbci.calibrate.store import TrialStore, read_trials
from rtbci.errors import RtbciError
from rtbci.probe.calibration_record import RECORD_NAME, read_record
from rtbci.probe.profile import generations, newest_profile, read_profile
from rtbci.runtime.profile_file import export_profile, read_exported
from rtbci.runtime.profile_list import add_generation, delete_generation
from rtbci.runtime.profiles import profiles_root
from tests.calibration_samples import make_record
from tests.probe_samples import make_profile
from tests.unit.calibrate.samples import pink, raw_trial, store_settings
from tools.kill_recording import Handed

USER = "ada"
N_KEPT = 3
LONGEST_S = 0.4


class Kill(NamedTuple):
    """One kill: after how long, how many generations and trials had been written, and what was wrong."""

    after_s: float
    n_generations: int
    n_trials: int
    problem: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200, help="how many processes")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    kills = []
    for _ in range(args.kills):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_DATA_HOME"] = folder  # profiles of whoever runs this are left alone
            kills.append(_kill_one(Path(folder), float(rng.uniform(0.0, LONGEST_S))))
    bad = [one for one in kills if one.problem]
    result = {
        "kills": len(kills),
        "bad": [one._asdict() for one in bad],
        "n_generations": sum(one.n_generations for one in kills),
        "n_trials": sum(one.n_trials for one in kills),
    }
    print(json.dumps(result, indent=2))
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if bad else 0


def _kill_one(folder: Path, after_s: float) -> Kill:
    n_generations, n_trials = Handed(), Handed()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            _write(folder, n_generations, n_trials)
        finally:
            os._exit(1)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    counts = n_generations.get(), n_trials.get()
    if os.WTERMSIG(status) != signal.SIGKILL:
        return Kill(after_s, *counts, f"ended by itself: {status}")
    try:
        problem = _judge(folder, *counts)
    except RtbciError as error:
        problem = f"{type(error).__name__}: {error}"
    return Kill(after_s, *counts, problem)


def _write(folder: Path, n_generations: Handed, n_trials: Handed) -> None:
    profile, record = make_profile(USER), make_record(USER)
    store, signal_uv = TrialStore(folder / "store", store_settings()), pink(300, 3)
    while True:
        i = n_generations.get()
        store.write(raw_trial(signal_uv, i))
        n_trials.put(i + 1)
        written = add_generation(
            profile.paradigm, msgspec.structs.replace(profile, temperature=1.0 + i), record
        )
        n_generations.put(int(written.name))
        export_profile(written, folder / "ada.rtbci", replace=True)
        kept = generations(profiles_root(profile.paradigm), USER)
        if len(kept) > N_KEPT:
            delete_generation(kept[0])


def _judge(folder: Path, n_generations: int, n_trials: int) -> str:
    """What is wrong, or nothing; errors of rtbci are problems, too."""
    root = profiles_root(make_profile(USER).paradigm)
    kept = generations(root, USER)
    numbers = [int(one.name) for one in kept]
    for one in kept:
        found = read_profile(one)
        if found.temperature != found.generation or found.generation != int(one.name):
            return f"{one.name} holds generation {found.generation} with temperature {found.temperature}"
        if (one / RECORD_NAME).is_file() and read_record(one).generation != found.generation:
            return f"{one.name} holds the calibration of another"
    wanted = range(max(1, n_generations - N_KEPT + 1), n_generations + 1)
    if not set(wanted) <= set(numbers) or max(numbers, default=0) > n_generations + 1:
        return f"{n_generations} generations were written, there are {numbers}"
    if newest_profile(root, USER) != (kept[-1] if kept else None):
        return "the newest profile is another one"
    if (folder / "ada.rtbci").is_file():
        exported, _ = read_exported(folder / "ada.rtbci")
        if exported.generation not in (n_generations - 1, n_generations, n_generations + 1):
            return f"generation {exported.generation} was exported, {n_generations} were written"
    if (folder / "store" / "store.json").is_file():
        with TrialStore(folder / "store", store_settings(), resume=True):
            trials, faults = read_trials(folder / "store")
        if faults or [one.i_trial for one in trials][:n_trials] != list(range(n_trials)):
            return f"{n_trials} trials were kept, there are {len(trials)}; {faults}"
    elif n_trials:
        return "the store of trials has gone"
    profile = make_profile(USER)
    again = add_generation(profile.paradigm, profile, None)
    if int(again.name) <= max(n_generations, *numbers, 0):
        return f"number {again.name} was given twice"
    return ""


if __name__ == "__main__":
    sys.exit(main())
