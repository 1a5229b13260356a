"""A seeded signal without any device, for tests and self-checks.

Not a model of a head (that is `rtbci amp`): each channel is independent noise of about 1/f and a common
alpha rhythm.
"""

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from rtbci.clock import Clock, now, sleep_until
from rtbci.errors import StreamError
from rtbci.stream.pacing import ChunkPace, SleepUntil
from rtbci.stream.source import Channel, Chunk, FloatArray, Marker, Source, StreamInfo

__all__ = ["INDEX_LABEL", "SyntheticSource"]

INDEX_LABEL = "INDEX"
"""Of a channel that holds the number of each sample, so that a decoder can be watched."""
_CORNERS_HZ = (0.5, 2.0, 8.0, 32.0)
"""Corner frequencies of first-order noises of equal variance, whose sum falls about as 1/f between them."""
_BLOCK = 256


class SyntheticSource(Source):
    """1/f noise and alpha in microvolts, the same for the same seed; a `Source`.

    Parameters
    ----------
    labels : sequence of str
        EEG channels.
    rate_hz : float, default 250
        Sampling rate.
    seed : int, default 0
        Of the noise; chunks and pace do not change the samples.
    noise_uv, alpha_uv : float
        Standard deviation of the noise and amplitude of the rhythm, uV.
    alpha_hz : float, default 10
        Frequency of the rhythm.
    index_channel : bool, default False
        Whether a last channel ``INDEX`` of type MISC holds the sample's number, from 0.
    n_samples : int, optional
        Ends after so many; without, never.
    chunk : int, default 8
        Samples a chunk.
    realtime : bool, default True
        Paced by `clock` and stamped with it; otherwise as fast as pulled, stamped from 0.
    name, source_id : str
        Of the stream.
    clock, sleep_until : callable
        For `realtime`.
    """

    def __init__(
        self,
        labels: Sequence[str] = ("C3", "CZ", "C4"),
        rate_hz: float = 250.0,
        *,
        seed: int = 0,
        noise_uv: float = 10.0,
        alpha_uv: float = 8.0,
        alpha_hz: float = 10.0,
        index_channel: bool = False,
        n_samples: int | None = None,
        chunk: int = 8,
        realtime: bool = True,
        name: str = "synthetic",
        source_id: str = "rtbci-synthetic",
        clock: Clock = now,
        sleep_until: SleepUntil = sleep_until,
    ) -> None:
        channels = tuple(Channel(label, "microvolts") for label in labels)
        if index_channel:
            channels += (Channel(INDEX_LABEL, "", "MISC"),)
        self._info = StreamInfo(name, source_id, rate_hz, channels, manufacturer="rtbci")
        self._n_eeg = len(labels)
        self._seed = seed
        self._noise_uv = noise_uv
        self._alpha_uv = alpha_uv
        self._alpha_hz = alpha_hz
        self._n_samples = n_samples
        self._pace = ChunkPace(rate_hz, chunk, realtime=realtime, clock=clock, sleep_until=sleep_until)
        self._is_open = False

    @property
    def info(self) -> StreamInfo:
        """Metadata."""
        return self._info

    def open(self) -> None:
        """Begin at sample 0."""
        self._rng = np.random.default_rng(self._seed)
        decay = np.exp(-2 * np.pi * np.array(_CORNERS_HZ) / self._info.rate_hz)
        self._decay = decay
        self._drive_uv = self._noise_uv * np.sqrt((1 - decay**2) / len(decay))
        # State of each first-order noise, shape (n_noises, n_eeg), as if it had run for ever.
        start_uv = self._noise_uv / np.sqrt(len(decay)) * self._rng.standard_normal((len(decay), self._n_eeg))
        self._state_uv = decay[:, None] * start_uv
        self._made = np.empty((0, self._info.n_channels))
        self._n_made = self._n_given = 0
        self._pace.start()
        self._is_open = True

    def close(self) -> None:
        """Stop; may be called more than once. `open` begins again with the same samples."""
        self._is_open = False

    def pull(self, timeout_s: float) -> Chunk:
        """Return the next samples; see `Source.pull`.

        Raises
        ------
        EOFError
            After `n_samples`.
        StreamError
            When the source is not open.
        """
        if not self._is_open:
            raise StreamError("SyntheticSource: not open; call open first")
        if self._n_samples is not None and self._n_given >= self._n_samples:
            raise EOFError(f"SyntheticSource: ended after {self._n_given} samples")
        n = self._pace.take(timeout_s)
        if self._n_samples is not None:
            n = min(n, self._n_samples - self._n_given)
        while len(self._made) < n:
            self._made = np.concatenate((self._made, self._block()))
        data, self._made = self._made[:n].copy(), self._made[n:]
        stamps = self._pace.t_start_lsl + np.arange(self._n_given, self._n_given + n) / self._info.rate_hz
        self._n_given += n
        return Chunk(data, stamps)

    def pull_markers(self) -> list[Marker]:
        """There are none."""
        return []

    def _block(self) -> FloatArray:
        """Next 256 samples; always so many at once, so that chunks do not change what is drawn."""
        i = np.arange(self._n_made, self._n_made + _BLOCK)
        block = np.empty((_BLOCK, self._info.n_channels))
        eeg = block[:, : self._n_eeg]
        eeg[:] = self._alpha_uv * np.sin(2 * np.pi * self._alpha_hz * i / self._info.rate_hz)[:, None]
        for k, (decay, drive_uv) in enumerate(zip(self._decay, self._drive_uv, strict=True)):
            white = drive_uv * self._rng.standard_normal((_BLOCK, self._n_eeg))
            noise, state = lfilter([1.0], [1.0, -decay], white, axis=0, zi=self._state_uv[k : k + 1])
            self._state_uv[k] = state[0]
            eeg += noise
        block[:, self._n_eeg :] = i[:, None]
        self._n_made += _BLOCK
        return block
