"""Processor time of one decision by each decoder that docs/results_encoders.md compares: ``python -m tools.decision_cost``.

Networks are fed noise on one thread: of the DARE encoder one new patch, as it is streamed, of all others the whole window.
Branches are those of the shipped decoders, as they run, from a hop behind the alignment to logits: what is around a network
(adapter, ring, probe) and all of the tangent space (band-passes, covariances, log-maps, head). Prints medians.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from rtbci.backends.dare_graph import OPSET
from rtbci.backends.onnxruntime_api import load_onnxruntime
from rtbci.backends.registry import open_session
from rtbci.probe.band_branches import TangentBranch
from rtbci.probe.branches import Branch
from rtbci.probe.open_branches import open_branches
from rtbci.probe.profile import read_profile
from rtbci.probe.tangent import TangentProbe
from rtbci.recipes import read_engine
from tools.training.baselines.eegnet import EegNet
from tools.training.baselines.prepare import TWO_BANDS_HZ
from tools.training.folds import use_one_thread
from tools.training.judge import markdown_table
from tools.training.signals import LAYOUT, RATE_HZ
from tools.training.trials import BAND_ORDER, HOP, WINDOW

__all__ = ["main", "onnx_session", "shipped_branches", "spent_ms"]

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("dare_nano", "dare_light", "specmoe_mini")
BACKENDS = ("onnxruntime", "openvino", "torch")
EEGNET_RATE_HZ = 128.0
PARADIGMS = ("motor_imagery", "motor_imagery_light", "motor_imagery_specmoe")
TANGENTS = {"one band": ((8.0, 30.0),), "two bands": TWO_BANDS_HZ}
WARM = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything and print it; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=30, help="of which the median is told")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    args = parser.parse_args(arguments)
    use_one_thread()
    rows = []
    for name in ENGINES:
        cells = dict.fromkeys(BACKENDS, "")
        for backend in args.backends:
            session = open_session(read_engine(name).onnx_path, backend)
            x = np.random.default_rng(0).standard_normal(session.input_shape).astype(np.float32)
            cells[backend] = _told(session.run, x, args.calls)
        rows.append([name, *cells.values()])
    rows.append(["EEGNet, one window", *_eegnet(args.calls)])
    print(markdown_table(["network, ms a call", *BACKENDS], rows) + "\n")
    branches = {
        f"{name}: {branch.name}": (branch, hop)
        for name in PARADIGMS
        for branch, hop in shipped_branches(name)
    }
    branches |= {f"tangent space, {name}": (_tangent(bands), HOP) for name, bands in TANGENTS.items()}
    print(
        markdown_table(
            ["branch, ms a hop, ONNX Runtime and numpy", "ms"],
            [[name, _told(*_hops(branch, hop), args.calls)] for name, (branch, hop) in branches.items()],
        )
    )
    return 0


def shipped_branches(paradigm: str) -> list[tuple[Branch, int]]:
    """Branches of a shipped decoder on ONNX Runtime, and the samples of their hop."""
    profile = read_profile(ROOT / "paradigms" / paradigm / "population")
    sessions = {
        one.name: open_session(read_engine(one.engine).onnx_path, "onnxruntime")
        for one in profile.branches
        if one.engine
    }
    return [(branch, profile.hop_samples) for branch in open_branches(profile, sessions)]


def spent_ms(call: Callable[[np.ndarray], object], x: np.ndarray, n: int) -> float:
    """Median processor time of `n` calls, after a few that warm up."""
    spent = []
    for _ in range(WARM + n):
        t_start = time.process_time()
        call(x)
        spent.append(1e3 * (time.process_time() - t_start))
    return float(np.median(spent[WARM:]))


def _told(call: Callable[[np.ndarray], object], x: np.ndarray, n: int) -> str:
    return f"{spent_ms(call, x, n):.2g}"


def _eegnet(n: int) -> list[str]:
    """On ONNX Runtime, on nothing, in torch; of one window, without the mirrored one."""
    torch.manual_seed(0)
    net = EegNet(len(LAYOUT), round(WINDOW / RATE_HZ * EEGNET_RATE_HZ)).eval()
    x = np.random.default_rng(0).standard_normal((1, len(LAYOUT), round(3 * EEGNET_RATE_HZ)), np.float32)
    session = onnx_session(net, x)
    name = session.get_inputs()[0].name
    with torch.inference_mode():
        ours = _told(lambda one: net(torch.from_numpy(one)), x, n)
    return [_told(lambda one: session.run(None, {name: one}), x, n), "", ours]


def onnx_session(net: torch.nn.Module, x: np.ndarray) -> Any:
    """The network in ONNX Runtime on one thread."""
    with TemporaryDirectory() as place, warnings.catch_warnings():
        path = Path(place) / "network.onnx"
        # the exporter without dynamo takes seconds, not a minute, and says that it is old
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.from_numpy(x),), path, opset_version=OPSET, dynamo=False)
        onnxruntime = load_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def _tangent(bands: Sequence[tuple[float, float]]) -> Branch:
    n_channels = len(LAYOUT)
    size = len(bands) * n_channels * (n_channels + 1) // 2
    reference = np.tile(np.eye(n_channels), (len(bands), 1, 1))
    probe = TangentProbe(reference, np.zeros((2, size)), np.zeros(2), 0.3)
    return TangentBranch(probe, bands, RATE_HZ, WINDOW, HOP, order=BAND_ORDER)


def _hops(branch: Branch, hop_samples: int) -> tuple[Callable[[np.ndarray], object], np.ndarray]:
    """One hop of noise through a branch whose window is full."""
    rng = np.random.default_rng(0)
    for _ in range(branch.window_samples // hop_samples + 1):
        branch.push(rng.standard_normal((hop_samples, len(LAYOUT))))

    def hop(x: np.ndarray) -> object:
        branch.push(x)
        return branch.logits()

    return hop, rng.standard_normal((hop_samples, len(LAYOUT)))


if __name__ == "__main__":
    raise SystemExit(main())
