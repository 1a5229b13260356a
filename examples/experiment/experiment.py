"""A closed-loop experiment: cues by LSL, feedback while a trial lasts, a table and a log of what was decoded and what was shown.

rtbci run --user u01 --markers rtbci-experiment     # decodes, and records everything
python examples/experiment --feedback sham          # another terminal
"""

import argparse
import csv
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from pylsl import StreamInfo, StreamOutlet, cf_string

from rtbci import Client, RtbciError
from rtbci.errors import ConfigError
from rtbci.publish.addresses import PUBLISH_ADDRESS

from .trials import CUES, Condition, Row, Trials, Yoke

__all__ = ["Terminal", "main", "plan", "table"]

AT_ONCE_S = 0.5
"""So long a wait in liblsl, which Ctrl-C cannot end."""
BAR = 40
"""Letters of a full bar of feedback."""
MAX_ROUNDS = 3
"""So often a trial without an answer comes again, each time at the end."""


class Terminal:
    """The participant's screen, as text. The one that an experiment of your own replaces: README.md has it in PsychoPy."""

    def say(self, text: str) -> None:
        """Print words, over what is left of a bar."""
        print(f"{text:{2 + BAR}}" if sys.stdout.isatty() else text, flush=True)

    def cue(self, asked: str, mark: Callable[[], None]) -> None:
        """Print the cue, then mark it."""
        print(f"--> {asked.replace('_', ' ')}", flush=True)
        mark()

    def bar(self, shown: float) -> None:
        """Draw a bar, in a terminal."""
        if sys.stdout.isatty():
            print(f"\r[{'#' * round(BAR * shown):{BAR}}]\r", end="", flush=True)


def plan(
    classes: Sequence[str], n_trials: int, feedback: str, seed: int, yoke: Yoke | None
) -> list[Condition]:
    """Trials in random order, as many of each class; with ``sham`` every second one of a class is mirrored."""
    trials = [
        Condition(asked, feedback, feedback == "sham" and i % 2 == 1, yoke)
        for asked in classes
        for i in range(n_trials)
    ]
    random.Random(seed).shuffle(trials)
    return trials


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines: trials, answers and decisions of each class and feedback."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.asked, row.feedback + (" mirrored" if row.is_mirrored else "")].append(row)
    yield f"{'asked':12} {'feedback':14} {'trials':>6} {'answers':>8} {'right':>6} {'decisions':>10} {'right':>6} {'after':>7}"
    for (asked, feedback), group in sorted(groups.items()):
        answers = [one for one in group if one.answer]
        decisions = [one for one in answers if one.decision]
        after = [one.decided_after_s for one in decisions if one.decided_after_s is not None]
        n_right = sum(one.answer == asked for one in answers), sum(one.decision == asked for one in decisions)
        late = f"{median(after):.2f} s" if after else "-"
        yield f"{asked:12} {feedback:14} {len(group):6} {len(answers):8} {n_right[0]:6} {len(decisions):10} {n_right[1]:6} {late:>7}"


def run(options: argparse.Namespace, outlet: Any, screen: Terminal) -> list[Row]:
    """All trials; a row is on the disk before the next trial begins."""
    stem = options.out / f"experiment-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    yoke = Yoke(options.yoke) if options.yoke else None
    rows: list[Row] = []
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        Client(options.address, ("prediction", "event", "status"), server_key=options.server_key) as client,
        open(f"{stem}.csv", "x", newline="", encoding="utf-8") as csv_file,
        open(f"{stem}.jsonl", "x", encoding="utf-8") as log,
    ):
        writer = csv.DictWriter(csv_file, [one.name for one in fields(Row)])
        writer.writeheader()
        trials = Trials(client, outlet, screen, options.trial_s, lambda line: log.write(line + "\n"))
        recording = trials.wait_ready().recording
        if not recording and not options.unrecorded:
            raise ConfigError(
                "experiment: the run records nothing, need a session; leave out --no-record there, or say --unrecorded here"
            )
        print(f"session {recording or 'not recorded'}, trials in {stem}.csv, feedback in {stem}.jsonl")
        feedback = "yoked" if yoke else options.feedback
        waiting = plan(options.classes.split(","), options.trials, feedback, options.seed, yoke)
        n_most = MAX_ROUNDS * len(waiting)
        try:
            while waiting and len(rows) < n_most:
                screen.say("+")
                time.sleep(options.rest_s)
                trials.wait_ready()
                row = trials.run(len(rows) + 1, waiting[0])
                rows.append(row)
                writer.writerow(asdict(row))
                csv_file.flush()
                log.flush()
                screen.say(
                    f"trial {row.trial}: {row.problem or 'done'}{'; it comes again' if row.problem else ''}"
                )
                waiting = waiting[1:] + ([waiting[0]] if row.problem else [])
        except KeyboardInterrupt:
            outlet.push_sample(["rest"])
            screen.say("\nstopped")
    return rows


