"""What ``rtbci streams`` prints: a few lines for each stream, whole names, fit for 80 columns."""

from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rtbci.stream.lsl_list import StreamSummary

__all__ = ["streams_table"]

_N_LABELS = 64


def streams_table(streams: Sequence[StreamSummary], more: Sequence[Mapping[str, str]] = ()) -> Group:
    """Lay out what `list_streams` has found; the option is what chooses a stream in ``rtbci run``.

    Rates are nominal and measured, in Hz; the age is that of the newest sample. `more` has further rows, of each stream.
    """
    if not streams:
        return Group(Text("no LSL stream on the network"))
    rows = zip(streams, more or [{}] * len(streams), strict=True)
    return Group(*(part for one, own in rows for part in (_title(one), _details(one, own))))


def _title(stream: StreamSummary) -> Text:
    title = Text(stream.info.name, "bold")
    title.append(f"  {stream.info.type}", "cyan")
    return title


def _details(stream: StreamSummary, more: Mapping[str, str]) -> Table:
    info = stream.info
    rate = f"{info.rate_hz:g} Hz" if info.rate_hz else "irregular"
    if stream.measured_hz is not None:
        rate += f" (measured {stream.measured_hz:.2f} Hz)"
    rows = {
        "rate": rate,
        "newest": _age(stream),
        "channels": _channels(info.labels),
        "unit": ", ".join(stream.units) or "not stated",
        "source id": info.source_id or "none",
        "host": info.hostname,
        **({"option": stream.option} if stream.option else {}),
        **more,
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", min_width=11)
    grid.add_column(overflow="fold")
    for name, value in rows.items():
        grid.add_row(Text(f"  {name}"), Text(value))
    return grid


def _age(stream: StreamSummary) -> str:
    if not stream.answers:
        return "does not answer"
    return "no samples" if stream.age_s is None else f"{1000 * stream.age_s:.0f} ms old"


def _channels(labels: Sequence[str]) -> str:
    if not any(labels):
        return f"{len(labels)}, no labels"
    shown = " ".join(label or "?" for label in labels[:_N_LABELS])
    return f"{len(labels)}: {shown}" + (" ..." if len(labels) > _N_LABELS else "")
