"""`session.json`: what a session was recorded with, and how it ended."""

import hashlib
import platform
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from rtbci.clock import boot_id
from rtbci.config import RunConfig
from rtbci.errors import FileFormatError
from rtbci.files import write_whole
from rtbci.recipes import ParadigmRecipe
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.plugin_watch import plugin_of
from rtbci.versions import cpu_make, cpu_name, versions_of

__all__ = [
    "JSON_NAME",
    "SCHEMA",
    "Ended",
    "EngineUsed",
    "KeptProfile",
    "Mended",
    "ProfileUsed",
    "Resumed",
    "SessionRecord",
    "describe_session",
    "read_session_json",
    "recipe_sha256",
    "versions_here",
    "write_session_json",
]

JSON_NAME = "session.json"
SCHEMA = 1
PACKAGES = ("rtbci", "numpy", "scipy", "pylsl", "onnxruntime", "openvino", "msgspec")


class EngineUsed(msgspec.Struct, frozen=True, kw_only=True):
    """An engine: the network it stands for, the file that ran, and what ran it; `plugin` with package and version."""

    branch: str
    name: str
    network_id: str
    engine_id: str
    backend: str
    precision: str
    device: str
    plugin: str = ""


class ProfileUsed(msgspec.Struct, frozen=True, kw_only=True):
    """A profile: its id as in messages, which is the sha256 of its weights, and its chain of stages."""

    user: str
    generation: int
    id: str
    weights_sha256: str
    chain_hash: str


class KeptProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of a profile in the session's folder: its name as in messages, and sha256 of all that it says."""

    user: str
    generation: int
    id: str
    sha256: str


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """A session that was cut short was taken up again.

    Parameters
    ----------
    utc : str
        Calendar time.
    t_lsl : float
        The same moment, seconds of the local LSL clock.
    gap_s : float
        Since its newest sample.
    versions : dict of str to str
        Of the process that took it up.
    """

    utc: str
    t_lsl: float
    gap_s: float
    versions: dict[str, str]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended; without one it was cut short, by a kill or a power cut.

    Parameters
    ----------
    utc : str
        Calendar time.
    n_samples : int
        Samples written.
    n_samples_lost, n_messages_lost : int
        What there was no memory or no disk for.
    n_bytes : int
        Size of the file.
    """

    utc: str
    n_samples: int
    n_samples_lost: int
    n_messages_lost: int
    n_bytes: int


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """`rtbci session repair` made a valid file of the session's.

    Parameters
    ----------
    n_samples : int
        Samples in it.
    n_bytes : int
        Its size; a file of another size has been written to since, by a run that went on with it.
    """

    n_samples: int
    n_bytes: int


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `session.json` holds.

    Parameters
    ----------
    schema_version : int
        1.
    session : str
        Id of the run, as in all its messages; empty until the first.
    started_utc : str
        Calendar time.
    t_start_lsl : float
        The same moment, seconds of the local LSL clock.
    paradigm, recipe_sha256 : str
        Name of the recipe, and sha256 of what it says; empty: nothing was decoded (`rtbci record`).
    user : str
        Whose session it is.
    config : dict
        All settings of the run.
    engines : tuple of EngineUsed
    profile : ProfileUsed or None
        At the start; a swap is an event in the file.
    versions : dict of str to str
        Packages, Python, operating system.
    streams : tuple of str
        Streams of samples that have been opened.
    profiles : tuple of KeptProfile
        All that decoded, in the order in which they did.
    resumed : tuple of Resumed
    ended : Ended or None
    mended : Mended or None
    boot_id : str
        The computer's, since it was started: its LSL clock is the same one. Empty where it is not known.
    """

    schema_version: int = SCHEMA
    session: str = ""
    started_utc: str
    t_start_lsl: float
    paradigm: str
    recipe_sha256: str
    user: str
    config: dict[str, Any]
    engines: tuple[EngineUsed, ...]
    profile: ProfileUsed | None
    versions: dict[str, str]
    streams: tuple[str, ...] = ()
    profiles: tuple[KeptProfile, ...] = ()
    resumed: tuple[Resumed, ...] = ()
    ended: Ended | None = None
    mended: Mended | None = None
    boot_id: str = ""


def describe_session(config: RunConfig, decoder: Decoder, start: datetime, t_lsl: float) -> SessionRecord:
    """Say what a run is about to be recorded with."""
    return SessionRecord(
        started_utc=start.isoformat(),
        t_start_lsl=t_lsl,
        paradigm=decoder.recipe.name,
        recipe_sha256=recipe_sha256(decoder.recipe),
        user=config.user,
        config=config.model_dump(mode="json"),
        engines=_engines(decoder),
        profile=_profile(decoder),
        versions=versions_here(),
        boot_id=boot_id(),
    )


def recipe_sha256(recipe: ParadigmRecipe) -> str:
    """sha256 of what a recipe says, in hexadecimal; its folder and the order of its keys do not matter.

    Keys that came later (`rtbci.settings.LATER`) are left out where they are empty.
    """
    content = recipe.model_dump(mode="json", by_alias=True)
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def write_session_json(folder: Path, record: SessionRecord) -> None:
    """Write the file, whole or not at all.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    write_whole(folder / JSON_NAME, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read_session_json(folder: Path) -> SessionRecord:
    """Read a session's description.

    Raises
    ------
    FileFormatError
        When it is missing, damaged, or of a later version of rtbci.
    """
    path = folder / JSON_NAME
    try:
        record = msgspec.json.decode(path.read_bytes(), type=SessionRecord)
    except OSError as error:
        raise FileFormatError(
            f"{path}: cannot be read ({error.strerror}), need a session's folder; `rtbci session list` shows them"
        ) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise FileFormatError(
            f"{path}: is no session's description ({error}); session.xdf beside it can be read without"
        ) from error
    if record.schema_version != SCHEMA:
        raise FileFormatError(
            f"{path}: is of version {record.schema_version}, need {SCHEMA}; read it with the rtbci that wrote it"
        )
    return record


def _engines(decoder: Decoder) -> tuple[EngineUsed, ...]:
    names = {branch.name: getattr(branch, "engine", "") or "" for branch in decoder.recipe.branches}
    return tuple(
        EngineUsed(
            branch=branch,
            name=names.get(branch, ""),
            network_id=session.network_id,
            engine_id=session.engine_id,
            backend=session.backend,
            precision=session.precision,
            device=session.device,
            plugin=plugin_of(session),
        )
        for branch, session in decoder.sessions.items()
    )


def _profile(decoder: Decoder) -> ProfileUsed | None:
    profile = decoder.profile
    if profile is None:
        return None
    return ProfileUsed(
        user=profile.user,
        generation=profile.generation,
        id=profile.weights_sha256,
        weights_sha256=profile.weights_sha256,
        chain_hash=profile.chain_hash,
    )


def versions_here() -> dict[str, str]:
    """What the last bits of a number may hang on: Python, operating system, processor, packages."""
    here = {"python": sys.version.split()[0], "platform": platform.platform(), "cpu": cpu_name()}
    here["cpu_make"] = cpu_make()
    here["libc"] = " ".join(platform.libc_ver())
    return here | versions_of(PACKAGES)
