"""Running Euclidean alignment: whiten by the covariance of everything that came before."""

from collections import deque

import numpy as np

from rtbci.errors import ConfigError, ShapeError
from rtbci.stages.stage import FloatArray, check_chunk

__all__ = ["RunningAlign", "inverse_root"]

N_RECENT = 16
"""Blocks whose weights are still open: their median power says which of them are artefacts."""

MIN_RMS = 0.1
"""Least scale of the first block, in the input's unit (microvolts); EEG has 1 to 20 in any band of interest."""
CAP = 4.0
"""A block counts for at most this many times the median power of the recent blocks.

Of the blocks of 25 EEGMMIDB subjects (38 channels, 8-30 Hz, 250 ms) 0.7 % are above it,
with 3 % of the power.
"""


class RunningAlign:
    """Multiply by the inverse square root of the running covariance; a `Stage`.

    Parameters
    ----------
    n_channels : int
        Columns of every chunk.
    rate_hz : float
        Sampling rate.
    block_s : float
        The covariance is renewed every `block_s` seconds, at fixed sample indices.
    shrinkage : float
        Share of the scaled identity in the covariance, 0 to 1. Above 0 for average-referenced or
        interpolated data, which are rank deficient.
    time_constant_s : float, optional
        Blocks lose weight by ``exp(-age / time_constant_s)``. Default: all blocks count the same.
    warm_start : (ndarray, float), optional
        A covariance of shape (n_channels, n_channels) in the square of the input's unit, and the seconds
        of signal that it counts for: for instance `covariance` and `weight_s` of an earlier run.
    prior_s : float
        The scaled identity additionally counts as this many seconds of signal: in the first seconds a
        covariance of many channels cannot be known, and inverting it would amplify what it has not seen.

    Raises
    ------
    ConfigError
        When a setting is out of range.
    ShapeError
        When the covariance of `warm_start` does not fit `n_channels`.

    Attributes
    ----------
    is_learning : bool
        Blocks that end while it is False are not counted.

    Notes
    -----
    Euclidean alignment (He and Wu 2020, IEEE TBME 67:399, doi 10.1109/TBME.2019.2913914), made causal: with
    S_b the second moment of block b (band-passed data: no mean is taken off), every sample of block b is
    multiplied by ``R^(-1/2)``, where ``R = (1 - s) mean(S_0 .. S_(b-1)) + s I trace / n_channels``.
    The output is dimensionless, of power 1 per channel.

    Until the first block is complete there is no R (unless warm-started): samples are divided by the
    root-mean-square over all channels and all samples so far, so that their scale is right from the start; by no
    less than `MIN_RMS`, since a filter that starts from the first sample begins with zeros and rounding errors.

    Artefacts: a block whose trace is above `CAP` times the median trace of the 16 newest blocks is scaled
    down to that; while a block is among the 16 newest, its weight is judged again with each new block, so
    that a first block full of movement is put right after two more. A warm start has two votes in the median.
    Blocks that are zero everywhere, or not finite, are not counted.

    The eigendecomposition is done by the push that brings the first sample of the next block, not by the one
    that completes a block: a decision that falls on the end of a block does not wait for it.
    Any chunking gives the same blocks. Not thread-safe.
    """

    def __init__(
        self,
        n_channels: int,
        rate_hz: float,
        block_s: float = 0.25,
        shrinkage: float = 0.05,
        time_constant_s: float | None = None,
        warm_start: tuple[FloatArray, float] | None = None,
        prior_s: float = 1.0,
    ) -> None:
        _check_settings(n_channels, rate_hz, block_s, shrinkage, time_constant_s, prior_s)
        self.n_channels_in = self.n_channels_out = n_channels
        self.rate_in_hz = self.rate_out_hz = rate_hz
        self.delay_s = 0.0
        self._n_block = round(block_s * rate_hz)
        self._block_s = self._n_block / rate_hz
        self._shrinkage = shrinkage
        self._prior = prior_s / self._block_s
        self._keep = 1.0 if time_constant_s is None else float(np.exp(-self._block_s / time_constant_s))
        self._warm = None if warm_start is None else _checked(warm_start, n_channels)
        self.reset()

    @property
    def covariance(self) -> FloatArray | None:
        """Mean second moment of all complete blocks before shrinkage, a copy; None when there is none yet.

        Shape (n_channels, n_channels), in the square of the input's unit.
        """
        total, weight = self._moments()
        return total / weight if weight > 0 else None

    @property
    def recent_covariance(self) -> FloatArray | None:
        """Mean second moment of the newest 16 blocks, artefacts capped, a copy; None until there are as many."""
        if len(self._recent) < N_RECENT:
            return None
        return np.asarray(np.einsum("b,bij->ij", self._shares(), np.stack(self._recent)) / N_RECENT)

    @property
    def shrunk_covariance(self) -> FloatArray | None:
        """The covariance that it whitens by from the next block on, shrunk, a copy; None when there is none yet."""
        return None if self._weight <= 0.0 and not self._recent else self._shrunk()

    @property
    def weight_s(self) -> float:
        """Seconds of signal that `covariance` counts for."""
        return self._moments()[1] * self._block_s

    def push(self, chunk: FloatArray) -> FloatArray:
        """Whiten the next samples; see `Stage.push`."""
        check_chunk("RunningAlign", chunk, self.n_channels_in)
        out = np.empty(chunk.shape)
        i = 0
        while i < chunk.shape[0]:
            if self._n_filled == self._n_block:
                self._close_block()
            n = min(chunk.shape[0] - i, self._n_block - self._n_filled)
            part = self._block[self._n_filled : self._n_filled + n]
            part[:] = chunk[i : i + n]
            out[i : i + n] = self._scaled(part) if self._whitener is None else part @ self._whitener
            self._n_filled += n
            i += n
        return out

    def reset(self) -> None:
        """Forget all blocks; what the warm start gave stays."""
        n = self.n_channels_in
        self._block = np.zeros((self._n_block, n))
        self._n_filled = 0
        self._power = 0.0  # sum over samples of the current block, used until there is a whitener
        self._recent: deque[FloatArray] = deque()  # second moments, oldest first
        self._total = np.zeros((n, n))  # weighted sum of the blocks older than those, and its weight
        self._weight = 0.0
        self._votes: list[float] = []
        self._whitener: FloatArray | None = None
        self._unknown: FloatArray | None = None
        self.is_learning = True
        if self._warm is not None:
            covariance, weight_s = self._warm
            self._weight = weight_s / self._block_s
            self._total = covariance * self._weight
            self._votes = [float(np.trace(covariance))] * 2
            self._whitener = self._inverse_root()

    def skip_gap(self) -> None:
        """Begin a new block, as after a gap in the stream; what is known of the covariance stays."""
        if self._n_filled == self._n_block:
            self._close_block()
        self._n_filled = 0
        self._power = 0.0

    def take_back(self, seconds: float) -> None:
        """Count the newest blocks not at all, as when they turn out to hold a fault; whitens without them at once.

        Parameters
        ----------
        seconds : float
            From the newest sample back; the block that is not complete begins anew. Blocks older than the 16 newest
            stay counted.
        """
        filled_s = self._n_filled / self.rate_in_hz
        n = min(len(self._recent), max(0, int(np.ceil((seconds - filled_s) / self._block_s))))
        for _ in range(n):
            self._recent.pop()
        self._n_filled, self._power = 0, 0.0
        if n:
            known = self._weight > 0.0 or self._recent
            self._whitener = self._inverse_root() if known else None

    def suppose(self, unknown: FloatArray | None) -> None:
        """Add a covariance to every block from now on.

        For channels that are replaced by what others say of them: what those do not tell would be missing in the
        covariance, and with time be blown up. With it a block counts as the expectation of what it would have been.

        Parameters
        ----------
        unknown : ndarray of float64, shape (n_channels, n_channels), or None
            In the square of the input's unit; None: nothing.
        """
        self._unknown = unknown

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`: a sample in, a sample out."""
        return i_out

    def _scaled(self, part: FloatArray) -> FloatArray:
        """First block: divide by the root-mean-square so far; `part` is its newest samples."""
        power = self._power + np.cumsum(np.einsum("ij,ij->i", part, part))
        self._power = float(power[-1])
        n_seen = np.arange(self._n_filled + 1, self._n_filled + 1 + part.shape[0])
        rms = np.sqrt(power / (n_seen * self.n_channels_in))
        return np.asarray(part / np.maximum(rms, MIN_RMS)[:, np.newaxis])

    def _close_block(self) -> None:
        self._n_filled = 0
        self._power = 0.0
        if not self.is_learning:
            return
        moment = self._block.T @ self._block / self._n_block
        if self._unknown is not None:
            moment += self._unknown
        if not 0.0 < np.trace(moment) < np.inf:
            return
        self._total *= self._keep
        self._weight *= self._keep
        self._recent.append(moment)
        if len(self._recent) > N_RECENT:
            kept = self._keep**N_RECENT
            share = float(self._shares()[0])
            self._total += self._recent.popleft() * (share * kept)
            self._weight += kept
        self._learn()
        self._whitener = self._inverse_root()

    def _learn(self) -> None:
        """For other means than the arithmetic one: called when a block was counted."""

    def _shares(self) -> FloatArray:
        """Factor of each recent block, shape (n_recent,): 1, or less where its power is capped."""
        traces = np.array([np.trace(moment) for moment in self._recent])
        votes = np.sort(np.concatenate((self._votes, traces)))
        # The upper median: of two blocks the larger is believed; too small a scale would blow up the output.
        shares: FloatArray = np.minimum(1.0, CAP * votes[votes.size // 2] / traces)
        return shares

    def _moments(self) -> tuple[FloatArray, float]:
        """Weighted sum of all blocks and the sum of their weights; fresh arrays."""
        total, weight = self._total.copy(), self._weight
        if self._recent:
            ages = np.arange(len(self._recent))[::-1]
            kept = self._keep**ages
            for moment, factor in zip(self._recent, self._shares() * kept, strict=True):
                total += factor * moment
            weight += float(kept.sum())
        return total, weight

    def _inverse_root(self) -> FloatArray:
        """``R^(-1/2)`` of the shrunk covariance, shape (n_channels, n_channels), symmetric."""
        shrunk = self._shrunk()
        floor = 1e-9 * np.trace(shrunk) / len(shrunk)
        return inverse_root(shrunk, floor)  # the floor only matters without shrinkage

    def _shrunk(self) -> FloatArray:
        """R, shape (n_channels, n_channels)."""
        total, weight = self._moments()
        n = self.n_channels_in
        identity = self._shrinkage + (1.0 - self._shrinkage) * self._prior / (self._prior + weight)
        level = np.trace(total) / weight / n
        return np.asarray((1.0 - identity) * total / weight + identity * level * np.eye(n))


def inverse_root(matrix: FloatArray, floor: float) -> FloatArray:
    """``matrix^(-1/2)`` of a symmetric matrix, shape (n, n), eigenvalues below `floor` raised to it."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors / np.sqrt(np.maximum(values, floor))) @ vectors.T)


def _check_settings(
    n_channels: int,
    rate_hz: float,
    block_s: float,
    shrinkage: float,
    time_constant_s: float | None,
    prior_s: float,
) -> None:
    where = "RunningAlign"
    if n_channels < 1 or not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ConfigError(
            f"{where}: n_channels is {n_channels} and rate_hz {rate_hz:g}, need 1 or more and above 0"
        )
    if not (np.isfinite(block_s) and round(block_s * rate_hz) >= 1):
        raise ConfigError(f"{where}: block_s is {block_s:g}, need at least one sample, {1.0 / rate_hz:g} s")
    if not 0.0 <= shrinkage <= 1.0:
        raise ConfigError(f"{where}: shrinkage is {shrinkage:g}, need 0 to 1")
    if time_constant_s is not None and not (np.isfinite(time_constant_s) and time_constant_s > 0):
        raise ConfigError(f"{where}: time_constant_s is {time_constant_s:g}, need a number above 0, or None")
    if not (np.isfinite(prior_s) and prior_s >= 0):
        raise ConfigError(f"{where}: prior_s is {prior_s:g}, need 0 or more")


def _checked(warm_start: tuple[FloatArray, float], n_channels: int) -> tuple[FloatArray, float]:
    covariance, weight_s = np.array(warm_start[0], dtype=np.float64), float(warm_start[1])
    if covariance.shape != (n_channels, n_channels):
        raise ShapeError(
            f"RunningAlign: warm_start has a covariance of shape {covariance.shape}, "
            f"need ({n_channels}, {n_channels})"
        )
    if not (
        np.isfinite(covariance).all() and np.trace(covariance) > 0 and np.isfinite(weight_s) and weight_s > 0
    ):
        raise ConfigError(
            "RunningAlign: warm_start has a covariance that is not finite or without power, or a weight_s "
            "not above 0; need those of an earlier run"
        )
    return (covariance + covariance.T) / 2.0, weight_s
