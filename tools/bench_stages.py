"""Delay and cost of every stage, as the two tables of docs/stages.md.

Run with ``OMP_NUM_THREADS=1 python tools/bench_stages.py``; it takes about half a minute. Costs are medians
over pushes of one chunk, in microseconds, the pushes at a block's or hop's end among them; of five rounds the
lowest median counts, because other work on the machine only ever adds.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.signal import butter, sosfilt

from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.align import RunningAlign
from rtbci.stages.filter import SosFilter
from rtbci.stages.patches import PatchSlicer
from rtbci.stages.reference import AverageReference
from rtbci.stages.resample import Decimate, Resample
from rtbci.stages.stage import FloatArray, Stage

CHANNELS = (22, 64)
CHUNKS = (1, 8, 32)
N_ROUNDS = 5
RATES_HZ = (128.0, 160.0, 250.0, 300.0, 500.0, 512.0, 1000.0, 1024.0, 2048.0)

Push = Callable[[FloatArray], Any]


def _sosfilt(n_channels: int, transposed: bool) -> Push:
    """Return scipy's own call with state, what the filter stage is compared to."""
    sos = butter(4, [8.0, 30.0], "bandpass", fs=250.0, output="sos")
    if transposed:
        zi = np.zeros((len(sos), n_channels, 2))
        return lambda chunk: sosfilt(sos, chunk.T, axis=-1, zi=zi)
    zi = np.zeros((len(sos), 2, n_channels))
    return lambda chunk: sosfilt(sos, chunk, axis=0, zi=zi)


def _stages(n_channels: int) -> dict[str, Push]:
    rng = np.random.default_rng(0)
    pick = np.zeros((21, n_channels))
    pick[np.arange(21), rng.permutation(n_channels)[:21]] = 1e6
    mix = rng.normal(size=(21, n_channels))
    return {
        "scipy sosfilt, axis 0": _sosfilt(n_channels, transposed=False),
        "scipy sosfilt, transposed": _sosfilt(n_channels, transposed=True),
        "SosFilter.bandpass(8, 30)": SosFilter.bandpass(8.0, 30.0, 250.0, n_channels).push,
        "SosFilter.notch(50)": SosFilter.notch(50.0, 250.0, n_channels).push,
        "Resample 250 -> 256": Resample(250.0, 256.0, n_channels).push,
        "Resample 1000 -> 256": Resample(1000.0, 256.0, n_channels).push,
        "Decimate by 2": Decimate(2, 250.0, n_channels).push,
        "AverageReference": AverageReference(n_channels, 256.0).push,
        "RunningAlign": RunningAlign(n_channels, 256.0).push,
        "SpectroSpatialAdapter, pick 21": SpectroSpatialAdapter(pick, 256.0).push,
        "SpectroSpatialAdapter, mix to 21": SpectroSpatialAdapter(mix, 256.0).push,
        "SpectroSpatialAdapter, mix, 15 taps": SpectroSpatialAdapter(
            mix, 256.0, rng.normal(size=(21, 15))
        ).push,
        "PatchSlicer 64 / 16": PatchSlicer(64, 16, n_channels=n_channels).push,
    }


def _times_us(push: Push, chunk: FloatArray, n_pushes: int = 600) -> FloatArray:
    times_s = np.empty(n_pushes)
    for _ in range(100):
        push(chunk)
    for i in range(n_pushes):
        t_start = time.perf_counter()
        push(chunk)
        times_s[i] = time.perf_counter() - t_start
    return times_s * 1e6


def _cost_table() -> None:
    heads = [f"{n_channels} ch, {n}" for n_channels in CHANNELS for n in CHUNKS]
    print("| stage | " + " | ".join(heads) + " |")
    print("|---" * (1 + len(heads)) + "|")
    rng = np.random.default_rng(1)
    lowest: dict[str, dict[str, float]] = {}
    for _ in range(N_ROUNDS):
        for n_channels in CHANNELS:
            for name, push in _stages(n_channels).items():
                for n in CHUNKS:
                    chunk = rng.normal(size=(n, n_channels)) * 10.0
                    median_us = float(np.median(_times_us(push, chunk)))
                    cells, head = lowest.setdefault(name, {}), f"{n_channels} ch, {n}"
                    cells[head] = min(cells.get(head, np.inf), median_us)
    for name, cells in lowest.items():
        print(f"| {name} | " + " | ".join(f"{cells[head]:.1f}" for head in heads) + " |")


def _spike_table() -> None:
    """Print the pushes that renew the whitening, one in 64 samples: what they cost more than others."""
    rng = np.random.default_rng(1)
    for n_channels in (21, *CHANNELS):
        times_us = _times_us(
            RunningAlign(n_channels, 256.0).push, rng.normal(size=(1, n_channels)), n_pushes=64 * 60
        )
        spikes_us = times_us.reshape(-1, 64).max(axis=1)
        print(f"RunningAlign, {n_channels} channels: a push that renews it {np.median(spikes_us):.0f} us")


def _delay_table() -> None:
    print("| rate | resample, 40 Hz kept | resample, 30 Hz kept | taps per output | band-pass 8-30 | 4-40 |")
    print("|---|---|---|---|---|---|")
    for rate_hz in RATES_HZ:
        wide, narrow = (Resample(rate_hz, 256.0, 1, passband_hz) for passband_hz in (40.0, 30.0))
        bands = (SosFilter.bandpass(low, high, rate_hz, 1) for low, high in ((8.0, 30.0), (4.0, 40.0)))
        stages: tuple[Stage, ...] = (wide, narrow, *bands)
        delays = [f"{stage.delay_s * 1e3:.1f}" for stage in stages]
        n_taps = -(-wide.kernel.size // wide.up_down[0])
        print(f"| {rate_hz:g} Hz | {delays[0]} | {delays[1]} | {n_taps} | {delays[2]} | {delays[3]} |")


if __name__ == "__main__":
    _delay_table()
    print()
    _cost_table()
    print()
    _spike_table()
