"""From samples to class probabilities: the computation of a decoder, without threads and sockets.

The same pipeline decodes a live stream chunk by chunk and a recording in one push, with the same result.
It reads the clock that it is given only to say how long each part took.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from rtbci.clock import Clock, now
from rtbci.errors import ConfigError
from rtbci.probe.adapt import Adaptation
from rtbci.probe.baseline import Baseline
from rtbci.probe.branches import Branch, Following, Refusing, Succeeding, begin_again, follow_flicker
from rtbci.probe.flicker_clock import FlickerClock
from rtbci.probe.fusion import Fusion
from rtbci.probe.recentre import Recentre
from rtbci.probe.skipping import skip_hop
from rtbci.runtime.digests import Digests
from rtbci.runtime.estimate import Estimate, WindowGrid
from rtbci.runtime.guarding import find_guard
from rtbci.runtime.successor import Successor
from rtbci.stages.align import RunningAlign
from rtbci.stages.marker_windows import DroppedMarker, MarkerWindows
from rtbci.stages.mask import N_CHANGES, MaskChange, MaskedChain
from rtbci.stages.stage import Chain, FloatArray, Stage
from rtbci.stream.ring import Ring
from rtbci.stream.source import Marker

__all__ = ["Pipeline"]

MAX_PUSH_S = 1.0  # longer chunks are cut, so that the ring of stamps need not hold a whole recording
LATE_MARKER_S = 10.0
"""How long after its window's end a marker may still come."""


