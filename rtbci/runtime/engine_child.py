"""The child process that builds and checks one engine while its parent decodes; see `rtbci.runtime.engine_process`.

One line of JSON comes in on standard input, a `ChildRequest`; lines go out on standard output, the last of them a
`PreparedEngine` or `Refused`. When standard input ends the parent has gone, and so does the child.
"""

import os
import sys
import threading
from typing import IO

import msgspec

from rtbci.errors import MissingPackageError, RtbciError
from rtbci.recipes import EngineRecipe, read_engine
from rtbci.runtime.engine_change import PreparedEngine

__all__ = ["ChildRequest", "Line", "Refused", "TellingLine", "main"]

NICENESS = 10


class ChildRequest(msgspec.Struct, frozen=True):
    """What is to be prepared.

    Parameters
    ----------
    folder : str
        Of the engine's recipe.
    backend, precision, n_threads
        See `rtbci.runtime.engine_process.EngineProcess`.
    """

    folder: str
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
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=ChildRequest)
    threading.Thread(target=_end_with_parent, name="rtbci-parent", daemon=True).start()
    try:
        line: Line = _prepare(read_engine(request.folder), request, out)
    except RtbciError as error:
        line = Refused(str(error), isinstance(error, MissingPackageError))
    _send(out, line)


def _prepare(recipe: EngineRecipe, request: ChildRequest, out: IO[bytes]) -> PreparedEngine:
    from rtbci.backends.open_engine import EngineRequest, open_engine

    last_told = ""

    def tell(text: str) -> None:
        nonlocal last_told
        last_told = text
        _send(out, TellingLine(text))

    wish = EngineRequest(request.backend, request.precision, request.n_threads, fallback=True)
    session = open_engine(recipe, wish, tell)
    is_other = request.backend not in ("auto", session.backend)
    prepared = PreparedEngine(
        session.backend, session.precision, session.engine_id, last_told if is_other else ""
    )
    session.close()
    return prepared


def _send(out: IO[bytes], line: Line) -> None:
    out.write(msgspec.json.encode(line) + b"\n")
    out.flush()


def _end_with_parent() -> None:
    # Not through sys.stdin: a thread that waits inside a buffered reader blocks the interpreter's end.
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
