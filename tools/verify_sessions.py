"""Record sessions with faults inside, verify each, and print the table of docs/verify.md.

    python tools/verify_sessions.py --out DIR [--only-simulated] [--seconds 60]

One is recorded in simulated time for each scenario of `rtbci chaos` that a run survives, and three in real time, by
`rtbci run` on a stream of `rtbci chaos` over LSL. While they run, profiles are swapped, engines change, clients pause and
set marks, adaptation is on, and a run is killed and taken up again, as the table says. Exit status 1 where a session is
not identical.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from rtbci.chaos.scenario import list_scenarios, read_scenario
from rtbci.errors import ProfileError
from rtbci.probe.profile import read_profile, write_profile
from rtbci.publish.control_client import ControlClient
from rtbci.publish.control_messages import Mark, Pause, Resume, SwapProfile
from rtbci.recipes import read_paradigm
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.synthetic import SyntheticSource
from rtbci.verify.verify import Verified, verify
from tools.simulated_session import record_session

PARADIGM = "motor_imagery"
LABELS = ("FC3", "FC4", "C3", "CZ", "C4", "CP3", "CP4", "PZ")
ENDS = ("other_labels", "other_source", "two_of_a_name", "slow_consumers")
"""Scenarios that end a run, or that are about more than the stream."""
ADAPT = {"enabled": True, "learn_s": 5.0}
READY_S = 60.0


class Done(NamedTuple):
    """A session, how it came about, and what verifying it gave."""

    name: str
    how: str
    found: Verified


def main() -> None:
    """Record, verify, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the sessions, to be made")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each run in real time")
    parser.add_argument("--only-simulated", action="store_true")
    options = parser.parse_args()
    out: Path = options.out
    profile = _own_profile(out / "profile")
    done = list(_simulated(out, profile))
    if not options.only_simulated:
        done += _real(out, profile, options.seconds)
    print(_table(done))
    sys.exit(any(one.found.verdict != "identical" for one in done))


def _own_profile(folder: Path) -> Path:
    profile = read_profile(read_paradigm(PARADIGM).population_folder or Path())
    bias = (np.array(profile.bias) + np.array([0.1, -0.1])).tolist()
    changed = msgspec.structs.replace(profile, user="own", generation=1, bias=bias)
    write_profile(folder, changed)
    return folder


# -- in simulated time ---------------------------------------------------------------------------------


def _simulated(out: Path, profile: Path) -> Iterator[Done]:
    swap = SwapProfile(profile=str(profile))
    back = SwapProfile(profile="population")
    plans: tuple[tuple[str, dict[str, Any], list[tuple[float, Any]], str], ...] = (
        ("two swaps", {}, [(8.0, swap), (17.0, back)], ""),
        (
            "a pause, a swap in it, a mark",
            {},
            [(9.0, Pause()), (10.0, swap), (14.0, Resume()), (15.0, Mark(value="T1"))],
            "",
        ),
        ("adaptation", {"adapt": ADAPT}, [], ""),
        ("to OpenVINO, a swap, adaptation", {"adapt": ADAPT}, [(16.0, swap)], "openvino"),
    )
    names = [name for name in list_scenarios() if name not in ENDS]
    for i, name in enumerate(names):
        how, settings, acts, backend = plans[i % len(plans)]

        def source(clock: SimulatedClock, seed: int = i) -> SyntheticSource:
            return SyntheticSource(LABELS, seed=seed, clock=clock, sleep_until=clock.sleep_until)

        outcome = record_session(
            out / name,
            read_scenario(name),
            source,
            {"paradigm": PARADIGM, **settings},
            acts=acts,
            backend=backend,
            change_s=11.0,
        )
        if outcome.error is not None:
            raise outcome.error
        yield Done(name, f"simulated; {how}", verify(out / name))


# -- in real time --------------------------------------------------------------------------------------


def _real(out: Path, profile: Path, seconds: float) -> Iterator[Done]:
    t = seconds / 6
    with _run(out / "real-1", "radio_dropouts", ["--adapt"]) as control, ControlClient(control) as client:
        time.sleep(2 * t)
        _swap(client, profile)
        time.sleep(t)
        client.request("pause")
        time.sleep(t)
        client.request("resume")
        client.request("mark", value="T2")
        time.sleep(2 * t)
    yield Done("radio_dropouts", "LSL; adaptation, a swap, a pause, a mark", _verified(out / "real-1"))
    with (
        _run(out / "real-2", "bluetooth_bursts", ["--engine", "openvino"]) as control,
        ControlClient(control) as client,
    ):
        time.sleep(3 * t)
        _swap(client, profile)
        time.sleep(3 * t)
    yield Done("bluetooth_bursts", "LSL; to OpenVINO, a swap", _verified(out / "real-2"))
    with _run(out / "real-3", "cable_pulled", [], kill=True) as control, ControlClient(control) as client:
        time.sleep(2 * t)
        _swap(client, profile)
        time.sleep(2 * t)
    with _run(out / "real-3", "cable_pulled", ["--resume"]):
        time.sleep(2 * t)
    yield Done("cable_pulled", "LSL; a swap, killed, taken up again", _verified(out / "real-3"))


def _swap(client: ControlClient, profile: Path) -> None:
    """Ask for a profile; a computer with other work may not have it ready within the limit."""
    for n_left in reversed(range(5)):
        try:
            client.request("swap_profile", profile=str(profile))
        except ProfileError:
            if not n_left:
                raise
        else:
            return


def _verified(root: Path) -> Verified:
    (folder,) = root.iterdir()
    return verify(folder)


@contextmanager
def _run(root: Path, scenario: str, options: Sequence[str], *, kill: bool = False) -> Iterator[str]:
    """A faulty stream and a run on it; gives the address of its control socket."""
    name = f"verify-{os.getpid()}"
    resumes = "--resume" in options
    chosen = (
        [] if resumes else ["--stream", name, "--pub", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0"]
    )
    with (
        _process("chaos", scenario, "--name", name),
        _process("run", *chosen, "--wait", "--record", str(root), *options) as run,
    ):
        control = ""
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("publish:"):
                control = line.split()[3]
            if line.startswith("state: running"):
                break
        yield control
        run.send_signal(signal.SIGKILL if kill else signal.SIGINT)
        run.communicate(timeout=READY_S)


@contextmanager
def _process(*args: str) -> "Iterator[subprocess.Popen[str]]":
    command = [sys.executable, "-m", "rtbci.cli", *args]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as popen:
        try:
            yield popen
        finally:
            if popen.poll() is None:
                popen.send_signal(signal.SIGINT)
                popen.communicate(timeout=READY_S)


def _table(done: Sequence[Done]) -> str:
    lines = [
        "| scenario | recorded | predictions | windows | compared | identical | decisions | profiles, engines changed | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, how, one in done:
        changes = f"{one.n_swaps}, {one.n_engine_changes}"
        lines.append(
            f"| `{name}` | {how} | {one.n_predictions} | {one.n_windows} | {one.n_compared} | {one.n_identical} | "
            f"{one.n_decisions} | {changes} | {one.verdict} |"
        )
    n_compared, n_identical = (
        sum(one.found.n_compared for one in done),
        sum(one.found.n_identical for one in done),
    )
    n_same = sum(one.found.verdict == "identical" for one in done)
    return "\n".join(
        [*lines, "", f"{n_same} of {len(done)} sessions, {n_identical} of {n_compared} predictions identical"]
    )


if __name__ == "__main__":
    main()
