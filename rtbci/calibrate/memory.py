"""The newest seconds of a stream as a decoder saw it, in a fixed amount of memory."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtbci.stages.stage import FloatArray
from rtbci.stream.ring import Ring

__all__ = ["KEEP_S", "StreamMemory", "StreamShape"]

KEEP_S = 20.0
"""Trials of 4 s whose cue comes 10 s late still fit."""


class StreamShape(NamedTuple):
    """Sizes of what is kept.

    Parameters
    ----------
    raw_hz : float
        Rate of the stream.
    n_raw_channels, n_channels : int
        Channels of the stream, and of the decoder.
    hop_s : float
    hop_samples : int
        A hop at the decoder's rate.
    n_branches, n_classes : int
    """

    raw_hz: float
    n_raw_channels: int
    n_channels: int
    hop_s: float
    hop_samples: int
    n_branches: int
    n_classes: int


class StreamMemory:
    """Rings of raw samples, and of hops with what was said at each; all since the stream last began.

    Parameters
    ----------
    shape : StreamShape
    keep_s : float
        Seconds kept.

    Attributes
    ----------
    t_first : float or None
        Stamp of the first raw sample since construction or `restart`, in seconds; None before it.
    was_restarted : bool
        Whether the stream was there before that, and was interrupted.

    Notes
    -----
    38 channels at 160 Hz, decoder of 31 at 256 Hz: 2.5 MB. One thread at a time.
    """

    def __init__(self, shape: StreamShape, keep_s: float = KEEP_S) -> None:
        self.shape, self.keep_s = shape, keep_s
        n_raw, n_hops = int(keep_s * shape.raw_hz) + 1, int(keep_s / shape.hop_s) + 1
        self._raw_uv = Ring(n_raw, shape.n_raw_channels, np.float32)
        self._t_raw = Ring(n_raw, 1)
        self._signal = Ring(n_hops * shape.hop_samples, shape.n_channels, np.float32)
        self._t_hops = Ring(n_hops, 1)
        self._branch_logits = Ring(n_hops, shape.n_branches * shape.n_classes)
        self._logits = Ring(n_hops, shape.n_classes)
        self._flicker_s = Ring(n_hops, 1)
        self._rings = (
            self._raw_uv,
            self._t_raw,
            self._signal,
            self._t_hops,
            self._branch_logits,
            self._logits,
            self._flicker_s,
        )
        self.t_first: float | None = None
        self.was_restarted = False

    @property
    def t_raw_newest(self) -> float:
        """Stamp of the newest raw sample in seconds; minus infinity when there is none."""
        return float(self._t_raw.newest(1)[0, 0]) if self._t_raw.n_held else -np.inf

    @property
    def t_hop_newest(self) -> float:
        """Stamp of the newest raw sample of the newest hop, likewise."""
        return float(self._t_hops.newest(1)[0, 0]) if self._t_hops.n_held else -np.inf

    def push_raw(self, data_uv: FloatArray, t_lsl: FloatArray) -> None:
        """Keep raw samples, shape (n_samples, n_raw_channels), and their stamps."""
        if self.t_first is None and len(t_lsl):
            self.t_first = float(t_lsl[0])
        self._raw_uv.write(data_uv)
        self._t_raw.write(t_lsl[:, None])

    def push_hop(
        self,
        hop: npt.NDArray[np.float32],
        t_newest: float,
        branch_logits: FloatArray,
        logits: FloatArray,
        flicker_s: float = math.nan,
    ) -> None:
        """Keep a hop, shape (hop_samples, n_channels), its stamp and what was said; NaN where nothing was.

        `flicker_s` is the flicker's own time, NaN where it is not known.
        """
        self._signal.write(hop)
        self._t_hops.write(np.array([[t_newest]]))
        self._branch_logits.write(branch_logits.reshape(1, -1))
        self._logits.write(logits.reshape(1, -1))
        self._flicker_s.write(np.array([[flicker_s]]))

    def i_hop_until(self, t_lsl: float) -> int:
        """Number, since the stream began, of the newest hop whose stamp is not after a time; -1: none is kept."""
        held = self._t_hops.newest(self._t_hops.n_held)[:, 0]
        n = int(np.searchsorted(held, t_lsl, side="right"))
        return self._t_hops.n_written - len(held) + n - 1 if n else -1

    def holds_hop(self, i_hop: int) -> bool:
        """Whether a hop is still kept."""
        return i_hop >= self._t_hops.n_written - self._t_hops.n_held

    def stamps(self, i_start: int, i_stop: int) -> FloatArray:
        """Stamps of hops, shape (n_hops,); a copy, as all that follows."""
        return np.array(self._t_hops.range(i_start, i_stop)[:, 0])

    def signal(self, i_start: int, i_stop: int) -> npt.NDArray[np.float32]:
        """The decoder's signal in hops, shape (n_hops * hop_samples, n_channels)."""
        n = self.shape.hop_samples
        return np.array(self._signal.range(i_start * n, i_stop * n))

    def branch_logits(self, i_start: int, i_stop: int) -> FloatArray:
        """What the branches said at hops, shape (n_hops, n_branches, n_classes)."""
        said = self._branch_logits.range(i_start, i_stop)
        return np.array(said).reshape(i_stop - i_start, self.shape.n_branches, self.shape.n_classes)

    def logits(self, i_start: int, i_stop: int) -> FloatArray:
        """Fused logits at hops, shape (n_hops, n_classes)."""
        return np.array(self._logits.range(i_start, i_stop))

    def flicker_s(self, i_start: int, i_stop: int) -> FloatArray:
        """Flicker's own time at hops, shape (n_hops,)."""
        return np.array(self._flicker_s.range(i_start, i_stop)[:, 0])

    def raw(self, t_start: float, t_stop: float) -> tuple[npt.NDArray[np.float32], FloatArray]:
        """Raw samples stamped from `t_start` to `t_stop`, as far as they are kept.

        Returns
        -------
        raw_uv : ndarray of float32, shape (n_samples, n_raw_channels)
        t_lsl : ndarray of float64, shape (n_samples,)
        """
        n = self._t_raw.n_held
        # Stamps may jitter: all up to the first one behind the end, so that later samples change nothing.
        reached = np.maximum.accumulate(self._t_raw.newest(n)[:, 0])
        first = int(np.searchsorted(reached, t_start, side="left"))
        last = int(np.searchsorted(reached, t_stop, side="right"))
        i = self._t_raw.n_written - n
        span = (i + first, i + last)
        return np.array(self._raw_uv.range(*span)), np.array(self._t_raw.range(*span)[:, 0])

    def restart(self) -> None:
        """Forget everything: the stream begins anew behind an interruption."""
        self.was_restarted = self.was_restarted or self.t_first is not None
        self.t_first = None
        for ring in self._rings:
            ring.reset()
