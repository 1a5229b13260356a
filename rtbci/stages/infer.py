"""Electrodes that are missing: what the others say of them, by a covariance that is known beforehand."""

import numpy as np

from rtbci.errors import ChannelError, ShapeError
from rtbci.stages.align import inverse_root
from rtbci.stages.stage import FloatArray

__all__ = ["MIN_SHARE", "infer_matrix", "measured_covariance", "whitener"]

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
