"""The child process that builds and checks one engine while its parent decodes; see `rtbci.runtime.engine_process`.

One line of JSON comes in on standard input, a `ChildRequest`; lines go out on standard output, the last of them a
`PreparedEngine` or `Refused`. When standard input ends the parent has gone, and so does the child.
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import msgspec

from rtbci.errors import MissingPackageError, RtbciError
from rtbci.recipes import read_engine, read_paradigm
from rtbci.runtime.engine_change import PreparedEngine
from rtbci.system.processes import end_own, give_way

if TYPE_CHECKING:
    from rtbci.backends.cache_entry import EngineKey
    from rtbci.backends.session import Session
    from rtbci.recipes import EngineRecipe

__all__ = ["ChildRequest", "Line", "Refused", "TellingLine", "main"]

NICENESS = 10


class ChildRequest(msgspec.Struct, frozen=True):
    """What is to be prepared.

    Parameters
    ----------
    folder, paradigm : str
        Folders of the engine's recipe, and of the paradigm whose decisions are compared.
    backend, precision, n_threads
        See `rtbci.runtime.engine_process.EngineProcess`.
    """

    folder: str
    paradigm: str
    backend: str
    precision: str
    n_threads: int


class TellingLine(msgspec.Struct, frozen=True, tag="told"):
    """Something about what is being done."""

    text: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """Why there is no engine, and whether an optional package is missing."""

    text: str
    is_missing: bool = False


Line = PreparedEngine | Refused | TellingLine
"""What the child sends."""


def main() -> None:
    """Do what standard input says."""
    # Libraries write to descriptor 1 as they like; they get the error output, the parent alone the real one.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    give_way(NICENESS)
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=ChildRequest)
    threading.Thread(target=_end_with_parent, name="rtbci-parent", daemon=True).start()
    try:
        line: Line = _prepare(request, out)
    except RtbciError as error:
        line = Refused(str(error), isinstance(error, MissingPackageError))
    _send(out, line)


def _prepare(request: ChildRequest, out: IO[bytes]) -> PreparedEngine:
    from rtbci.backends.open_engine import EngineRequest, open_engine

    recipe = read_engine(request.folder)
    last_told = ""

    def tell(text: str) -> None:
        nonlocal last_told
        last_told = text
        _send(out, TellingLine(text))

    session = open_engine(
        recipe,
        EngineRequest(request.backend, request.precision, request.n_threads),
        tell,
        paradigms=[read_paradigm(request.paradigm)],
        progress=lambda phase, share: _send(out, TellingLine(f"{phase}, {share:.0%}")),
    )
    is_other = request.backend not in ("auto", session.backend)
    prepared = PreparedEngine(
        session.backend,
        session.precision,
        session.engine_id,
        key=_key_of(session, recipe, tell),
        why_other=last_told if is_other else "",
    )
    session.close()
    return prepared


def _key_of(session: "Session", recipe: "EngineRecipe", tell: Callable[[str], None]) -> "EngineKey | None":
    """What the run finds the engine by in the cache; None where it opens the recipe's own file."""
    from rtbci.backends.cache import EngineCache
    from rtbci.backends.compiled import plan_of
    from rtbci.backends.compilers import COMPILERS
    from rtbci.backends.lowered import keep_lowered
    from rtbci.backends.openvino import OpenVinoSession

    if session.backend in COMPILERS:
        return plan_of(recipe, session.backend, session.precision).key
    if session.precision == "fp32" or not isinstance(session, OpenVinoSession):
        return None
    return keep_lowered(session, recipe, EngineCache(told=tell))


def _send(out: IO[bytes], line: Line) -> None:
    out.write(msgspec.json.encode(line) + b"\n")
    out.flush()


def _end_with_parent() -> None:
    # Not through sys.stdin: a thread that waits inside a buffered reader blocks the interpreter's end.
    while os.read(0, 4096):
        pass
    end_own()


if __name__ == "__main__":
    main()
