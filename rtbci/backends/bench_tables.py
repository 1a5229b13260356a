"""Tables of what was benched: for a terminal, and for a page."""

from collections.abc import Sequence

from rich.table import Table

from rtbci.backends.bench import BenchResult, BenchRow
from rtbci.backends.timing import Timing

__all__ = ["bench_markdown", "bench_table"]

ABSENT = "-"


def bench_table(result: BenchResult) -> Table:
    """Table for a terminal of 80 columns; times in milliseconds."""
    unit = "patch" if result.kind == "patch" else "window"
    table = Table(
        title=f"{result.engine}, {result.n_threads} thread{'s' * (result.n_threads > 1)}, milliseconds"
    )
    for name in _header(result, unit):
        table.add_column(name, justify="left" if name == "back end" else "right")
    for row in result.rows:
        table.add_row(*_cells(row, result))
    return table


def bench_markdown(results: Sequence[BenchResult]) -> str:
    """Markdown table of several engines, times in milliseconds."""
    batches = sorted({n for result in results for row in result.rows for n in row.per_s})
    header = ["engine", "back end", "patch p50 / p99", "window p50 / p99"]
    header += [f"a second, batch {n}" for n in batches] + ["open, s", "memory, MB"]
    lines = [header, ["---"] * len(header)]
    for result in results:
        for row in result.rows:
            name = (
                row.name
                if row.precision == "fp32" or row.precision in row.name
                else f"{row.name} {row.precision}"
            )
            speeds = [f"{row.per_s[n]:,.0f}" if n in row.per_s else ABSENT for n in batches]
            lines.append(
                [result.engine, name, _ms(row.patch), _ms(row.window), *speeds, f"{row.open_s:.1f}", _mb(row)]
            )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _header(result: BenchResult, unit: str) -> list[str]:
    window = ["window p50/p99"] if result.kind == "patch" else []
    return ["back end", f"{unit} p50/p99", *window, f"{'patches' if window else 'windows'} a second", "MB"]


def _cells(row: BenchRow, result: BenchResult) -> list[str]:
    window = [_ms(row.window)] if result.kind == "patch" else []
    best = max(row.per_s.items(), key=lambda item: item[1], default=None)
    speed = ABSENT if best is None else f"{best[1]:,.0f} at {best[0]}"
    return [row.name, _ms(row.patch), *window, speed, _mb(row)]


def _ms(timing: Timing | None) -> str:
    return ABSENT if timing is None else f"{timing.p50_ms:.3f} / {timing.p99_ms:.3f}"


def _mb(row: BenchRow) -> str:
    return ABSENT if row.memory_mb is None else f"{row.memory_mb:.0f}"
