"""A chain of stages that looks at its electrodes while it runs, and does without those that give no EEG."""

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.stages.adapter import SpectroSpatialAdapter
from rtbci.stages.align import RunningAlign
from rtbci.stages.fill import Fill
from rtbci.stages.infer import Filled, fill_matrix
from rtbci.stages.judge import BLOCK_S, N_SUSPECT, REASONS, ElectrodeJudge
from rtbci.stages.learnt_covariance import LearntCovariance
from rtbci.stages.reference import AverageReference, NamedReference
from rtbci.stages.stage import Chain, FloatArray, Stage

__all__ = ["N_CHANGES", "MaskChange", "MaskedChain"]

RIDGE = 0.01
"""Added to the good electrodes' covariance, as a share of their mean power, before it is inverted."""
MIN_KNOWN = 0.5
"""A required electrode of which the others tell less than half is a loss that nothing replaces."""
N_CHANGES = 1000


class MaskChange(NamedTuple):
    """An electrode that is replaced from a sample on, or no longer.

    Parameters
    ----------
    i_sample : int
        Raw sample, counted from the last reset or gap.
    channel : int
        Of the chain behind its first stage.
    reason : str
        One of `rtbci.stages.judge.REASONS`; empty when it is good again.
    """

    i_sample: int
    channel: int
    reason: str