class Pipeline:
    """Stages, branches and fusion on one stream.

    Parameters
    ----------
    stages : sequence of Stage, or Chain
        From stream channels in the stream's units to the decoder's layout and rate.
    branches : sequence of Branch
        Each sees every sample of the last stage.
    fusion : Fusion
        Combines the branches' logits.
    grid : WindowGrid
        When windows are decoded.
    clock : callable
        For the times in `Estimate` only.
    recentre : Recentre, Adaptation or Baseline, optional
        Takes what earlier windows lean to, or what is usual, off the fused logits.

    Attributes
    ----------
    skips : callable or None
        Asked before each window, by the stamp of its newest sample, whether it is left undecoded. Stages, rings and caches
        see its samples all the same. None, the default: every window is decoded. Windows locked to markers always are.

    Notes
    -----
    Not thread-safe: one thread pushes. Latency added by the stages is `delay_s`.
    """

    def __init__(
        self,
        stages: Sequence[Stage] | Chain,
        branches: Sequence[Branch],
        fusion: Fusion,
        grid: WindowGrid,
        clock: Clock = now,
        recentre: Recentre | Adaptation | Baseline | None = None,
    ) -> None:
        self._chain = stages if isinstance(stages, Chain) else Chain(stages)
        self._electrodes = self._chain if isinstance(self._chain, MaskedChain) else None
        self._guard = find_guard(self._chain.stages)
        self._mask_changes: list[tuple[float, MaskChange]] = []
        self.branches = tuple(branches)
        self._fusion = fusion
        self.grid = grid
        self._clock = clock
        self._recentre = recentre
        for branch in self.branches:
            if branch.window_samples != grid.length:
                raise ConfigError(
                    f"pipeline: branch '{branch.name}' has windows of {branch.window_samples} samples, "
                    f"the paradigm's are {grid.length}; give both the same window"
                )
            branch.reset()  # it may have seen another stream, or this one before it was lost
        self.rate_in_hz = self._chain.rate_in_hz
        self.rate_out_hz = self._chain.rate_out_hz
        self.delay_s = self._chain.delay_s
        length_s = grid.length / self.rate_out_hz
        span_s = length_s + 2 * MAX_PUSH_S + 1.0
        span_s += LATE_MARKER_S + length_s + abs(grid.t_min_s) if grid.marker_policy else 0.0
        self._max_push = max(1, int(MAX_PUSH_S * self.rate_in_hz))
        self._stamps = Ring(int(span_s * self.rate_in_hz) + 16, 1)
        self._hop = np.empty((grid.hop, self._chain.n_channels_out))
        # What new branches are given when a profile is swapped; a second more, for their filters to settle.
        n_recent = -(-(grid.length + int(self.rate_out_hz)) // grid.hop) * grid.hop
        self._recent = Ring(n_recent, self._chain.n_channels_out)
        self._stretch = object()  # another one after every break
        self._marked = self._marker_windows() if grid.marker_policy else None
        self._flicker = FlickerClock(grid.length // grid.hop, grid.hop / self.rate_out_hz)
        self._flickers = follow_flicker(self.branches, self._flicker)
        self._n_hop = 0  # samples in self._hop
        self._n_out = 0  # samples at the decoder's rate since the last reset
        self._spent = [0.0, 0.0, 0.0]
        self.digests: Digests | None = None
        self.skips: Callable[[float], bool] | None = None

    def keep_digests(self) -> None:
        """Have `digests` told of all that is computed from now on."""
        self.digests = Digests(self._chain.stages)
        self._chain.listener = self.digests.note

    @property
    def n_channels_in(self) -> int:
        """Columns of the chunks to push."""
        return self._chain.n_channels_in

    def push(self, data: FloatArray, t_lsl: FloatArray) -> list[Estimate]:
        """Decode the next samples.

        Parameters
        ----------
        data : ndarray of float64, shape (n_samples, n_channels_in)
            As the stream gives them, finite.
        t_lsl : ndarray of float64, shape (n_samples,)
            Their stamps, in seconds.

        Returns
        -------
        list of Estimate
            One for each window that became complete and was not skipped, oldest first.
        """
        if len(data) <= self._max_push:
            return self._push(data, t_lsl)
        estimates: list[Estimate] = []
        for i in range(0, len(data), self._max_push):
            estimates += self._push(data[i : i + self._max_push], t_lsl[i : i + self._max_push])
        return estimates

    def mark(self, marker: Marker) -> None:
        """Take a marker; with the marker policy a window is locked to it. Some say when a flicker began."""
        if self._flickers:
            self._flicker.mark(marker)
        if self._marked is not None:
            self._marked.mark(marker.t_lsl, marker.value)

    def lost_windows(self) -> list[DroppedMarker]:
        """Take the markers since the last call that get no window, oldest first."""
        return [] if self._marked is None else self._marked.pull_dropped()

    def reset(self) -> None:
        """Forget everything: no later window contains anything from before."""
        self._chain.reset()
        if self._recentre is not None:
            self._recentre.reset()
        self._reset_windows()

    @property
    def adaptation(self) -> Adaptation | None:
        """What adapts while in use, if anything does."""
        return self._recentre if isinstance(self._recentre, Adaptation) else None

    @property
    def baseline(self) -> Baseline | None:
        """What is usual for the user, if anything is compared with it; may be put in place of another's."""
        return self._recentre if isinstance(self._recentre, Baseline) else None

    @baseline.setter
    def baseline(self, known: Baseline | None) -> None:
        self._recentre = known

    @property
    def has_window(self) -> bool:
        """Whether a window has been full since the stream began, or since its last break."""
        return self._n_out >= self.grid.length

    @property
    def knows_phase(self) -> bool | None:
        """Whether the flicker's phase is known at the newest hop; None where no branch reads it."""
        return None if self._follower is None else not math.isnan(self._flicker.elapsed_s)

    def phase_agreement(self, shifts_s: FloatArray) -> FloatArray | None:
        """See `rtbci.probe.branches.Following.agreement`; None where no branch reads the phase."""
        return None if self._follower is None else self._follower.agreement(shifts_s)

    @property
    def _follower(self) -> Following | None:
        """The branch that reads the flicker's phase, if one does."""
        return next((one for one in self.branches if isinstance(one, Following) and one.reads_phase), None)

    @property
    def electrodes(self) -> MaskedChain | None:
        """What looks after the electrodes, if anything does."""
        return self._electrodes

    @property
    def can_replace(self) -> bool:
        """Whether electrodes that give nothing are replaced."""
        return self._electrodes is not None and self._electrodes.can_replace

    def mask_changes(self) -> list[tuple[float, MaskChange]]:
        """Take the electrodes that were masked or unmasked since the last call, each with its stamp."""
        found, self._mask_changes = self._mask_changes, []
        return found

    @property
    def recent_covariance(self) -> FloatArray | None:
        """Of the newest seconds in front of the alignment; None without one, and in the first seconds."""
        aligns = [stage for stage in self._chain.stages if isinstance(stage, RunningAlign)]
        return aligns[0].recent_covariance if aligns else None

    @property
    def n_needed(self) -> int:
        """Samples to push until the next window is complete, at least 1; 1 with the marker policy."""
        if self._marked is not None:
            return 1
        i_last = self._n_out + self.grid.hop - 1
        return max(1, self._chain.i_newest(i_last) + 1 - self._stamps.n_written)

    def _reset_windows(self, *, is_gap: bool = False) -> None:
        begin_again(self.branches, is_gap=is_gap)
        if self._marked is not None:
            self._marked.reset()
        self._stamps.reset()
        self._flicker.reset()
        self._recent.reset()
        self._stretch = object()
        self._n_hop = self._n_out = 0
        self._spent = [0.0, 0.0, 0.0]

    def restart(self) -> None:
        """Start anew after a gap: as `reset`, but alignment and recentring keep what they have learnt of this user.

        A covariance or a lean is a long-term mean; a gap ends windows, filters and features, not its validity.
        """
        self._chain.skip_gap()
        self._reset_windows(is_gap=True)

    def rehearse(self) -> None:
        """Do once what a decision costs, without changing anything: see `rtbci.runtime.rehearsal`."""
        for branch in self.branches:
            branch.rehearse()

    def warm(self, successor: Successor, n_hops: int | None = None) -> bool:
        """Give a successor the next of the recent hops that it has not seen.

        Parameters
        ----------
        successor : Successor
            Its branches are pushed to; those in use are not touched.
        n_hops : int, optional
            At most so many; default: all.

        Returns
        -------
        bool
            Whether it has seen everything now, so that `exchange` has nothing left to compute.

        Notes
        -----
        All recent hops are one window and a second. Behind a break, and when the ring has overtaken it, it begins
        anew.
        """
        return successor.see(self._recent, self.grid.hop, self._stretch, n_hops)

    def exchange(self, successor: Successor) -> None:
        """Use a successor from the next hop on, so that no decision is lost; what it has not seen it is given first,
        at once: all of it is a burst of one window's hops, about 20 ms for motor imagery.

        Recentring forgets: other weights lean another way. What a night has said so far stays known.
        """
        self.warm(successor)
        for branch, earlier in zip(successor.branches, self.branches, strict=False):
            if isinstance(branch, Succeeding):
                branch.succeed(earlier)
        self.branches, self._fusion = tuple(successor.branches), successor.fusion
        self._flickers = follow_flicker(self.branches, self._flicker)
        if isinstance(self._recentre, Baseline):
            self._recentre.begin(None if successor.profile is None else successor.profile.baseline)
        elif self._recentre is not None:
            self._recentre.reset()

    def _marker_windows(self) -> MarkerWindows:
        t_min_s, n_channels = self.grid.t_min_s, self._chain.n_channels_out
        t_max_s = t_min_s + self.grid.length / self.rate_out_hz
        return MarkerWindows(t_min_s, t_max_s, self.rate_out_hz, n_channels, LATE_MARKER_S)

    def _push(self, data: FloatArray, t_lsl: FloatArray) -> list[Estimate]:
        t_start = self._clock()
        self._stamps.write(t_lsl[:, None])
        signal = self._chain.push(data)
        if self._electrodes is not None and self._electrodes.changes:
            self._note_changes(self._electrodes)
        self._spent[0] = self._clock() - t_start
        if self._marked is not None:
            return self._decode_marked(signal)
        return self._decode_hops(signal)

    def _note_changes(self, electrodes: MaskedChain) -> None:
        while electrodes.changes:
            change = electrodes.changes.popleft()
            # One that follows on the newest sample holds from the next one on.
            i_sample = min(change.i_sample, self._stamps.n_written - 1)
            self._mask_changes.append((self._stamp(i_sample), change))
        del self._mask_changes[:-N_CHANGES]  # nobody may ask

    def _decode_hops(self, signal: FloatArray) -> list[Estimate]:
        estimates: list[Estimate] = []
        hop, i = self.grid.hop, 0
        while i < len(signal):
            n = min(hop - self._n_hop, len(signal) - i)
            self._hop[self._n_hop : self._n_hop + n] = signal[i : i + n]
            self._n_hop += n
            i += n
            if self._n_hop == hop:
                self._n_hop = 0
                self._n_out += hop
                t_end = self._stamp(self._chain.i_newest(self._n_out - 1))
                if self._flickers:
                    self._flicker.hop(t_end)
                if self.skips is not None and self.skips(t_end):
                    skip_hop(self.branches, self._hop)
                    self._recent.write(self._hop)
                else:
                    estimates.append(self._decode_hop())
        return estimates

    def _decode_hop(self) -> Estimate:
        clock, spent = self._clock, self._spent
        t_start = clock()
        for branch in self.branches:
            branch.push(self._hop)
        t_encoded = clock()
        logits = [branch.logits() for branch in self.branches]
        ready = [one for one in logits if one is not None]
        if self._guard is not None and isinstance(self._recentre, Baseline):
            self._recentre.is_clean = self._guard.clean(self._n_out) >= 1.0
        fused = self._fusion.centred(ready, self._recentre) if len(ready) == len(logits) else None
        probs = None if fused is None else self._fusion.probs(fused)
        spent[1] += t_encoded - t_start
        spent[2] += clock() - t_encoded
        if self.digests is not None:
            self.digests.window(self.branches, logits, fused, probs)
        self._recent.write(self._hop)
        found = self._estimate(self._n_out - 1, fused, probs, None)
        # A full window that the baseline says nothing of waits for a signal to learn from.
        is_unsaid = fused is None and len(ready) == len(logits)
        is_refused = found.is_refused or (
            is_unsaid and self.baseline is not None and self.baseline.is_refused
        )
        return found._replace(flicker_s=self._flicker.elapsed_s, is_refused=is_refused)

    def _decode_marked(self, signal: FloatArray) -> list[Estimate]:
        if self._marked is None:
            return []
        i_out = range(self._n_out, self._n_out + len(signal))
        self._n_out += len(signal)
        t_out = np.array([self._stamp(self._chain.i_newest(i)) for i in i_out])
        estimates: list[Estimate] = []
        for cut in self._marked.push(signal, t_out):
            t_start = self._clock()
            logits = [branch.logits_of(cut.window) for branch in self.branches]
            fused = self._fusion.centred(logits, self._recentre)
            probs = None if fused is None else self._fusion.probs(fused)
            self._spent[1] += self._clock() - t_start
            if self.digests is not None:
                self.digests.window(self.branches, logits, fused, probs)
            i_last = cut.i_start + self.grid.length - 1
            estimates.append(self._estimate(i_last, fused, probs, cut.marker))
        return estimates

    def _estimate(
        self, i_last: int, fused: FloatArray | None, probs: FloatArray | None, marker: Marker | None
    ) -> Estimate:
        i_first = max(0, i_last - self.grid.length + 1)
        t_window = (self._stamp(self._chain.i_newest(i_first)), self._stamp(self._chain.i_newest(i_last)))
        filter_s, encode_s, probe_s = self._spent
        self._spent = [0.0, 0.0, 0.0]
        clean = 1.0 if self._guard is None else self._guard.clean(i_last + 1)
        is_refused = probs is None and any(
            isinstance(one, Refusing) and one.is_refused for one in self.branches
        )
        return Estimate(t_window, probs, fused, marker, filter_s, encode_s, probe_s, clean, is_refused)

    def _stamp(self, i_in: int) -> float:
        return float(self._stamps.range(i_in, i_in + 1)[0, 0])
