"""Time of a new patch and of a full window, ONNX Runtime and torch eager, one thread, in one run.

    OMP_NUM_THREADS=1 python tools/bench_encoder.py
    OMP_NUM_THREADS=1 python tools/bench_encoder.py --core-share light --seconds 30
    OMP_NUM_THREADS=1 python tools/bench_encoder.py --engines dare_nano dare_light

The two back ends take turns, so that a busy machine slows both; each number is the median over rounds.
`--core-share` instead makes decisions at 16 Hz in real time (patch, feature ring, window) and reads the
processor time that it took. `--engines` times a new patch of engines that are shipped, which take turns.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from rtbci.backends.export import onnx_bytes
from rtbci.backends.onnxruntime import OrtSession
from rtbci.backends.timing import Timing, take_turns
from rtbci.encoder.checkpoint import describe
from rtbci.encoder.dare import DareEncoder, channel_ids
from rtbci.encoder.features import FeatureRing
from rtbci.encoder.sizes import SIZES
from rtbci.recipes import list_recipes, read_engine
from rtbci.stages.patches import PatchSlicer
from rtbci.stages.stage import Float32Array

LABELS = ["FP1", "FP2", "F7", "F3", "FZ", "F4", "F8", "T7", "C3", "CZ", "C4", "T8", "P7", "P3", "PZ", "P4"]
LABELS += ["P8", "O1", "O2"]
N_PATCHES = 16
HOP_SAMPLES, RATE_HZ = 16, 256.0
ROUND_S = 0.15  # how long one back end runs before it is the other's turn


def open_both(name: str) -> tuple[OrtSession, Callable[[Float32Array], torch.Tensor]]:
    """The same random weights in ONNX Runtime and in torch eager."""
    torch.manual_seed(0)
    encoder = DareEncoder(name, embedding_std=0.5).eval()
    ids = channel_ids(LABELS)

    def eager(x: Float32Array) -> torch.Tensor:
        with torch.inference_mode():
            return encoder.encode_patches(torch.from_numpy(x), ids)

    return OrtSession(onnx_bytes(*describe(encoder, LABELS, "uV"))), eager


def bench(name: str, n_patches: int, n_rounds: int) -> dict[str, Timing]:
    """Times of both back ends."""
    session, eager = open_both(name)
    x = np.random.default_rng(0).standard_normal((n_patches, len(LABELS), 64)).astype(np.float32)
    return take_turns({"ort": partial(session.run, x), "eager": partial(eager, x)}, n_rounds, ROUND_S)


def table(n_rounds: int) -> None:
    print("| size | input | ONNX Runtime p50 / p99, ms | torch eager p50 / p99, ms | eager : ONNX Runtime |")
    print("|---|---|---|---|---|")
    for name in SIZES:
        for n_patches, what in ((1, "new patch"), (N_PATCHES, "full window")):
            result = bench(name, n_patches, n_rounds)
            ort, eager = result["ort"], result["eager"]
            print(
                f"| {name} | {what} | {ort.p50_ms:.3f} / {ort.p99_ms:.3f} "
                f"| {eager.p50_ms:.3f} / {eager.p99_ms:.3f} | {eager.p50_ms / ort.p50_ms:.1f} |",
                flush=True,
            )


def engine_times(names: Sequence[str], n_rounds: int) -> dict[str, tuple[float, float]]:
    """Median over rounds of p50 and p99 of one patch, in milliseconds, for each engine."""
    calls = {}
    for name in names:
        session = OrtSession(read_engine(name).onnx_path)
        x = np.random.default_rng(0).standard_normal(session.input_shape).astype(np.float32)
        calls[name] = partial(session.run, x)
    timings = take_turns(calls, n_rounds, ROUND_S)
    return {name: (timing.p50_ms, timing.p99_ms) for name, timing in timings.items()}


def core_share(name: str, seconds: float) -> None:
    """Make a window of features every hop in real time; print the share of a core that this took."""
    session, _ = open_both(name)
    slicer = PatchSlicer(64, HOP_SAMPLES, n_channels=len(LABELS))
    ring = FeatureRing(int(np.prod(session.output_shape[1:])), N_PATCHES, 64 // HOP_SAMPLES)
    hop = np.random.default_rng(0).standard_normal((HOP_SAMPLES, len(LABELS)))

    def window() -> Float32Array:
        for patch in slicer.push(hop):
            ring.push(session.run(patch[np.newaxis]).ravel())
        return ring.window().copy()

    slicer.push(np.zeros((64, len(LABELS))))
    for _ in range(4 * N_PATCHES):
        window()
    n_windows, t_start, cpu_start = 0, time.perf_counter(), time.process_time()
    while (t_now := time.perf_counter() - t_start) < seconds:
        window()
        n_windows += 1
        time.sleep(max(0.0, n_windows * HOP_SAMPLES / RATE_HZ - t_now))
    share = (time.process_time() - cpu_start) / (time.perf_counter() - t_start)
    print(
        f"{name}: {n_windows / seconds:.1f} windows a second for {seconds:g} s, {100 * share:.2f} % of a core"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="turns of each back end (default 15)")
    parser.add_argument("--core-share", choices=tuple(SIZES), help="measure processor time at 16 Hz instead")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of --core-share (default 30)")
    parser.add_argument(
        "--engines", nargs="+", choices=list_recipes("engines"), help="time shipped engines instead"
    )
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if given.engines:
        for name, (p50, p99) in engine_times(given.engines, given.rounds).items():
            print(f"{name}: new patch p50 {p50:.3f} ms, p99 {p99:.3f} ms")
    elif given.core_share:
        core_share(given.core_share, given.seconds)
    else:
        table(given.rounds)


if __name__ == "__main__":
    main()