class MaskedChain(Chain):
    """Stages from a stream's channels to the decoder's, with bad electrodes left out as they turn out to be bad.

    Parameters
    ----------
    stages : sequence of Stage
        The first one, a `SpectroSpatialAdapter`, maps the stream's channels to electrodes in microvolts and has no memory;
        a `Fill` stands behind the filters and in front of reference and alignment.
    required : sequence of int
        Electrodes that the paradigm cannot do without.
    readers : ndarray of bool, shape (n_channels, n_channels), optional
        ``readers[i, j]``: channel i is made up from electrode j, and is bad with it.
    replaces : bool
        False: electrodes are judged, but nothing is replaced.
    has_unit : bool
        False where nobody knows what unit the stream has; see `ElectrodeJudge`.

    Attributes
    ----------
    changes : deque of MaskChange
        Taken off by whoever tells of them; 1000 are kept.

    Notes
    -----
    Electrodes are judged every 0.25 s (`rtbci.stages.judge`), by raw samples and by what the filters leave of them; a
    decision holds from the next sample on, at the same sample however the stream is cut. The filters go on for bad
    electrodes too, so that one that is good again has no transient. What replaces them is their conditional mean given
    the good ones, by the covariance that the alignment has learnt so far (`rtbci.stages.infer.fill_matrix`); the
    alignment takes back the blocks in which the fault was not known yet, and counts what the good ones cannot tell.
    While more than half are bad it learns nothing. Without an alignment the chain learns a covariance by itself
    (`rtbci.stages.learnt_covariance`), from blocks in which every electrode is good; until it has one, a bad electrode is
    the mean of the good ones.

    A sample that is not finite makes its electrode bad at once; what is decoded in its place is the newest sample of the
    stream's channel that was, so that electrodes which are made up from several stay finite too.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        required: Sequence[int] = (),
        readers: npt.NDArray[np.bool_] | None = None,
        *,
        replaces: bool = True,
        has_unit: bool = True,
    ) -> None:
        super().__init__(stages)
        self._i_fill, self._fill = next((i, one) for i, one in enumerate(stages) if isinstance(one, Fill))
        self._align = next((one for one in stages[self._i_fill :] if isinstance(one, RunningAlign)), None)
        n = self._fill.n_channels_in
        self._judge = ElectrodeJudge(n, stages[0].rate_out_hz, has_unit=has_unit)
        self._learnt = (
            LearntCovariance(n, self._fill.rate_in_hz, N_SUSPECT + 1) if self._align is None else None
        )
        self._sources = stages[0].sources if isinstance(stages[0], SpectroSpatialAdapter) else np.arange(n)
        self._required, self._readers = np.array(required, np.intp), readers
        self.can_replace = replaces and (self._align is None or self._align.n_channels_in == n)
        self._reference = self._reference_matrix(n) if self.can_replace else np.eye(n)
        self._held: FloatArray | None = None  # the newest sample of the stream, shape (n_channels_in,)
        self.changes: deque[MaskChange] = deque(maxlen=N_CHANGES)
        self._forget()

    def expect(self, covariance: FloatArray | None) -> None:
        """Take over what the decoder in use was fitted with, from the next block on.

        Its filters know how strong each electrode was then, and what it had in common with the others: an electrode is too
        strong, too weak or unlike the others only where it is so beyond that. Without an alignment this is also what bad
        ones are replaced by, until the chain has learnt more.

        Parameters
        ----------
        covariance : ndarray of float64, shape (n_channels, n_channels), or None
            Second moments in front of reference and alignment, when the decoder was fitted; None where that is not known.
        """
        self._judge.expect(covariance)
        if self._learnt is not None and covariance is not None:
            self._learnt.expect(covariance)

    # -- what is known of the electrodes -------------------------------------------------------------------

    @property
    def bad(self) -> npt.NDArray[np.bool_]:
        """Electrodes that are bad now, shape (n_channels,); those made up from a bad one too."""
        bad = self._judge.bad
        return bad if self._readers is None or not self.any_bad else bad | (self._readers & bad).any(axis=1)

    @property
    def any_bad(self) -> bool:
        """Whether there are any."""
        return self._judge.any_bad

    @property
    def masked(self) -> npt.NDArray[np.bool_]:
        """Electrodes that are replaced now, shape (n_channels,)."""
        return self._masked

    @property
    def score(self) -> float:
        """Share of the electrodes that are good; less where the others cannot replace a required one."""
        if not self.any_bad:
            return 1.0
        score = 1.0 - float(self.bad.mean())
        lost = self._required[self.bad[self._required]]
        if (
            self._filled is not None
            and len(lost)
            and (known := float(self._filled.known[lost].min())) < MIN_KNOWN
        ):
            score = min(score, known)
        return score

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each electrode is bad; empty for the good ones."""
        own = self._judge.reasons
        return tuple(why or (REASONS[1] if bad else "") for why, bad in zip(own, self.bad, strict=True))

    @property
    def spread_uv(self) -> FloatArray:
        """Standard deviation of each electrode in the newest block, less its drift, in microvolts."""
        return self._judge.spread_uv

    @property
    def line_shares(self) -> FloatArray:
        """See `ElectrodeJudge.line_shares`."""
        return self._judge.line_shares

    # -- a stage -------------------------------------------------------------------------------------------

    def push(self, chunk: FloatArray) -> FloatArray:
        """Push `chunk` through all stages; see `Stage.push`."""
        n = len(chunk)
        if n and self._n_left >= n:  # nothing to judge within it
            self._n_left -= n
            return self._through(chunk)
        pieces, i = [], 0
        while i < n:
            if not self._n_left:
                self._close_block()
            taken = min(n - i, self._n_left)
            self._n_left -= taken
            pieces.append(self._through(chunk[i : i + taken]))
            i += taken
        return np.concatenate(pieces) if pieces else super().push(chunk)

    def reset(self) -> None:
        """Reset all stages, and forget which electrodes are bad."""
        super().reset()
        self._judge.reset()
        if self._learnt is not None:
            self._learnt.reset()
        self._forget()

    def skip_gap(self) -> None:
        """Begin anew behind a gap; which electrodes are bad stays known."""
        super().skip_gap()
        self._judge.skip_gap()
        if self._learnt is not None:
            self._learnt.take_back()  # whether there was a fault in it is not seen any more
        self._begin_block()
        self._n_in, self._held = 0, None

    def _forget(self) -> None:
        self._masked = np.zeros(self._fill.n_channels_in, bool)
        self._noticed = self._masked  # bad, whether there was something to replace them by or not
        self._filled: Filled | None = None
        self.changes.clear()
        self._n_in, self._held = 0, None
        self._begin_block()

    def _begin_block(self) -> None:
        self._n_left = self._judge.n_block
        self._raw: list[FloatArray] = []
        self._heard: list[FloatArray] = []
        self._holes = np.zeros(self._fill.n_channels_in, bool)

    def _through(self, chunk: FloatArray) -> FloatArray:
        """Push samples, of which there are some, within a block."""
        raw = self.stages[0].push(chunk)
        # One sum of squares tells of any that is not finite; only then is it looked for.
        if math.isfinite(np.vdot(raw, raw)):
            self._held = chunk[-1].copy()
            return self._onward(raw)
        holes = ~np.isfinite(chunk)
        patched = self._patched(chunk, holes)
        self._held = patched[-1]
        return self._around(self.stages[0].push(patched), holes[:, self._sources] & (self._sources >= 0))

    def _around(self, raw: FloatArray, holes: npt.NDArray[np.bool_]) -> FloatArray:
        """Go on with electrodes of which some samples are held ones; those are bad from there on."""
        fresh = (holes & ~self._judge.bad).any(axis=1)
        if not fresh.any():
            self._holes |= holes.any(axis=0)
            return self._onward(raw)
        first = int(fresh.argmax())
        before = [self._around(raw[:first], holes[:first])] if first else []
        self._judge.condemn(holes[first] & ~self._judge.bad)
        self._renew(2 * BLOCK_S)
        return np.concatenate([*before, self._around(raw[first:], holes[first:])])

    def _onward(self, raw: FloatArray) -> FloatArray:
        self._n_in += len(raw)
        self._raw.append(raw)
        outputs = [raw]
        for i, stage in enumerate(self.stages[1:], 1):
            if i == self._i_fill:
                self._heard.append(raw.copy() if stage is self.stages[-1] else raw)  # that one gives it away
            raw = stage.push(raw)
            outputs.append(raw)
        if self.listener is not None:
            self.listener(outputs)
        return raw

    def _patched(self, chunk: FloatArray, holes: npt.NDArray[np.bool_]) -> FloatArray:
        """With the newest finite sample of its channel, or 0, wherever one is not."""
        held = np.zeros(chunk.shape[1]) if self._held is None else self._held
        line = np.vstack((np.where(np.isfinite(held), held, 0.0), np.where(holes, 0.0, chunk)))
        newest = np.where(np.vstack((np.zeros_like(holes[:1]), holes)), 0, np.arange(len(line))[:, None])
        return np.take_along_axis(line, np.maximum.accumulate(newest, axis=0), axis=0)[1:]

    # -- decisions -----------------------------------------------------------------------------------------

    def _close_block(self) -> None:
        heard = np.concatenate(self._heard) if self._heard else np.empty((0, self._fill.n_channels_in))
        changed = self._judge.look(np.concatenate(self._raw), heard, self._holes)
        self._begin_block()
        if self._learnt is not None and self.can_replace and not self._judge.any_bad:
            self._learnt.push(heard)
        if changed or (self.can_replace and (self.bad != self._masked).any()):
            self._renew((N_SUSPECT + 1) * BLOCK_S)

    def _renew(self, unnoticed_s: float) -> None:
        """Replace what is bad now; a fault that is new has been in the signal for up to `unnoticed_s`."""
        bad, reasons = self.bad, self.reasons
        told = self._replace(bad, unnoticed_s) if self.can_replace else self._masked
        for channel in np.flatnonzero(told != self._masked):
            self.changes.append(
                MaskChange(self._n_in, int(channel), reasons[channel] if told[channel] else "")
            )
        self._masked = told.copy()

    def _replace(self, bad: npt.NDArray[np.bool_], unnoticed_s: float) -> npt.NDArray[np.bool_]:
        """Give fill and alignment what they need; which electrodes are replaced now."""
        align = self._align
        is_new = bool((bad & ~self._noticed).any())
        self._noticed = bad.copy()
        if align is not None:
            if is_new:
                align.take_back(unnoticed_s)
            align.is_learning = bool(bad.mean() <= 0.5)
        covariance = self._known_covariance(is_new)
        if not bad.any() or bad.all() or covariance is None:
            self._filled = None
        else:
            self._filled = fill_matrix(covariance, ~bad, RIDGE)
        if align is not None:
            unknown = None if self._filled is None else self._filled.unknown
            align.suppose(None if unknown is None else self._reference @ unknown @ self._reference.T)
        self._fill.use(None if self._filled is None else self._filled.matrix, fade=not is_new)
        return bad if self._filled is not None else np.zeros_like(bad)

    def _known_covariance(self, is_new: bool) -> FloatArray | None:
        """Of the electrodes; without an alignment what was learnt here, and all alike until that is enough."""
        if self._align is not None:
            return self._align.shrunk_covariance
        assert self._learnt is not None
        if is_new:
            self._learnt.take_back()
        learnt = self._learnt.covariance
        return np.eye(self._fill.n_channels_in) if learnt is None else learnt

    def _reference_matrix(self, n: int) -> FloatArray:
        """What the references between fill and alignment do, as a matrix."""
        samples = np.eye(n)
        for stage in self.stages[self._i_fill :]:
            if isinstance(stage, AverageReference | NamedReference):
                samples = stage.push(samples)
        return samples.T
