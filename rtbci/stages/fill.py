"""The place in a chain where bad electrodes are replaced by what the good ones say."""

import numpy as np

from rtbci.stages.stage import FloatArray, check_chunk

__all__ = ["Fill"]

FADE_S = 0.1
"""An electrode that is good again comes back over this time, so that there is no step between what was inferred and it."""


class Fill:
    """Mix channels by a matrix that may change between two pushes; a `Stage`, without one it does nothing.

    Parameters
    ----------
    n_channels : int
    rate_hz : float

    Notes
    -----
    Its owner is a `rtbci.stages.mask.MaskedChain`, which pushes to it and changes its matrix. Not thread-safe.
    """

    def __init__(self, n_channels: int, rate_hz: float) -> None:
        self.n_channels_in = self.n_channels_out = n_channels
        self.rate_in_hz = self.rate_out_hz = rate_hz
        self.delay_s = 0.0
        self._n_fade = max(1, round(FADE_S * rate_hz))
        self._now: FloatArray | None = None  # transposed, and what was in its place before
        self._before: FloatArray | None = None
        self._n_left = 0

    def use(self, matrix: FloatArray | None, *, fade: bool) -> None:
        """Mix by another matrix from the next sample on.

        Parameters
        ----------
        matrix : ndarray of float64, shape (n_channels, n_channels), or None
            ``chunk @ matrix.T``; None: as it comes.
        fade : bool
            Go over to it in `FADE_S`, not at once.
        """
        self._before, self._n_left = self._now, self._n_fade if fade else 0
        self._now = None if matrix is None else np.ascontiguousarray(matrix.T)

    def push(self, chunk: FloatArray) -> FloatArray:
        """Replace in the next samples; see `Stage.push`."""
        check_chunk("Fill", chunk, self.n_channels_in)
        mixed = chunk if self._now is None else chunk @ self._now
        return mixed if not self._n_left else self._faded(chunk, mixed)

    def reset(self) -> None:
        """Forget the matrix."""
        self._now = self._before = None
        self._n_left = 0

    def skip_gap(self) -> None:
        """Behind a gap nothing is faded; the matrix stays."""
        self._n_left = 0

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`: a sample in, a sample out."""
        return i_out

    def _faded(self, chunk: FloatArray, mixed: FloatArray) -> FloatArray:
        n = min(len(chunk), self._n_left)
        before = chunk[:n] if self._before is None else chunk[:n] @ self._before
        share = (self._n_left - np.arange(n, dtype=np.float64))[:, np.newaxis] / (self._n_fade + 1)
        self._n_left -= n
        out = mixed.copy()
        out[:n] += share * (before - mixed[:n])
        return out
