"""Malformed input for every reader of foreign bytes: read what is sound, or a clear error; never anything else.

    python tools/fuzz.py --minutes 60 --seed 1 --findings findings      # all readers in turn, each in a process of its own
    python tools/fuzz.py --minutes 5 --only xdf --only message

With atheris (``pip install atheris``, Linux and macOS) the inputs follow what code they reach; without it, or with
``--blind``, they are seeded changes of the samples. A finding is an error that is not rtbci's own, an error without a
message, 20 s for one input, memory out of proportion, the end of the process, or, of an input that was only cut or has
one bit changed and whose format has checksums, other numbers than were written. Inputs that lead to a finding are kept
in the folder of the findings. Exit status 1 when there is one.
"""

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from rtbci.clock import now
from tools.fuzzing.attempt import DEEP, Finding, Target, attempt, bit_flips, cuts, mutated

IN_MEMORY = "/dev/shm"
BLIND_SHARE = 0.3
"""Of the time; the rest is guided by what code inputs reach, where atheris is there."""
SIMPLE_SHARE = 0.5
"""Of blind inputs so many are cut or have one bit changed; these are compared with what was written."""
LARGEST_MB = 4096
HUNG_S = 60
LAST_NAME = "last"
"""File with the input that is being read, for when the process dies of it."""
TOLD_S = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="of all readers together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], help="name of a reader; repeat it")
    parser.add_argument("--blind", action="store_true", help="do not use atheris")
    parser.add_argument(
        "--findings", type=Path, default=Path("findings"), help="folder for inputs that lead to one"
    )
    parser.add_argument("--json", type=Path, help="write the counts here")
    parser.add_argument("--one", default="", help="be the process of one reader (used by the tool itself)")
    args = parser.parse_args()
    args.findings.mkdir(parents=True, exist_ok=True)
    if args.one:
        guide = None if args.blind else _guide()
        with guide.instrument_imports(include=["rtbci", "tomllib"]) if guide else nullcontext():
            target = _targets()[args.one]
        _Reader(target, args, guide).run()
    names = [name for name in _targets() if not args.only or name in args.only]
    if not names:
        parser.error(f"--only {args.only}, need some of {', '.join(_targets())}")
    rows = [_watch(name, 60.0 * args.minutes / len(names), args) for name in names]
    result = {"minutes": args.minutes, "seed": args.seed, "readers": rows}
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    print("| reader | inputs | read | refused | findings |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row['name']} | {row['n']} | {row['read']} | {row['refused']} | {len(row['findings'])} |")
    return 1 if any(row["findings"] for row in rows) else 0


def _guide() -> Any:
    """Atheris, or None where it is not installed."""
    try:
        import atheris
    except ImportError:
        return None
    return atheris


def _targets() -> dict[str, Target]:
    from tools.fuzzing.of_others import OF_OTHERS
    from tools.fuzzing.of_rtbci import OF_RTBCI

    return {one.name: one for one in (*OF_RTBCI, *OF_OTHERS)}


def _watch(name: str, seconds: float, args: argparse.Namespace) -> dict[str, Any]:
    """One reader's processes, until its time is over; one that dies is a finding, and another one goes on."""
    row: dict[str, Any] = {"name": name, "n": 0, "read": 0, "refused": 0, "findings": {}, "errors": {}}
    t_end, seed = now() + seconds, args.seed
    while (left_s := t_end - now()) > min(2.0, 0.5 * seconds):
        with tempfile.TemporaryDirectory(dir=IN_MEMORY if Path(IN_MEMORY).is_dir() else None) as folder:
            told = Path(folder) / "told.json"
            command = [
                sys.executable,
                __file__,
                "--one",
                name,
                "--minutes",
                str(left_s / 60.0),
                "--json",
                str(told),
            ]
            command += [
                "--seed",
                str(seed),
                "--findings",
                str(args.findings),
                *(["--blind"] if args.blind else []),
            ]
            process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            try:
                _, said = process.communicate(timeout=left_s + HUNG_S)
            except subprocess.TimeoutExpired:
                process.kill()
                said = f"hung: killed {HUNG_S} s after its time"
            counts = json.loads(told.read_text()) if told.is_file() else {}
            last = told.parent / "work" / LAST_NAME
            if process.returncode != 0 and last.is_file():
                shutil.copy(last, args.findings / f"{_file_name(name)}_ended")
        for key in ("n", "read", "refused"):
            row[key] += counts.get(key, 0)
        row["findings"].update(counts.get("findings", {}))
        row["errors"].update(counts.get("errors", {}))
        if process.returncode != 0:
            row["findings"][f"{name}: process ended with {process.returncode}"] = said[-3000:]
        print(f"{name}: {row['n']} inputs, {len(row['findings'])} findings", file=sys.stderr, flush=True)
        seed += 1
    return row


