"""CPU time of the Riemannian branches, of recentring and of the guard: ``python -m tools.riemann.cost``."""

import time
from collections.abc import Callable

import numpy as np

from rtbci.probe.band_branches import TangentBranch
from rtbci.probe.mdm import MdmProbe
from rtbci.probe.tangent import TangentProbe
from rtbci.stages.align import RunningAlign
from rtbci.stages.align_riemann import RiemannAlign
from rtbci.stages.guard import Group, Guard
from rtbci.stages.stage import FloatArray
from tools.artefact_guard import REGIONS
from tools.riemann.decoders import BROAD_HZ, DELAYS
from tools.training.folds import use_one_thread
from tools.training.judge import markdown_table
from tools.training.signals import LAYOUT, RATE_HZ
from tools.training.trials import BAND_ORDER, BANDS_HZ, HOP, WINDOW

__all__ = ["main"]

SECONDS = 60


def main() -> None:
    """Measure everything and print it."""
    use_one_thread()
    n = len(LAYOUT)
    data = np.random.default_rng(0).standard_normal((round(SECONDS * RATE_HZ), n))
    regions = [Group([LAYOUT.index(label) for label in one]) for one in REGIONS]
    rows = [
        ["tangent space, 4 bands", *_branch(_tangent(n, len(BANDS_HZ)), BANDS_HZ, data)],
        ["MDM, 4 bands, 2 classes", *_branch(_mdm(n, len(BANDS_HZ)), BANDS_HZ, data)],
        [
            "augmented covariance, 93 rows",
            *_branch(_tangent(n * (1 + len(DELAYS)), 1), (BROAD_HZ,), data, DELAYS),
        ],
        ["alignment, Euclidean", *_stage(RunningAlign(n, RATE_HZ, 0.25, 0.05, 120.0).push, data)],
        ["alignment, Riemannian", *_stage(RiemannAlign(n, RATE_HZ, 0.25, 0.05, 120.0).push, data)],
        ["guard, field of six regions", *_stage(Guard(n, RATE_HZ, regions).push, data)],
    ]
    print(markdown_table(["part", "ms a hop of 62.5 ms, mean", "most in a hop"], rows))


def _tangent(n: int, n_bands: int) -> TangentProbe:
    size = n_bands * n * (n + 1) // 2
    return TangentProbe(np.tile(np.eye(n), (n_bands, 1, 1)), np.zeros((2, size)), np.zeros(2), 0.3)


def _mdm(n: int, n_bands: int) -> MdmProbe:
    return MdmProbe(np.tile(np.eye(n), (2, n_bands, 1, 1)), np.ones(n_bands), np.zeros(2), 0.3)


def _branch(
    probe: TangentProbe | MdmProbe,
    bands: tuple[tuple[float, float], ...],
    data: FloatArray,
    delays: tuple[int, ...] = (),
) -> list[str]:
    branch = TangentBranch(probe, bands, RATE_HZ, WINDOW, HOP, order=BAND_ORDER, delays_samples=delays)

    def hop(part: FloatArray) -> None:
        branch.push(part)
        branch.logits()

    return _stage(hop, data)


def _stage(push: Callable[[FloatArray], object], data: FloatArray) -> list[str]:
    spent = []
    for i in range(0, len(data), HOP):
        t_start = time.thread_time()
        push(data[i : i + HOP])
        spent.append(1e3 * (time.thread_time() - t_start))
    return [f"{np.mean(spent[WINDOW // HOP :]):.2f}", f"{max(spent):.1f}"]


if __name__ == "__main__":
    main()
