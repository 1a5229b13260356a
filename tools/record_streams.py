"""Record the streams of messages that client authors test against, each from a real run.

    python tools/record_streams.py [--only NAME] [--out docs/clients/streams] [--cues FILE ...] [--data FOLDER]

Every stream has processes of its own: a signal (`rtbci amp` or `rtbci chaos`), `rtbci listen --record` and `rtbci run`. For
`profile_swap` a profile is fitted first, with `rtbci calibrate --from`, to recordings with cues.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rtbci.clock import now, sleep_until
from rtbci.publish.control_client import ControlClient

ROOT = Path(__file__).resolve().parents[1]
CUES = [ROOT.parent / "shared/data/eegmmidb/raw" / f"S007R{run}.edf" for run in ("04", "08", "12")]
STREAM = f"rtbci-recorded-{os.getpid()}"
USER = "ada"
SETTLE_S = 1.0
END_S = 20.0

GAPS = """
schema = 1
title = "A gap, then the stream is gone and comes back"
promise = "no window spans a gap"
seed = 1
duration_s = 60.0
[[faults]]
kind = "dropout"
start_s = 8.0
length_s = 0.2
[[faults]]
kind = "vanish"
start_s = 13.0
length_s = 3.5
"""
IMPATIENT = "[watch]\nstale_s = 0.5\nlost_s = 2.0\n"


class Scene(NamedTuple):
    """What one stream shows.

    Parameters
    ----------
    signal : sequence of str
        Command that offers the signal, after ``rtbci``.
    duration_s : float
        Of the run; it ends earlier when a request stops it.
    requests : sequence of (float, str, dict)
        What is asked on the control socket, and when, in seconds from when the decoder is running.
    run : sequence of str
        Further options of ``rtbci run``.
    """

    signal: Sequence[str]
    duration_s: float
    requests: Sequence[tuple[float, str, dict[str, str]]] = ()
    run: Sequence[str] = ()


AMP = ("amp", "--seed", "1", "--name", STREAM)


def scenes(folder: Path) -> dict[str, Scene]:
    """Return the scenes by name; files that they need are written to `folder`."""
    (folder / "gaps.toml").write_text(GAPS, encoding="utf-8")
    (folder / "impatient.toml").write_text(IMPATIENT, encoding="utf-8")
    swaps = [
        (1.0, "swap_profile", {"profile": USER}),
        (4.0, "swap_profile", {"profile": "population"}),
        (6.0, "stop", {}),
    ]
    asked = [(1.0, "mark", {"value": "level-2"}), (1.5, "pause", {}), (2.5, "resume", {}), (4.0, "stop", {})]
    return {
        "motor_imagery": Scene(AMP, 14.0),
        "gap_recovery": Scene(
            ("chaos", str(folder / "gaps.toml"), "--name", STREAM),
            24.0,
            run=("--config", str(folder / "impatient.toml")),
        ),
        "profile_swap": Scene(AMP, 60.0, swaps),
        "stopped": Scene(AMP, 60.0, asked),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", help="name of one stream")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/clients/streams")
    parser.add_argument("--cues", type=Path, nargs="+", default=CUES, help="recordings for the profile")
    parser.add_argument("--data", type=Path, help="where the profile is kept (default: nowhere)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = str((args.data or Path(folder)).resolve())
        os.environ["XDG_CONFIG_HOME"] = folder
        for name, scene in scenes(Path(folder)).items():
            if args.only in (None, name):
                if name == "profile_swap":
                    _fit(args.cues)
                record(scene, Path(folder), args.out / f"{name}.jsonl")


def _fit(recordings: Sequence[Path]) -> None:
    """Make a profile of USER, unless there is one."""
    if list(Path(os.environ["XDG_DATA_HOME"]).rglob(f"{USER}/0001")):
        return
    cues = [part for path in recordings for part in ("--from", str(path))]
    subprocess.run(_command("calibrate", "--user", USER, "--anyway", "--no-browser", *cues), check=True)


def record(scene: Scene, folder: Path, file: Path) -> None:
    """Record a scene, in place of an earlier recording."""
    address, control = f"ipc://{folder}/pub", f"ipc://{folder}/control"
    partial = folder / "partial.jsonl"
    partial.unlink(missing_ok=True)
    with ExitStack() as started:
        start = _starter(started)
        start("listen", address, "--json", "--record", str(partial))
        start(*scene.signal)
        sleep_until(now() + SETTLE_S)
        run = start(
            *("run", "--stream", STREAM, "--markers", "none", "--no-record", "--pub", address),
            *("--control", control, "--duration", str(scene.duration_s), *scene.run),
        )
        _ask(scene, control, partial)
        run.wait(scene.duration_s + END_S)
        sleep_until(now() + SETTLE_S)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(partial.read_bytes())
    print(f"{file}: {len(file.read_bytes().splitlines())} messages, {file.stat().st_size / 1e3:.0f} kB")


def _ask(scene: Scene, control: str, partial: Path) -> None:
    t_limit = now() + 3 * END_S
    while scene.requests and not (partial.exists() and b'"state":"running"' in partial.read_bytes()):
        if now() > t_limit:
            raise SystemExit("record_streams: the decoder does not get to run")
        sleep_until(now() + 0.05)
    t_first = now()
    with ControlClient(control) as client:
        for t_s, cmd, fields in scene.requests:
            sleep_until(t_first + t_s)
            print(cmd, client.request(cmd, **fields))


def _starter(started: ExitStack) -> "Callable[..., subprocess.Popen[bytes]]":
    def start(*args: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(_command(*args), stdout=subprocess.DEVNULL)
        started.callback(_end, process)
        return process

    return start


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.wait(END_S)


def _command(*args: str) -> list[str]:
    return [sys.executable, "-m", "rtbci.cli", *args]


if __name__ == "__main__":
    main()
