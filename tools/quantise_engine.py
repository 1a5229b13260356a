"""Dynamic int8 quantisation of engines by ONNX Runtime: how fast, and what the gate says.

    OMP_NUM_THREADS=1 python tools/quantise_engine.py dare_nano dare_light small base deep

Takes recipes, and sizes of the encoder, whose weights are then random (19 electrodes). Weights become int8, one
scale for each output channel; what goes into a product becomes uint8, with a scale of its own in every call. Seven
bits are used where processors without VNNI would overflow. Nothing is kept: the outcome stands in docs/engines.md.
"""

import argparse
import logging
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import numpy as np

from rtbci.backends.bench_contenders import write_random_engine
from rtbci.backends.gate import GateReport, check_session, open_reference, reference_name
from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.onnxruntime_api import load_onnxruntime
from rtbci.backends.timing import Timing, take_turns
from rtbci.encoder.sizes import SIZES
from rtbci.recipes import EngineRecipe, Precision, list_recipes, read_engine
from rtbci.runtime.engine_gate import check_decisions, paradigms_of
from tools.export_engine import write_engine

__all__ = ["Tried", "main", "quantise", "try_int8"]

N_ROUNDS, ROUND_S = 12, 0.1


class Int8Session(OrtSession):
    """A quantised network, which the gate judges as such."""

    precision: Precision = "int8"


class Tried(NamedTuple):
    """What came of one engine; megabytes of its file before and after, times of one patch, and the gate's report."""

    name: str
    fp32_mb: float
    int8_mb: float
    fp32: Timing
    int8: Timing
    report: GateReport


def quantise(source: Path, target: Path) -> None:
    """Write an ONNX file with its products of constants in int8."""
    load_onnxruntime()
    from onnxruntime.quantization import quantize_dynamic

    logging.disable(logging.WARNING)  # it recommends a step that our graphs do not need
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantize_dynamic(
                source,
                target,
                op_types_to_quantize=["MatMul", "Gemm"],
                per_channel=True,
                reduce_range=True,
                extra_options={"MatMulConstBOnly": True},
            )
    finally:
        logging.disable(logging.NOTSET)


def try_int8(recipe: EngineRecipe, folder: Path) -> Tried:
    """Quantise an engine, time it against fp32 in turns, and send it through the gate."""
    target = folder / f"{recipe.name}_int8.onnx"
    quantise(recipe.onnx_path, target)
    fp32, int8, reference = OrtSession(recipe.onnx_path), Int8Session(target), open_reference(recipe)
    int8.network_id = fp32.network_id  # the network that it stands for, which profiles were fitted on
    x = np.random.default_rng(0).standard_normal(fp32.input_shape).astype(np.float32)
    times = take_turns({"fp32": partial(fp32.run, x), "int8": partial(int8.run, x)}, N_ROUNDS, ROUND_S)
    report = check_session(int8, recipe, reference, reference_name(recipe))
    decisions = check_decisions(int8, reference, recipe, paradigms_of(recipe))
    report = msgspec.structs.replace(report, decisions=tuple(decisions))
    sizes = [path.stat().st_size / 1e6 for path in (recipe.onnx_path, target)]
    return Tried(recipe.name, sizes[0], sizes[1], times["fp32"], times["int8"], report)


def show(tried: Tried) -> None:
    """Print one row of the table, and why the gate refuses."""
    report = tried.report
    worst_abs, worst_cos = (
        max(row.max_abs for row in report.windows),
        min(row.cosine for row in report.windows),
    )
    prob = max((row.max_prob for row in report.decisions), default=float("nan"))
    differ = sum(row.n_decisions_differ for row in report.decisions)
    of = sum(row.n_decisions for row in report.decisions)
    print(
        f"| {tried.name} | {tried.fp32_mb:.1f} / {tried.int8_mb:.1f} | {tried.fp32.p50_ms:.3f} / {tried.int8.p50_ms:.3f} "
        f"| {tried.fp32.best_ms:.3f} / {tried.int8.best_ms:.3f} | {worst_cos:.5f} | {worst_abs:.3f} "
        f"| {prob:.3f} | {differ} of {of} | {'passed' if report.passed else 'refused'} |",
        flush=True,
    )
    for reason in report.reasons:
        print(f"    {reason}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [*list_recipes("engines"), *SIZES]
    parser.add_argument("engines", nargs="+", choices=names, help="recipes, or sizes of the encoder")
    given = parser.parse_args(arguments)
    print(
        "| engine | MB fp32 / int8 | patch p50, ms | best, ms | cosine | max abs | probability | decisions | gate |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in given.engines:
        with TemporaryDirectory() as text:
            folder = Path(text)
            if name in SIZES:
                write_engine(write_random_engine(name, folder).with_suffix(".safetensors"), folder / name)
            show(try_int8(read_engine(str(folder / name) if name in SIZES else name), folder))


if __name__ == "__main__":
    main()
