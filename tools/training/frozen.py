"""What a frozen encoder's features tell: left against right by a linear probe, without levels and without training."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rtbci.stages.stage import FloatArray
from tools.training.filters import convolve
from tools.training.networks import EncoderNet
from tools.training.trials import END_TRACK_B, PATCH, WINDOW, Trials

__all__ = ["frozen_features", "level_features", "probe_margins", "windows_of"]

INVERSE_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
N_INNER = 5
N_BATCH = 128


@torch.no_grad()
def frozen_features(net: EncoderNet, windows: npt.NDArray[np.float32]) -> FloatArray:
    """Mean over a window's patches of what the transformer gives, levels left out.

    Parameters
    ----------
    net : EncoderNet
        Only its adapter and its encoder's transformer are used.
    windows : ndarray of float32, shape (n, n_channels, context + WINDOW)

    Returns
    -------
    ndarray of float64, shape (n, S * D)
    """
    parts = []
    for patches in _patches(net, windows):
        features = net.encoder.transform(patches.flatten(0, 1), net.ids)
        parts.append(features.reshape(len(patches), WINDOW // PATCH, -1).mean(1))
    return torch.cat(parts).double().numpy()


@torch.no_grad()
def level_features(net: EncoderNet, windows: npt.NDArray[np.float32]) -> FloatArray:
    """To compare: mean log power of the patches of each virtual electrode, (n, n_channels)."""
    parts = [patches.square().mean(-1).add(1e-6).log().mean(1) for patches in _patches(net, windows)]
    return torch.cat(parts).double().numpy()


def probe_margins(
    train: FloatArray, mirrored: FloatArray, test: FloatArray, trials: Trials, rows: npt.NDArray[np.intp]
) -> FloatArray:
    """Fit a logistic regression, its penalty chosen by subject within the training trials; margins of the others.

    Parameters
    ----------
    train, mirrored : ndarray, shape (len(rows), n_features)
        Of the training trials, and of these with left and right electrodes exchanged.
    test : ndarray, shape (n_test, n_features)
    trials : Trials
    rows : ndarray of int
        Training trials.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    search = GridSearchCV(model, {"logisticregression__C": INVERSE_PENALTIES}, cv=GroupKFold(N_INNER))
    classes, subjects = trials.classes[rows], trials.subjects[rows]
    search.fit(
        np.concatenate([train, mirrored]), np.concatenate([classes, 1 - classes]), groups=np.tile(subjects, 2)
    )
    return np.asarray(search.decision_function(test))


def windows_of(trials: Trials, mirror: Sequence[int] | None = None) -> npt.NDArray[np.float32]:
    """Windows of track B, with left and right electrodes exchanged on wish."""
    windows = trials.windows(END_TRACK_B, EncoderNet.context)
    return windows if mirror is None else windows[:, list(mirror)]


def _patches(net: EncoderNet, windows: npt.NDArray[np.float32]) -> list[torch.Tensor]:
    parts = []
    for start in range(0, len(windows), N_BATCH):
        x = torch.from_numpy(np.ascontiguousarray(windows[start : start + N_BATCH]))
        virtual = convolve(net.adapter @ x, net.adapter_fir)
        parts.append(virtual.reshape(*virtual.shape[:2], -1, PATCH).transpose(1, 2))
    return parts
