"""What `rtbci session` does."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from rtbci.commands.profile_output import Output, table_of
from rtbci.errors import FileFormatError
from rtbci.probe.blank import BLANK
from rtbci.record.disk import is_being_written
from rtbci.record.export import export_session
from rtbci.record.repair import repair_xdf, said_damages
from rtbci.record.session_json import Mended, SessionRecord, read_session_json, write_session_json
from rtbci.record.sessions import KeptSession, find_session, list_sessions, sessions_root, xdf_of
from rtbci.record.signal import gaps_of
from rtbci.record.streams import PROBS_NAME
from rtbci.record.xdf_read import StreamData, read_xdf_file

__all__ = ["export", "info", "list_all", "repair"]

LIST_TITLES = ("session", "samples", "MB", "state")
"""A name says start, paradigm and user."""
STREAM_TITLES = ("stream", "type", "channels", "Hz", "samples", "chunks", "gaps", "seconds")


def list_all(root: Path | None, out: Output) -> None:
    """List all sessions below a folder."""
    where = root or sessions_root()
    kept = list_sessions(where)
    data = [
        {
            "folder": str(one.folder),
            "n_bytes": one.n_bytes,
            "state": _state(one.folder, one.record),
            "record": one.record,
        }
        for one in kept
    ]
    rows = [_row(one) for one in kept]
    out.result(data, table_of(LIST_TITLES, rows) if rows else f"no sessions in {where}")


def info(name: str, root: Path | None, out: Output) -> None:
    """Show one session.

    Raises
    ------
    FileFormatError
        When there is none, or its file is no XDF file.
    """
    session = find_session(name, root or sessions_root())
    xdf = xdf_of(session)
    file, record, why_none = read_xdf_file(xdf, keep=lambda _stream: False), None, ""
    if session.is_dir():
        try:
            record = read_session_json(session)
        except FileFormatError as error:
            why_none = str(error)
    state = _state(session, record)
    lines = [f"{what:<10}{text}" for what, text in _described(session, record, state, why_none)]
    if file.damages:
        lines.append(f"{'damaged':<10}{said_damages(file.damages)}; `rtbci session repair` mends the file")
    streams = [_stream_facts(one) for one in file.streams]
    rows = [tuple(_said(value) for value in one.values()) for one in streams]
    data = {"session": str(session), "state": state, "record": record, "streams": streams}
    data["damages"] = [one._asdict() for one in file.damages]
    out.result(data, *lines, "", table_of(STREAM_TITLES, rows))


def repair(name: str, root: Path | None, out: Output) -> None:
    """Mend a session's file.

    Raises
    ------
    FileFormatError
        When it cannot be read, is being written, or the mended one cannot be written.
    OSError
        When `session.json` cannot be written; the file is mended then.
    """
    session = find_session(name, root or sessions_root())
    xdf = xdf_of(session)
    done = repair_xdf(xdf)
    _note_mended(session, was_damaged=bool(done.damages))
    data = {"path": str(done.path), "original": str(done.original)}
    if done.original == done.path:
        out.result({**data, "damages": []}, f"{xdf}: is sound and complete, nothing was changed")
        return
    found = said_damages(done.damages) if done.damages else "nothing was lost; it lacked its end"
    out.result(
        {**data, "damages": [one._asdict() for one in done.damages]},
        f"{done.path} is valid now: {found}. As it was: {done.original}",
    )


def export(name: str, root: Path | None, format: str, target: Path, unit: str, out: Output) -> None:
    """Write a session in another format; see `export_session`."""
    written = export_session(find_session(name, root or sessions_root()), format, target, unit=unit)
    out.result([str(path) for path in written], *(f"written: {path}" for path in written))


def _note_mended(session: Path, *, was_damaged: bool) -> None:
    """Have the session's description, where there is one, say what is in the file, unless it says so already."""
    if not session.is_dir():
        return
    with suppress(FileFormatError):
        record = read_session_json(session)
        if was_damaged or record.ended is None:
            file = read_xdf_file(xdf_of(session), keep=lambda _stream: False)
            n_samples = sum(
                len(one.t_s) for one in file.streams if one.stream.rate_hz and one.stream.name != PROBS_NAME
            )
            mended = Mended(n_samples=n_samples, n_bytes=xdf_of(session).stat().st_size)
            write_session_json(session, replace(record, mended=mended))


def _mended(session: Path, record: SessionRecord) -> Mended | None:
    """What a repair made of the file; None where there was none, or the file has been written to since."""
    mended, xdf = record.mended, xdf_of(session)
    return mended if mended and xdf.is_file() and xdf.stat().st_size == mended.n_bytes else None


def _state(session: Path, record: SessionRecord | None) -> str:
    with suppress(OSError):  # it could not be made, or is somebody else's: its description says more
        if is_being_written(xdf_of(session)):
            return "recording"
    if record is None:
        return "no description"
    repaired = ", repaired" if _mended(session, record) else ""
    if record.ended is None:
        return f"cut short{repaired}"  # `rtbci run --resume` goes on with it
    lost = record.ended.n_samples_lost
    return f"ended, {lost} samples not recorded{repaired}" if lost else f"ended{repaired}"


def _row(one: KeptSession) -> tuple[str, ...]:
    record = one.record
    counted = None if record is None else _mended(one.folder, record) or record.ended
    return (
        one.folder.name,
        str(counted.n_samples) if counted else "",
        f"{one.n_bytes / 1e6:.1f}",
        _state(one.folder, record),
    )


def _described(
    session: Path, record: SessionRecord | None, state: str, why_none: str
) -> list[tuple[str, str]]:
    lines = [("session", str(session)), ("state", state)]
    if record is None:
        return [*lines, ("", why_none)] if why_none else lines
    lines += [
        ("started", record.started_utc),
        ("user", record.user),
        ("paradigm", record.paradigm or "none: recorded alone"),
    ]
    for one in record.resumed:
        lines.append(("resumed", f"{one.utc}, {one.gap_s:.1f} s after its newest sample"))
    profile = record.profile
    if profile is not None:
        known = f"{profile.user}, generation {profile.generation}, {profile.id[:12]}"
        lines.append(("profile", known if profile.id else BLANK))
    for engine in record.engines:
        lines.append(
            ("engine", f"{engine.name} {engine.engine_id[:12]} on {engine.backend}, {engine.device}")
        )
    return lines


def _stream_facts(data: StreamData) -> dict[str, Any]:
    stream, t_s = data.stream, data.t_s
    return {
        "name": stream.name,
        "type": stream.type,
        "n_channels": stream.n_channels,
        "rate_hz": stream.rate_hz,
        "n_samples": len(t_s),
        "n_chunks": len(data.chunks),
        "n_gaps": len(gaps_of(data)) if stream.rate_hz and len(t_s) else 0,
        "duration_s": float(t_s[-1] - t_s[0]) if len(t_s) else 0.0,
    }


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
