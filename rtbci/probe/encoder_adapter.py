"""What stands between a decoder's channels and an encoder's electrodes: spatial filters and a short FIR of each.

An adapter may give the encoder's electrodes several times over: each time is a *view* of the signal, which is encoded by
itself, and the features of a patch's views stand side by side. So the shipped decoder sees left and right exchanged, too.
"""

import numpy as np
import numpy.typing as npt

from rtbci.backends.session import Session
from rtbci.encoder.sizes import RATE_HZ
from rtbci.errors import EngineError
from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.stage import Float32Array, FloatArray

__all__ = ["adapted_signal", "encode_patch", "encoder_adapter"]


def encoder_adapter(
    adapter: npt.ArrayLike | None, adapter_fir: npt.ArrayLike | None, n_electrodes: int, name: str
) -> SpectroSpatialAdapter | None:
    """Stage between a decoder's channels and an encoder's electrodes, fresh; None when there is none.

    Parameters
    ----------
    adapter, adapter_fir, name
        See `rtbci.probe.branches.EncoderBranch`.
    n_electrodes : int
        Of the engine.

    Raises
    ------
    EngineError
        When the shapes do not fit the engine.
    """
    if adapter is None and adapter_fir is None:
        return None
    matrix = np.eye(n_electrodes) if adapter is None else np.asarray(adapter, dtype=np.float64)
    fir = None if adapter_fir is None else np.asarray(adapter_fir, dtype=np.float64)
    n_rows = len(matrix)
    if matrix.ndim != 2 or not n_rows or n_rows % n_electrodes or (fir is not None and len(fir) != n_rows):
        raise EngineError(
            f"branch '{name}': adapter has shape {matrix.shape} and FIR {None if fir is None else fir.shape}, need "
            f"({n_electrodes}, n_channels) and ({n_electrodes}, n_taps) for this engine, or a multiple of {n_electrodes} "
            "in both; need the engine that the profile was made with"
        )
    return SpectroSpatialAdapter(matrix, RATE_HZ, fir)


def adapted_signal(adapter: SpectroSpatialAdapter | None, signal: FloatArray, hop_samples: int) -> FloatArray:
    """A whole signal through an adapter hop by hop, as the running branch does it: the same bits.

    Parameters
    ----------
    adapter : SpectroSpatialAdapter or None
        Fresh; None: the signal is returned as it is.
    signal : ndarray of float64, shape (n_samples, n_channels)
        What does not fill a hop is its start.
    hop_samples : int
    """
    if adapter is None or not len(signal):
        return signal
    ends = range(len(signal) % hop_samples or hop_samples, len(signal) + 1, hop_samples)
    starts = [0, *ends[:-1]]
    return np.concatenate([adapter.push(signal[i:j]) for i, j in zip(starts, ends, strict=True)])


def encode_patch(session: Session, patch: Float32Array) -> Float32Array:
    """Features of one patch, those of all its views side by side, a fresh array of shape (n_views * n_features,).

    Parameters
    ----------
    session : Session
        Engine of input shape (1, n_electrodes, patch_samples).
    patch : ndarray of float32, shape (n_views * n_electrodes, patch_samples)
        C-contiguous.
    """
    views = patch.reshape(-1, *session.input_shape)
    return np.stack([session.run(view).ravel().copy() for view in views]).ravel()
