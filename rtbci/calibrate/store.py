"""Trials on disk: each is written the moment it is done, so that a crash loses the running one at most."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
from platformdirs import user_data_path
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from rtbci.calibrate.lock import lock_file
from rtbci.calibrate.trial import CalibrationTrial
from rtbci.errors import ConfigError, FileFormatError, RtbciError, ShapeError
from rtbci.files import made, write_whole
from rtbci.probe.calibration_record import read_json
from rtbci.probe.user_names import check_user
from rtbci.runtime.profiles import profiles_root

__all__ = [
    "PATTERN",
    "StoreSettings",
    "StoredTrials",
    "TrialStore",
    "calibrations_root",
    "lock_user",
    "new_folder",
    "newest_folder",
    "read_settings",
    "read_trials",
]

SCHEMA = 1
TRIAL_SCHEMA = 2
"""Of a trial's file; 2: its checksum is of cue and verdict, too."""
JSON_NAME = "store.json"
LOCK_NAME = "store.lock"
PATTERN = "trial-*.safetensors"
MAY_CHANGE = ("stream", "source_id")
"""Many an amplifier's program gives its stream another name or id each time that it is started."""
ARRAYS = ("signal", "t_newest", "branch_logits", "logits", "raw_uv", "t_raw")
OPTIONAL = ("flicker_s",)
"""Arrays that are written where there is something in them."""


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all trials of a store have in common; `store.json`.

    Parameters
    ----------
    paradigm, user : str
    classes : list of str
        What `CalibrationTrial.i_class` counts.
    seed : int
        Of the order of cues.
    stream, source_id : str
        Name and source id of the stream (or recording).
    rate_hz : float
        Of the stream.
    labels : list of str
        Of all its channels.
    ignore : list of str
        Electrodes that were treated as missing.
    imagery_s : float
        See `rtbci.calibrate.trial.TrialTiming`.
    chain_hash : str
        Of the paradigm's stages; see `rtbci.probe.profile.chain_hash`.
    profile_id, engine_id : str
        Of the profile in use (see `rtbci.probe.profile.decoder_id`), and of the first engine.
    """

    paradigm: str
    user: str
    classes: list[str]
    seed: int
    stream: str
    source_id: str
    rate_hz: float
    labels: list[str]
    ignore: list[str] = []
    imagery_s: float
    chain_hash: str
    profile_id: str
    engine_id: str
    schema_version: int = msgspec.field(default=SCHEMA, name="schema")


class StoredTrials(NamedTuple):
    """What a store holds.

    Parameters
    ----------
    trials : list of CalibrationTrial
        In the order of their numbers.
    faults : list of str
        One sentence for each file that cannot be used.
    """

    trials: list[CalibrationTrial]
    faults: list[str]


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """Metadata of a trial's file."""

    i_trial: int
    i_class: int
    t_cue: float
    accepted: bool
    reason: str
    sha256: str
    schema_version: int = msgspec.field(default=TRIAL_SCHEMA, name="schema")


def calibrations_root(paradigm: str, user: str) -> Path:
    """Folder of a user's calibrations: ``<user data>/rtbci/calibrations/<paradigm>/<user>``.

    Raises
    ------
    ConfigError
        When the user's name cannot be a folder's.
    """
    check_user(user, ConfigError)
    return user_data_path("rtbci", appauthor=False) / "calibrations" / paradigm / user


def new_folder(paradigm: str, user: str, start: datetime) -> Path:
    """Where a calibration that starts now is kept; not made yet. `start` has a time zone."""
    return calibrations_root(paradigm, user) / start.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def newest_folder(paradigm: str, user: str) -> Path | None:
    """Folder of a user's newest calibration that has a trial, or None."""
    root = calibrations_root(paradigm, user)
    found = [path.parent for path in root.glob(f"*/{JSON_NAME}") if any(path.parent.glob(PATTERN))]
    return max(found, default=None)


def lock_user(paradigm: str, user: str) -> Callable[[], None]:
    """See to it that a user is calibrated by one process at a time.

    Returns
    -------
    callable
        Lets go of the lock; a folder that holds nothing else goes with it.

    Raises
    ------
    ConfigError
        When another process calibrates the user, or a user has calibrations or profiles whose name differs only in capital
        letters.
    FileFormatError
        When the folder cannot be made.
    """
    root = calibrations_root(paradigm, user)
    check_user(user, ConfigError, root.parent, profiles_root(paradigm))
    with _refusals(root), made(root):
        unlock = lock_file(root / LOCK_NAME)

    def release() -> None:
        with suppress(OSError):
            if [one.name for one in root.iterdir()] == [LOCK_NAME]:
                (root / LOCK_NAME).unlink()  # while it is held; Windows removes no open file
                root.rmdir()
        unlock()

    return release


