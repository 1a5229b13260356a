"""A guard against artefacts: is the newest signal like this person's clean signal? Samples pass it unchanged."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rtbci.errors import ConfigError, SignalError
from rtbci.stages.filter import SosFilter
from rtbci.stages.potato import Potato, combined_p, p_of_z
from rtbci.stages.stage import FloatArray, check_chunk

__all__ = ["Group", "Guard"]

Z_CLEAN = 3.0
"""What a block may be off in each group to be learnt from."""
N_KEPT = 256
"""Blocks whose probability is known: 64 s, more than any window is long."""
FILTER_ORDER = 2


class Group(NamedTuple):
    """Channels that are judged together, and the band in which; no band: as they come."""

    columns: Sequence[int]
    band_hz: tuple[float, float] | None = None


class Guard:
    """Riemannian potato field on the covariance of the newest second; a `Stage` that changes nothing.

    Parameters
    ----------
    n_channels : int
    rate_hz : float
    groups : sequence of Group
        One potato for each.
    method : {'fisher', 'liptak'}
        How their probabilities become one; see `rtbci.stages.potato`.
    limit : float
        Probability below which a block is no clean one.
    window_s, block_s : float
        A covariance is of the newest `window_s`, renewed every `block_s` at fixed sample indices.
    learn_s : float
        The potatoes are learnt from the stream's first `learn_s`, its outliers left out.
    hold_s : float
        A bad block counts for so long.
    follow_s : float, optional
        Time constant with which clean blocks move the potatoes.
    shrinkage : float
        Share of the scaled identity in the covariances.

    Raises
    ------
    ConfigError
        When a group has no channel or one that is not there, or a time is shorter than a sample.

    Attributes
    ----------
    is_learning : bool
        Until the potatoes are there; nothing is refused.

    Notes
    -----
    For band-passed signals in front of the alignment, which would hide what has changed. `clean` tells of any sample that
    was pushed in the last minute, so that windows are judged by what was known at their end, however the stream was
    cut. Signals of which all is an outlier are learnt from again and again until they are not. Not thread-safe.
    """

    def __init__(
        self,
        n_channels: int,
        rate_hz: float,
        groups: Sequence[Group] = (),
        *,
        method: str = "fisher",
        limit: float = 1e-3,
        window_s: float = 1.0,
        block_s: float = 0.25,
        learn_s: float = 30.0,
        hold_s: float = 1.0,
        follow_s: float | None = 120.0,
        shrinkage: float = 0.01,
    ) -> None:
        self.n_channels_in = self.n_channels_out = n_channels
        self.rate_in_hz = self.rate_out_hz = rate_hz
        self.delay_s = 0.0
        self._groups = list(groups) or [Group(range(n_channels))]
        self._n_block = round(block_s * rate_hz)
        self._check()
        self._n_blocks = max(1, round(window_s / block_s))
        self._n_learn = max(self._n_blocks, round(learn_s / block_s))
        self._n_hold = round(hold_s * rate_hz)
        self._follow = 0.0 if follow_s is None else 1.0 - float(np.exp(-block_s / follow_s))
        self._method, self._limit, self._shrinkage = method, limit, shrinkage
        self._filters = [
            None
            if one.band_hz is None
            else SosFilter.bandpass(*one.band_hz, rate_hz, len(one.columns), FILTER_ORDER)
            for one in self._groups
        ]
        self.reset()

    @property
    def is_learning(self) -> bool:
        """Whether the potatoes are not there yet."""
        return not self._potatoes

    def push(self, chunk: FloatArray) -> FloatArray:
        """Look at the next samples and give them back; see `Stage.push`."""
        check_chunk("Guard", chunk, self.n_channels_in)
        i = 0
        while i < len(chunk):
            n = min(len(chunk) - i, self._n_block - self._n_filled)
            self._block[self._n_filled : self._n_filled + n] = chunk[i : i + n]
            self._n_filled += n
            self._n_seen += n
            i += n
            if self._n_filled == self._n_block:
                self._close_block()
        return chunk

    def clean(self, n_samples: int) -> float:
        """How clean the signal was in the last `hold_s` before the sample `n_samples`, counted from the last gap.

        Returns
        -------
        float
            1 where every block had at least the probability `limit`; else the worst one's share of it, 0 to 1.
        """
        worst = 1.0
        for i_end, p in reversed(self._judged):
            if i_end <= n_samples - self._n_hold - self._n_block:
                break
            if i_end <= n_samples:
                worst = min(worst, p / self._limit)
        return worst

    def judged_since(self, n_samples: int) -> list[tuple[int, float]]:
        """Blocks that ended behind so many samples of the last minute: samples up to each one's end, and its probability."""
        return [one for one in self._judged if one[0] > n_samples]

    def reset(self) -> None:
        """Forget everything, also what was learnt."""
        self._potatoes: list[Potato] = []
        self._learnt: list[list[FloatArray]] = [[] for _ in self._groups]
        self.skip_gap()

    def skip_gap(self) -> None:
        """Begin anew behind a gap; what was learnt of the person stays."""
        self._block = np.zeros((self._n_block, self.n_channels_in))
        self._n_filled = self._n_seen = 0
        self._moments: list[deque[FloatArray]] = [deque(maxlen=self._n_blocks) for _ in self._groups]
        self._judged: deque[tuple[int, float]] = deque(maxlen=N_KEPT)
        for one in self._filters:
            if one is not None:
                one.reset()

    def i_newest(self, i_out: int) -> int:
        """See `Stage.i_newest`: a sample in, a sample out."""
        return i_out

    def _close_block(self) -> None:
        self._n_filled = 0
        for moments, covariance in zip(self._moments, self._block_moments(), strict=True):
            moments.append(covariance)
        if len(self._moments[0]) < self._n_blocks:
            return
        covariances = [self._regular(np.sum(list(one), axis=0) / self._n_blocks) for one in self._moments]
        if self._potatoes:
            self._judge(covariances)
            return
        for kept, one in zip(self._learnt, covariances, strict=True):
            kept.append(one)
        if len(self._learnt[0]) >= self._n_learn:
            self._learn()

    def _block_moments(self) -> list[FloatArray]:
        found = []
        for group, band in zip(self._groups, self._filters, strict=True):
            part = np.ascontiguousarray(self._block[:, list(group.columns)])
            part = part if band is None else band.push(part)
            found.append(part.T @ part / self._n_block)
        return found

    def _regular(self, moment: FloatArray) -> FloatArray:
        """Of full rank; a flat signal gets a tiny covariance, which is far from any clean one."""
        n = len(moment)
        level = max(float(np.trace(moment)) / n, 1e-12)
        return np.asarray((1.0 - self._shrinkage) * moment + self._shrinkage * level * np.eye(n))

    def _learn(self) -> None:
        try:
            self._potatoes = [Potato.fit(np.stack(one), Z_CLEAN) for one in self._learnt]
        except SignalError:
            self._potatoes = []
        self._learnt = [[] for _ in self._groups]

    def _judge(self, covariances: Sequence[FloatArray]) -> None:
        z = [float(potato.z(one)) for potato, one in zip(self._potatoes, covariances, strict=True)]
        p = combined_p([p_of_z(one) for one in z], self._method)
        self._judged.append((self._n_seen, p))
        if self._follow and max(z) < Z_CLEAN and p >= self._limit:
            self._potatoes = [
                potato.moved(one, self._follow)
                for potato, one in zip(self._potatoes, covariances, strict=True)
            ]

    def _check(self) -> None:
        columns = [column for group in self._groups for column in group.columns]
        if any(not len(group.columns) for group in self._groups) or not all(
            0 <= one < self.n_channels_in for one in columns
        ):
            raise ConfigError(
                f"Guard: groups have the columns {[list(one.columns) for one in self._groups]}, need one or more of "
                f"{self.n_channels_in} in each"
            )
        if self._n_block < 1:
            raise ConfigError(
                f"Guard: block_s is shorter than a sample, need at least {1.0 / self.rate_in_hz:g} s"
            )