class _Reader:
    """One reader in its process: inputs until the time is over, counts written once a second."""

    def __init__(self, target: Target, args: argparse.Namespace, guide: Any) -> None:
        self._target, self._args, self._guide = target, args, guide
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._findings: dict[str, str] = {}
        self._t_end, self._t_told = now() + 60.0 * args.minutes, 0.0
        self._root: Path = (args.json or args.findings / "told.json").parent / "work"
        self._root.mkdir(exist_ok=True)
        self._numbers = itertools.count()
        self._last = self._root / LAST_NAME

    def run(self) -> NoReturn:
        """Never returns: atheris ends the process itself."""
        _limit_memory()
        samples = self._target.seeds(self._folder())
        for content in [*samples, *DEEP]:
            self._try(content)
        self._blindly(
            samples, self._t_end - now() if self._guide is None else BLIND_SHARE * (self._t_end - now())
        )
        if self._guide is None:
            self._end()
        corpus = self._root / "corpus"
        corpus.mkdir()
        for i, content in enumerate(samples):
            (corpus / str(i)).write_bytes(content)
        seconds = max(1, round(self._t_end - now()))
        options = [
            f"-max_total_time={seconds}",
            f"-seed={self._args.seed}",
            f"-timeout={HUNG_S}",
            "-max_len=65536",
        ]
        options += [f"-artifact_prefix={self._args.findings}/", f"-rss_limit_mb={LARGEST_MB}", "-verbosity=0"]
        self._guide.Setup([sys.argv[0], *options, str(corpus)], self._try)
        self._guide.Fuzz()
        self._end()

    def _blindly(self, samples: list[bytes], seconds: float) -> None:
        t_end = now() + seconds
        rng = np.random.default_rng(self._args.seed)
        sound = [attempt(self._target, one, self._folder())[1] for one in samples]
        while now() < t_end:
            i = int(rng.integers(len(samples)))
            if rng.uniform() < SIMPLE_SHARE:
                change = cuts if rng.uniform() < 0.3 else bit_flips
                (content,) = change(samples[i], 1, rng)
                self._try(content, sound[i])
            else:
                self._try(mutated(samples[i], rng))

    def _try(self, content: bytes, sound: object = None) -> None:
        self._last.write_bytes(content)
        self._counts["n"] += 1
        try:
            outcome, result = attempt(self._target, content, self._folder())
            self._counts[outcome] += 1
            if outcome == "refused":
                self._errors[type(result).__name__] += 1
            elif sound is not None and self._target.exact and (wrong := self._target.exact(sound, result)):
                raise Finding(f"{self._target.name}: silently wrong", wrong)
        except Finding as finding:
            self._keep(finding, content)
        if now() - self._t_told > TOLD_S:
            self._tell()

    def _keep(self, finding: Finding, content: bytes) -> None:
        if finding.where not in self._findings:
            (self._args.findings / _file_name(finding.where)).write_bytes(content)
            self._findings[finding.where] = str(finding)[-3000:]
            self._tell()

    def _tell(self) -> None:
        self._t_told = now()
        if self._args.json:
            said = {**self._counts, "findings": self._findings, "errors": self._errors}
            temporary = self._args.json.with_suffix(".new")
            temporary.write_text(json.dumps(said))
            temporary.replace(self._args.json)

    def _folder(self) -> Path:
        """An empty folder; the one before is removed."""
        number = next(self._numbers)
        shutil.rmtree(self._root / f"{number - 1}", ignore_errors=True)
        folder = self._root / f"{number}"
        folder.mkdir()
        return folder

    def _end(self) -> NoReturn:
        self._tell()
        sys.exit(0)


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in text)[-150:]


def _limit_memory() -> None:
    """A reader that wants more than there can be shall fail here, and not take the computer with it."""
    import resource

    most = 2 * LARGEST_MB * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    sys.exit(main())