class TrialStore:
    """The trials of one calibration, in a folder that one process at a time may write to.

    Parameters
    ----------
    folder : Path
        Made where it is not there.
    settings : StoreSettings
    resume : bool
        Whether to go on with a store that is there. False: the folder must not hold one.

    Raises
    ------
    ConfigError
        When another process has it open; when it is there and `resume` is False, or is not there and it is True;
        when it was made with other settings (tells which).
    FileFormatError
        When its settings cannot be read; also from `write`, when the disk does not take it.

    Notes
    -----
    A context manager: closing lets go of the lock. The lock is the operating system's, so that it ends with the
    process however that ends. Not thread-safe.
    """

    def __init__(self, folder: Path, settings: StoreSettings, *, resume: bool = False) -> None:
        self.folder, self.settings = folder, settings
        is_there = (folder / JSON_NAME).exists()
        if resume and not is_there:
            raise ConfigError(
                f"calibration {folder}: holds nothing to go on with, need a {JSON_NAME}; start anew"
            )
        if is_there and not resume:
            raise ConfigError(
                f"calibration {folder}: is already there, need a new folder; resume it, or name another"
            )
        with _refusals(folder), ExitStack() as stack:
            folder.mkdir(parents=True, exist_ok=True)
            stack.callback(lock_file(folder / LOCK_NAME))
            if resume:
                _check_same(folder, read_settings(folder), settings)
            else:
                write_whole(
                    folder / JSON_NAME, msgspec.json.format(msgspec.json.encode(settings), indent=1) + b"\n"
                )
            for left in folder.glob(".*.new"):
                left.unlink()  # of a process that was killed while it wrote
            self._unlock = stack.pop_all()

    def write(self, trial: CalibrationTrial) -> Path:
        """Write a trial, atomically and to the disk; an earlier one of that number is replaced.

        Returns
        -------
        Path
            Its file.
        """
        names = [*ARRAYS, *(name for name in OPTIONAL if np.isfinite(getattr(trial, name)).any())]
        arrays = {name: np.ascontiguousarray(getattr(trial, name)) for name in names}
        header = _Header(
            i_trial=trial.i_trial,
            i_class=trial.i_class,
            t_cue=trial.t_cue,
            accepted=trial.accepted,
            reason=trial.reason,
            sha256="",
        )
        header = msgspec.structs.replace(header, sha256=_sha256(header, arrays))
        path = self.folder / f"trial-{trial.i_trial:04d}.safetensors"
        # One value, because safetensors writes several in an order that changes.
        with _refusals(path):
            write_whole(path, save(arrays, {"rtbci": msgspec.json.encode(header).decode()}))
        return path

    def read(self) -> StoredTrials:
        """All trials that can be read; see `read_trials`."""
        return read_trials(self.folder)

    def close(self) -> None:
        """Let go of the folder; may be called more than once."""
        self._unlock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_settings(folder: Path) -> StoreSettings:
    """Read `store.json`.

    Raises
    ------
    FileFormatError
        When it is missing or says something else.
    """
    return read_json(folder / JSON_NAME, StoreSettings, SCHEMA)


def read_trials(folder: Path) -> StoredTrials:
    """Read and verify all trials of a store; files that are damaged are left out and told of."""
    trials: list[CalibrationTrial] = []
    faults: list[str] = []
    for path in sorted(folder.glob(PATTERN)):
        try:
            trials.append(_read(path))
        except FileFormatError as error:
            faults.append(str(error))
    return StoredTrials(sorted(trials, key=lambda one: one.i_trial), faults)


def _read(path: Path) -> CalibrationTrial:
    try:
        with safe_open(str(path), framework="numpy") as file:
            text = (file.metadata() or {}).get("rtbci", "")
            names = [*ARRAYS, *(name for name in OPTIONAL if name in file.keys())]  # noqa: SIM118  no mapping
            arrays: dict[str, Any] = {name: file.get_tensor(name) for name in names}
        header = msgspec.json.decode(text, type=_Header)
        if header.schema_version != TRIAL_SCHEMA or _sha256(header, arrays) != header.sha256:
            raise FileFormatError(f"schema {header.schema_version}, or something in it was changed")
        return CalibrationTrial(
            header.i_trial,
            header.i_class,
            header.t_cue,
            **arrays,
            accepted=header.accepted,
            reason=header.reason,
        )
    except (OSError, SafetensorError, msgspec.DecodeError, FileFormatError, ShapeError) as error:
        raise FileFormatError(
            f"trial {path}: cannot be used ({error}), need it as it was written; it is left out"
        ) from error


def _sha256(header: _Header, arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Of everything that a trial's file says: cue and verdict as well as numbers."""
    digest = hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(header, sha256="")))
    for name in (name for name in (*ARRAYS, *OPTIONAL) if name in arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _check_same(folder: Path, there: StoreSettings, wanted: StoreSettings) -> None:
    have, need = msgspec.to_builtins(there), msgspec.to_builtins(wanted)
    asked = [key for key in need if key not in MAY_CHANGE]
    wrong = [f"{key} {_short(have[key])}, now {_short(need[key])}" for key in asked if have[key] != need[key]]
    if wrong:
        raise ConfigError(
            f"calibration {folder}: was begun with {'; '.join(wrong)}; need the same to go on; start anew, or set it up "
            "as it was"
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Say clearly what the operating system refuses."""
    try:
        yield
    except RtbciError:
        raise  # some are an OSError too
    except OSError as error:
        raise FileFormatError(
            f"calibration {path}: cannot be written ({error.strerror or error}), need room and the right to write; make some, or "
            "set XDG_DATA_HOME to another folder"
        ) from error
