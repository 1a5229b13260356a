"""Make the golden sessions of the tests: recorded in simulated time, with faults inside.

    python tools/golden_sessions.py                  # into tests/golden/recorded, which must not be there

Made anew only when what a decoder computes is meant to change: the tests verify them as they are. Each has four
electrodes of the synthetic amplifier; one has adaptation and a pause, one a profile that is put in use while it runs.
"""

import argparse
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rtbci.chaos.scenario import Scenario
from rtbci.probe.profile import read_profile, write_profile
from rtbci.publish.control_messages import Mark, Pause, Resume, SwapProfile
from rtbci.recipes import read_paradigm
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.synthetic import SyntheticSource
from tools.simulated_session import record_session

LABELS = ("C3", "CZ", "C4", "PZ")
PARADIGM = "motor_imagery"
SECONDS = 10.0
GAPS = {"kind": "dropout", "per_minute": 20.0, "length_s": 0.004, "max_length_s": 0.1}
NOT_FINITE = {"kind": "nan", "per_minute": 10.0, "length_s": 0.004, "max_length_s": 0.05, "n_channels": 1}
LATE = {"kind": "burst", "per_minute": 12.0, "length_s": 0.3, "max_length_s": 0.8}
AWAY = {"kind": "vanish", "start_s": 4.0, "length_s": 1.2}
TWICE = {"kind": "duplicate", "per_minute": 20.0, "length_s": 0.1, "max_length_s": 0.3}
JUMP = {"kind": "clock_jump", "start_s": 3.0, "offset_s": 0.7}
FLAT = {"kind": "flat", "start_s": 7.2, "length_s": 2.5, "n_channels": 3}
EAGER = {"threshold": 0.5, "dwell_s": 0.1, "refractory_s": 0.3, "smoothing_s": 0.2}
ADAPT = {"enabled": True, "learn_s": 2.0}


def main() -> None:
    """Make all three."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("tests/golden/recorded"))
    out: Path = parser.parse_args().out
    _make(out / "gaps", 1, (GAPS, NOT_FINITE, LATE), {}, ())
    acts = ((3.0, Pause()), (4.5, Resume()), (5.0, Mark(value="left")))
    _make(out / "adapted", 2, (FLAT, JUMP, TWICE), {"adapt": ADAPT}, acts)
    profile = _other_profile(out / "profile")
    _make(out / "swapped", 3, (AWAY, GAPS), {}, ((2.5, SwapProfile(profile=str(profile))),))
    for path in sorted(profile.iterdir()):
        path.unlink()
    profile.rmdir()


def _make(
    folder: Path,
    seed: int,
    faults: tuple[dict[str, Any], ...],
    settings: dict[str, Any],
    acts: tuple[tuple[float, Any], ...],
) -> None:
    scenario = Scenario.model_validate(
        {"schema": 1, "title": folder.name, "seed": seed, "duration_s": SECONDS, "faults": faults}
    )

    def source(clock: SimulatedClock) -> SyntheticSource:
        return SyntheticSource(LABELS, seed=seed, clock=clock, sleep_until=clock.sleep_until)

    outcome = record_session(
        folder, scenario, source, {"paradigm": PARADIGM, "decision": EAGER, **settings}, acts=acts
    )
    if outcome.error is not None:
        raise outcome.error
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {len(outcome.messages)} messages, {len(outcome.records)} faults, {size / 1e3:.0f} kB")


def _other_profile(folder: Path) -> Path:
    """The population's, with surer and slightly shifted heads: somebody's own."""
    population = read_paradigm(PARADIGM).population_folder
    profile = read_profile(population or Path())
    changed = msgspec.structs.replace(
        profile,
        user="golden",
        generation=1,
        temperature=0.5 * profile.temperature,
        bias=(np.array(profile.bias) + np.array([0.1, -0.1])).tolist(),
    )
    write_profile(folder, changed)
    return folder


if __name__ == "__main__":
    main()