def show_cues(options: argparse.Namespace, outlet: Any, screen: Terminal) -> None:
    """The same cues without feedback, for `rtbci calibrate --cues markers`, which ends when it has enough."""
    calibrate = f"`rtbci calibrate --user NAME --cues markers --markers {options.cues}`"
    if not outlet.wait_for_consumers(AT_ONCE_S):
        screen.say(f"waiting for {calibrate}")
        t_end = time.monotonic() + options.patience_s
        while not outlet.wait_for_consumers(AT_ONCE_S):  # Ctrl-C has its turn between two
            if time.monotonic() > t_end:
                raise ConfigError(f"experiment: nobody listens, need {calibrate}")
    if sys.stdin.isatty():  # an amplifier that follows, or a lab recorder, is a consumer as well
        input("Enter, once `rtbci calibrate` says that it is following markers: ")
    time.sleep(2.0)  # markers of the first half second may be lost
    for condition in plan(options.classes.split(","), options.trials, "none", options.seed, None):
        screen.say("+")
        time.sleep(options.rest_s)
        screen.cue(condition.asked, partial(outlet.push_sample, [condition.asked]))
        time.sleep(options.trial_s)
        outlet.push_sample(["rest"])
    screen.say(
        "all cues were shown; where trials were rejected `rtbci calibrate` waits for more: Ctrl-C there"
    )


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="experiment", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--address", default=PUBLISH_ADDRESS, help="where the run publishes (%(default)s)")
    parser.add_argument("--server-key", help="the run's key, by name (docs/security.md)")
    parser.add_argument("--cues", default=CUES, help="name of the stream of markers (%(default)s)")
    parser.add_argument("--classes", default="left_hand,right_hand", help="what is asked for (%(default)s)")
    parser.add_argument("--trials", type=int, default=10, help="of each class (%(default)s)")
    parser.add_argument("--trial-s", type=float, default=4.0, help="from the cue to the answer (%(default)s)")
    parser.add_argument("--rest-s", type=float, default=2.5, help="cross before a cue (%(default)s)")
    parser.add_argument(
        "--feedback", choices=("real", "sham"), default="real", help="sham: mirrored in half of the trials"
    )
    parser.add_argument("--yoke", type=Path, help="show the feedback of somebody else's .jsonl")
    parser.add_argument("--seed", type=int, default=0, help="of the order (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of table and log (here)")
    parser.add_argument("--unrecorded", action="store_true", help="go on where the run records nothing")
    parser.add_argument(
        "--calibrate", action="store_true", help="only the cues, for `rtbci calibrate --cues markers`"
    )
    parser.add_argument(
        "--patience-s", type=float, default=120.0, help="how long to wait for the calibration (%(default)s)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment; return the exit status."""
    options = options_of(arguments)
    # A source id: it is found again when this program is started again.
    outlet = StreamOutlet(StreamInfo(options.cues, "Markers", 1, 0, cf_string, options.cues))
    try:
        if options.calibrate:
            show_cues(options, outlet, Terminal())
            return 0
        rows = run(options, outlet, Terminal())
    except RtbciError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print("\n".join(table(rows)))
    return 0
