"""A branch that stages sleep: long windows described by features, each judged after those before it."""

import numpy as np
import numpy.typing as npt

from rtbci.errors import ShapeError, SignalError
from rtbci.probe.branches import Branch
from rtbci.probe.epoch_context import NightContext
from rtbci.probe.epoch_features import FEATURES, N_CLASSIC, describe
from rtbci.probe.epoch_heads import EpochHead, TreesHead, log_softmax
from rtbci.stages.stage import FloatArray, check_chunk
from rtbci.stream.ring import Ring

__all__ = ["EpochBranch", "context_names"]

N_RATIOS = 4
"""Of `FEATURES` the ratios of bands are of the first channel only where a window's past is read."""
LEAST_PROB = 1e-12
FLAT_S = 2.0
FLAT_UV = 0.5
"""No scalp EEG stays within so little for so long: the electrode is off, or what came was not a number and is zero here."""


class EpochBranch:
    """Features of the newest window, a head, and a forward filter over windows that do not overlap.

    Windows overlap, so that each hop gives a verdict; two that share samples are no two proofs. So there are as many filters
    as hops in a window, and each sees every window once: a hop's verdict rests on windows end to end, back to the begin.

    Parameters
    ----------
    head : EpochHead
    n_channels, window_samples, hop_samples : int
    rate_hz : float
    transition : array_like, shape (n_classes, n_classes), optional
        Probability of the class of a window (column) after the window before it (row); rows sum to 1.
        None: every window by itself.
    prior : array_like, shape (n_classes,), optional
        How often each class was where the head was fitted; its probabilities are divided by it. Needed with `transition`.
    start : array_like, shape (n_classes,), optional
        Probabilities before the first window, where there is a `transition`. None: those of `prior`.
    name : str
        Name in the profile.

    Raises
    ------
    ShapeError
        When they do not fit each other.
    """

    def __init__(
        self,
        head: EpochHead,
        n_channels: int,
        window_samples: int,
        hop_samples: int,
        rate_hz: float,
        *,
        transition: npt.ArrayLike | None = None,
        prior: npt.ArrayLike | None = None,
        start: npt.ArrayLike | None = None,
        name: str = "epochs",
    ) -> None:
        if window_samples % hop_samples:
            raise ShapeError(
                f"branch '{name}': window has {window_samples} samples and a hop {hop_samples}, need a whole number of hops"
            )
        self.name, self.window_samples = name, window_samples
        self._head, self._n_channels, self._hop_samples, self._rate_hz = (
            head,
            n_channels,
            hop_samples,
            rate_hz,
        )
        self._columns = _context_columns(n_channels) if head.has_context else None
        self._chain = (
            None if transition is None or prior is None else _Chain(transition, prior, start, head.n_classes)
        )
        _check_width(head, n_channels, name)
        self._ring = Ring(window_samples, n_channels)
        self._n_phases = window_samples // hop_samples
        self._i_phase = -1
        self._logits: FloatArray | None = None
        self.newest: FloatArray | None = None  # features of the newest window
        self.is_refused = False  # it is full, and flat somewhere
        self._beliefs: list[FloatArray | None] = []
        self._n_seen: list[int] = []
        self._contexts: list[NightContext | None] = []
        self.reset()

    @property
    def n_epochs(self) -> int:
        """Windows end to end that the newest verdict rests on."""
        return self._n_seen[self._i_phase]

    def push(self, hop: FloatArray) -> None:
        """Describe and judge the window that ends with the hop; see `rtbci.probe.branches.Branch.push`."""
        check_chunk(f"branch '{self.name}'", hop, self._n_channels)
        self._ring.write(hop)
        self._i_phase = (self._i_phase + 1) % self._n_phases
        self.is_refused = self._ring.n_held >= self.window_samples and self._is_flat()
        if self._ring.n_held < self.window_samples:
            return
        if self.is_refused:  # as behind a gap: the night before it stays known
            self._logits = self.newest = None
            return
        i = self._i_phase
        self.newest = self._describe()
        logits = self._head.logits(self._with_past(self.newest, i))
        self._beliefs[i] = (
            log_softmax(logits) if self._chain is None else self._chain.step(self._beliefs[i], logits)
        )
        self._n_seen[i] += 1
        self._logits = self._beliefs[i]

    def logits(self) -> FloatArray | None:
        """Logarithms of the newest window's probabilities; see `rtbci.probe.branches.Branch.logits`."""
        return None if self._logits is None else self._logits.copy()

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Push the signal through a new branch; see `rtbci.probe.branches.Branch.logits_of`."""
        if window.ndim != 2 or len(window) < self.window_samples:
            raise ShapeError(
                f"branch '{self.name}': signal has shape {window.shape}, need ({self.window_samples} or more, n_channels)"
            )
        twin = EpochBranch(
            self._head,
            self._n_channels,
            self.window_samples,
            self._hop_samples,
            self._rate_hz,
            name=self.name,
        )
        twin._chain = self._chain
        for i in range(len(window) % self._hop_samples, len(window), self._hop_samples):
            twin.push(window[i : i + self._hop_samples])
        logits = twin.logits()
        if logits is None:
            raise SignalError(
                f"branch '{self.name}': a channel is flat for {FLAT_S:g} s of the window, need a signal; leave the window out"
            )
        return logits

    def rehearse(self) -> None:
        """Describe the window once more; see `rtbci.probe.branches.Branch.rehearse`."""
        if self._ring.n_held >= self.window_samples:
            self._describe()

    def skip_gap(self) -> None:
        """Forget the window; the night before it stays known."""
        self._ring.reset()
        self._logits, self.newest, self.is_refused = None, None, False

    def succeed(self, earlier: Branch) -> None:
        """Go on with the night of another head; see `rtbci.probe.branches.Succeeding`.

        What its windows up to now said of the stage is what the next ones are judged after. A head that reads the night so
        far gets it from one that did; else its own windows are all that it knows of it.
        """
        if not isinstance(earlier, EpochBranch) or earlier._n_phases != self._n_phases:
            return
        if earlier._head.n_classes != self._head.n_classes or earlier._n_channels != self._n_channels:
            return
        for n_ago in range(self._n_phases):
            i, j = (self._i_phase - n_ago) % self._n_phases, (earlier._i_phase - n_ago) % self._n_phases
            if earlier._beliefs[j] is not None:
                self._beliefs[i], self._n_seen[i] = earlier._beliefs[j], earlier._n_seen[j]
            if self._columns is not None and earlier._contexts[j] is not None:
                self._contexts[i] = earlier._contexts[j]
        if self._logits is not None:
            self._logits = self._beliefs[self._i_phase]

    def reset(self) -> None:
        """Forget all hops."""
        self._ring.reset()
        self._i_phase = -1
        self._logits, self.newest, self.is_refused = None, None, False
        self._beliefs = [None] * self._n_phases
        self._n_seen = [0] * self._n_phases
        self._contexts = [None] * self._n_phases

    def _is_flat(self) -> bool:
        """Whether a channel gives nothing somewhere in the window."""
        piece = min(self.window_samples, round(FLAT_S * self._rate_hz))
        window = self._ring.newest(self.window_samples)[self.window_samples % piece :]
        spread = np.ptp(window.reshape(-1, piece, self._n_channels), axis=1)
        return bool((spread < FLAT_UV).any())

    def _describe(self) -> FloatArray:
        window = self._ring.newest(self.window_samples)
        return np.concatenate([describe(np.ascontiguousarray(column), self._rate_hz) for column in window.T])

    def _with_past(self, features: FloatArray, i_phase: int) -> FloatArray:
        if self._columns is None:
            return features
        context = self._contexts[i_phase]
        if context is None:
            context = self._contexts[i_phase] = NightContext(
                len(self._columns), self.window_samples / self._rate_hz
            )
        return context.push(features[self._columns])


class _Chain:
    """A forward filter over classes."""

    def __init__(
        self, transition: npt.ArrayLike, prior: npt.ArrayLike, start: npt.ArrayLike | None, n_classes: int
    ) -> None:
        self._transition: FloatArray = np.array(transition, dtype=np.float64)
        self._prior: FloatArray = np.array(prior, dtype=np.float64)
        self._start: FloatArray = self._prior if start is None else np.array(start, dtype=np.float64)
        shapes = self._transition.shape, self._prior.shape, self._start.shape
        if shapes != ((n_classes, n_classes), (n_classes,), (n_classes,)):
            raise ShapeError(
                f"branch: transition, prior and start have shapes {shapes}, need ({n_classes}, {n_classes}) and twice ({n_classes},)"
            )
        sums = self._transition.sum(axis=1)
        if not ((self._transition >= 0).all() and np.allclose(sums, 1.0) and (self._prior > 0).all()):
            raise ShapeError("branch: rows of transition must sum to 1, and prior be above 0; train again")

    def step(self, before: FloatArray | None, logits: FloatArray) -> FloatArray:
        """Log-probabilities now, from those of the window before."""
        likelihood = log_softmax(logits) - np.log(self._prior)
        expected = self._start if before is None else np.exp(before) @ self._transition
        return log_softmax(likelihood + np.log(np.maximum(expected, LEAST_PROB)))


def _context_columns(n_channels: int) -> npt.NDArray[np.intp]:
    """Features that trees read: those of Vallat and Walker (2021), ratios of bands of the first channel only."""
    first = FEATURES.index("dt")
    others = [i for i in range(N_CLASSIC) if not first <= i < first + N_RATIOS]
    columns = list(range(N_CLASSIC))
    for channel in range(1, n_channels):
        columns += [channel * len(FEATURES) + i for i in others]
    return np.array(columns)


def context_names(n_channels: int) -> list[str]:
    """Names of what a head with context reads, as Vallat and Walker (2021) call them: ``eeg_sigma_p2min_norm``.

    The first channel is the EEG, the second the EOG.
    """
    plain = [
        f"{('eeg', 'eog')[i // len(FEATURES)]}_{FEATURES[i % len(FEATURES)]}"
        for i in _context_columns(n_channels).tolist()
    ]
    scaled = [f"{name}{ending}" for ending in ("", "_c7min_norm", "_p2min_norm") for name in plain]
    return [*scaled, "time_hour", "time_norm"]


def _check_width(head: EpochHead, n_channels: int, name: str) -> None:
    if isinstance(head, TreesHead):
        n_have, n_need = head.n_features, 3 * len(_context_columns(n_channels)) + 2
        fits = n_have <= n_need
    else:
        n_have, n_need = head.tensors()["mean"].size, n_channels * len(FEATURES)
        fits = n_have == n_need
    if not fits:
        raise ShapeError(
            f"branch '{name}': head reads {n_have} features, {n_channels} channels give {n_need}; need the recipe that it was "
            "made for"
        )
