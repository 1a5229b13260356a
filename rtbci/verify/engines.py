"""Engines of a session, opened again."""

from collections.abc import Sequence
from contextlib import suppress

from rtbci.backends.session import Session
from rtbci.errors import EngineError, RtbciError
from rtbci.publish.messages import Event
from rtbci.record.session_json import EngineUsed
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_opener import FIRST_BACKEND, open_checked
from rtbci.runtime.plugin_watch import plugin_of
from rtbci.verify.replay import Engines

__all__ = ["OneEngine", "RecordedEngines", "changed_plugins", "check_networks", "missing_engines"]


class OneEngine(Engines):
    """Everything is decoded by one back end, whatever the session changed to."""


class RecordedEngines(Engines):
    """Engines change where they did in the session; one that cannot be had leaves the first in use."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads

    def change(self, decoder: Decoder, branch: str, event: Event) -> None:
        """See `Engines.change`; `missing_engines` has told what is not as it was."""
        with suppress(RtbciError):
            decoder.sessions[branch].exchange(_open(decoder, branch, event, self._n_threads))

    def fall_back(self, decoder: Decoder, branch: str) -> None:
        """See `Engines.fall_back`."""
        if branch in decoder.sessions:
            session = open_checked(decoder.engines[branch], FIRST_BACKEND, self._n_threads)
            decoder.sessions[branch].exchange(session)


def missing_engines(decoder: Decoder, changes: Sequence[Event], n_threads: int) -> list[str]:
    """Why engines that were put in use cannot be had here as they were, each reason once."""
    found: dict[str, None] = {}
    for event in changes:
        branch, backend, wanted = (str(event.data.get(key, "")) for key in ("branch", "backend", "id"))
        try:
            session = _open(decoder, branch, event, n_threads)
        except RtbciError as error:
            found[f"{backend} cannot be used here ({error}), {FIRST_BACKEND} decodes in its place"] = None
            continue
        if session.engine_id != wanted:
            found[f"the engine on {backend} was {wanted[:12]}, is {session.engine_id[:12]}"] = None
        session.close()
    return list(found)


def _open(decoder: Decoder, branch: str, event: Event, n_threads: int) -> Session:
    if branch not in decoder.engines:
        raise EngineError(f"verify: the paradigm has no branch '{branch}' with an engine")
    backend, precision = str(event.data["backend"]), str(event.data["precision"])
    # fp32 is what all but TensorRT compute in unless another one is asked for, whatever a recipe's precisions are.
    precision = precision if backend.startswith("tensorrt") or precision != "fp32" else "auto"
    return open_checked(decoder.engines[branch], backend, n_threads, precision=precision)


def changed_plugins(decoder: Decoder, engines: tuple[EngineUsed, ...]) -> list[str]:
    """Plug-ins whose code is not what it was, though their version is: nothing promises the same bits then."""
    return [
        f"the code of plug-in {used.plugin} was {used.engine_id[:12]}, is {decoder.sessions[used.branch].engine_id[:12]}"
        for used in engines
        if used.plugin and decoder.sessions[used.branch].engine_id != used.engine_id
    ]


def check_networks(decoder: Decoder, engines: tuple[EngineUsed, ...]) -> None:
    """Refuse to decode with other networks than a session was decoded with.

    Raises
    ------
    EngineError
        When a branch's network is another one, or there is none.
    """
    for used in engines:
        session = decoder.sessions.get(used.branch)
        found = session.network_id if session is not None else "none"
        if found != used.network_id and used.plugin:
            here = "none" if session is None else plugin_of(session) or session.backend
            raise EngineError(
                f"verify: branch '{used.branch}' was decoded by the plug-in {used.plugin}, here it is {here}; need the same "
                "package in the same version, with the same settings and weights"
            )
        if found != used.network_id:
            raise EngineError(
                f"verify: branch '{used.branch}' was decoded with network {used.network_id[:12]}... of engine "
                f"'{used.name}', here it is {found[:12]}...; need the same ONNX file"
            )
