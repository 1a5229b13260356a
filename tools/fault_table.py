"""The fault table of docs/reliability.md: what was injected, what was promised, what was seen.

    python tools/fault_table.py docs/reliability.md

Runs every scenario of `tools.fault_cases` through a live run in simulated time, on the synthetic amplifier, and writes
the table between the two marks of the file. Exit status 1 when a promise was broken.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp
from rtbci.chaos.flow import Injected
from rtbci.chaos.promises import Promise, check_promises
from rtbci.chaos.scenario import Scenario
from rtbci.chaos.simulate import simulate
from rtbci.chaos.watched import WatchedDecoder
from rtbci.config import RunConfig
from rtbci.stream.recording import RecordingSource
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import Channel
from rtbci.stream.synthetic import INDEX_LABEL
from tools.fault_cases import all_cases

BEGIN, END = "<!-- fault table: begin -->", "<!-- fault table: end -->"
CHUNK = 8
HEAD = "| scenario | injected | promised and seen |\n|---|---|---|\n"


class Amp:
    """The synthetic amplifier's signal, made once, with a channel that numbers the samples."""

    def __init__(self, seconds: float, seed: int) -> None:
        amp = SyntheticAmp(DEFAULT_CHANNELS, seed=seed)
        eeg, _ = amp.generate(round(seconds * amp.info.rate_hz))
        self._info = replace(amp.info, channels=(*amp.info.channels, Channel(INDEX_LABEL, "", "MISC")))
        self._data = np.column_stack([eeg, np.arange(len(eeg), dtype=float)])

    def source(self, clock: SimulatedClock) -> RecordingSource:
        """Return it as a stream on a clock."""
        return RecordingSource(
            self._info,
            self._data,
            chunk=CHUNK,
            realtime=True,
            clock=clock,
            sleep_until=clock.sleep_until,
        )


def judge(name: str, scenario: Scenario, amp: Amp, paradigm: str) -> tuple[str, list[Promise]]:
    """Run one scenario; its row of the table, and its promises."""
    config = RunConfig.model_validate({"paradigm": paradigm})
    with WatchedDecoder(paradigm) as decoder:
        outcome = simulate(scenario, decoder, amp.source, config)
        promises = check_promises(scenario, outcome, decoder, config.watch)
    seen = "<br>".join(f"{'' if one.kept else '**broken** '}{one.text}: {one.seen}" for one in promises)
    return f"| {name} | {injected(scenario, outcome.records)} | {seen.replace('|', '/')} |\n", promises


def injected(scenario: Scenario, records: list[Injected]) -> str:
    """What was done to the stream, in words."""
    words = []
    for i, fault in enumerate(scenario.faults):
        done = [one for one in records if one.fault == i]
        lengths_s = [one.length_s for one in done if one.length_s is not None]
        span = f", {min(lengths_s):.3g}-{max(lengths_s):.3g} s" if lengths_s else ""
        span = f", {lengths_s[0]:.3g} s" if len(set(np.round(lengths_s, 6))) == 1 else span
        times = f"{len(done)} times" if len(done) > 1 else "once"
        what = ", ".join(
            f"{key} {value}"
            for key, value in fault.model_dump(exclude_defaults=True).items()
            if key not in ("kind", "start_s", "per_minute", "length_s", "max_length_s")
        )
        words.append(f"{fault.kind} {times}{span}" + (f" ({what})" if what else ""))
    return "; ".join(words) or "nothing"


def write_table(path: Path, rows: str) -> None:
    """Put the rows between the marks of a file."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{HEAD}{rows}{END}{after}", encoding="utf-8")


def main() -> int:
    """Run everything and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--paradigm", default="motor_imagery")
    parser.add_argument("--seed", type=int, default=0, help="of the amplifier")
    args = parser.parse_args()
    # A subscriber that does not read is no matter for simulated time: see tests/integration/test_chaos_lsl.py.
    cases = {name: one for name, one in all_cases().items() if one.faults}
    amp = Amp(max(one.duration_s for one in cases.values()) + 1.0, args.seed)
    rows, n_broken = "", 0
    for name, scenario in cases.items():
        row, promises = judge(name, scenario, amp, args.paradigm)
        broken = [one for one in promises if not one.kept]
        n_broken += len(broken)
        rows += row
        print(f"{name}: {len(promises)} promises, {len(broken)} broken {broken or ''}", flush=True)
    write_table(args.file, rows)
    print(f"{len(cases)} scenarios, {n_broken} promises broken")
    return 1 if n_broken else 0


if __name__ == "__main__":
    sys.exit(main())
