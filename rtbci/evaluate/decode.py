"""Running the decoder over recordings as fast as it can: the same object, stages and windows as live."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rtbci.errors import EngineError
from rtbci.probe.listened import ListenedBranch
from rtbci.replay.recording import Recording
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import StreamInfo

__all__ = ["HopDecoder", "Windows", "decode_run"]

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Windows:
    """Every window that the decoder made of one run, in time order.

    Parameters
    ----------
    t_first, t_newest : ndarray of float64, shape (n_windows,)
        Stamps of the first and newest raw sample, in seconds from the run's first sample.
    logits : ndarray of float64, shape (n_windows, n_classes)
        Fused, recentred where the recipe says so, before the temperature; NaN while no window is full.
    probs : ndarray of float64, shape (n_windows, n_classes)
        As the decoder gives them; NaN while no window is full.
    decisions : tuple of str or None
        What the decoder's own policy decided at each window.
    """

    t_first: FloatArray
    t_newest: FloatArray
    logits: FloatArray
    probs: FloatArray
    decisions: tuple[str | None, ...]

    @property
    def full(self) -> npt.NDArray[np.bool_]:
        """Which windows were full, shape (n_windows,)."""
        return np.asarray(np.isfinite(self.probs).all(axis=1))


def decode_run(decoder: Decoder, run: Recording) -> Windows:
    """Decode a run from a fresh start of the stream.

    Raises
    ------
    RtbciError
        What the decoder says of a stream that it cannot use.
    EngineError
        When it gives numbers that are not finite.
    """
    estimates = [(one.estimate, one.decision) for one in decoder.decode(run)]
    n_classes = len(decoder.classes)
    nothing = np.full(n_classes, np.nan)
    full = [one.probs is not None for one, _ in estimates]
    probs = [nothing if one.probs is None else one.probs for one, _ in estimates]
    logits = [nothing if one.logits is None else one.logits for one, _ in estimates]
    windows = Windows(
        t_first=np.array([one.t_window[0] for one, _ in estimates]),
        t_newest=np.array([one.t_window[1] for one, _ in estimates]),
        logits=np.array(logits).reshape(-1, n_classes),
        probs=np.array(probs).reshape(-1, n_classes),
        decisions=tuple(decision for _, decision in estimates),
    )
    if not np.array_equal(windows.full, np.array(full, dtype=bool)):
        raise EngineError(
            f"decoder of '{decoder.recipe.name}': gives probabilities that are not finite on '{run.name}', need "
            "numbers; check the weights, train again"
        )
    return windows


class HopDecoder(Decoder):
    """A decoder that keeps what its branches see and say, for calibrators that refit them.

    Attributes
    ----------
    hops : list of ndarray of float32, shape (hop_samples, n_channels)
        Every hop of the decoder's signal since `open`; window `i` ends with hop `i`.
    branch_logits : list of list of ndarray or None
        For each branch, what it said at every window.
    """

    def open(self, info: StreamInfo, unit: str = "") -> ChannelMap:
        """Get ready for a stream; see `Decoder.open`."""
        channel_map = super().open(info, unit)
        pipeline = self.pipeline
        self.hops: list[Float32Array] = []
        self.branch_logits: list[list[FloatArray | None]] = [[] for _ in pipeline.branches]
        self._i_starts = [0]  # hops at which the stream began anew
        self._hop_shape = (pipeline.grid.hop, pipeline.grid.length // pipeline.grid.hop)
        pipeline.branches = tuple(
            ListenedBranch(branch, said, self.hops if i == 0 else None)
            for i, (branch, said) in enumerate(zip(pipeline.branches, self.branch_logits, strict=True))
        )
        return channel_map

    def restart(self) -> None:
        """Start anew after a gap; see `Decoder.restart`."""
        super().restart()
        self._i_starts.append(len(self.hops))

    def signals(self, i_windows: Sequence[int], context_s: float = 1.0) -> Float32Array:
        """The decoder's signal in windows, and before them for filters inside the branches to settle.

        Parameters
        ----------
        i_windows : sequence of int
            Windows, counted from `open`.
        context_s : float
            Seconds before each window; zeros where the stream began later.

        Returns
        -------
        ndarray of float32, shape (n_windows, n_context + window_samples, n_channels)
        """
        hop, n_hops = self._hop_shape
        n_context = -(-round(context_s * self.rate_hz) // hop)
        found = []
        for i in i_windows:
            start = max((at for at in self._i_starts if at <= i - n_hops + 1), default=0)
            first = max(start, i - n_hops + 1 - n_context)
            signal = np.concatenate(self.hops[first : i + 1])
            n_missing = (n_hops + n_context) * hop - len(signal)
            found.append(np.pad(signal, ((n_missing, 0), (0, 0))))
        return np.stack(found)
