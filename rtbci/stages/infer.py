"""Electrodes that are missing: what the others say of them, by a covariance that is known beforehand."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.errors import ChannelError, ShapeError
from rtbci.stages.align import inverse_root
from rtbci.stages.stage import FloatArray

__all__ = ["Filled", "fill_matrix", "infer_matrix", "measured_covariance", "whitener"]

MIN_SHARE = 1e-9
"""Least share of the layout's power that must be left in what is measured; one electrode less its own mean has 0."""


def measured_covariance(covariance: FloatArray, rows: FloatArray) -> FloatArray:
    """Covariance of what is measured, ``rows @ covariance @ rows.T``.

    Parameters
    ----------
    covariance : ndarray of float64, shape (n, n)
        Of the layout, in microvolts squared.
    rows : ndarray of float64, shape (m, n)
        What is measured as a mixture of the layout: a selection, and the re-reference behind it.

    Returns
    -------
    ndarray of float64, shape (m, m)

    Raises
    ------
    ShapeError
        When `covariance` does not fit `rows`.
    ChannelError
        When nothing is left to infer from.
    """
    n = rows.shape[1]
    if covariance.shape != (n, n):
        raise ShapeError(
            f"measured_covariance: covariance has shape {covariance.shape}, need ({n}, {n}) for a layout of {n} electrodes"
        )
    measured = rows @ covariance @ rows.T
    if not np.trace(measured) > MIN_SHARE * np.trace(covariance):
        raise ChannelError(
            f"measured_covariance: {len(rows)} of {n} electrodes less their reference have no power, need some to infer "
            "the others from; use a montage with more electrodes of the layout"
        )
    return measured


def whitener(covariance: FloatArray, shrinkage: float) -> FloatArray:
    """``((1 - s) C + s I trace(C) / n)^(-1/2)``, shape (n, n): what `RunningAlign` tends to on such data."""
    n = len(covariance)
    level = float(np.trace(covariance)) / n
    shrunk = (1.0 - shrinkage) * covariance + shrinkage * level * np.eye(n)
    return inverse_root(shrunk, 1e-9 * level)


def infer_matrix(covariance: FloatArray, rows: FloatArray, shrinkage: float) -> FloatArray:
    """From the whitened channels that are measured to the whitened channels of the whole layout.

    Parameters
    ----------
    covariance, rows
        See `measured_covariance`.
    shrinkage : float
        Share of the scaled identity in both whiteners, 0 to 1; that of the alignment.

    Returns
    -------
    ndarray of float64, shape (n, m)

    Raises
    ------
    ShapeError, ChannelError
        See `measured_covariance`.

    Notes
    -----
    For x of covariance S and ``y = B x``, ``E[x | y] = S B^T (B S B^T)^(-1) y`` where x is Gaussian, and the best
    linear guess where it is not. With both sides whitened, ``u = W x`` and ``v = V y`` (``W = S^(-1/2)``,
    ``V = (B S B^T)^(-1/2)``, of the shrunk covariances), that is ``E[u | v] = M v`` with ``M = W S B^T V``. But for
    shrinkage ``M^T M`` is the identity on what the reference leaves: M turns the m measured dimensions into the
    layout's space and neither stretches them nor adds any.
    """
    measured = measured_covariance(covariance, rows)
    matrix: FloatArray = whitener(covariance, shrinkage) @ covariance @ rows.T @ whitener(measured, shrinkage)
    return matrix


class Filled(NamedTuple):
    """How bad channels are replaced.

    Parameters
    ----------
    matrix : ndarray of float64, shape (n, n)
        ``x @ matrix.T`` has the good channels as they are and the bad ones as the good ones say; its rows sum to 1.
    unknown : ndarray of float64, shape (n, n)
        Covariance of what that leaves out.
    known : ndarray of float64, shape (n,)
        Share of each channel's power, against the mean of the good ones, that they tell; 1 for the good ones.
    """

    matrix: FloatArray
    unknown: FloatArray
    known: FloatArray


def fill_matrix(covariance: FloatArray, good: npt.NDArray[np.bool_], ridge: float) -> Filled:
    """What the good channels say of the bad ones, by their covariance.

    Parameters
    ----------
    covariance : ndarray of float64, shape (n, n)
        Of all of them, whatever they are referenced to.
    good : ndarray of bool, shape (n,)
        At least one.
    ridge : float
        Share of the mean power of the good ones that is added to each, above 0.

    Raises
    ------
    ChannelError
        When no channel is good.

    Notes
    -----
    With y the good channels less their mean, which does not depend on the reference, a bad one less that mean is taken
    for ``E[x_b | y] = C_by (C_yy + r I)^(-1) y``: the same conditional mean as in `infer_matrix`, in front of the reference
    instead of behind the alignment. Whitened by C both are the same.
    """
    n, n_good = len(covariance), int(good.sum())
    if not n_good:
        raise ChannelError(f"fill_matrix: none of {n} channels is good, need one or more to infer from")
    mean = good / n_good
    less_mean = np.eye(n) - mean
    rows, bad = less_mean[good], ~good
    measured = rows @ covariance @ rows.T
    level = ridge * np.trace(measured) / n_good
    matrix = np.eye(n)
    if level > 0.0:
        across = less_mean[bad] @ covariance @ rows.T
        weights = np.linalg.solve(measured + level * np.eye(n_good), across.T).T
        matrix[bad] = mean + weights @ rows
    else:
        matrix[bad] = mean
    left = np.eye(n) - matrix
    unknown = left @ covariance @ left.T
    total = np.maximum(np.diag(less_mean @ covariance @ less_mean.T), np.finfo(float).tiny)
    known = np.where(good, 1.0, np.clip(1.0 - np.diag(unknown) / total, 0.0, 1.0))
    return Filled(matrix, unknown, known)
