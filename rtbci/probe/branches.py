"""What a decoder's branch is: it sees every hop of the signal and gives logits for the newest window. And those with an engine.

`push` does the work that is cached (encoding, covariances, powers), `logits` only the head, so that the
pipeline can time the two apart.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rtbci.backends.session import Session
from rtbci.encoder.features import FeatureRing
from rtbci.errors import EngineError, ShapeError
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.encoder_adapter import adapted_signal, encode_patch, encoder_adapter
from rtbci.probe.flicker_clock import FlickerClock
from rtbci.probe.window_head import WindowHead, finite
from rtbci.stages.patches import PatchSlicer
from rtbci.stages.stage import Float32Array, FloatArray, check_chunk

__all__ = [
    "Branch",
    "EncoderBranch",
    "Following",
    "Lasting",
    "Refusing",
    "Succeeding",
    "WindowBranch",
    "begin_again",
    "follow_flicker",
]

MIN_PROB = 1e-12
"""Below this a probability counts as this, so that its logarithm is finite."""


LOG_MIN_PROB = math.log(MIN_PROB)


class Branch(Protocol):
    """One way from the decoder's signal to logits.

    Attributes
    ----------
    name : str
        Its name in the profile.
    window_samples : int
        Samples that a decision is about.
    """

    name: str
    window_samples: int

    def push(self, hop: FloatArray) -> None:
        """Take the next hop.

        Parameters
        ----------
        hop : ndarray of float64, shape (hop_samples, n_channels)
            At the decoder's rate, contiguous with the hop before; not kept, not written to.

        Raises
        ------
        ShapeError
            When the hop has another shape.
        """
        ...

    def logits(self) -> FloatArray | None:
        """Logits of the newest window, shape (n_classes,), a fresh array; None until a window is full.

        Also None while the engine gives what is not a number.
        """
        ...

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Logits of the last window of a signal, without touching the branch's own state.

        Parameters
        ----------
        window : ndarray of float64, shape (n_samples, n_channels)
            At least `window_samples` samples. Filters inside the branch start at the first sample
            given: with the whole signal since `reset` the result is what `logits` gives after it, bit for
            bit; with the window alone it differs by the filters' transient, if the branch has filters.

        Returns
        -------
        ndarray of float64, shape (n_classes,)

        Raises
        ------
        ShapeError
            When there are too few samples.
        """
        ...

    def rehearse(self) -> None:
        """Do once what a hop costs, as far as that is possible without changing anything."""
        ...

    def reset(self) -> None:
        """Forget all hops."""
        ...


@runtime_checkable
class Lasting(Protocol):
    """A branch that knows more than its window: a gap in the stream does not end it."""

    def skip_gap(self) -> None:
        """Forget the window, keep what was learnt before it."""
        ...


@runtime_checkable
class Succeeding(Protocol):
    """A branch that goes on with what the one before it has learnt of the stream, when its profile takes over."""

    def succeed(self, earlier: "Branch") -> None:
        """Take over from the branch in use so far, whose newest hop is this one's too."""
        ...


@runtime_checkable
class Refusing(Protocol):
    """A branch that looks whether a full window is a signal at all.

    Attributes
    ----------
    is_refused : bool
        Whether the newest window is full and nothing is said of it.
    """

    is_refused: bool


@runtime_checkable
class Following(Protocol):
    """A branch that reads what happens beside the signal: the phase of the flicker."""

    reads_phase: bool

    def follow(self, clock: FlickerClock) -> None:
        """Read it from a clock that its owner tells of every hop and marker."""
        ...

    def agreement(self, shifts_s: FloatArray) -> FloatArray | None:
        """How well the newest window agrees with templates, were the flicker's own time so much later, shape (n_shifts,).

        Of the target that agrees best; None where the phase is not known.
        """
        ...


def follow_flicker(branches: Sequence[Branch], clock: FlickerClock) -> bool:
    """Give branches that read the flicker's phase a clock, to be told of every hop and marker; returns whether any does."""
    following = [branch for branch in branches if isinstance(branch, Following)]
    for branch in following:
        branch.follow(clock)
    return bool(following)


def begin_again(branches: Sequence[Branch], *, is_gap: bool) -> None:
    """Reset branches; behind a gap those that last keep what they have learnt."""
    for branch in branches:
        if is_gap and isinstance(branch, Lasting):
            branch.skip_gap()
        else:
            branch.reset()


