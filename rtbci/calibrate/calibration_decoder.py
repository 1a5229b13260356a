"""A decoder that remembers the newest seconds of its stream, so that calibration trials can be cut out of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rtbci.calibrate.cutter import TrialCutter, check_sliding, timing_of
from rtbci.calibrate.memory import KEEP_S, StreamMemory, StreamShape
from rtbci.errors import ConfigError, RtbciError
from rtbci.probe.listened import ListenedBranch
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.verdict import Verdict
from rtbci.stages.stage import FloatArray
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import Marker, StreamInfo

__all__ = ["CalibrationDecoder"]

LONGEST_PUSH_S = 1.0


class CalibrationDecoder(Decoder):
    """A decoder that remembers the newest seconds and lets a cutter take trials out of them.

    Parameters
    ----------
    *args, **settings
        See `Decoder`.

    Attributes
    ----------
    keep : callable or None
        Given every hop, its newest stamp, and whether the stream began anew with it; see `rtbci.calibrate.hops.HopLog`.
    on_marker : callable or None
        Given every marker that reaches the decoder, in its thread.

    Notes
    -----
    Works wherever a decoder does: in a `rtbci.runtime.live.LiveRun`, and over recordings. It collects samples until a
    hop is complete and pushes them together: no decision comes later, and its numbers are the same to the bit
    however the stream was chunked. (A matrix product of other rows may round otherwise.)
    """

    needs_every_window = True  # trials, and the log of hops

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._cutter: TrialCutter | None = None
        self._memory: StreamMemory | None = None
        self._left, self._t_left = np.empty((0, 0)), np.empty(0)  # samples of a hop that is not complete
        self._begins = True
        self.keep: Callable[[npt.NDArray[np.float32], float, bool], None] | None = None
        self.on_marker: Callable[[Marker], None] | None = None

    def mark(self, marker: Marker) -> None:
        """Take a marker of the experiment; see `Decoder.mark`."""
        super().mark(marker)
        if self.on_marker is not None:
            self.on_marker(marker)

    @property
    def memory(self) -> StreamMemory:
        """What is kept of the open stream.

        Raises
        ------
        RtbciError
            When none is open.
        """
        if self._memory is None:
            raise RtbciError(
                "CalibrationDecoder: no stream is open, need its metadata first; call open(info)"
            )
        return self._memory

    @property
    def n_needed(self) -> int:
        """Samples to push until the next window is complete, at least 1."""
        return max(1, super().n_needed - len(self._t_left))

    def attach(self, cutter: TrialCutter) -> None:
        """Let a cutter take trials from the next `open` on.

        Raises
        ------
        ConfigError
            When its timing is not that of the paradigm's windows.
        """
        timing, needed = cutter.timing, timing_of(self.recipe, cutter.timing.imagery_s)
        if timing != needed:
            raise ConfigError(
                f"CalibrationDecoder: trials have windows of {timing.window_s:g} s every {timing.hop_s:g} s, paradigm "
                f"'{self.recipe.name}' needs {needed.window_s:g} s every {needed.hop_s:g} s; take its timing"
            )
        self._cutter, self._memory = cutter, None

    def open(self, info: StreamInfo, unit: str = "") -> ChannelMap:
        """Get ready for a stream; see `Decoder.open`. Trials of a stream before it are rejected: ``stream lost``."""
        check_sliding(self.recipe)
        channel_map = super().open(info, unit)
        self._forget_left()
        self._listen()
        pipeline = self.pipeline
        shape = StreamShape(
            raw_hz=info.rate_hz,
            n_raw_channels=info.n_channels,
            n_channels=len(self.recipe.input.channels),
            hop_s=pipeline.grid.hop / pipeline.rate_out_hz,
            hop_samples=pipeline.grid.hop,
            n_branches=len(pipeline.branches),
            n_classes=len(self.classes),
        )
        self._memory = StreamMemory(shape, self._cutter.keep_s if self._cutter else KEEP_S)
        if self._cutter is not None:
            self._cutter.opened(self._memory)
        return channel_map

    def push(self, data: FloatArray, t_lsl: FloatArray) -> list[Verdict]:
        """Decode the next samples and cut what trials they complete; see `Decoder.push`."""
        n_most = max(1, int(LONGEST_PUSH_S * self.memory.shape.raw_hz))
        verdicts: list[Verdict] = []
        for i in range(0, len(data), n_most):
            verdicts += self._push(data[i : i + n_most], t_lsl[i : i + n_most])
            if self._cutter is not None:
                self._cutter.cut()
        return verdicts

    def restart(self) -> None:
        """Start anew after a gap; see `Decoder.restart`. Trials that have begun are rejected: ``gap``."""
        if self._cutter is not None:
            self._cutter.interrupted()
        super().restart()
        self._forget_left()
        self.memory.restart()

    def reset(self) -> None:
        """Forget everything about the stream; trials that have begun are rejected as by `restart`."""
        if self._cutter is not None:
            self._cutter.interrupted()
        super().reset()
        self._forget_left()
        self.memory.restart()

    def swap_profile(self, profile: Any) -> None:
        """Use another profile; see `Decoder.swap_profile`. No trial is answered by two: pending ones are rejected."""
        super().swap_profile(profile)
        if self._memory is not None:
            self._listen()
        if self._cutter is not None:
            self._cutter.abandon("profile swapped")

    def _push(self, data: FloatArray, t_lsl: FloatArray) -> list[Verdict]:
        self.memory.push_raw(data * self.gains_uv, t_lsl)
        data, t_lsl = np.concatenate([self._left, data]), np.concatenate([self._t_left, t_lsl])
        verdicts: list[Verdict] = []
        i = 0
        while len(data) - i >= (n := super().n_needed):
            new = super().push(data[i : i + n], t_lsl[i : i + n])
            self._remember(new)
            verdicts += new
            i += n
        self._left, self._t_left = data[i:].copy(), t_lsl[i:].copy()
        return verdicts

    def _remember(self, verdicts: list[Verdict]) -> None:
        n_classes = len(self.classes)
        nothing = np.full(n_classes, np.nan)
        for hop, verdict, *said in zip(self._hops, verdicts, *self._said, strict=True):
            estimate = verdict.estimate
            branch_logits = np.array([nothing if one is None else one for one in said])
            logits = nothing if estimate.logits is None else estimate.logits
            self.memory.push_hop(hop, estimate.t_window[1], branch_logits, logits, estimate.flicker_s)
            if self.keep is not None:
                self.keep(hop, estimate.t_window[1], self._begins)
            self._begins = False
        self._hops.clear()
        for one in self._said:
            one.clear()

    def _listen(self) -> None:
        pipeline = self.pipeline
        self._hops: list[npt.NDArray[np.float32]] = []
        self._said: list[list[FloatArray | None]] = [[] for _ in pipeline.branches]
        pipeline.branches = tuple(
            ListenedBranch(branch, said, self._hops if i == 0 else None)
            for i, (branch, said) in enumerate(zip(pipeline.branches, self._said, strict=True))
        )

    def _forget_left(self) -> None:
        n = self.pipeline.n_channels_in
        self._begins = True
        self._left, self._t_left = np.empty((0, n)), np.empty(0)
