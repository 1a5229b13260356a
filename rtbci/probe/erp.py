"""Evoked responses: spatial filters, covariances with a template beside the epoch, tangent space, linear classifier."""

from typing import Self

import numpy as np
import numpy.typing as npt

from rtbci.errors import ConfigError, ShapeError
from rtbci.probe.tangent import inverse_roots, shrink, triangle
from rtbci.stages.stage import FloatArray

__all__ = ["ErpBranch", "ErpProbe", "augmented"]


class ErpProbe:
    """Score of one epoch: how much it looks like that of a flash that was attended to.

    Parameters
    ----------
    filters : array_like, shape (n_filters, n_channels)
        Spatial filters that raise evoked responses above the rest of the signal (xDAWN).
    template : array_like, shape (n_templates, n_samples)
        Filtered mean responses; beside each epoch in its covariance, which so tells where in time it resembles them.
    reference : array_like, shape (n, n), n = n_templates + n_filters
        Symmetric, positive definite: where the tangent space is.
    coef : array_like, shape (n * (n + 1) / 2,)
    intercept : float
    shrinkage : float
        Share of the scaled identity in every covariance, above 0 up to 1.

    Raises
    ------
    ShapeError
        When the shapes do not fit each other.

    Notes
    -----
    Rivet et al. 2009 (doi 10.1109/TBME.2009.2012869) for xDAWN; Barachant, Congedo 2014 (arXiv:1409.0107) for the
    template in the covariance; Barachant et al. 2012 (doi 10.1109/TBME.2011.2172210) for the tangent space.
    """

    def __init__(
        self,
        filters: npt.ArrayLike,
        template: npt.ArrayLike,
        reference: npt.ArrayLike,
        coef: npt.ArrayLike,
        intercept: float,
        shrinkage: float = 0.05,
    ) -> None:
        self.filters: FloatArray = np.array(filters, dtype=np.float64)
        self.template: FloatArray = np.array(template, dtype=np.float64)
        self.reference: FloatArray = np.array(reference, dtype=np.float64)
        self.coef: FloatArray = np.array(coef, dtype=np.float64)
        self.intercept, self.shrinkage = float(intercept), float(shrinkage)
        self._check()
        self.n_channels, self.n_samples = self.filters.shape[1], self.template.shape[1]
        self._inverse_root = inverse_roots(self.reference[np.newaxis])[0]
        self._rows, self._columns, self._scale = triangle(len(self.reference))

    @classmethod
    def from_tensors(cls, tensors: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Build from the tensors that `tensors` gives."""
        filters, template, reference, coef = (
            tensors[name] for name in ("filters", "template", "reference", "coef")
        )
        intercept, shrinkage = (float(tensors[name][0]) for name in ("intercept", "shrinkage"))
        return cls(filters, template, reference, coef, intercept, shrinkage)

    def tensors(self) -> dict[str, FloatArray]:
        """Weights by name, for a profile."""
        return {
            "filters": self.filters,
            "template": self.template,
            "reference": self.reference,
            "coef": self.coef,
            "intercept": np.array([self.intercept]),
            "shrinkage": np.array([self.shrinkage]),
        }

    def score(self, epoch: FloatArray) -> float:
        """Score of one epoch, above 0 for a target.

        Parameters
        ----------
        epoch : ndarray of float64, shape (n_samples, n_channels)

        Raises
        ------
        ShapeError
            When it has another shape.
        """
        if epoch.shape != (self.n_samples, self.n_channels):
            raise ShapeError(
                f"ErpProbe: epoch has shape {epoch.shape}, need ({self.n_samples}, {self.n_channels})"
            )
        covariance = augmented(self.template, self.filters @ epoch.T, self.shrinkage)
        values, vectors = np.linalg.eigh(self._inverse_root @ covariance @ self._inverse_root)
        logs = (vectors * np.log(values)) @ vectors.T
        return float(self.coef @ (logs[self._rows, self._columns] * self._scale) + self.intercept)

    def _check(self) -> None:
        shapes = [one.shape for one in (self.filters, self.template, self.reference, self.coef)]
        n = sum(one[0] for one in shapes[:2] if len(one) == 2)
        if [len(one) for one in shapes] != [2, 2, 2, 1] or shapes[2:] != [(n, n), (n * (n + 1) // 2,)]:
            raise ShapeError(
                f"ErpProbe: filters, template, reference and coef have shapes {shapes}, need (f, channels), (t, samples), "
                "(t + f, t + f), ((t + f) (t + f + 1) / 2,)"
            )
        if not 0.0 < self.shrinkage <= 1.0:
            raise ShapeError(f"ErpProbe: shrinkage is {self.shrinkage:g}, need above 0 and at most 1")


class ErpBranch:
    """An `ErpProbe` on windows that are locked to flashes; gives a logit for each of `FLASH_CLASSES`.

    Parameters
    ----------
    probe : ErpProbe
    name : str
        Name in the profile.
    """

    def __init__(self, probe: ErpProbe, name: str = "erp") -> None:
        self.name, self._probe, self.window_samples = name, probe, probe.n_samples
        self._rehearsed = np.random.default_rng(0).standard_normal((probe.n_samples, probe.n_channels))

    def push(self, hop: FloatArray) -> None:
        """Refuse: hops come only where windows slide; see `rtbci.probe.branches.Branch.push`."""
        raise ConfigError(
            f"branch '{self.name}': got a hop of {len(hop)} samples, need windows that are locked to flashes; set "
            "policy = 'marker' in the recipe's [window]"
        )

    def logits(self) -> FloatArray | None:
        """None: windows do not slide; see `rtbci.probe.branches.Branch.logits`."""
        return None

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Zero for a nontarget, the score for a target; see `rtbci.probe.branches.Branch.logits_of`."""
        if window.ndim != 2 or len(window) < self.window_samples:
            raise ShapeError(
                f"branch '{self.name}': signal has shape {window.shape}, need ({self.window_samples} or more, n_channels)"
            )
        return np.array([0.0, self._probe.score(window[-self.window_samples :])])

    def rehearse(self) -> None:
        """Score noise; see `rtbci.probe.branches.Branch.rehearse`."""
        self._probe.score(self._rehearsed)

    def reset(self) -> None:
        """There is nothing to forget."""


def augmented(template: FloatArray, filtered: FloatArray, shrinkage: float) -> FloatArray:
    """Shrunk covariance of templates and filtered epoch together, shape (n, n).

    Parameters
    ----------
    template : ndarray of float64, shape (n_templates, n_samples)
    filtered : ndarray of float64, shape (n_filters, n_samples)
    shrinkage : float
    """
    both = np.concatenate((template, filtered))
    both = both - both.mean(axis=1, keepdims=True)
    return shrink(both @ both.T / both.shape[1], shrinkage)
