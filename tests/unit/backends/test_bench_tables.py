import io

from rich.console import Console

from rtbci.backends.bench import BenchResult, BenchRow
from rtbci.backends.bench_tables import bench_markdown, bench_table
from rtbci.backends.timing import Timing


def row(
    name: str, precision: str = "fp32", *, window: bool = True, per_s: dict[int, float] | None = None
) -> BenchRow:
    timing = Timing(0.0512, 12.3456, 0.05, 10)
    speeds = {1: 19531.2, 256: 1234567.8} if per_s is None else per_s
    return BenchRow(name, name, precision, "cpu", timing, timing if window else None, speeds, 0.12, 33.4)


def result(rows: list[BenchRow], kind: str = "patch") -> BenchResult:
    return BenchResult("dare_light", kind, (1, 31, 64), 1, "A CPU", 2, {}, rows, {})


def drawn(of: BenchResult) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(bench_table(of))
    return out.getvalue()


def test_the_table_fits_80_columns_and_cuts_nothing() -> None:
    text = drawn(result([row("onnxruntime-cuda"), row("torch.compile fp16", "fp16")]))
    assert max(map(len, text.splitlines())) <= 80
    assert "0.051 / 12.346" in text
    assert "1,234,568 at 256" in text
    assert "torch.compile fp16" in text
    assert "…" not in text


def test_engines_of_windows_have_no_column_of_patches() -> None:
    text = drawn(result([row("onnxruntime", window=False, per_s={})], "window"))
    assert "windows a second" in text
    assert "patch" not in text


def test_markdown_has_a_row_for_each_engine_and_back_end() -> None:
    some = result(
        [row("onnxruntime"), row("openvino", window=False, per_s={1: 5.0}), row("tensorrt", "fp16")]
    )
    lines = bench_markdown([some, result([row("tensorrt fp16", "fp16")])]).splitlines()
    assert len(lines) == 6
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith(
        "| dare_light | onnxruntime | 0.051 / 12.346 | 0.051 / 12.346 | 19,531 | 1,234,568 |"
    )
    assert lines[3] == "| dare_light | openvino | 0.051 / 12.346 | - | 5 | - | 0.1 | 33 |"
    assert lines[4].startswith("| dare_light | tensorrt fp16 |")
    assert lines[5].startswith("| dare_light | tensorrt fp16 |")
