"""What the gate found, remembered: an engine is compared with the reference once on each computer, not at each start."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from rtbci.backends.gate import GateReport
from rtbci.backends.kept import keep

__all__ = ["GateKey", "GateStore", "contract_id"]

GATE_VERSION = 1
"""Goes up when what the gate compares, or how, changes: older reports count no more."""


class GateKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a report depends on.

    Parameters
    ----------
    engine_id, network_id, backend, precision : str
        Of the session.
    device, backend_version, driver : str
        What ran it: name of the GPU or CPU; no driver on a CPU.
    max_batch : int
        Largest batch that was asked for.
    reference : str
        What it was compared with.
    contract_id : str
        See `contract_id`.
    gate_version : int
    """

    engine_id: str
    network_id: str
    backend: str
    precision: str
    device: str
    backend_version: str
    driver: str
    max_batch: int
    reference: str
    contract_id: str
    gate_version: int = GATE_VERSION


class _Remembered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: GateKey
    report: GateReport
    sha256: str


class GateStore:
    """Reports by what they depend on, as one file of JSON each.

    Parameters
    ----------
    folder : Path
        Made when something is written.
    told : callable
        Gets a sentence when a report cannot be read or kept.
    """

    def __init__(self, folder: Path, told: Callable[[str], None]) -> None:
        self._folder, self._told = folder, told

    def find(self, key: GateKey) -> GateReport | None:
        """The report for a key; None when there is none, or none that can be read."""
        path = self._path(key)
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Remembered)
        except OSError:
            return None
        except msgspec.DecodeError:
            found = None
        if found is None or found.key != key or found.sha256 != _digest(found.report):
            self._told(f"engine cache: the gate's report {path} was damaged; the gate is run again")
            with suppress(OSError):
                path.unlink()
            return None
        return found.report

    def write(self, key: GateKey, report: GateReport) -> None:
        """Remember a report."""
        path = self._path(key)
        content = msgspec.json.encode(_Remembered(key, report, _digest(report)))
        if why := keep(path, msgspec.json.format(content)):
            self._told(f"engine cache: the gate's report cannot be kept ({why})")

    def reports(self) -> list[tuple[GateKey, GateReport]]:
        """All reports that can be read."""
        found: list[tuple[GateKey, GateReport]] = []
        for path in sorted(self._folder.glob("*.json")):
            with suppress(OSError, msgspec.DecodeError):
                one = msgspec.json.decode(path.read_bytes(), type=_Remembered)
                found.append((one.key, one.report))
        return found

    def _path(self, key: GateKey) -> Path:
        return self._folder / f"{sha256(msgspec.json.encode(key)).hexdigest()[:32]}.json"


def contract_id(tolerances: object, files: Iterable[Path]) -> str:
    """sha256 of what a session is held to: tolerances, golden numbers, and the paradigms' files."""
    digest = sha256(msgspec.json.encode(tolerances))
    for path in files:
        digest.update(sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _digest(report: GateReport) -> str:
    return sha256(msgspec.json.encode(report)).hexdigest()
