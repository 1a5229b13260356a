"""`rtbci latency`: how quick a session was. What it does is imported when it is called."""

from typing import TYPE_CHECKING, Annotated

import typer

from rtbci.commands.options import Json, SessionsIn, output_of

if TYPE_CHECKING:
    from rtbci.publish.messages import EngineRef

__all__ = ["latency"]

TITLES = ("ms", "p50", "p95", "p99", "largest")


def latency(
    session: Annotated[str, typer.Argument(help="A session's folder or name, an XDF file, or 'last'.")],
    root: SessionsIn = None,
    json: Json = False,
) -> None:
    """Show how old a session's predictions were when they were sent, in milliseconds, and where the time went."""
    from rtbci.commands.profile_output import table_of
    from rtbci.record.sessions import find_session, sessions_root
    from rtbci.report.latencies import read_latency, said_offset

    found = find_session(session, root or sessions_root())
    told, out = read_latency(found), output_of(json)
    data = {
        "session": str(found),
        "n_predictions": told.n_predictions,
        "clock_offset_s": told.clock_offset_s,
        "n_left_out": told.n_left_out,
        "engines": [
            {"engine": engine, "n": n, "ms": {name: one._asdict() for name, one in parts.items()}}
            for engine, n, parts in told.engines
        ],
    }
    shown = []
    for engine, n, parts in told.engines:
        rows = [(name, *(f"{value:.2f}" for value in one)) for name, one in parts.items()]
        shown += [
            f"{n} of {told.n_predictions} predictions, decoded by {_in_words(engine)}",
            table_of(TITLES, rows),
        ]
    if told.clock_offset_s:
        shown.append(said_offset(told.clock_offset_s, told.n_left_out))
    out.result(data, *shown)


def _in_words(engine: "EngineRef") -> str:
    where = ", ".join(one for one in (engine.backend, engine.precision, engine.device) if one)
    return f"{engine.name or 'what needs no engine'}{f' ({where})' if where else ''}"
