import io

from rich.console import Console

from rtbci.backends.bench import BenchResult, BenchRow
from rtbci.backends.bench_tables import bench_markdown, bench_table, gpu_lines, gpu_markdown, gpu_table
from rtbci.backends.cuda import Gpu
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


def gpu_row(name: str, backend: str, precision: str, device: str, p50_ms: float) -> BenchRow:
    timing = Timing(p50_ms, 1.0, p50_ms, 10)
    return BenchRow(name, backend, precision, device, timing, timing, {1: 4000.0, 256: 160000.0}, 1.0, None)


def test_a_gpu_is_judged_against_torch_in_the_same_precision() -> None:
    rows = [
        row("torch"),
        gpu_row("tensorrt fp16", "tensorrt", "fp16", "NVIDIA A", 0.2),
        gpu_row("tensorrt fp32", "tensorrt", "fp32", "NVIDIA A", 0.4),
        gpu_row("onnxruntime-cuda", "onnxruntime-cuda", "fp32", "cuda:0", 0.5),
        gpu_row("torch fp16", "torch", "fp16", "cuda", 1.0),
        gpu_row("torch.compile fp16", "torch.compile", "fp16", "cuda", 0.3),
        gpu_row("torch fp32", "torch", "fp32", "cuda", 0.8),
    ]
    of = BenchResult(
        "deep",
        "patch",
        (1, 19, 64),
        1,
        "A CPU",
        2,
        {"torch": "2.13"},
        rows,
        {},
        Gpu("NVIDIA A", "SM89", "13.0"),
    )
    assert gpu_lines(of) == ["NVIDIA A, SM89, driver for CUDA 13.0", "torch 2.13"]
    assert gpu_markdown([of, result([row("onnxruntime")])]).splitlines() == [
        "NVIDIA A, SM89, driver for CUDA 13.0, torch 2.13.",
        "",
        "| engine | back end | one, ms | than torch | than torch.compile | at once, ms |",
        "| --- | --- | --- | --- | --- | --- |",
        "| deep | tensorrt fp16 | 0.200 | 5.0 x | 1.5 x | 1.600 for 256 |",
        "| deep | tensorrt fp32 | 0.400 | 2.0 x | - | 1.600 for 256 |",
        "| deep | onnxruntime-cuda | 0.500 | 1.6 x | - | 1.600 for 256 |",
    ]
    out = io.StringIO()
    Console(file=out, width=80).print(gpu_table(of))
    assert "tensorrt fp16" in out.getvalue()
    assert "1.600 for 256" in out.getvalue()
    assert "…" not in out.getvalue()


def test_without_a_gpu_there_is_nothing_to_judge() -> None:
    of = result([row("onnxruntime"), row("torch")])
    assert (gpu_lines(of), gpu_table(of), gpu_markdown([of])) == ([], None, "")
