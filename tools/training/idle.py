"""The idle class: rest told from imagery, by the features that the branches have for left against right.

Nothing of what tells left from right is changed: each branch gets a third row of weights, and the shares of the
rows and their offset are fitted on out-of-fold logits. So the same engine serves both decoders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression

from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.head_features import tangent_features
from rtbci.probe.refit import feature_scale
from rtbci.probe.tangent import TangentProbe
from rtbci.stages.stage import FloatArray
from tools.training.networks import EncoderNet, idle_inputs_of_windows
from tools.training.signals import RATE_HZ, Signal
from tools.training.trials import CONTEXT, HOP, LAST_END, WINDOW, band_signals, usable

__all__ = [
    "IDLE",
    "BranchFeatures",
    "IdleFusion",
    "IdleRow",
    "branch_features",
    "fit_idle_fusion",
    "fit_idle_rows",
    "read_idle_rows",
    "with_idle_row",
    "with_sums",
    "write_idle_rows",
]

IDLE = 2
"""Label of rest; 0 is left, 1 right."""

REST_S = (1.0, 0.0)
"""Windows of rest end between these times before the next cue; windows of imagery over the last second of a trial."""
N_ENDS = 2
AFTER_TRIAL = LAST_END + round(0.1 * RATE_HZ)
INVERSE_PENALTY = {"encoder": 0.01, "tangent": 0.003}


@dataclass(frozen=True, slots=True)
class BranchFeatures:
    """Windows of imagery and of rest, as the branches' heads read them.

    Parameters
    ----------
    features : dict of ndarray of float64, each of shape (n_windows, n_features)
        By branch.
    labels : ndarray of int64, shape (n_windows,)
        0 left, 1 right, 2 idle.
    """

    features: dict[str, FloatArray]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IdleRow:
    """Weights of a branch's features for rest against imagery, and the spread of these features."""

    coef: FloatArray
    intercept: float
    scale: FloatArray

    def logits(self, features: FloatArray) -> FloatArray:
        """Log odds of rest, shape (n_windows,)."""
        return np.asarray(features @ self.coef + self.intercept)


@dataclass(frozen=True, slots=True)
class IdleFusion:
    """Share of each branch's row, and the offset of all, in units of calibrated logits."""

    shares: dict[str, float]
    offset: float


def window_ends(signal: Signal) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Ends of windows and their labels, on the grid of hops behind each cue.

    Returns
    -------
    ends : ndarray of int, shape (n_windows,)
        One past the last sample.
    labels : ndarray of int64, shape (n_windows,)
    """
    ends: list[int] = []
    labels: list[int] = []
    cues = signal.i_cue[usable(signal)]
    for cue, side in zip(cues, signal.classes[usable(signal)], strict=True):
        for end in np.linspace(LAST_END - RATE_HZ, LAST_END, N_ENDS):
            ends.append(int(cue + end // HOP * HOP))
            labels.append(int(side))
    for before, cue in zip(signal.i_cue[:-1], signal.i_cue[1:], strict=True):
        for early_s in np.linspace(*REST_S, N_ENDS):
            end = int(cue - early_s * RATE_HZ)
            if end - WINDOW >= before + AFTER_TRIAL:
                ends.append(end)
                labels.append(IDLE)
    return np.array(ends, np.intp), np.array(labels, np.int64)


def branch_features(net: EncoderNet, probe: TangentProbe, signals: Sequence[Signal]) -> BranchFeatures:
    """Cut windows of imagery and rest out of aligned signals and compute what the heads read."""
    encoder, tangent, labels = [], [], []
    for signal in signals:
        ends, of_signal = window_ends(signal)
        bands = band_signals(signal)
        data = np.ascontiguousarray(signal.data.T, dtype=np.float32)
        keep = ends >= CONTEXT + WINDOW
        windows = np.stack([data[:, end - WINDOW - CONTEXT : end] for end in ends[keep]])
        cuts = [bands[:, :, end - WINDOW : end] for end in ends[keep]]
        covariances = np.stack([cut @ cut.transpose(0, 2, 1) / WINDOW for cut in cuts])
        encoder.append(idle_inputs_of_windows(net, windows))
        tangent.append(tangent_features(probe, covariances))
        labels.append(of_signal[keep])
    features = {"encoder": np.concatenate(encoder), "tangent": np.concatenate(tangent)}
    return BranchFeatures(features, np.concatenate(labels))


def fit_idle_rows(data: BranchFeatures) -> dict[str, IdleRow]:
    """Rest against imagery, each branch by itself."""
    found = {}
    for name, features in data.features.items():
        scale = feature_scale(features)
        model = LogisticRegression(C=INVERSE_PENALTY[name], max_iter=500).fit(
            features / scale, data.labels == IDLE
        )
        found[name] = IdleRow(model.coef_[0] / scale, float(model.intercept_[0]), scale)
    return found


def write_idle_rows(path: Path, rows: Mapping[str, IdleRow]) -> None:
    """Keep a fold's rows (npz) until the fusion is known."""
    tensors = {f"{name}_coef": row.coef for name, row in rows.items()}
    tensors |= {f"{name}_intercept": np.array(row.intercept) for name, row in rows.items()}
    tensors |= {f"{name}_scale": row.scale for name, row in rows.items()}
    np.savez(path, **tensors)  # type: ignore[arg-type]


