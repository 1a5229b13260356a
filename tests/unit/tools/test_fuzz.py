"""Malformed input for every reader, a few of each kind; `tools/fuzz.py` gives them hours of it."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rtbci.errors import FileFormatError
from tools.fuzzing.attempt import Finding, Target, attempt, bit_flips, cuts, mutated, sweep
from tools.fuzzing.of_others import OF_OTHERS
from tools.fuzzing.of_rtbci import OF_RTBCI

ROOT = Path(__file__).resolve().parents[3]
TARGETS = (*OF_RTBCI, *OF_OTHERS)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops readers that hang by a signal")


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[], Path]:
    numbers = itertools.count()

    def make() -> Path:
        number = next(numbers)
        shutil.rmtree(tmp_path / f"{number - 1}", ignore_errors=True)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        return folder

    return make


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: one.name)
def test_read_or_refused(target: Target, folder_of: Callable[[], Path]) -> None:
    assert sweep(target, folder_of, 5, seed=1, n_samples=1) > 15


def target_of(
    read: Callable[[bytes], object], exact: Callable[[object, object], str] | None = None
) -> Target:
    return Target("made up", lambda _folder: [b"0123456789"], lambda content, _folder: read(content), exact)


def refuse(content: bytes) -> object:
    if len(content) != 10:
        raise FileFormatError("made up: cut short, need 10 bytes")
    return content


def fail(content: bytes) -> object:
    return content[9]


HANGING = """
import sys
from pathlib import Path
from tools.fuzzing import attempt as attempts

def hide_everything(_content, _folder):
    while True:
        try:
            while True:
                pass
        except Exception:
            return None

attempts.HANG_S = 1
try:
    attempts.attempt(attempts.Target("made up", lambda _folder: [b""], hide_everything), b"", Path(sys.argv[1]))
except attempts.Finding as finding:
    print(finding.where)
"""


def test_what_is_no_finding(tmp_path: Path) -> None:
    assert attempt(target_of(refuse), b"0123456789", tmp_path) == ("read", b"0123456789")
    outcome, error = attempt(target_of(refuse), b"", tmp_path)
    assert (outcome, type(error)) == ("refused", FileFormatError)


def test_another_error_is_a_finding(folder_of: Callable[[], Path]) -> None:
    with pytest.raises(Finding, match="made up: IndexError"):
        sweep(target_of(fail), folder_of, 3, seed=0)


def test_a_hang_is_a_finding(tmp_path: Path) -> None:
    # In a process of its own: an alarm that goes off behind all that other tests have loaded has ended the interpreter.
    command = [sys.executable, "-c", HANGING, str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60.0)
    assert said.stdout.startswith("made up: hang")


def test_an_error_without_a_message_is_a_finding(tmp_path: Path) -> None:
    def mute(_content: bytes) -> object:
        raise FileFormatError("bad")

    with pytest.raises(Finding, match="message of 3 letters"):
        attempt(target_of(mute), b"", tmp_path)


def test_memory_out_of_proportion_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter((100.0, 900.0))
    monkeypatch.setattr("tools.fuzzing.attempt._peak_mb", lambda: next(peaks))
    with pytest.raises(Finding, match="800 MB for 3 bytes"):
        attempt(target_of(lambda content: content), b"abc", tmp_path)


def test_wrong_numbers_are_a_finding(folder_of: Callable[[], Path]) -> None:
    believing = target_of(lambda content: content, lambda sound, read: "" if read == sound else "others")
    with pytest.raises(Finding, match="silently wrong"):
        sweep(believing, folder_of, 1, seed=0)


def test_changes_are_those_of_the_seed() -> None:
    def made(seed: int) -> list[bytes]:
        rng, content = np.random.default_rng(seed), bytes(range(200))
        changed = [mutated(content, rng) for _ in range(50)]
        return [*cuts(content, 50, rng), *bit_flips(content, 50, rng), *changed]

    assert made(1) == made(1) != made(2)
    assert all(bytes(range(200)).startswith(one) for one in made(1)[:50])
    assert all(sum(a != b for a, b in zip(one, range(200), strict=True)) == 1 for one in made(1)[50:100])
