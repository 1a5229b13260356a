"""Tables of what was benched: for a terminal, and for a page."""

from collections.abc import Sequence

from rich.table import Table

from rtbci.backends.bench import BenchResult, BenchRow
from rtbci.backends.timing import Timing

__all__ = ["bench_markdown", "bench_table", "gpu_lines", "gpu_markdown", "gpu_table"]

ABSENT = "-"
RIVALS = ("torch", "torch.compile")
GPU_HEADER = ("back end", "one, ms", *(f"than {name}" for name in RIVALS), "at once, ms")


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
            speeds = [f"{row.per_s[n]:,.0f}" if n in row.per_s else ABSENT for n in batches]
            lines.append(
                [
                    result.engine,
                    _name(row),
                    _ms(row.patch),
                    _ms(row.window),
                    *speeds,
                    f"{row.open_s:.1f}",
                    _mb(row),
                ]
            )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def gpu_table(result: BenchResult) -> Table | None:
    """What ran on a GPU beside torch on it, for a terminal of 80 columns; None where nothing did.

    Milliseconds of one call with copies to the GPU and back, of one patch and of the largest batch, and how many times
    faster one patch is than by torch on the GPU in the same precision and run.
    """
    rows = _gpu_rows(result)
    if not rows:
        return None
    table = Table(title=f"{result.engine} on the GPU, against torch on it in the same precision")
    for name in GPU_HEADER:
        table.add_column(name, justify="left" if name == "back end" else "right")
    for cells in rows:
        table.add_row(*cells)
    return table


def gpu_markdown(results: Sequence[BenchResult]) -> str:
    """The rows of `gpu_table` of several engines in markdown, below what it all ran on; empty where nothing did."""
    rows = [(result.engine, *cells) for result in results for cells in _gpu_rows(result)]
    if not rows:
        return ""
    header = ("engine", *GPU_HEADER)
    table = [header, ("---",) * len(header), *rows]
    where = ", ".join(dict.fromkeys(line for result in results for line in gpu_lines(result)))
    return f"{where}.\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def gpu_lines(result: BenchResult) -> list[str]:
    """What a GPU and its software are: name, compute capability, driver; versions. Empty where nothing ran on one."""
    on_gpu = _on_gpu(result)
    if not on_gpu:
        return []
    gpu = result.gpu
    where = f"{gpu.name}, {gpu.capability}, driver for CUDA {gpu.driver}" if gpu else on_gpu[0].device
    return [where, *(f"{name} {version}" for name, version in result.versions.items())]


def _on_gpu(result: BenchResult) -> list[BenchRow]:
    return [row for row in result.rows if row.device != "cpu"]


def _gpu_rows(result: BenchResult) -> list[Sequence[str]]:
    on_gpu = _on_gpu(result)
    return [_gpu_cells(row, on_gpu) for row in on_gpu if row.backend not in RIVALS]


def _gpu_cells(row: BenchRow, on_gpu: Sequence[BenchRow]) -> Sequence[str]:
    times = {one.backend: one.patch.p50_ms for one in on_gpu if one.precision == row.precision}
    ratios = [f"{times[name] / row.patch.p50_ms:.1f} x" if name in times else ABSENT for name in RIVALS]
    n = max(row.per_s, default=0)
    batch = f"{1e3 * n / row.per_s[n]:.3f} for {n}" if n else ABSENT
    return _name(row), f"{row.patch.p50_ms:.3f}", *ratios, batch


def _name(row: BenchRow) -> str:
    return row.name if row.precision == "fp32" or row.precision in row.name else f"{row.name} {row.precision}"


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