def read_idle_rows(path: Path) -> dict[str, IdleRow]:
    """Read what `write_idle_rows` wrote."""
    with np.load(path) as archive:
        names = [key.removesuffix("_coef") for key in archive.files if key.endswith("_coef")]
        return {
            name: IdleRow(
                archive[f"{name}_coef"], float(archive[f"{name}_intercept"]), archive[f"{name}_scale"]
            )
            for name in names
        }


def fit_idle_fusion(
    idle: Mapping[str, FloatArray], margins: FloatArray, labels: npt.NDArray[np.int64]
) -> IdleFusion:
    """Shares and offset of least cross-entropy over three classes.

    Parameters
    ----------
    idle : mapping of str to ndarray of float64, shape (n_windows,)
        By branch: log odds of rest, from folds that did not train on the subject.
    margins : ndarray of float64, shape (n_windows,)
        Fused and calibrated logit of right less that of left.
    labels : ndarray of int64, shape (n_windows,)
    """
    names = list(idle)
    columns = np.stack([*(idle[name] for name in names), np.ones(len(labels))], axis=1)

    def loss(scales: FloatArray) -> tuple[float, FloatArray]:
        logits = np.stack([-margins / 2.0, margins / 2.0, columns @ scales], axis=1)
        value = logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
        slope = softmax(logits, axis=1)[:, IDLE] - (labels == IDLE)
        return float(value.mean()), (slope[:, np.newaxis] * columns).mean(axis=0)

    start = np.array([1.0 / len(names)] * len(names) + [0.0])
    bounds = [(0.0, None)] * len(names) + [(None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return IdleFusion(dict(zip(names, found[:-1].tolist(), strict=True)), float(found[-1]))


def with_sums(probe: ConvProbe) -> ConvProbe:
    """A probe of the same logits that also has the sums of both views at hand, which tell rest from imagery; see `EncoderNet`."""
    h, n = probe.n_hidden, probe.n_features // 2
    sums = np.hstack([probe.patch_weight[:, :n], -probe.patch_weight[:, n:]])
    weight = np.pad(probe.weight.reshape(-1, probe.n_patches, h), ((0, 0), (0, 0), (0, h)))
    return ConvProbe(
        np.concatenate([probe.patch_weight, sums]),
        np.pad(probe.patch_bias, (0, h)),
        weight.reshape(len(weight), -1),
        probe.bias,
    )


def with_idle_row(probe: ConvProbe | TangentProbe, row: IdleRow, share: float) -> ConvProbe | TangentProbe:
    """A probe of three classes whose logits are minus and plus half the margin, and `share` times the row.

    Parameters
    ----------
    probe : ConvProbe or TangentProbe
        Of two classes.
    row : IdleRow
    share : float
        Of the row, in units of the branch's own logits.
    """

    def stacked(two: FloatArray, third: FloatArray) -> FloatArray:
        half = (two[1] - two[0]) / 2.0
        return np.stack([-half, half, third])

    coef, intercept = share * row.coef, np.asarray(share * row.intercept)
    if isinstance(probe, ConvProbe):
        weight, bias = stacked(probe.weight, coef), stacked(probe.bias, intercept)
        return ConvProbe(probe.patch_weight, probe.patch_bias, weight, bias)
    weight, bias = stacked(probe.coef, coef), stacked(probe.intercept, intercept)
    return TangentProbe(probe.reference, weight, bias, probe.shrinkage)
