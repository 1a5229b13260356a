"""One malformed input through one reader: read, or refused with a clear error; everything else is a finding."""

import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import numpy as np

from rtbci.errors import RtbciError

__all__ = ["DEEP", "Finding", "Target", "attempt", "bit_flips", "cuts", "mutated", "sweep"]

HANG_S = 20
MAX_GROWTH_MB = 600.0
LONGEST_MESSAGE = 20_000
HERE = Path(__file__).resolve().parents[2]
NASTY = (
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xff" * 8,
    b"NaN",
    b"-1",
    b"1e999",
    b"{",
    b"[",
    b'"',
)
N_DEEP = 20_000
DEEP = (
    b'{"config":' + b'{"a":' * N_DEEP + b"1" + b"}" * (N_DEEP + 1),
    b'{"x":' + b"[" * N_DEEP + b"]" * N_DEEP + b"}",
    b"x = " + b"[" * N_DEEP + b"]" * N_DEEP,
    b"x." * N_DEEP + b"x = 1",
    b"\x03{" + b'"v":[' * N_DEEP,
    b"<info>" + b"<a>" * N_DEEP + b"</a>" * N_DEEP + b"</info>",
    b"",
)
"""Nested so deeply that whoever goes through it recursively fails; and nothing at all."""


class Target(NamedTuple):
    """A reader of foreign bytes.

    Parameters
    ----------
    name : str
    seeds : callable
        Sound inputs, made in an empty folder.
    read : callable
        Puts an input into an empty folder, reads it there, and returns what was read.
    exact : callable, optional
        Given what was read of a sound input and of the same input cut, or with one bit changed: says what is wrong
        with it, empty when nothing is. Only where the format has checksums, so that nothing wrong can be right.
    """

    name: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[bytes, Path], object]
    exact: Callable[[object, object], str] | None = None


class Finding(Exception):
    """What a reader must not do; `where` is the same for the same fault."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(f"{where}\n{detail}")
        self.where = where


class _HangError(BaseException):
    """The reader takes too long; no reader may catch it."""


def attempt(target: Target, content: bytes, folder: Path) -> tuple[str, object]:
    """Read an input.

    Parameters
    ----------
    target : Target
    content : bytes
    folder : Path
        Empty; what is left in it is the caller's to remove.

    Returns
    -------
    outcome : str
        ``read``, or ``refused``.
    result : object
        What was read, or the error.

    Raises
    ------
    Finding
        For an error that is not ours, an error without a message, a hang, or memory out of proportion.
    """
    before_mb = _peak_mb()
    result: object
    try:
        with _alarm(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result, outcome = target.read(content, folder), "read"
    except RtbciError as error:
        result, outcome = error, "refused"
        if not 10 < len(str(error)) < LONGEST_MESSAGE:
            raise Finding(f"{target.name}: message of {len(str(error))} letters", str(error)[:300]) from error
    except _HangError as error:
        raise Finding(f"{target.name}: hang in {_place(error)}", traceback.format_exc()) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise Finding(
            f"{target.name}: {type(error).__name__} in {_place(error)}", traceback.format_exc()
        ) from error
    if (grown_mb := _peak_mb() - before_mb) > MAX_GROWTH_MB:
        raise Finding(f"{target.name}: memory", f"{grown_mb:.0f} MB for {len(content)} bytes")
    return outcome, result


def cuts(content: bytes, n: int, rng: np.random.Generator) -> Iterator[bytes]:
    """The input cut at `n` random places."""
    for at in rng.integers(0, len(content), n).tolist():
        yield content[:at]


def bit_flips(content: bytes, n: int, rng: np.random.Generator) -> Iterator[bytes]:
    """The input with one bit changed, `n` times."""
    for at in rng.integers(0, 8 * len(content), n).tolist():
        changed = bytearray(content)
        changed[at // 8] ^= 1 << at % 8
        yield bytes(changed)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """The input with up to eight changes: bytes changed, put in, taken out, moved, repeated."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        at, n = int(rng.integers(0, len(changed) + 1)), int(rng.integers(1, 32))
        kind = int(rng.integers(0, 6))
        if kind == 0 and changed:
            changed[at % len(changed)] = int(rng.integers(0, 256))
        elif kind == 1:
            changed[at:at] = NASTY[int(rng.integers(0, len(NASTY)))] * int(rng.integers(1, 4))
        elif kind == 2:
            del changed[at : at + n]
        elif kind == 3:
            other = int(rng.integers(0, len(changed) + 1))
            changed[at : at + n] = changed[other : other + n]
        elif kind == 4:
            nasty = NASTY[int(rng.integers(0, len(NASTY)))]
            changed[at : at + len(nasty)] = nasty
        else:
            changed[at:at] = changed[at : at + n] * int(rng.integers(1, 64))
    return bytes(changed)


def sweep(
    target: Target, folder_of: Callable[[], Path], n: int, seed: int, n_samples: int | None = None
) -> int:
    """Cut each sample (the first `n_samples`) at `n` places, change `n` single bits and make `n` wilder ones; returns how many were tried.

    Raises
    ------
    Finding
        The first.
    """
    rng = np.random.default_rng(seed)
    n_tried = 0
    for sample in target.seeds(folder_of())[:n_samples]:
        outcome, sound = attempt(target, sample, folder_of())
        if outcome != "read":
            raise Finding(f"{target.name}: a sound sample is refused", str(sound))
        simple = [*cuts(sample, n, rng), *bit_flips(sample, n, rng)]
        for content in [*simple, *(mutated(sample, rng) for _ in range(n)), *DEEP]:
            outcome, result = attempt(target, content, folder_of())
            n_tried += 1
            is_simple = any(content is one for one in simple)
            if outcome == "read" and is_simple and target.exact and (wrong := target.exact(sound, result)):
                raise Finding(f"{target.name}: silently wrong", wrong)
    return n_tried


@contextmanager
def _alarm() -> Iterator[None]:
    """Stop what takes too long, where signals can."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _HangError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _place(error: BaseException) -> str:
    """Innermost line of ours that an error came through."""
    place = "?"
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(HERE / "rtbci"):
            place = f"{path.relative_to(HERE)}:{frame.name}"
    return place


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)
