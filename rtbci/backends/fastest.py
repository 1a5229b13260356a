"""Which back end runs an engine fastest on this CPU: measured once, then remembered."""

import os
import subprocess
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec
from platformdirs import user_cache_path

from rtbci.backends.apart import NO_ANSWER, measure_apart
from rtbci.backends.onnx_file import read_onnx
from rtbci.backends.usable import version_of
from rtbci.errors import MissingPackageError
from rtbci.files import write_whole
from rtbci.versions import cpu_name

__all__ = ["Fastest", "fastest_backend"]

CANDIDATES = ("onnxruntime", "openvino")
"""Back ends of the CPU that run an ONNX file as it is. torch, the reference, is never the fastest."""

DEFAULT = "onnxruntime"
WORTH_A_CHANGE = 0.95  # of the default's time; less is noise, and everybody has the default
TIMEOUT_S = 300.0


class Fastest(msgspec.Struct, frozen=True):
    """What was found.

    Parameters
    ----------
    backend : str
        The one to use.
    best_ms : dict of str to float
        Milliseconds of one call at batch 1 by back end: the median of the round that was disturbed least.
        Empty when measuring failed.
    key : dict of str to str
        What it was found for: network, processor, threads, versions.
    """

    backend: str
    best_ms: dict[str, float]
    key: dict[str, str]


def fastest_backend(
    path: Path,
    n_threads: int = 1,
    *,
    folder: Path | None = None,
    told: Callable[[str], None] | None = None,
) -> Fastest:
    """Find the back end that runs a network fastest on this CPU.

    Parameters
    ----------
    path : Path
        An ONNX file.
    n_threads : int
        Threads that one call may use.
    folder : Path, optional
        Where what was found is kept; ``fastest`` in the user's cache folder by default.
    told : callable, optional
        Gets one line when something is measured, which takes seconds.

    Returns
    -------
    Fastest

    Raises
    ------
    EngineError
        When the file cannot be read.

    Notes
    -----
    Measured in a process of its own: a compiler that ends its process (OpenVINO 2026.4.1 did, on one of our
    engines, before it was told to leave a pass out) costs the candidate its place and nothing else.
    """
    tell = told or _nobody
    installed = {name: its for name in CANDIDATES if (its := _version(name))}
    key = _key(sha256(read_onnx(path)).hexdigest(), n_threads, installed)
    file = _file(folder or user_cache_path("rtbci", appauthor=False) / "fastest", key)
    if (kept := _read(file, key)) is not None:
        return kept
    if len(installed) < 2:
        return Fastest(DEFAULT, {}, key)
    tell(f"{path.parent.name}: measuring which of {', '.join(installed)} is fastest on this CPU, once")
    best_ms = _measure(path, n_threads, list(installed), tell)
    found = _choose(best_ms or {}, key)
    if best_ms is not None:
        _write(file, found, tell)
    return found


def _key(network_id: str, n_threads: int, installed: dict[str, str]) -> dict[str, str]:
    key = {
        "network_id": network_id,
        "cpu": cpu_name(),
        "cores": str(os.cpu_count()),
        "threads": str(n_threads),
    }
    return key | {f"version {name}": its for name, its in installed.items()}


def _file(folder: Path, key: dict[str, str]) -> Path:
    return folder / f"{sha256(msgspec.json.encode(key, order='sorted')).hexdigest()[:32]}.json"


def _version(backend: str) -> str:
    try:
        return version_of(backend)
    except MissingPackageError:
        return ""


def _read(file: Path, key: dict[str, str]) -> Fastest | None:
    """What was found for this key; None when there is nothing, or nothing that can be used."""
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=Fastest)
    except (OSError, msgspec.MsgspecError):
        return None
    return kept if kept.key == key and kept.backend in CANDIDATES else None


def _write(file: Path, found: Fastest, tell: Callable[[str], None]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, msgspec.json.format(msgspec.json.encode(found)))
    except OSError as error:
        tell(f"{file}: what was measured cannot be kept ({error.strerror}); it is measured again next time")


def _measure(
    path: Path, n_threads: int, candidates: Sequence[str], tell: Callable[[str], None]
) -> dict[str, float] | None:
    """Milliseconds by back end, from a process of its own; empty when it was ended, None when it failed."""
    try:
        answer = measure_apart("race", path, n_threads, *candidates, timeout_s=TIMEOUT_S)
        return msgspec.json.decode(answer, type=dict[str, float])
    except NO_ANSWER as error:
        tell(f"{path.parent.name}: measuring back ends failed ({error}); using {DEFAULT}")
        crashed = isinstance(error, subprocess.CalledProcessError) and error.returncode < 0
        return {} if crashed else None


def _choose(best_ms: dict[str, float], key: dict[str, str]) -> Fastest:
    fastest = min(best_ms, key=best_ms.__getitem__, default=DEFAULT)
    if DEFAULT in best_ms and best_ms[fastest] > WORTH_A_CHANGE * best_ms[DEFAULT]:
        fastest = DEFAULT
    return Fastest(fastest, best_ms, key)


def _nobody(_line: str) -> None:
    """Tell nobody."""