class EncoderBranch:
    """A patch encoder with its probe: one patch is encoded per hop, in each of its views, the older ones are cached.

    Parameters
    ----------
    session : Session
        Engine of input shape (1, n_channels, patch_samples) and output (1, n_summary, n_features).
    probe : ConvProbe
        Reads the window's features: of each patch those of all views, side by side.
    hop_samples : int
        Must divide a patch: the number of phase-shifted feature grids is their ratio.
    name : str
        Name in the profile.
    adapter : array_like, shape (n_views * n_electrodes, n_channels), optional
        Spatial filters between the decoder's channels and the engine's electrodes, learned with the probe (the
        1x1 convolution of conv-linear-probing); see `rtbci.probe.encoder_adapter` for views. None: the engine sees the
        channels as they are.
    adapter_fir : array_like, shape (n_views * n_electrodes, n_taps), optional
        Causal taps of each electrode, tap 0 meets the newest sample. Their past before the first hop is the
        first sample.

    Raises
    ------
    EngineError
        When engine, adapter, probe and hop do not fit each other.
    """

    def __init__(
        self,
        session: Session,
        probe: ConvProbe,
        hop_samples: int,
        name: str = "encoder",
        adapter: npt.ArrayLike | None = None,
        adapter_fir: npt.ArrayLike | None = None,
    ) -> None:
        _, n_electrodes, patch_samples = session.input_shape
        self._make_adapter = partial(encoder_adapter, adapter, adapter_fir, n_electrodes, name)
        self._adapter = self._make_adapter()
        n_rows = n_electrodes if self._adapter is None else self._adapter.n_channels_out
        n_features = n_rows // n_electrodes * int(np.prod(session.output_shape[1:]))
        if n_features != probe.n_features or patch_samples % hop_samples:
            raise EngineError(
                f"branch '{name}': engine gives {n_features} features of {patch_samples} samples, the probe reads "
                f"{probe.n_features} and a hop has {hop_samples} samples; need the engine that the profile was made with"
            )
        self.name, self._session, self._probe, self._hop_samples = name, session, probe, hop_samples
        self.window_samples = probe.n_patches * patch_samples
        self._slicer = PatchSlicer(patch_samples, hop_samples, n_channels=n_rows)
        self._ring = FeatureRing(n_features, probe.n_patches, patch_samples // hop_samples)
        self._idle = np.zeros((n_rows, patch_samples), np.float32)
        self._unread: dict[int, Float32Array] = {}  # patches of skipped hops, by their place in the ring
        self.newest: Float32Array | None = None  # features that the newest hop added

    def push(self, hop: FloatArray) -> None:
        """Encode the patch that this hop completes, and those of its window that were skipped; see `Branch.push`."""
        for patch in self._patches(hop):
            self.newest = encode_patch(self._session, patch)
            self._ring.push(self.newest)
            if self._unread:
                self._encode_skipped()

    def skip(self, hop: FloatArray) -> None:
        """Keep the patch that this hop completes until a window needs its features; see `rtbci.probe.skipping`."""
        for patch in self._patches(hop):
            self._unread[self._ring.n_pushed] = patch
            self._ring.skip()
            self._forget_old()

    def logits(self) -> FloatArray | None:
        """Only the probe; see `Branch.logits`."""
        return finite(self._probe.logits(self._ring.window())) if self._ring.filled else None

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Encode the last window's patches one by one; see `Branch.logits_of`."""
        adapted = adapted_signal(self._make_adapter(), window, self._hop_samples)
        last = _last_window(self.name, adapted, self.window_samples)
        patches = last.astype(np.float32).reshape(self._probe.n_patches, -1, last.shape[1]).transpose(0, 2, 1)
        features = [encode_patch(self._session, np.ascontiguousarray(patch)) for patch in patches]
        return self._probe.logits(np.stack(features))

    def rehearse(self) -> None:
        """Encode a patch of zeros and read the probe; see `Branch.rehearse`."""
        encode_patch(self._session, self._idle)
        self.logits()

    def reset(self) -> None:
        """Forget all hops."""
        if self._adapter is not None:
            self._adapter.reset()
        self._slicer.reset()
        self._ring.reset()
        self._unread.clear()
        self.newest = None

    def _patches(self, hop: FloatArray) -> npt.NDArray[np.float32]:
        if self._adapter is not None:
            check_chunk(f"branch '{self.name}'", hop, self._adapter.n_channels_in)
            hop = self._adapter.push(hop)
        return self._slicer.push(hop)

    def _encode_skipped(self) -> None:
        """Encode what the newest window still lacks, oldest first."""
        ring = self._ring
        self._forget_old()
        if ring.filled:
            i_newest = ring.n_pushed - 1
            for i in range(i_newest - (ring.n_patches - 1) * ring.n_phases, i_newest, ring.n_phases):
                if (patch := self._unread.pop(i, None)) is not None:
                    ring.put(i, encode_patch(self._session, patch))

    def _forget_old(self) -> None:
        """Let go of patches that no window will hold."""
        self._unread.pop(self._ring.n_pushed - self._ring.n_patches * self._ring.n_phases - 1, None)


class WindowBranch:
    """An engine that needs the whole window at every hop, because it mixes time.

    Parameters
    ----------
    session : Session
        Engine of input shape (1, n_channels, window_samples) and output (1, n_classes).
    meaning : {'logits', 'probs', 'features'}
        What the engine gives; of probabilities the logarithm is taken, features are read by the head.
    name : str
        Name in the profile.
    head : WindowHead, optional
        Reads features; not used for anything else.

    Raises
    ------
    EngineError
        When the engine gives something else, or features and there is no head.
    """

    def __init__(
        self, session: Session, meaning: str, name: str = "window", head: WindowHead | None = None
    ) -> None:
        if meaning not in ("logits", "probs") and (head is None or meaning != "features"):
            raise EngineError(
                f"branch '{name}': engine gives {meaning!r}, need 'logits' or 'probs', or a head for features; name another "
                "engine, or calibrate"
            )
        self._head = head if meaning == "features" else None
        _, n_channels, self.window_samples = session.input_shape
        self.name, self._session = name, session
        self._meaning: Literal["logits", "probs"] = "probs" if meaning == "probs" else "logits"
        # Mirrored like `rtbci.stream.ring.Ring`, but channels first and float32, as the engine takes it: a hop is
        # turned once when it comes, not a whole window when a decision waits for it.
        self._rows = np.zeros((n_channels, 2 * self.window_samples), np.float32)
        self._n_pushed = 0
        self._output: FloatArray | None = None
        self.newest: FloatArray | None = None  # what the engine gave for the newest window

    def push(self, hop: FloatArray) -> None:
        """Run the engine on the newest window; see `Branch.push`."""
        self._write(hop)
        if self._n_pushed >= self.window_samples:
            self.newest = self._output = self._newest_output()

    def skip(self, hop: FloatArray) -> None:
        """Take the hop and leave the engine alone; see `rtbci.probe.skipping`."""
        self._write(hop)
        self.newest = self._output = None

    def _write(self, hop: FloatArray) -> None:
        check_chunk(f"branch '{self.name}'", hop, self._rows.shape[0])
        n, start = self.window_samples, self._n_pushed % self.window_samples
        first = min(len(hop), n - start)
        for rows, part in ((start, hop[:first]), (0, hop[first:])):
            for copy in (rows, rows + n):
                self._rows[:, copy : copy + len(part)] = part.T
        self._n_pushed += len(hop)

    def logits(self) -> FloatArray | None:
        """What the engine gave; see `Branch.logits`."""
        return None if self._output is None else finite(self._as_logits(self._output))

    def logits_of(self, window: FloatArray) -> FloatArray:
        """Run the engine on the last window; see `Branch.logits_of`."""
        return self._as_logits(self._run(_last_window(self.name, window, self.window_samples)))

    def rehearse(self) -> None:
        """Run the engine on the window before; see `Branch.rehearse`."""
        if self._n_pushed >= self.window_samples:
            self._newest_output()

    def reset(self) -> None:
        """Forget all hops."""
        self._n_pushed = 0
        self._output = self.newest = None

    def _newest_output(self) -> FloatArray:
        i = self._n_pushed % self.window_samples
        window = np.ascontiguousarray(self._rows[:, i : i + self.window_samples])
        return self._engine_output(window[np.newaxis])

    def _run(self, window: FloatArray) -> FloatArray:
        return self._engine_output(np.ascontiguousarray(window.T, dtype=np.float32)[np.newaxis])

    def _engine_output(self, x: Float32Array) -> FloatArray:
        return self._session.run(x).astype(np.float64).ravel()

    def _as_logits(self, output: FloatArray) -> FloatArray:
        if self._head is not None:
            return self._head.logits(output)
        if self._meaning == "logits":
            return output.copy()
        return np.array([math.log(prob) if not prob < MIN_PROB else LOG_MIN_PROB for prob in output.tolist()])


def _last_window(name: str, signal: FloatArray, window_samples: int) -> FloatArray:
    if signal.ndim != 2 or signal.shape[0] < window_samples:
        raise ShapeError(
            f"branch '{name}': signal has shape {signal.shape}, need ({window_samples} or more, n_channels)"
        )
    return signal[-window_samples:]
