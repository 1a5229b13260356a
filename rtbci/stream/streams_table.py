"""The table that ``rtbci streams`` prints."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from rtbci.stream.lsl_list import StreamSummary

__all__ = ["streams_table"]

_N_LABELS = 6


def streams_table(streams: Sequence[StreamSummary]) -> Table:
    """Lay out what `list_streams` has found, one row per stream.

    Rates are nominal and measured, in Hz; the age is that of the newest sample.
    """
    table = Table(title=None if streams else "no LSL stream on the network")
    for name in ("name", "type", "rate", "measured", "age", "channels", "unit", "host", "source id"):
        table.add_column(name, justify="right" if name in ("rate", "measured", "age") else "left")
    for stream in streams:
        info = stream.info
        table.add_row(
            escape(info.name),
            escape(info.type),
            f"{info.rate_hz:g} Hz" if info.rate_hz else "irregular",
            "-" if stream.measured_hz is None else f"{stream.measured_hz:.2f} Hz",
            _age(stream),
            escape(_channels(info.labels)),
            escape(", ".join(stream.units) or "?"),
            escape(info.hostname),
            escape(info.source_id or "(none)"),
        )
    return table


def _age(stream: StreamSummary) -> str:
    if not stream.answers:
        return "does not answer"
    return "no samples" if stream.age_s is None else f"{1000 * stream.age_s:.0f} ms"


def _channels(labels: Sequence[str]) -> str:
    if not any(labels):
        return f"{len(labels)}, no labels"
    shown = " ".join(label or "?" for label in labels[:_N_LABELS])
    return f"{len(labels)}: {shown}" + (" ..." if len(labels) > _N_LABELS else "")
