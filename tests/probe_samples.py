"""Small probes, branches and profiles with random weights, shared by the tests of `rtbci.probe`."""

import numpy as np

from rtbci.probe.band_branches import PowerBranch, TangentBranch
from rtbci.probe.branches import Branch, EncoderBranch, WindowBranch
from rtbci.probe.cca import CcaProbe
from rtbci.probe.cca_branch import CcaBranch
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.epoch_branch import EpochBranch
from rtbci.probe.epoch_features import FEATURES
from rtbci.probe.epoch_heads import LinearHead
from rtbci.probe.mdm import MdmProbe
from rtbci.probe.power import PowerProbe
from rtbci.probe.profile import BranchEntry, Probe, Profile, join_tensors
from rtbci.probe.tangent import TangentProbe
from rtbci.recipes import Precision
from rtbci.stages.stage import Float32Array

__all__ = [
    "BANDS_HZ",
    "BRANCHES",
    "HOP",
    "N_CHANNELS",
    "PATCH",
    "RATE_HZ",
    "WINDOW",
    "ArraySession",
    "conv_probe",
    "make_branch",
    "make_profile",
    "mdm_probe",
    "power_probe",
    "sessions",
    "tangent_probe",
]

N_CHANNELS, N_CLASSES, N_FEATURES, N_PATCHES = 3, 2, 5, 3
RATE_HZ, PATCH, HOP = 64.0, 8, 4
WINDOW = N_PATCHES * PATCH
BANDS_HZ = ((4.0, 10.0), (10.0, 24.0))
BRANCHES = ("encoder", "tangent", "mdm", "power", "window", "cca", "epochs")


class ArraySession:
    """A session that applies a matrix and a tanh, and overwrites its output with the next run."""

    backend = "numpy"
    network_id = engine_id = "e" * 64
    precision: Precision = "fp32"
    device = "cpu"

    def __init__(self, n_samples: int, output_shape: tuple[int, ...], seed: int = 0) -> None:
        self.input_shape: tuple[int, ...] = (1, N_CHANNELS, n_samples)
        self.output_shape = output_shape
        n_out = int(np.prod(output_shape[1:]))
        self._matrix = np.random.default_rng(seed).standard_normal((N_CHANNELS * n_samples, n_out))
        self._output = np.zeros(output_shape, np.float32)

    def run(self, x: Float32Array) -> Float32Array:
        if x.shape != self.input_shape or x.dtype != np.float32 or not x.flags.c_contiguous:
            raise AssertionError(f"session got {x.shape} {x.dtype}")
        self._output[:] = np.tanh(x.ravel() @ self._matrix * 0.1).reshape(self.output_shape)
        return self._output

    def close(self) -> None:
        pass


def sessions() -> dict[str, ArraySession]:
    """One session for each branch that needs one."""
    return {
        "encoder": ArraySession(PATCH, (1, 1, N_FEATURES)),
        "window": ArraySession(WINDOW, (1, N_CLASSES)),
    }


def conv_probe(seed: int = 0) -> ConvProbe:
    rng = np.random.default_rng(seed)
    hidden = 4
    return ConvProbe(
        rng.standard_normal((hidden, N_FEATURES)),
        rng.standard_normal(hidden),
        rng.standard_normal((N_CLASSES, N_PATCHES * hidden)),
        rng.standard_normal(N_CLASSES),
    )


def tangent_probe(seed: int = 0) -> TangentProbe:
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((2, N_CHANNELS, N_CHANNELS))
    reference = roots @ roots.transpose(0, 2, 1) + np.eye(N_CHANNELS)
    n = 2 * N_CHANNELS * (N_CHANNELS + 1) // 2
    return TangentProbe(reference, rng.standard_normal((N_CLASSES, n)), rng.standard_normal(N_CLASSES), 0.1)


def mdm_probe(seed: int = 0) -> MdmProbe:
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((N_CLASSES, 2, N_CHANNELS, N_CHANNELS))
    means = roots @ roots.transpose(0, 1, 3, 2) + np.eye(N_CHANNELS)
    return MdmProbe(means, rng.random(2), rng.standard_normal(N_CLASSES), 0.1)


def power_probe(seed: int = 0) -> PowerProbe:
    rng = np.random.default_rng(seed)
    n_bands, n_filters, n_taps = 2, 4, 7
    return PowerProbe(
        rng.standard_normal((n_bands, n_filters, N_CHANNELS)),
        rng.standard_normal((n_bands, n_taps)),
        rng.random((n_bands * n_filters, N_PATCHES)),
        rng.standard_normal((N_CLASSES, n_bands * n_filters)),
        rng.standard_normal(N_CLASSES),
    )


def make_branch(name: str) -> Branch:
    if name == "encoder":
        return EncoderBranch(sessions()["encoder"], conv_probe(), HOP)
    if name == "tangent":
        return TangentBranch(tangent_probe(), BANDS_HZ, RATE_HZ, WINDOW, HOP)
    if name == "mdm":
        return TangentBranch(mdm_probe(), BANDS_HZ, RATE_HZ, WINDOW, HOP, name="mdm")
    if name == "power":
        return PowerBranch(power_probe(), WINDOW, HOP)
    if name == "cca":
        probe = CcaProbe(np.random.default_rng(0).random((2, len(BANDS_HZ))))
        return CcaBranch(
            probe, (8.0, 11.0), BANDS_HZ, (WINDOW // 2, WINDOW), RATE_HZ, N_CHANNELS, HOP, n_harmonics=2
        )
    if name == "epochs":
        return EpochBranch(linear_head(), N_CHANNELS, WINDOW, HOP, RATE_HZ)
    return WindowBranch(sessions()["window"], "logits")


def linear_head(seed: int = 0) -> LinearHead:
    rng = np.random.default_rng(seed)
    n = N_CHANNELS * len(FEATURES)
    return LinearHead(
        rng.standard_normal(n),
        np.ones(n),
        rng.standard_normal((N_CLASSES, n)),
        rng.standard_normal(N_CLASSES),
    )


def make_profile(user: str = "ada") -> Profile:
    probes: dict[str, Probe] = {"encoder": conv_probe(), "tangent": tangent_probe(), "power": power_probe()}
    return Profile(
        user=user,
        paradigm="motor_imagery",
        classes=["left", "right"],
        channels=["C3", "CZ", "C4"],
        rate_hz=RATE_HZ,
        window_samples=WINDOW,
        hop_samples=HOP,
        branches=[
            BranchEntry(name="encoder", kind="encoder", engine="small", engine_id=ArraySession.engine_id),
            BranchEntry(name="tangent", kind="tangent", weight=0.5, bands_hz=list(BANDS_HZ)),
            BranchEntry(name="power", kind="power", weight=2.0),
        ],
        bias=[0.0, 0.0],
        weights=join_tensors(probes) | {"align.covariance": np.eye(N_CHANNELS)},
    )
