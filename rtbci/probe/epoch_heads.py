"""Heads of a branch that stages windows: a linear one, and boosted trees."""

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError
from rtbci.probe.epoch_features import FEATURES
from rtbci.stages.stage import FloatArray

__all__ = ["EpochHead", "LinearHead", "TreesHead", "head_from_tensors", "log_softmax", "scaled_features"]

Tensors = Mapping[str, npt.NDArray[Any]]

LOGARITHMS = frozenset(
    (
        "std",
        "iqr",
        "hmob",
        "hcomp",
        "sdelta",
        "fdelta",
        "theta",
        "alpha",
        "sigma",
        "beta",
        "dt",
        "ds",
        "db",
        "at",
    )
) | {"abspow"}
ROOTS = frozenset(("slow_share", "spindle_share"))
IS_LOGARITHM = np.array([name in LOGARITHMS for name in FEATURES])
IS_ROOT = np.array([name in ROOTS for name in FEATURES])
I_KURTOSIS = FEATURES.index("kurt")
MOST_SD = 6.0
"""What is further off than so many standard deviations counts as so far: a pulled-off electrode proves nothing."""
LEAST = 1e-9


class EpochHead(Protocol):
    """From what a window is described by to logits.

    Attributes
    ----------
    n_classes : int
    has_context : bool
        Whether it reads the window's past too; see `rtbci.probe.epoch_context.NightContext`.
    """

    n_classes: int
    has_context: bool

    def logits(self, features: FloatArray) -> FloatArray:
        """Logits, shape (n_classes,); `features` as `describe` gives for every channel in turn, or with their past."""
        ...

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Weights by name, for a profile."""
        ...


class LinearHead:
    """Multinomial logistic regression on scaled features of every channel.

    Parameters
    ----------
    mean, scale : array_like, shape (n_features,)
        Of the features as `scaled_features` makes them.
    weight : array_like, shape (n_classes, n_features)
    bias : array_like, shape (n_classes,)

    Raises
    ------
    ShapeError
        When they do not fit each other.
    """

    has_context = False

    def __init__(
        self, mean: npt.ArrayLike, scale: npt.ArrayLike, weight: npt.ArrayLike, bias: npt.ArrayLike
    ) -> None:
        self.mean, self.scale, self.weight, self.bias = (
            np.array(one, dtype=np.float64) for one in (mean, scale, weight, bias)
        )
        n_features = self.mean.size
        self.n_classes = self.bias.size
        wanted = {
            "mean": (n_features,),
            "scale": (n_features,),
            "weight": (self.n_classes, n_features),
            "bias": (self.n_classes,),
        }
        wrong = [
            f"{name} {getattr(self, name).shape}"
            for name, shape in wanted.items()
            if getattr(self, name).shape != shape
        ]
        if wrong or n_features % len(FEATURES) or not n_features or not (self.scale > 0).all():
            raise ShapeError(
                f"LinearHead: has {', '.join(wrong) or f'{n_features} features'}, need {len(FEATURES)} features of each channel, "
                "scales above 0, and weight and bias of every class"
            )

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Build from the tensors that `tensors` gives."""
        return cls(*(tensors[name] for name in ("mean", "scale", "weight", "bias")))

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Weights by name; see `EpochHead.tensors`."""
        return {"mean": self.mean, "scale": self.scale, "weight": self.weight, "bias": self.bias}

    def logits(self, features: FloatArray) -> FloatArray:
        """See `EpochHead.logits`."""
        z = np.clip((scaled_features(features) - self.mean) / self.scale, -MOST_SD, MOST_SD)
        return np.asarray(self.weight @ z + self.bias)


class TreesHead:
    """Boosted trees, as arrays: the sum of one leaf of each tree for its class.

    Parameters
    ----------
    feature : array_like of int, shape (n_nodes,)
        Which feature an inner node looks at.
    threshold : array_like, shape (n_nodes,)
        At most so much goes to the left.
    left, right : array_like of int, shape (n_nodes,)
        Next node; one of at least 0 is a node, ``-1 - i`` is leaf i.
    leaf : array_like, shape (n_leaves,)
    root : array_like of int, shape (n_trees,)
        First node of each tree, in the same way.
    tree_class : array_like of int, shape (n_trees,)
        Class that it adds to.

    Raises
    ------
    ShapeError
        When an index points nowhere, or a path has no end.

    Notes
    -----
    Features are compared as float32, as such trees are trained (``lightgbm`` does so with a frame of float32).
    """

    has_context = True

    def __init__(
        self,
        feature: npt.ArrayLike,
        threshold: npt.ArrayLike,
        left: npt.ArrayLike,
        right: npt.ArrayLike,
        leaf: npt.ArrayLike,
        root: npt.ArrayLike,
        tree_class: npt.ArrayLike,
    ) -> None:
        self.feature, self.left, self.right, self.root, self.tree_class = (
            np.array(one, dtype=np.int32) for one in (feature, left, right, root, tree_class)
        )
        self.threshold, self.leaf = (np.array(one, dtype=np.float64) for one in (threshold, leaf))
        self._check()
        self.n_classes = int(self.tree_class.max()) + 1
        self.n_features = int(self.feature.max(initial=-1)) + 1

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Build from the tensors that `tensors` gives."""
        names = ("feature", "threshold", "left", "right", "leaf", "root", "tree_class")
        return cls(*(tensors[name] for name in names))

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """Weights by name; see `EpochHead.tensors`."""
        return {
            "feature": self.feature,
            "threshold": self.threshold,
            "left": self.left,
            "right": self.right,
            "leaf": self.leaf,
            "root": self.root,
            "tree_class": self.tree_class,
        }

    def logits(self, features: FloatArray) -> FloatArray:
        """See `EpochHead.logits`."""
        x = features.astype(np.float32).astype(np.float64)
        at = self.root.copy()
        while (inner := np.flatnonzero(at >= 0)).size:
            nodes = at[inner]
            goes_left = x[self.feature[nodes]] <= self.threshold[nodes]
            at[inner] = np.where(goes_left, self.left[nodes], self.right[nodes])
        return np.asarray(
            np.bincount(self.tree_class, weights=self.leaf[-1 - at], minlength=self.n_classes), np.float64
        )

    def _check(self) -> None:
        n_nodes, n_leaves = self.feature.size, self.leaf.size
        same = self.feature.shape == self.threshold.shape == self.left.shape == self.right.shape == (n_nodes,)
        if not same or self.root.shape != self.tree_class.shape or not self.root.size or self.root.ndim != 1:
            raise ShapeError("TreesHead: nodes or trees have arrays of several lengths, need one for each")
        # A node leads only to later ones, so that every path ends.
        after = np.arange(n_nodes)
        ends = all(((one > after) | (one < 0)).all() for one in (self.left, self.right))
        there = all(
            ((one < n_nodes) & (one >= -n_leaves)).all() for one in (self.left, self.right, self.root)
        )
        if not (ends and there and (self.feature >= 0).all() and (self.tree_class >= 0).all()):
            raise ShapeError("TreesHead: a node leads nowhere or back, need trees; import them again")


def head_from_tensors(tensors: Tensors) -> LinearHead | TreesHead:
    """The head that a branch's tensors are of.

    Raises
    ------
    KeyError
        When a tensor is missing.
    """
    return TreesHead.from_tensors(tensors) if "threshold" in tensors else LinearHead.from_tensors(tensors)


def scaled_features(features: FloatArray) -> FloatArray:
    """Powers and amplitudes as logarithms, shares as roots, shape as given: (..., n_channels * n_features)."""
    x = features.reshape(*features.shape[:-1], -1, len(FEATURES)).copy()
    x[..., I_KURTOSIS] = np.log(np.maximum(x[..., I_KURTOSIS] + 3.0, LEAST))
    x[..., IS_LOGARITHM] = np.log(np.maximum(x[..., IS_LOGARITHM], LEAST))
    x[..., IS_ROOT] = np.sqrt(np.maximum(x[..., IS_ROOT], 0.0))
    return x.reshape(features.shape)


def log_softmax(logits: FloatArray) -> FloatArray:
    """Logarithms of the probabilities of logits, shape (n_classes,)."""
    shifted = logits - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
